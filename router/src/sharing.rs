//! Sharing of identical reads that are under way at the same time: one runs, and everybody gets its outcome.

use bytes::Bytes;
use dashmap::{DashMap, Entry};
use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use http::HeaderMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

/// Headers that tell requests apart without changing what they mean.
const TRACING: [&str; 4] = ["traceparent", "tracestate", "baggage", "x-request-id"];

/// What makes two reads the same: every byte of what is asked, and every header that could name the caller.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    asked: Bytes,
    caller: Bytes,
}

impl Key {
    pub(crate) fn new(asked: Bytes, headers: &HeaderMap) -> Self {
        let mut caller = Vec::with_capacity(256);
        for (name, value) in headers.iter().filter(|(name, _)| !TRACING.contains(&name.as_str())) {
            // Neither holds a line break.
            caller.extend_from_slice(name.as_str().as_bytes());
            caller.push(b'\n');
            caller.extend_from_slice(value.as_bytes());
            caller.push(b'\n');
        }
        Self { asked, caller: caller.into() }
    }
}

/// The outcome of a read, for all who wait for it; `None` if it panicked.
pub(crate) type Outcome<T> = Shared<BoxFuture<'static, Option<T>>>;

type Reads<T> = DashMap<Key, WeakShared<BoxFuture<'static, Option<T>>>, ahash::RandomState>;

/// The reads that are under way.
#[derive(Clone, Debug)]
pub(crate) struct InFlight<T>(Arc<Reads<T>>);

impl<T> Default for InFlight<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone + Send + Sync + 'static> InFlight<T> {
    /// Joins an identical read, or begins one. It is cancelled when nobody waits any more.
    pub(crate) fn join<F>(&self, key: Key, begin: impl FnOnce() -> F) -> Outcome<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let entry = self.0.entry(key);
        if let Entry::Occupied(held) = &entry
            && let Some(outcome) = held.get().upgrade()
        {
            return outcome;
        }
        let (read, place) = (begin(), Place { reads: self.0.clone(), key: entry.key().clone() });
        let outcome = async move {
            let _place = place;
            // Those who wait for a read that panics would never be woken.
            AssertUnwindSafe(read).catch_unwind().await.ok()
        };
        let outcome = outcome.boxed().shared();
        if let Some(weak) = outcome.downgrade() {
            entry.insert(weak);
        }
        outcome
    }

    /// From now on nobody joins what has begun: something was written, and who reads after that must see it.
    pub(crate) fn forget(&self) {
        self.0.clear();
    }
}

/// Who comes after the outcome, or after it was given up, begins anew. Should one begin between the last waiter's leaving
/// and this, it loses its place: later ones begin once more, and nobody gets what is not theirs.
struct Place<T> {
    reads: Arc<Reads<T>>,
    key: Key,
}

impl<T> Drop for Place<T> {
    fn drop(&mut self) {
        self.reads.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    fn key(asked: &'static str, caller: &'static str) -> Key {
        let headers = HeaderMap::from_iter([
            (http::header::AUTHORIZATION, http::HeaderValue::from_static(caller)),
            (http::HeaderName::from_static("traceparent"), http::HeaderValue::from_static(asked)),
        ]);
        Key::new(Bytes::from_static(asked.as_bytes()), &headers)
    }

    #[tokio::test]
    async fn only_what_is_the_same_for_the_same_caller_is_shared() {
        let in_flight = InFlight::default();
        let (answer, answered) = oneshot::channel::<u8>();
        let first = in_flight.join(key("a", "ada"), || answered.map(Result::unwrap));
        let other = |asked, caller| in_flight.join(key(asked, caller), || async { 2 });
        let (second, by_bob, of_b) = (other("a", "ada"), other("a", "bob"), other("b", "ada"));
        answer.send(1).unwrap();
        assert_eq!((first.await, second.await, by_bob.await, of_b.await), (Some(1), Some(1), Some(2), Some(2)));
        assert!(in_flight.0.is_empty());
        assert_eq!(other("a", "ada").await, Some(2), "what is over is not shared");
    }

    #[tokio::test]
    async fn what_began_before_a_write_is_not_joined_after_it() {
        let in_flight = InFlight::default();
        let (answer, answered) = oneshot::channel::<u8>();
        let before = in_flight.join(key("a", "ada"), || answered.map(Result::unwrap));
        in_flight.forget();
        let after = in_flight.join(key("a", "ada"), || async { 2 });
        answer.send(1).unwrap();
        assert_eq!((before.await, after.await), (Some(1), Some(2)));
    }

    #[tokio::test]
    async fn who_leaves_takes_nothing_from_who_stays() {
        let in_flight = InFlight::default();
        let (answer, answered) = oneshot::channel::<u8>();
        let first = in_flight.join(key("a", "ada"), || answered.map(Result::unwrap));
        let second = in_flight.join(key("a", "ada"), || async { 2 });
        drop(first);
        answer.send(1).unwrap();
        assert_eq!(second.await, Some(1));
        drop(in_flight.join(key("a", "ada"), std::future::pending));
        assert!(in_flight.0.is_empty(), "what nobody waits for is given up");
    }
}
