//! A role: what one service brings into a process.

use crate::{Clock, Error, bus::Bus, signals::Signals};
use futures::future::BoxFuture;
use hansa_token::Verifier;
use sea_orm::DatabaseConnection;
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// What every role is given.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Where events go and come from.
    pub bus: Bus,
    /// Live signals.
    pub signals: Signals,
    /// Checks access tokens.
    pub verifier: Arc<Verifier>,
    /// The time.
    pub clock: Clock,
    /// Cancelled when the process is to end.
    pub shutdown: CancellationToken,
}

/// A service, built and ready to run.
pub struct Role {
    /// Its name: subgraph name and path prefix.
    pub name: &'static str,
    /// Its database, without which it can do nothing.
    pub database: DatabaseConnection,
    /// What it serves, without the prefix.
    pub routes: axum::Router,
    /// What runs beside: relay, consumers, workers. Each ends at shutdown and not before.
    pub tasks: Vec<Task>,
}

/// A background task of a role.
pub struct Task {
    /// For logs.
    pub name: &'static str,
    /// The work.
    pub work: BoxFuture<'static, ()>,
}

impl Task {
    /// A named task.
    pub fn new(name: &'static str, work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { name, work: Box::pin(work) }
    }

    /// Does `work` at once and then every `period` until shutdown. A failure is logged; the next time it may do better.
    pub fn every<F>(
        name: &'static str,
        period: Duration,
        shutdown: CancellationToken,
        mut work: impl FnMut() -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), Error>> + Send,
    {
        Self::new(name, async move {
            let mut ticks = tokio::time::interval(period);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            while !shutdown.is_cancelled() && shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
                if let Err(error) = work().await {
                    tracing::warn!(%error, task = name, "a periodic task failed; will try again");
                }
            }
        })
    }
}

impl std::fmt::Debug for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Role").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn periodic_work_goes_on_after_a_failure_and_ends_at_shutdown() {
        let shutdown = CancellationToken::new();
        let times = Arc::new(AtomicUsize::new(0));
        let (counted, end) = (times.clone(), shutdown.clone());
        let task = Task::every("test", Duration::from_millis(1), shutdown, move || {
            let time = counted.fetch_add(1, Ordering::SeqCst) + 1;
            if time == 3 {
                end.cancel();
            }
            async { Err(Error::Config("fails".into())) }
        });
        tokio::time::timeout(Duration::from_secs(30), task.work).await.unwrap();
        assert_eq!(times.load(Ordering::SeqCst), 3);
    }
}
