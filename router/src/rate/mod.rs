//! How often callers ask, counted by the generic cell rate algorithm: for all replicas together in Redis ([`shared`]), or in
//! the memory of each ([`local`]). What a caller has left is told in headers, in `extensions.cost`, and by `rateLimit`.

mod local;
mod shared;

use crate::error::{Code, Error, GraphQLError};
use crate::limits::{Count, Quota, Rate};
use crate::request::RequestContext;
use crate::subscription::network;
use chrono::{DateTime, SubsecRound, Utc};
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, HeaderValue};
use local::Callers;
use serde::Serialize;
use shared::Shared;
use std::borrow::Borrow;
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What a caller has left (IETF draft "RateLimit header fields for HTTP", draft-ietf-httpapi-ratelimit-headers-11).
pub(crate) const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// The quota that it is counted by (the same draft).
pub(crate) const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What callers have asked for lately.
pub(crate) struct Rates {
    users: Option<Kind<String>>,
    addresses: Option<Kind<IpAddr>>,
}

/// The callers of a kind, and what each may ask.
struct Kind<K> {
    policy: Arc<Policy>,
    callers: Callers<K>,
    /// Absent where each replica counts for itself.
    shared: Option<Arc<Shared>>,
}

/// A quota and how it is told.
#[derive(Debug)]
struct Policy {
    /// `user` or `address`: by what callers are counted.
    name: &'static str,
    count: Count,
    /// The time in which one more is allowed.
    interval: Duration,
    /// The most that may come at once.
    burst: NonZeroU32,
    header: HeaderValue,
}

/// The outcome of a count: whether it is allowed, and how long it is, then, until the caller has a whole burst left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Taken {
    is_allowed: bool,
    owed: Duration,
}

/// What a caller has left when an operation has been counted.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    policy: Arc<Policy>,
    limit: RateLimit,
    /// In how many seconds a whole burst is left.
    reset: u64,
}

/// The same as clients see it, the GraphQL type `RateLimit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RateLimit {
    /// The most that may be asked at once.
    limit: u32,
    /// What the operation counted as.
    cost: u32,
    /// How much of the limit is left.
    remaining: u32,
    /// When all of it is left again.
    reset_at: DateTime<Utc>,
}

impl Rates {
    /// Needs a Tokio runtime where rates are shared, until `shutdown`.
    ///
    /// # Errors
    /// [`Error::Config`] for a URL of Redis that cannot be used.
    pub(crate) fn new(rate: &Rate, shutdown: &CancellationToken) -> Result<Self, Error> {
        let is_limited = rate.per_user.is_some() || rate.per_address.is_some();
        let url = rate.redis.url.as_ref().filter(|_| is_limited);
        let shared = url.map(|url| Shared::connect(url, &rate.redis, shutdown.clone())).transpose()?.map(Arc::new);
        Ok(Self {
            users: rate.per_user.as_ref().and_then(|quota| Kind::new("user", quota, shared.clone())),
            addresses: rate.per_address.as_ref().and_then(|quota| Kind::new("address", quota, shared)),
        })
    }

    /// Takes from what the caller has left: of the user's if one is signed in, otherwise of the address's. Gives what is
    /// left then; nothing where `what` is not counted.
    ///
    /// # Errors
    /// RATE_LIMITED when that is not enough.
    pub(crate) async fn count(
        &self,
        context: &RequestContext,
        what: Count,
        amount: u64,
    ) -> Result<Option<Standing>, GraphQLError> {
        match (&context.claims, context.address, &self.users, &self.addresses) {
            (Some(claims), _, Some(users), _) if users.policy.count == what => {
                users.take(claims.sub.as_str(), amount).await.map(Some)
            }
            (None, Some(address), _, Some(addresses)) if addresses.policy.count == what => {
                addresses.take(&network(address), amount).await.map(Some)
            }
            _ => Ok(None),
        }
    }
}

