//! How a subgraph is reached: a call inside the process, or pooled HTTP; for subscriptions event streams or sockets. With a
//! time limit, bounded retries of queries, and a circuit breaker.

mod breaker;
mod config;
mod events;
mod http1;
pub mod tls;
mod websocket;
mod wire;

pub(crate) use breaker::Breaker;
pub use config::{Config, HttpVersion, Named, Secret, Variable};
pub use wire::Client;

use crate::sharing::{InFlight, Key};
use crate::telemetry::metrics;
use ::metrics::{Counter, Histogram, SharedString, counter, gauge, histogram};
use backon::{ExponentialBuilder, Retryable};
use breaker::Permit;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use http::{HeaderMap, HeaderName, StatusCode, Uri};
use http1::Origin;
use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use websocket::Endpoint;
use wire::{Address, Wants};

/// The path of a subgraph whose URL names none.
const DEFAULT_PATH: &str = "/graphql";

/// How to reach a subgraph.
#[derive(Clone, Debug)]
pub enum Transport {
    /// Its routes are in this process.
    Local(axum::Router),
    /// It listens at its URL. With connections of its own if its settings ask for other ones than the client's.
    Http(Client),
}

/// A subgraph and the way to it.
#[derive(Debug)]
pub struct Subgraph {
    /// Its name, as plans call it.
    pub name: String,
    /// Its URL; of a local one only the path matters.
    pub url: String,
    /// Where its SDL is read; it is asked for it otherwise.
    pub sdl: Option<PathBuf>,
    /// Whether it is told what the caller has left.
    pub(crate) takes_rate_limit: bool,
    way: Arc<Way>,
    in_flight: InFlight<Result<Bytes, FetchError>>,
    /// Of fetches that were answered.
    duration: Histogram,
}

#[derive(Debug)]
struct Way {
    transport: Transport,
    address: Address,
    /// How fetches get there faster, if they do.
    origin: Option<Origin>,
    /// Of its own; see [`Config::headers`].
    headers: HeaderMap,
    /// Headers of clients that are not for it; see [`Config::forward`].
    withheld: Vec<HeaderName>,
    /// Where it takes its subscriptions, if not there.
    sockets: Option<Endpoint>,
    breaker: Breaker,
    retries: Counter,
    config: Config,
}

/// What came of a fetch.
pub(crate) struct Reply {
    pub(crate) outcome: Result<Bytes, FetchError>,
    /// Whether the answer is that of an identical fetch, which was under way.
    pub(crate) is_shared: bool,
    /// How long it took.
    pub(crate) took: Duration,
}

/// Why a fetch gave no answer. Its text is for the log, never for clients.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FetchError {
    /// There is no connection, so the request was not sent.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The connection broke before an answer began; the request may or may not have been read.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The answer broke off, or is not GraphQL.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// The subgraph does not take what it was sent.
    #[error("refused: {0}")]
    Refused(String),
    /// The answer has a status that is no success and is not GraphQL.
    #[error("answered with status {0}")]
    Status(StatusCode),
    /// The answer is larger than the limit.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// It did not answer in time.
    #[error("no answer in time")]
    Timeout,
    /// It failed so often that it is left alone for now.
    #[error("left alone after too many failures")]
    LeftAlone,
}

impl FetchError {
    /// Which of these it is, for metrics and traces.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::Broken(_) => "broken",
            Self::Unavailable(_) => "unavailable",
            Self::Refused(_) => "refused",
            Self::Status(_) => "status",
            Self::TooLarge(_) => "too_large",
            Self::Timeout => "timeout",
            Self::LeftAlone => "left_alone",
        }
    }

    /// Whether a query may be tried again.
    fn is_transient(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Broken(_) => true,
            Self::Status(status) => wire::is_overload(*status),
            Self::Unavailable(_) | Self::Refused(_) | Self::TooLarge(_) | Self::Timeout | Self::LeftAlone => false,
        }
    }

    /// Whether it counts against the subgraph's health.
    fn is_ill(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Broken(_) | Self::Unavailable(_) | Self::Timeout => true,
            Self::Status(status) => wire::is_overload(*status),
            Self::Refused(_) | Self::TooLarge(_) | Self::LeftAlone => false,
        }
    }
}

