//! Live signals: "there is news", to every replica, and little more than that.
//!
//! A signal may be lost; whoever waits for one also looks at the rows from time to time. What has no rows, for it is worth
//! nothing a moment later, is whispered: a small payload, delivered at most once, to those who listen just then. Signals within the process need
//! nothing; over replicas they travel through one Redis channel.

use crate::Error;
use dashmap::DashMap;
use fred::{
    prelude::{
        Builder, ClientLike, Config as RedisConfig, ConnectionConfig, EventInterface, PerformanceConfig,
        PubsubInterface, ReconnectPolicy,
    },
    types::config::UnresponsiveConfig,
};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;

/// How signals travel.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `redis://…`; without it signals stay within the process.
    pub url: Option<String>,
    /// Put before the channel's name, so that installations can share a Redis.
    pub prefix: String,
}

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Signal {
    /// There are new rows in `stream` for `viewer`.
    News {
        /// Which stream.
        stream: String,
        /// Whose.
        viewer: uuid::Uuid,
    },
    /// The session has ended; its tokens are refused until `until`.
    Revoked {
        /// The session's global id.
        sid: String,
        /// When the last of its tokens expires.
        until: chrono::DateTime<chrono::Utc>,
    },
    /// Something small for whoever listens at this moment. It is kept nowhere.
    Whisper {
        /// What kind of thing.
        topic: String,
        /// Of whom or what.
        subject: uuid::Uuid,
        /// What is said.
        payload: serde_json::Value,
    },
}

type WatchKey = (String, uuid::Uuid);

struct Hub {
    news: DashMap<WatchKey, watch::Sender<()>>,
    whispers: DashMap<WatchKey, broadcast::Sender<serde_json::Value>>,
    revoked: broadcast::Sender<Signal>,
    /// Bumped when signals may have been missed.
    missed: watch::Sender<()>,
    outgoing: Option<mpsc::Sender<Signal>>,
}

/// The signals of this process and, through Redis, of all replicas.
#[derive(Clone)]
pub struct Signals(Arc<Hub>);

impl std::fmt::Debug for Signals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signals").field("redis", &self.0.outgoing.is_some()).finish_non_exhaustive()
    }
}

/// Waits for news of one viewer's stream.
#[derive(Debug)]
pub struct News {
    signals: Signals,
    key: WatchKey,
    receiver: Option<watch::Receiver<()>>,
    missed: watch::Receiver<()>,
}

impl News {
    /// Completes when there may be news. Cancel-safe.
    pub async fn wait(&mut self) {
        let Some(receiver) = &mut self.receiver else { return };
        tokio::select! {
            _ = receiver.changed() => {}
            _ = self.missed.changed() => {}
        }
    }
}

impl Drop for News {
    fn drop(&mut self) {
        self.receiver = None;
        self.signals.0.news.remove_if(&self.key, |_, sender| sender.receiver_count() == 0);
    }
}

/// Listens to what is whispered of one subject.
#[derive(Debug)]
pub struct Whispers {
    signals: Signals,
    key: WatchKey,
    receiver: Option<broadcast::Receiver<serde_json::Value>>,
}

impl Whispers {
    /// What is said next. A listener that is too far behind misses what was said first. Cancel-safe.
    pub async fn next(&mut self) -> serde_json::Value {
        while let Some(receiver) = &mut self.receiver {
            match receiver.recv().await {
                Ok(payload) => return payload,
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => break,
            }
        }
        std::future::pending().await
    }
}

impl Drop for Whispers {
    fn drop(&mut self) {
        self.receiver = None;
        self.signals.0.whispers.remove_if(&self.key, |_, sender| sender.receiver_count() == 0);
    }
}

const OUTGOING: usize = 10_000;
/// Whispers that one listener may be behind.
const WHISPERS: usize = 16;
const REVOCATIONS: usize = 10_000;

