//! Counts in Redis, which all replicas have in common. Where it does not answer at once, the caller counts in its memory.

use super::{Policy, Taken};
use crate::error::Error;
use crate::limits::Redis;
use crate::telemetry::metrics;
use crate::transport::Breaker;
use ::metrics::{Counter, counter, gauge};
use fred::prelude::{Builder, Client, ClientLike, Config, ConnectionConfig, PerformanceConfig, ReconnectPolicy};
use fred::types::config::UnresponsiveConfig;
use fred::types::scripts::Script;
use sha2::{Digest, Sha256};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// One statement an operation. Its time is that of Redis, so that clocks of replicas do not matter.
const SCRIPT: &str = include_str!("gcra.lua");
/// How long Redis is left alone when it has not answered; then one operation tries it.
const PAUSE: Duration = Duration::from_secs(1);
/// Statements that may wait to be sent.
const MAX_WAITING: usize = 10_000;

/// Redis, and what is known of its health.
pub(super) struct Shared {
    client: Client,
    script: Script,
    prefix: String,
    /// How long an operation waits for it.
    patience: Duration,
    breaker: Breaker,
    /// Whether the log has said that it does not answer.
    is_away: AtomicBool,
    fallbacks: Counter,
}

impl Shared {
    /// Connects in the background, and again whenever the connection breaks, until `shutdown`.
    ///
    /// # Errors
    /// [`Error::Config`] for a URL that cannot be used.
    pub(super) fn connect(url: &str, config: &Redis, shutdown: CancellationToken) -> Result<Self, Error> {
        let patience = Duration::from_millis(config.timeout_ms);
        let client = client(url, patience).map_err(|error| Error::Config(format!("limits.rate.redis.url: {error}")))?;
        tokio::spawn(keep_connected(client.clone(), shutdown));
        Ok(Self {
            client,
            script: Script::from_lua(SCRIPT),
            prefix: config.prefix.clone(),
            patience,
            breaker: Breaker::new(1, PAUSE, gauge!(metrics::RATE_BREAKER)),
            is_away: AtomicBool::new(false),
            fallbacks: counter!(metrics::RATE_FALLBACKS),
        })
    }

    /// Takes from what a caller has left, if that is enough; `None` when Redis does not say.
    pub(super) async fn take(&self, policy: &Policy, caller: &str, amount: NonZeroU32) -> Option<Taken> {
        let taken = match self.breaker.admit() {
            Some(permit) => {
                let taken = self.ask(policy, caller, amount).await;
                permit.settle(taken.is_ok());
                self.note(taken)
            }
            None => None,
        };
        if taken.is_none() {
            self.fallbacks.increment(1);
        }
        taken
    }

    async fn ask(&self, policy: &Policy, caller: &str, amount: NonZeroU32) -> Result<Taken, String> {
        let times = [policy.time(amount), policy.time(policy.burst)].map(|time| microseconds(time).to_string());
        let asking =
            self.script.evalsha_with_reload::<(u8, u64), _, _>(&self.client, self.key(policy, caller), times.to_vec());
        match tokio::time::timeout(self.patience, asking).await {
            Ok(Ok((allowed, owed))) => Ok(Taken { is_allowed: allowed == 1, owed: Duration::from_micros(owed) }),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no answer in time".to_owned()),
        }
    }

    /// Who looks into Redis does not see who asks.
    fn key(&self, policy: &Policy, caller: &str) -> String {
        format!("{}hansa:rate:{}:{:x}", self.prefix, policy.name, Sha256::digest(caller))
    }

    /// Logs that Redis has begun to answer, or has ceased.
    fn note(&self, taken: Result<Taken, String>) -> Option<Taken> {
        match taken {
            Ok(taken) => {
                if self.is_away.load(Ordering::Relaxed) && self.is_away.swap(false, Ordering::Relaxed) {
                    tracing::info!("rates are counted in Redis again, for all replicas together");
                }
                Some(taken)
            }
            Err(error) => {
                if !self.is_away.swap(true, Ordering::Relaxed) {
                    tracing::warn!(error, "rates cannot be counted in Redis; each replica counts for itself meanwhile");
                }
                None
            }
        }
    }
}

fn client(url: &str, patience: Duration) -> Result<Client, fred::error::Error> {
    let config = Config { fail_fast: false, ..Config::from_url(url)? };
    Builder::from_config(config)
        .with_connection_config(|connection: &mut ConnectionConfig| {
            connection.connection_timeout = Duration::from_secs(3);
            connection.max_command_attempts = 1;
            connection.max_command_buffer_len = MAX_WAITING;
            connection.unresponsive =
                UnresponsiveConfig { max_timeout: Some(Duration::from_secs(3)), interval: Duration::from_secs(1) };
        })
        .with_performance_config(|performance: &mut PerformanceConfig| {
            performance.default_command_timeout = patience;
        })
        // For ever: a bounded number would leave the client without a connection.
        .set_policy(ReconnectPolicy::new_exponential(0, 50, 2_000, 2))
        .build()
}

async fn keep_connected(client: Client, shutdown: CancellationToken) {
    let _connection = client.connect();
    shutdown.cancelled().await;
    drop(client.quit().await);
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
