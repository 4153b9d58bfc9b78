//! How often callers ask, counted by the generic cell rate algorithm in the memory of each replica.

use crate::error::{Code, GraphQLError};
use crate::limits::{Count, Quota, Rate};
use crate::request::RequestContext;
use crate::subscription::network;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, NotUntil};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// The member of an error's extensions that says after how many seconds the same may be asked again.
pub(crate) const RETRY_AFTER: &str = "retryAfterSeconds";

/// The most callers of a kind that are remembered; those who asked longest ago are forgotten first.
const MAX_CALLERS: u64 = 100_000;

/// What callers have asked for lately.
pub(crate) struct Rates {
    users: Option<Callers<String>>,
    addresses: Option<Callers<IpAddr>>,
}

/// The callers of a kind, each with what it has left.
struct Callers<K> {
    count: Count,
    quota: governor::Quota,
    clock: DefaultClock,
    left: Cache<K, Arc<DefaultDirectRateLimiter>>,
}

impl Rates {
    pub(crate) fn new(rate: &Rate) -> Self {
        Self {
            users: rate.per_user.as_ref().and_then(Callers::new),
            addresses: rate.per_address.as_ref().and_then(Callers::new),
        }
    }

    /// Takes from what the caller has left: of the user's if one is signed in, otherwise of the address's.
    ///
    /// # Errors
    /// RATE_LIMITED when that is not enough.
    pub(crate) fn check(&self, context: &RequestContext, what: Count, amount: u64) -> Result<(), GraphQLError> {
        let wait = match (&context.claims, context.address) {
            (Some(claims), _) => self.users.as_ref().and_then(|users| users.take(what, claims.sub.as_str(), amount)),
            (None, Some(address)) => {
                self.addresses.as_ref().and_then(|addresses| addresses.take(what, &network(address), amount))
            }
            (None, None) => None,
        };
        let Some(wait) = wait else { return Ok(()) };
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let mut error = GraphQLError::new(Code::RateLimited, format!("too many requests; try again in {seconds} s"));
        error.extensions.insert(RETRY_AFTER.into(), seconds.into());
        Err(error)
    }
}

impl<K: Hash + Eq + Send + Sync + 'static> Callers<K> {
    fn new(quota: &Quota) -> Option<Self> {
        let burst = quota.burst.unwrap_or(quota.amount);
        // Who has been away for so long has a whole burst again: nothing is lost by forgetting it.
        let refilled = quota.interval().saturating_mul(burst.get()).max(Duration::from_secs(1));
        let left = Cache::builder()
            .max_capacity(MAX_CALLERS)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(refilled)
            .build();
        let allowed = governor::Quota::with_period(quota.interval())?.allow_burst(burst);
        Some(Self { count: quota.count, quota: allowed, clock: DefaultClock::default(), left })
    }

    /// How long the caller has to wait, unless it has enough left.
    fn take<Q>(&self, what: Count, caller: &Q, amount: u64) -> Option<Duration>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        if what != self.count {
            return None;
        }
        let left = self.left.get_with_by_ref(caller, || {
            Arc::new(DefaultDirectRateLimiter::direct_with_clock(self.quota, self.clock.clone()))
        });
        let burst = self.quota.burst_size();
        let amount = u32::try_from(amount).ok().and_then(NonZeroU32::new).unwrap_or(if amount == 0 {
            NonZeroU32::MIN
        } else {
            burst
        });
        // More than a burst would never be allowed.
        match left.check_n(amount.min(burst)) {
            Ok(Ok(())) => None,
            Ok(Err(not_until)) => Some(self.wait(&not_until)),
            Err(_) => Some(self.quota.replenish_interval()),
        }
    }

    fn wait(&self, not_until: &NotUntil<<DefaultClock as Clock>::Instant>) -> Duration {
        not_until.wait_time_from(self.clock.now())
    }
}