impl Signals {
    /// Signals that stay within this process.
    pub fn memory() -> Self {
        Self::with(None)
    }

    fn with(outgoing: Option<mpsc::Sender<Signal>>) -> Self {
        Self(Arc::new(Hub {
            news: DashMap::new(),
            whispers: DashMap::new(),
            revoked: broadcast::Sender::new(REVOCATIONS),
            missed: watch::Sender::new(()),
            outgoing,
        }))
    }

    /// Signals as configured. A Redis that is away delays nothing: signals are lost until it is back.
    ///
    /// # Errors
    /// When the URL cannot be read.
    pub fn connect(config: &Config, shutdown: CancellationToken) -> Result<Self, Error> {
        let Some(url) = &config.url else { return Ok(Self::memory()) };
        let mut builder = Builder::from_config(RedisConfig::from_url(url)?);
        builder
            .with_connection_config(|connection: &mut ConnectionConfig| {
                connection.connection_timeout = Duration::from_secs(3);
                connection.max_command_attempts = 1;
                connection.max_command_buffer_len = OUTGOING;
                connection.unresponsive =
                    UnresponsiveConfig { max_timeout: Some(Duration::from_secs(3)), interval: Duration::from_secs(1) };
            })
            .with_performance_config(|performance: &mut PerformanceConfig| {
                performance.default_command_timeout = Duration::from_secs(1);
                performance.broadcast_channel_capacity = OUTGOING;
            })
            .set_policy(ReconnectPolicy::new_exponential(0, 50, 2_000, 2));
        let publisher = builder.build()?;
        let subscriber = builder.build_subscriber_client()?;
        let (outgoing, queue) = mpsc::channel(OUTGOING);
        let signals = Self::with(Some(outgoing));
        let channel = format!("{}hansa:signals", config.prefix);
        tokio::spawn(publish(publisher, channel.clone(), queue, shutdown.clone()));
        tokio::spawn(receive(subscriber, channel, signals.clone(), shutdown));
        Ok(signals)
    }

    /// Sends a signal to this process at once, and to the others soon.
    pub fn send(&self, signal: Signal) {
        self.deliver(&signal);
        let Some(outgoing) = &self.0.outgoing else { return };
        // What may not be late goes first: whispers never fill the queue.
        let is_crowded = matches!(signal, Signal::Whisper { .. }) && outgoing.capacity() < OUTGOING / 2;
        if is_crowded || outgoing.try_send(signal).is_err() {
            metrics::counter!("hansa_signals_lost_total").increment(1);
        }
    }

    fn deliver(&self, signal: &Signal) {
        match signal {
            Signal::News { stream, viewer } => {
                if let Some(sender) = self.0.news.get(&(stream.clone(), *viewer)) {
                    sender.send_replace(());
                }
            }
            Signal::Whisper { topic, subject, payload } => {
                if let Some(sender) = self.0.whispers.get(&(topic.clone(), *subject)) {
                    drop(sender.send(payload.clone()));
                }
            }
            // No receiver is no error: nobody in this process checks tokens.
            Signal::Revoked { .. } => drop(self.0.revoked.send(signal.clone())),
        }
    }

    /// Waits for news of `viewer`'s `stream` from now on.
    pub fn news(&self, stream: &str, viewer: uuid::Uuid) -> News {
        let key = (stream.to_owned(), viewer);
        let receiver = self.0.news.entry(key.clone()).or_insert_with(|| watch::Sender::new(())).subscribe();
        News { signals: self.clone(), key, receiver: Some(receiver), missed: self.0.missed.subscribe() }
    }

    /// Listens to what is whispered of `subject` from now on.
    pub fn whispers(&self, topic: &str, subject: uuid::Uuid) -> Whispers {
        let key = (topic.to_owned(), subject);
        let receiver =
            self.0.whispers.entry(key.clone()).or_insert_with(|| broadcast::Sender::new(WHISPERS)).subscribe();
        Whispers { signals: self.clone(), key, receiver: Some(receiver) }
    }

