//! How subgraphs are talked to: what holds for all, and what some have of their own.

use super::websocket::Endpoint;
use super::{Client, tls};
use crate::builtin::TOLD;
use crate::error::Error;
use crate::telemetry::REQUEST_ID;
use crate::telemetry::trace::{TRACEPARENT, TRACESTATE};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// Headers that cannot be configured: they frame the request, say what its body and its answer are, or tell of the one
/// request that they belong to.
const OWN: [HeaderName; 19] = [
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::EXPECT,
    header::HOST,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("x-forwarded-for"),
    REQUEST_ID,
    TRACEPARENT,
    TRACESTATE,
    TOLD,
];

/// What of a client's request travels on anyway.
const ALWAYS: [HeaderName; 2] = [header::AUTHORIZATION, header::USER_AGENT];

/// How subgraphs are talked to.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How long one fetch may take, retries included, in milliseconds.
    pub timeout_ms: u64,
    /// How long it may take to open a TCP connection, in milliseconds.
    pub connect_timeout_ms: u64,
    /// The largest answer, or event of a subscription, that is read, in bytes.
    pub max_response_bytes: usize,
    /// How often a failed query fetch is tried again. Mutations are never retried.
    pub retries: usize,
    /// After so many failures in a row the subgraph is left alone for a while; 0 switches that off.
    pub breaker_failures: u32,
    /// How long it is left alone, in milliseconds; then one fetch tries it.
    pub breaker_open_ms: u64,
    /// Whether identical query fetches of the same caller that are in flight at once are sent once. Every header that
    /// travels to subgraphs, but for those of tracing, makes another caller. What is answered may then be as old as the
    /// beginning of the fetch that was joined, but no older than the last mutation that this router sent to the subgraph.
    pub share_in_flight: bool,
    /// The version of HTTP.
    pub http: HttpVersion,
    /// Certificates.
    pub tls: tls::Config,
    /// Headers that every request gets, in place of what else it would send by that name. Those that frame the request or
    /// belong to it alone are refused.
    pub headers: BTreeMap<String, Secret>,
    /// Headers of a client's request, or of the one that opened its socket, that travel on besides `authorization` and
    /// `user-agent`. They make callers different for what is shared.
    pub forward: Vec<String>,
    /// What subgraphs have of their own, by their names.
    pub named: BTreeMap<String, Named>,
}

/// What one subgraph has of its own. It goes before what holds for all; its headers, and those that travel on to it, are
/// added to theirs.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Named {
    /// Where it is reached, in place of what the supergraph says.
    pub url: Option<String>,
    /// Where it takes sockets (ws or wss) for its subscriptions: graphql-transport-ws or graphql-ws, as it chooses. Without,
    /// it is asked for event streams where everything else is asked (GraphQL over SSE, distinct connections mode).
    pub subscription_url: Option<String>,
    /// See [`Config::timeout_ms`].
    pub timeout_ms: Option<u64>,
    /// See [`Config::connect_timeout_ms`].
    pub connect_timeout_ms: Option<u64>,
    /// See [`Config::max_response_bytes`].
    pub max_response_bytes: Option<usize>,
    /// See [`Config::retries`].
    pub retries: Option<usize>,
    /// See [`Config::breaker_failures`].
    pub breaker_failures: Option<u32>,
    /// See [`Config::breaker_open_ms`].
    pub breaker_open_ms: Option<u64>,
    /// See [`Config::share_in_flight`].
    pub share_in_flight: Option<bool>,
    /// See [`Config::http`].
    pub http: Option<HttpVersion>,
    /// See [`Config::tls`]. All of it takes the place of what holds for all.
    pub tls: Option<tls::Config>,
    /// See [`Config::headers`].
    pub headers: BTreeMap<String, Secret>,
    /// See [`Config::forward`]. They travel on to no other subgraph.
    pub forward: Vec<String>,
}

/// Which version of HTTP a subgraph is talked to in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HttpVersion {
    /// HTTP/1.1, or HTTP/2 where the subgraph chooses that when TLS begins (ALPN, RFC 7301). Event streams have a
    /// connection each, of HTTP/1.1.
    #[default]
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, without TLS too ("prior knowledge", RFC 9113, section 3.3; `h2c`): one connection of each thread carries
    /// all fetches that are under way, another all event streams. There may be no more of them than the subgraph allows
    /// on a connection; further ones wait.
    Http2,
}

