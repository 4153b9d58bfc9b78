//! Limits on what a client controls.

use crate::error::Error;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::time::Duration;

/// After a longer pause a whole burst must be there again: what counts does not reckon in such times.
const LONGEST_PAUSE: Duration = Duration::from_secs(10 * 365 * 86_400);

/// All limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// On one operation.
    pub operation: Operation,
    /// On one HTTP request.
    pub http: Http,
    /// On live streams: sockets and event streams.
    pub streams: Streams,
    /// On how often callers ask.
    pub rate: Rate,
}

/// Limits on one operation, checked on its document before it is planned, and on its answer while that is written.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Operation {
    /// The most tokens a document may have.
    pub max_tokens: usize,
    /// The longest name: of a field, an alias, an argument, a variable, a type, a fragment, an operation. In bytes.
    pub max_name_bytes: usize,
    /// How deep fields may nest, fragments followed; introspection is exempt.
    pub max_depth: usize,
    /// The most aliased fields, fragments counted at every use.
    pub max_aliases: usize,
    /// The most fields at the root.
    pub max_root_fields: usize,
    /// The most fields in all, fragments counted at every use.
    pub max_fields: usize,
    /// The most directives in all, fragments counted at every use.
    pub max_directives: usize,
    /// The most variables that `@skip` and `@include` go by: each outcome that is asked for has a plan of its own.
    pub max_conditions: usize,
    /// The most that an operation may cost; see [`operation::cost`](crate::operation::cost).
    pub max_cost: u64,
    /// How long a list is taken to be when neither `@listSize` nor an argument says so.
    pub assumed_list_size: u64,
    /// The largest answer, or event of a subscription, in bytes. What is larger is not sent: an error takes its place.
    pub max_response_bytes: usize,
    /// Whether `__schema` and `__type` may be asked.
    pub introspection: bool,
}

impl Default for Operation {
    fn default() -> Self {
        Self {
            max_tokens: 10_000,
            max_name_bytes: 256,
            max_depth: 20,
            max_aliases: 50,
            max_root_fields: 20,
            max_fields: 5_000,
            max_directives: 500,
            max_conditions: 16,
            max_cost: 100_000,
            assumed_list_size: 10,
            max_response_bytes: 64 << 20,
            introspection: true,
        }
    }
}

/// Limits on one HTTP request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// The largest request body, in bytes.
    pub max_body_bytes: usize,
    /// The most operations in one batch; 0 refuses batches.
    pub max_batch: usize,
    /// How long one operation may take, from its first byte to its answer, in milliseconds. Of a subscription it bounds
    /// the start.
    pub timeout_ms: u64,
}

impl Default for Http {
    fn default() -> Self {
        Self { max_body_bytes: 2 << 20, max_batch: 0, timeout_ms: 30_000 }
    }
}

/// Limits on live streams. A socket and an event stream count alike.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Streams {
    /// The most streams that one user may hold open at a time.
    pub max_per_user: usize,
    /// The most streams that one client address may hold open at a time.
    pub max_per_address: usize,
    /// The most streams in all.
    pub max_total: usize,
    /// The most operations that may run on one socket at a time.
    pub max_operations: usize,
    /// The largest message that a client may send over a socket, in bytes.
    pub max_message_bytes: usize,
    /// The most events of a shared stream that wait for one client; see [`subscription::Config`](crate::subscription::Config).
    pub max_queue: usize,
    /// How long a socket may take to send `connection_init`, in milliseconds.
    pub init_timeout_ms: u64,
    /// After so long without a message the client hears a heartbeat, in milliseconds. A socket that is silent for two
    /// heartbeats is closed.
    pub heartbeat_ms: u64,
    /// How long a client may take to read one message before it is dropped, in milliseconds.
    pub write_timeout_ms: u64,
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            max_per_user: 50,
            max_per_address: 200,
            max_total: 20_000,
            max_operations: 100,
            max_message_bytes: 256 << 10,
            max_queue: 64,
            init_timeout_ms: 5_000,
            heartbeat_ms: 12_000,
            write_timeout_ms: 10_000,
        }
    }
}

/// How often callers may ask. There is no limit unless one is set: which is right depends on the service, and behind a
/// proxy that `network.trusted_proxies` does not count, all clients have one address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rate {
    /// For each signed-in user.
    pub per_user: Option<Quota>,
    /// For each address that anonymous callers have. A /64 of IPv6 counts as one.
    pub per_address: Option<Quota>,
    /// Where all replicas count together. While it does not answer, and without it, each counts for itself.
    pub redis: Redis,
}

/// The Redis that counts for all replicas.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Redis {
    /// `redis://…` or `rediss://…`.
    pub url: Option<String>,
    /// Put before the keys, so that installations can share a Redis.
    pub prefix: String,
    /// How long an operation waits for it, in milliseconds.
    pub timeout_ms: u64,
}

impl Default for Redis {
    fn default() -> Self {
        Self { url: None, prefix: String::new(), timeout_ms: 10 }
    }
}

/// So much in a period, and not all of it at once.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// What is counted.
    #[serde(default)]
    pub count: Count,
    /// How much of it a period allows.
    pub amount: NonZeroU32,
    /// The period, in seconds.
    pub period_seconds: NonZeroU32,
    /// How much of it may come at once after a pause; as much as a period allows unless set.
    #[serde(default)]
    pub burst: Option<NonZeroU32>,
}

/// What a rate counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Count {
    /// Operations: each of a batch, each on a socket.
    #[default]
    Operations,
    /// What they may cost, and 1 for one that costs nothing. What costs more than a burst counts as a burst.
    Cost,
}

impl Rate {
    /// Refuses values that cannot work; the message names the field.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        for (field, quota) in [("per_user", &self.per_user), ("per_address", &self.per_address)] {
            let Some(quota) = quota else { continue };
            let (interval, burst) = (quota.interval(), quota.burst.unwrap_or(quota.amount));
            let (least, unit) = match self.redis.url {
                None => (Duration::from_nanos(1), "nanosecond"),
                Some(_) => (Duration::from_micros(1), "microsecond, the least that Redis counts"),
            };
            if interval < least {
                return Err(Error::Config(format!("limits.rate.{field}.amount is more than one in a {unit}")));
            }
            if interval.checked_mul(burst.get()).is_none_or(|refilled| refilled > LONGEST_PAUSE) {
                let message = format!("limits.rate.{field}.burst takes more than ten years to come back");
                return Err(Error::Config(message));
            }
        }
        if self.redis.timeout_ms == 0 {
            return Err(Error::Config("limits.rate.redis.timeout_ms must be greater than 0".into()));
        }
        Ok(())
    }
}

impl Quota {
    /// The time in which one more is allowed.
    pub(crate) fn interval(&self) -> Duration {
        Duration::from_secs(self.period_seconds.get().into()) / self.amount.get()
    }
}
