//! The bus on Kafka.
//!
//! **Publishing.** The producer is idempotent, gapless (`enable.gapless.guarantee`) and never gives a record up by itself
//! (`message.timeout.ms` is 0): within one producer, a record is stored only after those that were enqueued before it for
//! the same partition. A batch goes out in chunks, each acknowledged before the next. A batch that fails or takes too long
//! retires its producer together with all that it still holds, so that nothing of the batch follows out of turn. The next
//! batch gets a new producer, with a new producer id: Kafka does not deduplicate between the two, consumers do, by the
//! event's id.
//!
//! **Consuming.** Commits are stored in the client, which sends them in the background, repeats them until they arrive,
//! and sends the rest before a partition is given away and when the consumer is closed (`enable.auto.commit` with
//! `enable.auto.offset.store` off). Only what was committed through [`super::Consumer::commit`] is ever sent.
//!
//! Clients of librdkafka block while they close, a consumer for some ten seconds when no broker answers: they are dropped
//! on threads that may, and a runtime that shuts down waits for those.

use super::{Config, Delivery, Error, Record, Topic};
use rdkafka::{
    ClientConfig, ClientContext, Message,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    config::RDKafkaLogLevel,
    consumer::{Consumer as _, ConsumerContext, StreamConsumer},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    producer::{FutureProducer, FutureRecord, Producer as _, PurgeConfig},
};
use std::{
    collections::{HashMap, HashSet},
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How soon a commit is sent, at the latest.
pub const COMMIT_INTERVAL: Duration = Duration::from_millis(200);
/// A consumer that handles one record for longer than this loses its partitions.
pub const MAX_HANDLING: Duration = Duration::from_secs(300);
/// A consumer that died loses its partitions after this time.
const SESSION: Duration = Duration::from_secs(10);
const HEARTBEAT: Duration = Duration::from_secs(1);
const ADMIN_TIMEOUT: Duration = Duration::from_secs(10);
const READY_TIMEOUT: Duration = Duration::from_secs(2);
/// Records that [`send`] has in the producer at a time.
const CHUNK_RECORDS: usize = 1_000;
/// Their bytes: less than the producer's `batch.size`.
const CHUNK_BYTES: usize = super::MAX_RECORD;
/// How often one client's troubles are logged, at most.
const COMPLAINTS: Duration = Duration::from_secs(30);
/// Pause while other batches fill the producer's queue.
const QUEUE_FULL_PAUSE: Duration = Duration::from_millis(20);

/// A Kafka cluster. Cheap to clone.
#[derive(Clone)]
pub struct Cluster(Arc<Inner>);

struct Inner {
    config: Config,
    client: ClientConfig,
    admin: Closing<AdminClient<Context>>,
    producer: Mutex<Arc<Producer>>,
    /// Topics that exist, as far as we know, with their prefix.
    known: Mutex<HashSet<String>>,
    /// The topics that are to be made and their partitions, by their names with the prefix.
    wanted: Mutex<HashMap<String, Option<i32>>>,
}

type Producer = Closing<FutureProducer<Context>>;

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("config", &self.0.config).finish_non_exhaustive()
    }
}

/// Sends the client's own words to the log, its troubles now and then only: while brokers are away it repeats itself
/// several times a second.
#[derive(Debug, Default)]
struct Context {
    complained: Mutex<Option<Instant>>,
}

impl Context {
    /// Whether a trouble is to be logged.
    fn is_news(&self) -> bool {
        let mut complained = lock(&self.complained);
        let is_news = complained.is_none_or(|at| at.elapsed() >= COMPLAINTS);
        if is_news {
            *complained = Some(Instant::now());
        }
        is_news
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(?level, facility, message, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if self.is_news() {
            tracing::warn!(%error, reason, "Kafka is in trouble; its client goes on trying");
        } else {
            tracing::debug!(%error, reason, "Kafka is in trouble");
        }
    }
}

impl ConsumerContext for Context {}

/// A client that is closed on a thread that may block.
struct Closing<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> Closing<T> {
    fn new(client: T) -> Self {
        Self(Some(client))
    }
}

impl<T: Send + 'static> Deref for Closing<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("only drop takes the client")
    }
}

impl<T: Send + 'static> Drop for Closing<T> {
    fn drop(&mut self) {
        let client = self.0.take();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn_blocking(move || drop(client));
        }
    }
}

