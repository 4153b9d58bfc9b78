//! How a subgraph is reached: a call inside the process, or pooled HTTP.

use bytes::Bytes;
use futures::stream::BoxStream;
use http::HeaderMap;
use tokio::time::Instant;

/// Limits on talking to one subgraph.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How long one fetch may take, retries included, in milliseconds.
    pub timeout_ms: u64,
    /// The largest answer that is read, in bytes.
    pub max_response_bytes: usize,
    /// How often a failed query fetch is tried again. Mutations are never retried.
    pub retries: usize,
    /// After so many failures in a row the subgraph is left alone for a while.
    pub breaker_failures: u32,
    /// How long it is left alone, in milliseconds; then one fetch tries it.
    pub breaker_open_ms: u64,
    /// Whether identical query fetches of the same caller that are in flight at once are sent once.
    pub share_in_flight: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            timeout_ms: 30_000,
            max_response_bytes: 64 << 20,
            retries: 2,
            breaker_failures: 10,
            breaker_open_ms: 5_000,
            share_in_flight: false,
        }
    }
}

/// A pooled HTTP client, for all subgraphs. Cheap to clone.
#[derive(Clone)]
pub struct Client {}

impl Client {
    /// A client with an empty pool.
    pub fn new() -> Self {
        Self {}
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

/// How to reach a subgraph.
#[derive(Clone)]
pub enum Transport {
    /// Its routes are in this process.
    Local(axum::Router),
    /// It listens at its URL.
    Http(Client),
}

/// A subgraph and the way to it.
pub struct Subgraph {
    /// Its name, as plans call it.
    pub name: String,
    /// Its URL; of a local one only the path matters.
    pub url: String,
}

/// Why a fetch gave no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FetchError {
    /// The subgraph cannot be reached, or answers nonsense.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// It did not answer in time.
    #[error("timeout")]
    Timeout,
}

impl Subgraph {
    /// A subgraph at `url` (absolute, http or https; path defaults to `/graphql`).
    pub fn new(
        name: impl Into<String>,
        url: impl Into<String>,
        _transport: Transport,
        _config: &Config,
    ) -> Result<Self, crate::Error> {
        Ok(Self { name: name.into(), url: url.into() })
    }

    /// Sends one GraphQL request; gives the bytes of its JSON answer.
    pub async fn fetch(
        &self,
        _body: Bytes,
        _headers: &HeaderMap,
        _idempotent: bool,
        _deadline: Instant,
    ) -> Result<Bytes, FetchError> {
        Err(FetchError::Unavailable("not yet".into()))
    }

    /// Opens a subscription; gives an `ExecutionResult` (JSON) per event. Dropping the stream ends it upstream.
    pub async fn stream(
        &self,
        _body: Bytes,
        _headers: &HeaderMap,
        _deadline: Instant,
    ) -> Result<BoxStream<'static, Result<Bytes, FetchError>>, FetchError> {
        Err(FetchError::Unavailable("not yet".into()))
    }
}
