//! One attempt to send a request, in the process or over HTTP.

use super::http1::Origin;
use super::tls::Connector;
use super::{Config, FetchError, HttpVersion, Transport};
use crate::telemetry::trace;
use axum::body::Body;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use serde::de::IgnoredAny;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use thread_local::ThreadLocal;
use tower::{Service, ServiceExt};

/// What an answer to a query or mutation may be (GraphQL over HTTP, "Accept").
const ACCEPT_JSON: HeaderValue = HeaderValue::from_static("application/graphql-response+json, application/json;q=0.9");
/// What an answer to a subscription must be (GraphQL over SSE, "Distinct connections mode").
const ACCEPT_EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A connection, with TLS or without.
pub(super) type Stream = <Connector as Service<Uri>>::Response;

/// A request has about so many headers.
const USUAL_HEADERS: usize = 8;

/// How often the other side of an HTTP/2 connection is asked whether it is still there while fetches wait for it, and how
/// long it may take to say so: a connection that has died must not take them all with it until they run out of time.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// A pooled HTTP client, for all subgraphs that have nothing of their own. Fetches over HTTP/1.1 have connections of their
/// subgraph's (`http1`), which it says how to open. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client(Arc<Pools>);

/// Over HTTP/2 a connection carries only so many requests at once. Event streams, which stay, would take the places of
/// fetches; so they have connections of their own, a new one each where that is possible.
#[derive(Debug)]
struct Pools {
    fetches: Pool,
    events: Pool,
}

/// Each thread has connections of its own: what belongs to one request is then awaited in one place.
#[derive(Debug)]
pub(super) struct Pool {
    connector: Connector,
    http: HttpVersion,
    by_thread: ThreadLocal<legacy::Client<Connector, Full<Bytes>>>,
}

impl Client {
    /// A client with no connections, and the settings that are the default.
    ///
    /// # Errors
    /// When there is no TLS to be had.
    pub fn new() -> Result<Self, crate::Error> {
        Self::with(&Config::default()).map_err(|why| crate::Error::Config(format!("TLS: {why}")))
    }

    /// A client with these settings; the text says which field of [`tls::Config`](super::tls::Config) cannot be used.
    pub(super) fn with(config: &Config) -> Result<Self, String> {
        let events = match config.http {
            HttpVersion::Auto => HttpVersion::Http1,
            chosen => chosen,
        };
        Ok(Self(Arc::new(Pools { fetches: Pool::new(config.http, config)?, events: Pool::new(events, config)? })))
    }
}

impl Pool {
    pub(super) fn new(http: HttpVersion, config: &Config) -> Result<Self, String> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(Duration::from_millis(config.connect_timeout_ms)));
        tcp.set_keepalive(Some(Duration::from_secs(30)));
        Ok(Self { connector: Connector::new(tcp, http, &config.tls)?, http, by_thread: ThreadLocal::new() })
    }

    /// Opens a connection that is not pooled, with TLS if the URL asks for it.
    pub(super) async fn connect(&self, url: Uri) -> Result<TokioIo<Stream>, FetchError> {
        let connected = self.connector.clone().oneshot(url).await;
        connected.map(TokioIo::new).map_err(|error| FetchError::Connect(chain(&*error)))
    }

    fn of_this_thread(&self) -> &legacy::Client<Connector, Full<Bytes>> {
        self.by_thread.get_or(|| {
            legacy::Client::builder(TokioExecutor::new())
                .pool_idle_timeout(Duration::from_secs(60))
                .pool_timer(TokioTimer::new())
                .timer(TokioTimer::new())
                .http2_only(self.http == HttpVersion::Http2)
                .http2_keep_alive_interval(PING_INTERVAL)
                .http2_keep_alive_timeout(PING_TIMEOUT)
                .build(self.connector.clone())
        })
    }
}

/// Where requests go, and with which headers.
#[derive(Debug)]
pub(super) struct Address {
    uri: Uri,
    /// The path alone.
    path: Uri,
    /// Whether HTTP/1.1 is certain to be spoken; TLS may negotiate HTTP/2. `Host` is among the headers then: the client would
    /// write it anew for every request, and HTTP/2 does without.
    is_http1: bool,
    /// What says that an answer is wanted as JSON or as events, with the subgraph's own headers.
    json: HeaderMap,
    events: HeaderMap,
}

impl Address {
    /// `own` are headers that take the place of any other.
    pub(super) fn new(uri: Uri, http: HttpVersion, own: &HeaderMap) -> Self {
        let is_http1 = match http {
            HttpVersion::Auto => uri.scheme() == Some(&Scheme::HTTP),
            HttpVersion::Http1 => uri.scheme().is_some(),
            HttpVersion::Http2 => false,
        };
        let usual = if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
        let port = uri.port_u16().filter(|port| *port != usual).map(|port| format!(":{port}")).unwrap_or_default();
        let host = uri.host().filter(|_| is_http1).map(|host| format!("{host}{port}"));
        let host = host.and_then(|host| HeaderValue::try_from(host).ok());
        let headers = |accept| {
            // What is copied from it has room for those of a request, too.
            let mut headers = HeaderMap::with_capacity(2 * USUAL_HEADERS);
            headers.extend([(ACCEPT, accept), (CONTENT_TYPE, JSON)]);
            headers.extend(host.clone().map(|host| (HOST, host)));
            headers.extend(own.clone());
            headers
        };
        let path = uri.path_and_query().cloned().map(Uri::from).unwrap_or_default();
        Self { path, is_http1, json: headers(ACCEPT_JSON), events: headers(ACCEPT_EVENTS), uri }
    }

