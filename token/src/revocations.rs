//! Sessions that have ended while access tokens of theirs are still unexpired.

use chrono::{DateTime, Utc};
use dashmap::DashMap;
use tokio::sync::watch;

/// The revoked sessions, in memory. Bounded by time: an entry lives only as long as a token of it could.
#[derive(Debug)]
pub struct Revocations {
    until: DashMap<String, DateTime<Utc>>,
    changed: watch::Sender<()>,
}

impl Default for Revocations {
    fn default() -> Self {
        Self { until: DashMap::new(), changed: watch::Sender::new(()) }
    }
}

impl Revocations {
    /// Refuses the session's tokens until `until`, when the last of them has expired by itself.
    pub fn revoke(&self, sid: &str, until: DateTime<Utc>) {
        let is_new = self.until.insert(sid.to_owned(), until).is_none();
        if is_new {
            self.changed.send_replace(());
        }
    }

    /// Whether the session has been ended.
    pub fn is_revoked(&self, sid: &str) -> bool {
        self.until.contains_key(sid)
    }

    /// Completes when the session is ended; at once if it has been already.
    pub async fn revoked(&self, sid: &str) {
        let mut changed = self.changed.subscribe();
        while !self.is_revoked(sid) {
            if changed.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Forgets sessions all of whose tokens have expired by `now`.
    pub fn prune(&self, now: DateTime<Utc>) {
        self.until.retain(|_, until| *until > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn waiters_wake_for_their_session_only() {
        let revocations = std::sync::Arc::new(Revocations::default());
        let waiter = tokio::spawn({
            let revocations = revocations.clone();
            async move { revocations.revoked("s1").await }
        });
        let later = Utc::now() + Duration::from_secs(60);
        revocations.revoke("s2", later);
        assert!(!waiter.is_finished());
        revocations.revoke("s1", later);
        tokio::time::timeout(Duration::from_secs(5), waiter).await.unwrap().unwrap();
        revocations.prune(later + Duration::from_secs(1));
        assert!(!revocations.is_revoked("s1"));
    }
}
