//! Counts in the memory of one replica.

use super::{Policy, Taken};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use std::borrow::Borrow;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// The most callers of a kind that are remembered; those who asked longest ago are forgotten first.
const MAX_CALLERS: u64 = 100_000;

type Limiter = RateLimiter<NotKeyed, InMemoryState, DefaultClock, StateInformationMiddleware>;

/// The callers of a kind, each with what it has left.
pub(super) struct Callers<K> {
    quota: Quota,
    clock: DefaultClock,
    left: Cache<K, Arc<Limiter>>,
}

impl<K: Hash + Eq + Send + Sync + 'static> Callers<K> {
    /// `None` for a quota without an interval.
    pub(super) fn new(policy: &Policy) -> Option<Self> {
        // Who has been away for so long has a whole burst again: nothing is lost by forgetting it.
        let refilled = policy.time(policy.burst).max(Duration::from_secs(1));
        let left = Cache::builder()
            .max_capacity(MAX_CALLERS)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(refilled)
            .build();
        let quota = Quota::with_period(policy.interval)?.allow_burst(policy.burst);
        Some(Self { quota, clock: DefaultClock::default(), left })
    }

    /// Takes from what a caller has left, if that is enough.
    pub(super) fn take<Q>(&self, policy: &Policy, caller: &Q, amount: NonZeroU32) -> Taken
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let left = self.left.get_with_by_ref(caller, || {
            Arc::new(RateLimiter::direct_with_clock(self.quota, self.clock.clone()).with_middleware())
        });
        let burst = policy.burst.get();
        match left.check_n(amount) {
            Ok(Ok(state)) => {
                let used = burst.saturating_sub(state.remaining_burst_capacity());
                Taken { is_allowed: true, owed: policy.interval.saturating_mul(used) }
            }
            Ok(Err(not_until)) => {
                let wait = not_until.wait_time_from(self.clock.now());
                let owed = wait.saturating_add(policy.interval.saturating_mul(burst - amount.get()));
                Taken { is_allowed: false, owed }
            }
            // More than a burst, which is never asked for.
            Err(_) => Taken { is_allowed: false, owed: policy.time(policy.burst) },
        }
    }
}