impl<K: Hash + Eq + Send + Sync + 'static> Kind<K> {
    fn new(name: &'static str, quota: &Quota, shared: Option<Arc<Shared>>) -> Option<Self> {
        let policy = Arc::new(Policy::new(name, quota));
        Some(Self { callers: Callers::new(&policy)?, policy, shared })
    }

    async fn take<Q>(&self, caller: &Q, amount: u64) -> Result<Standing, GraphQLError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ToString + ?Sized,
    {
        let amount = self.policy.countable(amount);
        let taken = match &self.shared {
            // Boxed, so that others need not carry the room for it.
            Some(shared) => Box::pin(shared.take(&self.policy, &caller.to_string(), amount)).await,
            None => None,
        };
        let taken = taken.unwrap_or_else(|| self.callers.take(&self.policy, caller, amount));
        let standing = Standing::new(&self.policy, amount, taken);
        if taken.is_allowed { Ok(standing) } else { Err(standing.refusal(self.policy.wait(amount, taken))) }
    }
}

impl Policy {
    fn new(name: &'static str, quota: &Quota) -> Self {
        let unit = match quota.count {
            Count::Operations => "",
            Count::Cost => ";qu=\"cost\"",
        };
        let header = format!("\"{name}\";q={}{unit};w={}", quota.amount, quota.period_seconds);
        // All of it is ASCII.
        let header = HeaderValue::try_from(header).unwrap_or(HeaderValue::from_static(""));
        let burst = quota.burst.unwrap_or(quota.amount);
        Self { name, count: quota.count, interval: quota.interval(), burst, header }
    }

    /// As much as can be counted: more than a burst would never be allowed, and what costs nothing counts as 1.
    fn countable(&self, amount: u64) -> NonZeroU32 {
        let amount = u32::try_from(amount).unwrap_or(u32::MAX);
        NonZeroU32::new(amount).unwrap_or(NonZeroU32::MIN).min(self.burst)
    }

    /// The time in which so many more are allowed.
    fn time(&self, amount: NonZeroU32) -> Duration {
        self.interval.saturating_mul(amount.get())
    }

    /// How long who was refused so many has to wait.
    fn wait(&self, amount: NonZeroU32, refused: Taken) -> Duration {
        refused.owed.saturating_add(self.time(amount)).saturating_sub(self.time(self.burst))
    }

    fn tell(&self, remaining: u32, seconds: u64, headers: &mut HeaderMap) {
        headers.insert(RATELIMIT_POLICY, self.header.clone());
        if let Ok(value) = HeaderValue::try_from(format!("\"{}\";r={remaining};t={seconds}", self.name)) {
            headers.insert(RATELIMIT, value);
        }
    }
}

impl Standing {
    fn new(policy: &Arc<Policy>, amount: NonZeroU32, taken: Taken) -> Self {
        let left = policy.time(policy.burst).saturating_sub(taken.owed).as_nanos() / policy.interval.as_nanos().max(1);
        let limit = RateLimit {
            limit: policy.burst.get(),
            cost: amount.get(),
            remaining: u32::try_from(left).unwrap_or(u32::MAX).min(policy.burst.get()),
            reset_at: Utc::now()
                .checked_add_signed(chrono::Duration::from_std(taken.owed).unwrap_or(chrono::Duration::MAX))
                .unwrap_or(DateTime::<Utc>::MAX_UTC)
                .trunc_subsecs(6),
        };
        Self { policy: policy.clone(), limit, reset: whole_seconds(taken.owed) }
    }

    /// As clients see it.
    pub(crate) fn limit(&self) -> &RateLimit {
        &self.limit
    }

    /// How much is left.
    pub(crate) fn remaining(&self) -> u32 {
        self.limit.remaining
    }

    /// Adds it to the headers of an answer.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        self.policy.tell(self.limit.remaining, self.reset, headers);
    }

    fn refusal(&self, wait: Duration) -> GraphQLError {
        let seconds = whole_seconds(wait);
        let mut error = GraphQLError::new(Code::RateLimited, format!("too many requests; try again in {seconds} s"));
        error.extensions.insert("retryAfterSeconds".into(), seconds.into());
        error.extensions.insert("rateLimit".into(), serde_json::to_value(self.limit).unwrap_or_default());
        let mut headers = HeaderMap::from_iter([(RETRY_AFTER, seconds.into())]);
        self.policy.tell(self.limit.remaining, seconds, &mut headers);
        error.headers = Some(Box::new(headers));
        error
    }
}

fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
