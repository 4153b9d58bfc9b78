//! Sharing of identical query fetches that are in flight at the same time.

use super::{FetchError, Way};
use bytes::Bytes;
use dashmap::{DashMap, Entry};
use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

type Answer = Shared<BoxFuture<'static, Result<Bytes, FetchError>>>;

/// Headers that tell requests apart without changing what they mean.
const TRACING: [&str; 4] = ["traceparent", "tracestate", "baggage", "x-request-id"];

/// What makes two fetches the same: every byte of the body, and every header that could name the caller.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    body: Bytes,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// The fetches of one subgraph that wait for their answers.
#[derive(Debug, Default)]
pub(super) struct InFlight(DashMap<Key, WeakShared<BoxFuture<'static, Result<Bytes, FetchError>>>>);

impl InFlight {
    /// Waits for the answer of an identical fetch, or begins one. It is cancelled when nobody waits any more.
    pub(super) async fn join(
        &self,
        way: &Arc<Way>,
        body: Bytes,
        headers: &HeaderMap,
        deadline: Instant,
    ) -> Result<Bytes, FetchError> {
        let key = Key { body: body.clone(), headers: identity(headers) };
        let answer = self.enter(&key, || begin(way, body, headers));
        let outcome = tokio::time::timeout_at(deadline, answer.clone()).await.unwrap_or(Err(FetchError::Timeout));
        self.0.remove_if(&key, |_, held| held.upgrade().is_none_or(|held| held.ptr_eq(&answer)));
        outcome
    }

    fn enter(&self, key: &Key, begin: impl FnOnce() -> Answer) -> Answer {
        let entry = self.0.entry(key.clone());
        if let Entry::Occupied(held) = &entry
            && let Some(answer) = held.get().upgrade()
        {
            return answer;
        }
        let answer = begin();
        if let Some(weak) = answer.downgrade() {
            entry.insert(weak);
        }
        answer
    }
}

/// The shared fetch runs until the subgraph's own time limit: whoever waits has a deadline of their own.
fn begin(way: &Arc<Way>, body: Bytes, headers: &HeaderMap) -> Answer {
    let (way, headers) = (way.clone(), headers.clone());
    let deadline = Instant::now() + Duration::from_millis(way.config.timeout_ms);
    async move { way.fetch(body, &headers, true, deadline).await }.boxed().shared()
}

fn identity(headers: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers: Vec<_> = headers
        .iter()
        .filter(|(name, _)| !TRACING.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    headers.sort_by(|a, b| (a.0.as_str(), a.1.as_bytes()).cmp(&(b.0.as_str(), b.1.as_bytes())));
    headers
}