impl Subgraph {
    /// A subgraph at `url` (absolute, http or https; its path defaults to `/graphql`).
    pub fn new(
        name: impl Into<String>,
        url: impl Into<String>,
        transport: Transport,
        config: &Config,
    ) -> Result<Self, crate::Error> {
        let name = name.into();
        let named = config.named.get(&name).and_then(|named| named.url.clone());
        let url = named.unwrap_or_else(|| url.into());
        let uri =
            uri(&url, &transport).map_err(|why| crate::Error::Config(format!("URL of subgraph {name}: {why}")))?;
        let transport = match transport {
            Transport::Http(client) => Transport::Http(config.client(&name)?.unwrap_or(client)),
            local => local,
        };
        let (headers, withheld) = (config.headers_of(&name)?, config.withheld_from(&name));
        let sockets = config.endpoint(&name)?;
        let config = config.of(&name);
        let state = gauge!(metrics::BREAKER, "subgraph" => name.clone());
        let breaker = Breaker::new(config.breaker_failures, Duration::from_millis(config.breaker_open_ms), state);
        let retries = counter!(metrics::FETCH_RETRIES, "subgraph" => name.clone());
        let address = Address::new(uri, config.http, &headers);
        let origin = address.origin(&transport);
        let way = Arc::new(Way { transport, address, origin, headers, withheld, sockets, breaker, retries, config });
        let duration = histogram!(metrics::FETCH_DURATION, "subgraph" => name.clone(), "outcome" => "ok");
        Ok(Self { name, url, sdl: None, takes_rate_limit: false, way, in_flight: InFlight::default(), duration })
    }

    /// The same with its SDL in this file.
    pub fn with_sdl(self, file: impl Into<PathBuf>) -> Self {
        Self { sdl: Some(file.into()), ..self }
    }

    /// The same, and it is told what the caller has left.
    pub(crate) fn with_rate_limit(self) -> Self {
        Self { takes_rate_limit: true, ..self }
    }

    /// Sends one GraphQL request; gives the bytes of its JSON answer. `idempotent` requests (queries) are retried when
    /// the subgraph could not be reached or was overloaded.
    pub async fn fetch(
        &self,
        body: Bytes,
        headers: &HeaderMap,
        idempotent: bool,
        deadline: Instant,
    ) -> Result<Bytes, FetchError> {
        self.ask(body, headers, idempotent, deadline).await.outcome
    }

    /// The same, and more of how it went.
    pub(crate) async fn ask(&self, body: Bytes, headers: &HeaderMap, idempotent: bool, deadline: Instant) -> Reply {
        let started = Instant::now();
        let deadline = deadline.min(started + Duration::from_millis(self.way.config.timeout_ms));
        let (outcome, is_shared) = if idempotent && self.way.config.share_in_flight {
            self.share(body, headers, deadline).await
        } else {
            let outcome = self.way.fetch(body, headers, idempotent, deadline).await;
            if !idempotent {
                self.in_flight.forget();
            }
            (outcome, false)
        };
        let took = started.elapsed();
        let seconds = took.as_secs_f64();
        match &outcome {
            Ok(_) => self.duration.record(seconds),
            Err(error) => {
                let labels = [("subgraph", self.name.clone().into()), ("outcome", SharedString::from(error.kind()))];
                histogram!(metrics::FETCH_DURATION, &labels).record(seconds);
            }
        }
        Reply { outcome, is_shared, took }
    }

    /// Asks once, beside the breaker: who asks again and again by a clock wants to know how it stands and why.
    pub(crate) async fn probe(&self, body: Bytes, deadline: Instant) -> Result<Bytes, FetchError> {
        let deadline = deadline.min(Instant::now() + Duration::from_millis(self.way.config.timeout_ms));
        self.way.ask(body, &HeaderMap::new(), deadline).await
    }

    /// The shared fetch runs until the subgraph's own time limit: whoever waits has a deadline of their own.
    async fn share(&self, body: Bytes, headers: &HeaderMap, deadline: Instant) -> (Result<Bytes, FetchError>, bool) {
        let mut is_shared = true;
        let answer = self.in_flight.join(Key::new(body.clone(), headers), || {
            is_shared = false;
            let (way, headers) = (self.way.clone(), headers.clone());
            let limit = Instant::now() + Duration::from_millis(way.config.timeout_ms);
            async move { way.fetch(body, &headers, true, limit).await }
        });
        let outcome = match tokio::time::timeout_at(deadline, answer).await {
            Ok(Some(outcome)) => outcome,
            Ok(None) => Err(FetchError::Unavailable("it panicked".into())),
            Err(_) => Err(FetchError::Timeout),
        };
        (outcome, is_shared)
    }

    /// Opens a subscription; gives an `ExecutionResult` (JSON) for each event. The deadline bounds the opening only.
    /// Dropping the stream ends it upstream.
    pub async fn stream(
        &self,
        body: Bytes,
        headers: &HeaderMap,
        deadline: Instant,
    ) -> Result<BoxStream<'static, Result<Bytes, FetchError>>, FetchError> {
        let limit = Instant::now() + Duration::from_millis(self.way.config.timeout_ms);
        self.way.stream(body, headers, deadline.min(limit)).await
    }
}