impl Cluster {
    pub(super) fn connect(config: &Config) -> Result<Self, Error> {
        let brokers = config.brokers.as_deref().ok_or(Error::NoBrokers)?;
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", brokers)
            .set("client.id", "hansa")
            .set("socket.keepalive.enable", "true")
            .set("reconnect.backoff.max.ms", "2000")
            // A topic that is made later is found within this time.
            .set("topic.metadata.refresh.interval.ms", "10000")
            // Topics are made by `ensure_topics`, with the partitions they need.
            .set("allow.auto.create.topics", "false");
        let admin = Closing::new(client.create_with_context(Context::default())?);
        let producer = Mutex::new(Arc::new(producer(&client)?));
        let known = Mutex::new(HashSet::new());
        let wanted = Mutex::new(HashMap::new());
        Ok(Self(Arc::new(Inner { config: config.clone(), client, admin, producer, known, wanted })))
    }

    fn prefixed(&self, name: &str) -> String {
        format!("{}{name}", self.0.config.prefix)
    }

    pub(super) fn declare_topics(&self, topics: &[Topic<'_>]) {
        let topics = topics.iter().map(|topic| (self.prefixed(topic.name), topic.partitions));
        lock(&self.0.wanted).extend(topics);
    }

    pub(super) async fn ensure_topics(&self) -> Result<(), Error> {
        let topics = lock(&self.0.wanted).clone();
        self.ensure(topics.into_iter().collect()).await
    }

    async fn ensure(&self, mut topics: Vec<(String, Option<i32>)>) -> Result<(), Error> {
        topics.retain(|(name, _)| !lock(&self.0.known).contains(name));
        if topics.is_empty() {
            return Ok(());
        }
        let existing = self.existing_topics().await?;
        let config = &self.0.config;
        let missing: Vec<_> = topics
            .iter()
            .filter(|(name, _)| !existing.contains(name))
            .map(|(name, partitions)| {
                NewTopic::new(
                    name,
                    partitions.unwrap_or(config.partitions),
                    TopicReplication::Fixed(config.replication),
                )
            })
            .collect();
        if !missing.is_empty() {
            let options =
                AdminOptions::new().request_timeout(Some(ADMIN_TIMEOUT)).operation_timeout(Some(ADMIN_TIMEOUT));
            for result in self.0.admin.create_topics(&missing, &options).await? {
                match result {
                    Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                    Err((topic, code)) => {
                        tracing::warn!(topic, %code, "a topic could not be made");
                        return Err(KafkaError::AdminOp(code).into());
                    }
                }
            }
        }
        lock(&self.0.known).extend(topics.into_iter().map(|(name, _)| name));
        Ok(())
    }

    async fn existing_topics(&self) -> Result<HashSet<String>, Error> {
        let metadata = self.with_admin(|admin| admin.inner().fetch_metadata(None, ADMIN_TIMEOUT)).await?;
        Ok(metadata.topics().iter().map(|topic| topic.name().to_owned()).collect())
    }

    pub(super) async fn is_ready(&self) -> bool {
        self.with_admin(|admin| admin.inner().fetch_metadata(None, READY_TIMEOUT).map(drop)).await.is_ok()
    }

    async fn with_admin<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&AdminClient<Context>) -> KafkaResult<T> + Send + 'static,
    ) -> KafkaResult<T> {
        let inner = Arc::clone(&self.0);
        // A task that is not run ends with the runtime.
        tokio::task::spawn_blocking(move || ask(&inner.admin)).await.unwrap_or(Err(KafkaError::Canceled))
    }

    pub(super) async fn publish(&self, topic: &str, records: &[Record]) -> Result<(), Error> {
        let topic = self.prefixed(topic);
        let partitions = lock(&self.0.wanted).get(&topic).copied().flatten();
        self.ensure(vec![(topic.clone(), partitions)]).await?;
        let producer = Arc::clone(&lock(&self.0.producer));
        let timeout = Duration::from_secs(self.0.config.publish_timeout);
        let result = match tokio::time::timeout(timeout, send(&producer, &topic, records)).await {
            Ok(sent) => sent.map_err(Error::from),
            Err(_) => Err(Error::Timeout(timeout)),
        };
        if result.is_err() {
            // It may have been deleted.
            lock(&self.0.known).remove(&topic);
            self.retire(&producer)?;
        }
        result
    }

    /// Replaces a producer unless that has happened already. Whatever it holds fails.
    fn retire(&self, producer: &Arc<Producer>) -> Result<(), Error> {
        let mut current = lock(&self.0.producer);
        if Arc::ptr_eq(&current, producer) {
            producer.purge(PurgeConfig::default().queue().inflight());
            *current = Arc::new(self::producer(&self.0.client)?);
        }
        Ok(())
    }

    pub(super) fn consumer(&self, group: &str, topics: &[&str]) -> Result<Consumer, Error> {
        let client: StreamConsumer<Context> = self
            .0
            .client
            .clone()
            .set("group.id", self.prefixed(group))
            .set("enable.auto.commit", "true")
            .set("enable.auto.offset.store", "false")
            .set("auto.commit.interval.ms", COMMIT_INTERVAL.as_millis().to_string())
            .set("auto.offset.reset", "earliest")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", SESSION.as_millis().to_string())
            .set("heartbeat.interval.ms", HEARTBEAT.as_millis().to_string())
            .set("max.poll.interval.ms", MAX_HANDLING.as_millis().to_string())
            .set("fetch.wait.max.ms", "50")
            .set("fetch.error.backoff.ms", "100")
            .set("queued.min.messages", "1000")
            .set("queued.max.messages.kbytes", "16384")
            .create_with_context(Context::default())?;
        let topics: Vec<_> = topics.iter().map(|topic| self.prefixed(topic)).collect();
        client.subscribe(&topics.iter().map(String::as_str).collect::<Vec<_>>())?;
        Ok(Consumer { client: Closing::new(client), prefix: self.0.config.prefix.clone() })
    }
}