    /// The server there, if what it speaks is certain.
    pub(super) fn origin(&self, transport: &Transport) -> Option<Origin> {
        match transport {
            Transport::Http(client) if self.is_http1 => {
                Some(Origin::new(client.0.fetches.connector.clone(), self.uri.clone()))
            }
            Transport::Http(_) | Transport::Local(_) => None,
        }
    }

    /// A request for a connection that is open.
    pub(super) fn fetch(&self, headers: &HeaderMap, body: Bytes) -> Box<Request<Full<Bytes>>> {
        Box::new(request(self.path.clone(), &self.json, headers, Full::new(body)))
    }

    fn request<B>(&self, headers: &HeaderMap, body: B, wants: Wants) -> Request<B> {
        let own = if wants == Wants::Json { &self.json } else { &self.events };
        request(self.uri.clone(), own, headers, body)
    }
}

/// Which kind of answer is wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Wants {
    Json,
    Events,
}

/// Sends the request and gives the head of its answer. Boxed, so that nobody else need carry the room for it.
pub(super) fn send<'t>(
    transport: &'t Transport,
    address: &Address,
    headers: &HeaderMap,
    body: Bytes,
    wants: Wants,
) -> BoxFuture<'t, Result<Response<Body>, FetchError>> {
    match transport {
        Transport::Local(routes) => call(routes.clone(), address.request(headers, Body::from(body), wants)).boxed(),
        Transport::Http(client) => {
            let pool = if wants == Wants::Json { &client.0.fetches } else { &client.0.events };
            let sending = pool.of_this_thread().request(address.request(headers, Full::new(body), wants));
            let sent = |sent: Result<Response<_>, legacy::Error>| match sent {
                Ok(response) => Ok(response.map(Body::new)),
                Err(error) if error.is_connect() => Err(FetchError::Connect(chain(&error))),
                Err(error) => Err(FetchError::Broken(chain(&error))),
            };
            sending.map(sent).boxed()
        }
    }
}

/// A defect of one subgraph must not take the whole request, or its neighbours, with it.
async fn call(routes: axum::Router, request: Request<Body>) -> Result<Response<Body>, FetchError> {
    match AssertUnwindSafe(routes.oneshot(request)).catch_unwind().await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(never)) => match never {},
        Err(_) => Err(FetchError::Unavailable("it panicked".into())),
    }
}

/// Its own headers take the place of the client's.
fn request<B>(uri: Uri, own: &HeaderMap, headers: &HeaderMap, body: B) -> Request<B> {
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    *request.headers_mut() = own.clone();
    for (name, value) in headers {
        if !own.contains_key(name) {
            request.headers_mut().append(name, value.clone());
        }
    }
    trace::inject(request.headers_mut());
    request
}

/// Reads a whole answer. A GraphQL answer counts whatever its status (GraphQL over HTTP, "Status Codes").
pub(super) async fn read<B>(response: Response<B>, limit: usize) -> Result<Bytes, FetchError>
where
    B: http_body::Body<Data = Bytes, Error: Into<axum::BoxError>>,
{
    let status = response.status();
    if !status.is_success() && !is_json(response.headers()) {
        return Err(FetchError::Status(status));
    }
    let body = match Limited::new(response.into_body(), limit).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(FetchError::TooLarge(limit)),
        Err(error) => return Err(FetchError::Unavailable(chain(&*error))),
    };
    if status.is_success() || is_graphql(&body) { Ok(body) } else { Err(FetchError::Status(status)) }
}

/// Whether a failed attempt says that the subgraph, or what stands before it, is not well.
pub(super) fn is_overload(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
}

/// Whether the answer is a stream of events.
pub(super) fn is_events(headers: &HeaderMap) -> bool {
    essence(headers).eq_ignore_ascii_case("text/event-stream")
}

fn is_json(headers: &HeaderMap) -> bool {
    let essence = essence(headers);
    essence.eq_ignore_ascii_case("application/json")
        || essence.eq_ignore_ascii_case("application/graphql-response+json")
}

/// The media type without its parameters.
fn essence(headers: &HeaderMap) -> &str {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    media_type.split(';').next().unwrap_or_default().trim()
}

/// Tells a GraphQL answer from, say, the JSON that a proxy gives with its 503.
fn is_graphql(body: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Answer {
        data: Option<IgnoredAny>,
        errors: Option<Vec<IgnoredAny>>,
    }
    // Whatever it nests is passed over in a loop: what skips by recursion would run out of stack.
    let answer = serde_json::from_slice::<Answer>(body);
    answer.is_ok_and(|answer| answer.data.is_some() || answer.errors.is_some())
}

/// An error with its causes; for the log only.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_what_the_client_would_write() {
        let host = |uri: &str, http| {
            let address = Address::new(uri.parse().unwrap(), http, &HeaderMap::new());
            address.json.get(HOST).map(|host| host.to_str().unwrap().to_owned())
        };
        for (uri, expected) in [
            ("http://users/graphql", Some("users")),
            ("http://users:80/graphql", Some("users")),
            ("http://users:4001/graphql", Some("users:4001")),
            ("http://ada:secret@users:443/graphql", Some("users:443")),
            ("http://[::1]:4001/graphql", Some("[::1]:4001")),
            ("https://users/graphql", None),
            ("/graphql", None),
        ] {
            assert_eq!(host(uri, HttpVersion::Auto).as_deref(), expected, "{uri}");
            assert_eq!(host(uri, HttpVersion::Http2), None, "{uri}");
        }
        assert_eq!(host("https://users:443/graphql", HttpVersion::Http1).as_deref(), Some("users"));
        assert_eq!(host("https://users:80/graphql", HttpVersion::Http1).as_deref(), Some("users:80"));
    }
}