impl Way {
    async fn fetch(
        &self,
        body: Bytes,
        headers: &HeaderMap,
        idempotent: bool,
        deadline: Instant,
    ) -> Result<Bytes, FetchError> {
        match self.attempt(body.clone(), headers, deadline).await {
            Err(error) if idempotent && error.is_transient() && self.config.retries > 0 => {
                Box::pin(self.retry(error, body, headers, deadline)).await
            }
            outcome => outcome,
        }
    }

    /// Tries again what has failed, after a pause.
    async fn retry(
        &self,
        failed: FetchError,
        body: Bytes,
        headers: &HeaderMap,
        deadline: Instant,
    ) -> Result<Bytes, FetchError> {
        let mut failed = Some(failed);
        let attempt = || {
            let (failed, body) = (failed.take(), body.clone());
            async {
                match failed {
                    Some(error) => Err(error),
                    None => self.attempt(body, headers, deadline).await,
                }
            }
        };
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(20))
            .with_max_delay(Duration::from_secs(1))
            .with_jitter()
            .with_max_times(self.config.retries);
        let retried = attempt.retry(pauses).when(FetchError::is_transient).notify(|_, _| self.retries.increment(1));
        in_time(deadline, retried).await
    }

    async fn attempt(&self, body: Bytes, headers: &HeaderMap, deadline: Instant) -> Result<Bytes, FetchError> {
        let permit = self.breaker.admit().ok_or(FetchError::LeftAlone)?;
        settled(permit, self.ask(body, headers, deadline).await)
    }

    fn ask(&self, body: Bytes, headers: &HeaderMap, deadline: Instant) -> BoxFuture<'_, Result<Bytes, FetchError>> {
        let limit = self.config.max_response_bytes;
        match &self.origin {
            Some(origin) => origin.ask(self.address.fetch(&self.meant(headers), body), limit, deadline),
            None => {
                let sending = wire::send(&self.transport, &self.address, &self.meant(headers), body, Wants::Json);
                in_time(deadline, async move { wire::read(sending.await?, limit).await }).boxed()
            }
        }
    }

    /// Those of the client's headers that are for this subgraph.
    fn meant<'h>(&self, headers: &'h HeaderMap) -> Cow<'h, HeaderMap> {
        if self.withheld.is_empty() {
            return Cow::Borrowed(headers);
        }
        let mut headers = headers.clone();
        self.withheld.iter().for_each(|name| drop(headers.remove(name)));
        Cow::Owned(headers)
    }

    async fn stream(
        &self,
        body: Bytes,
        headers: &HeaderMap,
        deadline: Instant,
    ) -> Result<BoxStream<'static, Result<Bytes, FetchError>>, FetchError> {
        let limit = self.config.max_response_bytes;
        let permit = self.breaker.admit().ok_or(FetchError::LeftAlone)?;
        if let Some(sockets) = &self.sockets {
            let headers = self.meant(headers);
            let opening = sockets.open([&headers, &self.headers], &body, limit);
            return settled(permit, in_time(deadline, opening).await);
        }
        let opening = wire::send(&self.transport, &self.address, &self.meant(headers), body, Wants::Events);
        let response = settled(permit, in_time(deadline, opening).await)?;
        if wire::is_events(response.headers()) {
            return Ok(events::results(response.into_body(), limit));
        }
        // A subgraph that refuses the operation may do so as an ordinary GraphQL answer.
        let answer = in_time(deadline, wire::read(response, limit)).await?;
        Ok(Box::pin(futures::stream::once(std::future::ready(Ok(answer)))))
    }
}

/// Lets the breaker know how it went.
fn settled<T>(permit: Permit<'_>, outcome: Result<T, FetchError>) -> Result<T, FetchError> {
    permit.settle(!outcome.as_ref().is_err_and(FetchError::is_ill));
    outcome
}

/// Not an `async fn`, whose future would hold the room for the work twice.
fn in_time<T>(
    deadline: Instant,
    work: impl Future<Output = Result<T, FetchError>>,
) -> impl Future<Output = Result<T, FetchError>> {
    tokio::time::timeout_at(deadline, work).map(|outcome| outcome.unwrap_or(Err(FetchError::Timeout)))
}

fn uri(url: &str, transport: &Transport) -> Result<Uri, String> {
    let url = url::Url::parse(url).map_err(|error| error.to_string())?;
    let path = if matches!(url.path(), "" | "/") { DEFAULT_PATH } else { url.path() };
    let absolute = match transport {
        Transport::Local(_) => path.to_owned(),
        Transport::Http(_) => {
            if !matches!(url.scheme(), "http" | "https") {
                return Err(format!("its scheme is {}, not http or https", url.scheme()));
            }
            let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
            format!("{}://{}{path}{query}", url.scheme(), url.authority())
        }
    };
    absolute.parse().map_err(|error: http::uri::InvalidUri| error.to_string())
}