    /// Sessions that end from now on. A receiver that lags reads the truth from the users service.
    pub fn revocations(&self) -> broadcast::Receiver<Signal> {
        self.0.revoked.subscribe()
    }

    /// Changes when signals may have been lost: read the rows again.
    pub fn missed(&self) -> watch::Receiver<()> {
        self.0.missed.subscribe()
    }
}

async fn publish(
    client: fred::clients::Client,
    channel: String,
    mut queue: mpsc::Receiver<Signal>,
    shutdown: CancellationToken,
) {
    let _connection = client.connect();
    while let Some(signal) = tokio::select! {
        signal = queue.recv() => signal,
        () = shutdown.cancelled() => None,
    } {
        let Ok(message) = serde_json::to_string(&signal) else { continue };
        if let Err(error) = client.publish::<(), _, _>(channel.as_str(), message).await {
            tracing::debug!(%error, "a signal was lost");
            metrics::counter!("hansa_signals_lost_total").increment(1);
        }
    }
    drop(client.quit().await);
}

async fn receive(
    client: fred::clients::SubscriberClient,
    channel: String,
    signals: Signals,
    shutdown: CancellationToken,
) {
    let mut messages = client.message_rx();
    let mut reconnected = client.reconnect_rx();
    let _connection = client.connect();
    let _resubscribe = client.manage_subscriptions();
    let subscribe = async {
        drop(client.wait_for_connect().await);
        if let Err(error) = client.subscribe(channel.as_str()).await {
            tracing::warn!(%error, "signals of other replicas cannot be received yet");
        }
        std::future::pending::<()>().await;
    };
    tokio::pin!(subscribe);
    loop {
        tokio::select! {
            () = &mut subscribe => {}
            message = messages.recv() => match message {
                Ok(message) => {
                    let text = message.value.convert::<String>().unwrap_or_default();
                    if let Ok(signal) = serde_json::from_str(&text) {
                        signals.deliver(&signal);
                    }
                }
                Err(broadcast::error::RecvError::Lagged(_)) => { signals.0.missed.send_replace(()); }
                Err(broadcast::error::RecvError::Closed) => break,
            },
            // fred subscribes again by itself; what was said meanwhile is gone.
            _ = reconnected.recv() => { signals.0.missed.send_replace(()); }
            () = shutdown.cancelled() => break,
        }
    }
    drop(client.quit().await);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn news_reaches_its_viewer_only_and_leaves_nothing_behind() {
        let signals = Signals::memory();
        let (ann, bob) = (uuid::Uuid::now_v7(), uuid::Uuid::now_v7());
        let mut news = signals.news("notifications", ann);
        signals.send(Signal::News { stream: "notifications".into(), viewer: bob });
        assert!(!news.receiver.as_ref().unwrap().has_changed().unwrap());
        signals.send(Signal::News { stream: "notifications".into(), viewer: ann });
        tokio::time::timeout(Duration::from_secs(5), news.wait()).await.unwrap();
        drop(news);
        assert!(signals.0.news.is_empty());
    }
    #[tokio::test]
    async fn whispers_reach_listeners_only_and_never_pile_up() {
        let signals = Signals::memory();
        let (ann, bob) = (uuid::Uuid::now_v7(), uuid::Uuid::now_v7());
        let whisper =
            |subject, payload: usize| Signal::Whisper { topic: "typing".into(), subject, payload: payload.into() };
        signals.send(whisper(ann, 0));
        let mut whispers = signals.whispers("typing", ann);
        signals.send(whisper(bob, 1));
        signals.send(whisper(ann, 2));
        assert_eq!(whispers.next().await, 2);
        for number in 0..WHISPERS + 3 {
            signals.send(whisper(ann, number));
        }
        assert_eq!(whispers.next().await, 3);
        drop(whispers);
        assert!(signals.0.whispers.is_empty());
    }
}
