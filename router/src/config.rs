//! The router's configuration, a struct per concern. The defaults are safe for production.

use crate::error::Error;
use crate::limits::Limits;
use crate::{documents, subscription, supergraph, telemetry, transport};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

/// In seconds.
const YEAR: u64 = 365 * 86_400;

/// Everything that can be configured of the router.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The subgraphs to compose, for a router that stands alone.
    pub federation: supergraph::federation::Config,
    /// How the supergraph is kept up to date.
    pub supergraph: supergraph::Config,
    /// How subgraphs are talked to.
    pub subgraphs: transport::Config,
    /// How live streams are run.
    pub subscriptions: subscription::Config,
    /// How requests are answered.
    pub requests: Requests,
    /// Limits on what a client controls.
    pub limits: Limits,
    /// Documents that clients name instead of sending them.
    pub documents: documents::Config,
    /// Which other origins browsers may call the API from.
    pub cors: Cors,
    /// Protection from requests that a foreign page makes a browser send.
    pub csrf: Csrf,
    /// Where the router stands in the network.
    pub network: Network,
    /// What is logged of operations.
    pub telemetry: telemetry::Config,
    /// What helps developers and is off in production.
    pub debug: Debug,
}

impl Config {
    /// Refuses values that cannot work.
    ///
    /// # Errors
    /// [`Error::Config`] names the field.
    pub fn validate(&self) -> Result<(), Error> {
        let Limits { operation, http, streams, rate } = &self.limits;
        let supergraph::Config { poll_seconds, fetch_timeout_seconds, compose_timeout_seconds, .. } = &self.supergraph;
        let positive = [
            ("limits.operation.max_response_bytes", operation.max_response_bytes as u64),
            ("limits.http.max_body_bytes", http.max_body_bytes as u64),
            ("limits.http.timeout_ms", http.timeout_ms),
            ("limits.streams.max_operations", streams.max_operations as u64),
            ("limits.streams.max_message_bytes", streams.max_message_bytes as u64),
            ("limits.streams.max_queue", streams.max_queue as u64),
            ("limits.streams.init_timeout_ms", streams.init_timeout_ms),
            ("limits.streams.heartbeat_ms", streams.heartbeat_ms),
            ("limits.streams.write_timeout_ms", streams.write_timeout_ms),
            ("supergraph.poll_seconds", *poll_seconds),
            ("supergraph.fetch_timeout_seconds", *fetch_timeout_seconds),
            ("supergraph.compose_timeout_seconds", *compose_timeout_seconds),
        ];
        if let Some((field, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(Error::Config(format!("{field} must be greater than 0")));
        }
        let bounded = [
            ("limits.streams.max_queue", streams.max_queue as u64, Semaphore::MAX_PERMITS as u64),
            ("supergraph.fetch_timeout_seconds", *fetch_timeout_seconds, YEAR),
        ];
        if let Some((field, _, most)) = bounded.iter().find(|(_, value, most)| value > most) {
            return Err(Error::Config(format!("{field} must be {most} at most")));
        }
        rate.validate()?;
        self.subgraphs.validate()?;
        self.documents.validate()
    }
}

/// How requests are answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Requests {
    /// Whether identical queries (the same operation and variables) of the same caller that are in flight at once are
    /// executed once. Every header that travels to subgraphs, but for those of tracing, makes another caller. What is
    /// answered may then be as old as the beginning of the query that was joined, but no older than the last mutation
    /// that this router ran.
    pub share_in_flight: bool,
}

/// Cross-origin resource sharing (Fetch standard, "HTTP-CORS protocol"). Credentials are never allowed: the API knows no
/// cookies.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cors {
    /// The allowed origins, such as `https://app.example.com`; `*` allows every one. Empty: same origin only.
    pub origins: Vec<String>,
    /// How long browsers may remember a preflight, in seconds.
    pub max_age_seconds: u64,
}

impl Default for Cors {
    fn default() -> Self {
        Self { origins: Vec::new(), max_age_seconds: 7_200 }
    }
}

/// Cross-site request forgery: requests that a browser sends across origins without asking first are refused.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Csrf {
    /// Whether simple requests are refused.
    pub enabled: bool,
    /// Headers any of which proves that the request is not a simple one.
    pub headers: Vec<String>,
}

impl Default for Csrf {
    fn default() -> Self {
        Self { enabled: true, headers: vec!["graphql-require-preflight".into(), "apollo-require-preflight".into()] }
    }
}

/// Where the router stands in the network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    /// How many trusted proxies in front append to `X-Forwarded-For`. With 0 the header is ignored and the client is
    /// whoever opened the connection.
    pub trusted_proxies: usize,
}

/// What helps developers and is off in production.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Debug {
    /// Whether a request with the header `graphql-query-plan: true` gets the query plan in `extensions.queryPlan`.
    pub query_plan: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_counted_or_waited_for_is_refused() {
        let mut config = Config::default();
        assert!(config.validate().is_ok());
        config.limits.streams.max_queue = usize::MAX;
        assert!(config.validate().unwrap_err().to_string().contains("limits.streams.max_queue"));
        let mut config = Config::default();
        for seconds in [0, u64::MAX] {
            config.supergraph.fetch_timeout_seconds = seconds;
            assert!(config.validate().unwrap_err().to_string().contains("supergraph.fetch_timeout_seconds"));
        }
    }
}