/// The value of a header, which may be a secret: it is never printed.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "a text, or { env = \"VARIABLE\" }")]
pub enum Secret {
    /// This one.
    Given(String),
    /// What a variable of the environment holds when the router starts.
    Held(Variable),
}

/// A variable of the environment.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// Its name.
    pub env: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            timeout_ms: 30_000,
            connect_timeout_ms: 1_000,
            max_response_bytes: 64 << 20,
            retries: 2,
            breaker_failures: 10,
            breaker_open_ms: 5_000,
            share_in_flight: true,
            http: HttpVersion::default(),
            tls: tls::Config::default(),
            headers: BTreeMap::new(),
            forward: Vec::new(),
            named: BTreeMap::new(),
        }
    }
}

impl Config {
    /// Refuses values that cannot work. Files and variables of the environment are looked at where they are needed: when a
    /// subgraph is made.
    ///
    /// # Errors
    /// [`Error::Config`] names the field.
    pub fn validate(&self) -> Result<(), Error> {
        check("subgraphs", [self.timeout_ms, self.connect_timeout_ms], self.max_response_bytes)?;
        check_headers("subgraphs", &self.headers, &self.forward)?;
        self.tls.validate("subgraphs.tls")?;
        for (name, named) in &self.named {
            let field = format!("subgraphs.named.{name}");
            let times = [named.timeout_ms.unwrap_or(1), named.connect_timeout_ms.unwrap_or(1)];
            check(&field, times, named.max_response_bytes.unwrap_or(1))?;
            check_headers(&field, &named.headers, &named.forward)?;
            named.tls.as_ref().map_or(Ok(()), |tls| tls.validate(&format!("{field}.tls")))?;
        }
        Ok(())
    }

    /// Refuses what is said of subgraphs that are none of these.
    ///
    /// # Errors
    /// [`Error::Config`] names the field.
    pub fn check_names<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Result<(), Error> {
        let names: Vec<_> = names.into_iter().collect();
        match self.named.keys().find(|name| !names.contains(&name.as_str())) {
            Some(name) => Err(Error::Config(format!("subgraphs.named.{name}: there is no such subgraph"))),
            None => Ok(()),
        }
    }

    /// The same with relative paths taken from this folder.
    pub fn relative_to(mut self, folder: &Path) -> Self {
        self.tls.relative_to(folder);
        self.named.values_mut().filter_map(|named| named.tls.as_mut()).for_each(|tls| tls.relative_to(folder));
        self
    }

    /// What holds for one subgraph, but for its headers: [`Config::headers_of`].
    pub(super) fn of(&self, name: &str) -> Self {
        let Some(named) = self.named.get(name) else { return Self { named: BTreeMap::new(), ..self.clone() } };
        Self {
            timeout_ms: named.timeout_ms.unwrap_or(self.timeout_ms),
            connect_timeout_ms: named.connect_timeout_ms.unwrap_or(self.connect_timeout_ms),
            max_response_bytes: named.max_response_bytes.unwrap_or(self.max_response_bytes),
            retries: named.retries.unwrap_or(self.retries),
            breaker_failures: named.breaker_failures.unwrap_or(self.breaker_failures),
            breaker_open_ms: named.breaker_open_ms.unwrap_or(self.breaker_open_ms),
            share_in_flight: named.share_in_flight.unwrap_or(self.share_in_flight),
            http: named.http.unwrap_or(self.http),
            tls: named.tls.clone().unwrap_or_else(|| self.tls.clone()),
            headers: BTreeMap::new(),
            forward: Vec::new(),
            named: BTreeMap::new(),
        }
    }

    /// The headers of clients that travel on to any subgraph.
    pub(crate) fn forwarded(&self) -> Vec<HeaderName> {
        names(self.named.values().flat_map(|named| &named.forward).chain(&self.forward))
    }

    /// Those of them that do not travel on to this one.
    pub(super) fn withheld_from(&self, name: &str) -> Vec<HeaderName> {
        let given = names(self.named.get(name).into_iter().flat_map(|named| &named.forward).chain(&self.forward));
        self.forwarded().into_iter().filter(|name| !given.contains(name)).collect()
    }

    /// Refuses what cannot be used of files and of variables of the environment, before a subgraph needs it.
    ///
    /// # Errors
    /// [`Error::Config`] names the field.
    pub(crate) fn check_sources(&self) -> Result<(), Error> {
        // No subgraph has an empty name: that is all the others.
        for name in self.named.keys().map(String::as_str).chain([""]) {
            self.client(name)?;
            self.endpoint(name)?;
            self.headers_of(name)?;
        }
        Ok(())
    }