fn producer(client: &ClientConfig) -> KafkaResult<Producer> {
    let producer = client
        .clone()
        .set("enable.idempotence", "true")
        .set("enable.gapless.guarantee", "true")
        .set("acks", "all")
        .set("message.timeout.ms", "0")
        .set("linger.ms", "5")
        .set("retry.backoff.max.ms", "500")
        .set("compression.type", "lz4")
        .set("queue.buffering.max.kbytes", "65536")
        // As the other Kafka clients do, so that they put a key into the same partition.
        .set("partitioner", "murmur2_random")
        .create_with_context(Context::default())?;
    Ok(Closing::new(producer))
}

/// Sends the records in order, chunk by chunk: each is acknowledged before the next is enqueued, and goes to a partition in
/// one request. Kafka refuses a request whose predecessor failed, yet not from a producer that is new to the partition.
async fn send(producer: &FutureProducer<Context>, topic: &str, mut records: &[Record]) -> KafkaResult<()> {
    while !records.is_empty() {
        let (chunk, rest) = records.split_at(chunk_length(records));
        records = rest;
        let mut deliveries = Vec::with_capacity(chunk.len());
        for record in chunk {
            let mut message = FutureRecord::to(topic).key(&record.key).payload(&record.payload);
            let delivery = loop {
                match producer.send_result(message) {
                    Ok(delivery) => break delivery,
                    Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), unsent)) => message = unsent,
                    Err((error, _)) => return Err(error),
                }
                tokio::time::sleep(QUEUE_FULL_PAUSE).await;
            };
            deliveries.push(delivery);
        }
        for delivery in deliveries {
            delivery.await.map_err(|_| KafkaError::Canceled)?.map_err(|(error, _)| error)?;
        }
    }
    Ok(())
}

/// How many records make the first chunk: one at least.
fn chunk_length(records: &[Record]) -> usize {
    let mut bytes = 0;
    let fitting = records.iter().take(CHUNK_RECORDS).take_while(|record| {
        bytes += record.key.len() + record.payload.len();
        bytes <= CHUNK_BYTES
    });
    fitting.count().max(1)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A consumer of a Kafka cluster.
pub struct Consumer {
    client: Closing<StreamConsumer<Context>>,
    prefix: String,
}

impl std::fmt::Debug for Consumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumer").finish_non_exhaustive()
    }
}

impl Consumer {
    pub(super) async fn next(&mut self) -> Result<Delivery, Error> {
        loop {
            match self.client.recv().await {
                Ok(message) => {
                    let topic = message.topic();
                    return Ok(Delivery {
                        topic: topic.strip_prefix(&self.prefix).unwrap_or(topic).to_owned(),
                        partition: message.partition(),
                        offset: message.offset(),
                        key: String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned(),
                        payload: message.payload().unwrap_or_default().to_vec(),
                    });
                }
                Err(error @ KafkaError::MessageConsumptionFatal(_)) => return Err(error.into()),
                // Lost brokers, a missing topic, a poll that came too late: the client recovers from these by itself.
                Err(error) if self.client.client().context().is_news() => {
                    tracing::warn!(%error, "consuming is interrupted");
                }
                Err(error) => tracing::debug!(%error, "consuming is interrupted"),
            }
        }
    }

    pub(super) fn commit(&mut self, delivery: &Delivery) -> Result<(), Error> {
        let topic = format!("{}{}", self.prefix, delivery.topic);
        match self.client.store_offset(&topic, delivery.partition, delivery.offset) {
            Ok(()) => Ok(()),
            Err(KafkaError::StoreOffset(RDKafkaErrorCode::State | RDKafkaErrorCode::UnknownPartition)) => {
                Err(Error::Lost { topic: delivery.topic.clone(), partition: delivery.partition })
            }
            Err(error) => Err(error.into()),
        }
    }
}