    /// The client of one subgraph, if it needs one of its own.
    pub(super) fn client(&self, name: &str) -> Result<Option<Client>, Error> {
        let (config, usual) = (self.of(name), Self::default());
        let asked = (config.http, &config.tls, config.connect_timeout_ms);
        if asked == (usual.http, &usual.tls, usual.connect_timeout_ms) {
            return Ok(None);
        }
        let has_tls = self.named.get(name).is_some_and(|named| named.tls.is_some());
        let field = if has_tls { format!("subgraphs.named.{name}.tls") } else { "subgraphs.tls".to_owned() };
        Client::with(&config).map(Some).map_err(|why| Error::Config(format!("{field}.{why}")))
    }

    /// Where one subgraph takes sockets, if it does.
    pub(super) fn endpoint(&self, name: &str) -> Result<Option<Endpoint>, Error> {
        let url = self.named.get(name).and_then(|named| named.subscription_url.as_deref());
        let endpoint = url.map(|url| Endpoint::new(url, &self.of(name))).transpose();
        endpoint.map_err(|why| Error::Config(format!("subgraphs.named.{name}.subscription_url: {why}")))
    }

    /// The headers that one subgraph gets.
    pub(super) fn headers_of(&self, name: &str) -> Result<HeaderMap, Error> {
        let mut headers = read_headers("subgraphs.headers", &self.headers, HeaderMap::new())?;
        if let Some(named) = self.named.get(name) {
            headers = read_headers(&format!("subgraphs.named.{name}.headers"), &named.headers, headers)?;
        }
        Ok(headers)
    }
}

fn check(field: &str, [timeout_ms, connect_timeout_ms]: [u64; 2], max_response_bytes: usize) -> Result<(), Error> {
    let positive = [
        ("timeout_ms", timeout_ms),
        ("connect_timeout_ms", connect_timeout_ms),
        ("max_response_bytes", max_response_bytes as u64),
    ];
    match positive.iter().find(|(_, value)| *value == 0) {
        Some((name, _)) => Err(Error::Config(format!("{field}.{name} must be greater than 0"))),
        None => Ok(()),
    }
}

fn check_headers(field: &str, headers: &BTreeMap<String, Secret>, forward: &[String]) -> Result<(), Error> {
    headers.keys().try_for_each(|name| header_name(&format!("{field}.headers"), name).map(drop))?;
    let field = format!("{field}.forward");
    forward.iter().try_for_each(|name| match header_name(&field, name)? {
        known if ALWAYS.contains(&known) => Err(Error::Config(format!("{field}.{name}: it travels on anyway"))),
        _ => Ok(()),
    })
}

fn names<'n>(texts: impl Iterator<Item = &'n String>) -> Vec<HeaderName> {
    texts.filter_map(|text| HeaderName::from_bytes(text.as_bytes()).ok()).collect()
}

fn header_name(field: &str, name: &str) -> Result<HeaderName, Error> {
    let refusal = |why: &str| Err(Error::Config(format!("{field}.{name}: {why}")));
    match HeaderName::from_bytes(name.as_bytes()) {
        Ok(known) if OWN.contains(&known) => refusal("the router alone says what this header holds"),
        Ok(known) => Ok(known),
        Err(_) => refusal("this is no name of a header"),
    }
}

/// Adds headers to others, in place of those that have their names.
fn read_headers(field: &str, texts: &BTreeMap<String, Secret>, mut headers: HeaderMap) -> Result<HeaderMap, Error> {
    for (name, text) in texts {
        let value = text.value().map_err(|why| Error::Config(format!("{field}.{name}: {why}")))?;
        headers.insert(header_name(field, name)?, value);
    }
    Ok(headers)
}

impl Secret {
    /// The value. What is wrong with it is said without it.
    fn value(&self) -> Result<HeaderValue, String> {
        let text = match self {
            Self::Given(text) => text.clone(),
            Self::Held(Variable { env }) => std::env::var(env)
                .map_err(|_| format!("the variable {env} is not set, or is no text, in the environment"))?,
        };
        let mut value = HeaderValue::try_from(text).map_err(|_| "a header cannot hold such characters".to_owned())?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Given(_) => serializer.serialize_str("redacted"),
            Self::Held(variable) => variable.serialize(serializer),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(_) => f.write_str("redacted"),
            Self::Held(variable) => variable.fmt(f),
        }
    }
}
