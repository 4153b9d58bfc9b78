//! The event bus: topics of records, delivered at least once and in order per key.
//!
//! [`Bus`] is a log in a SQLite file of this process ([`embedded`]) or a Kafka cluster ([`kafka`]). Both keep the same
//! contract:
//!
//! - [`Bus::publish`] returns once every record is durable. When it fails, a prefix of each key's records may have been
//!   published, and never a record without those before it. Whoever then publishes the same records again, from the
//!   first, may publish some twice, yet the first appearances of all of them are in order.
//! - A group gets every record of its topics at least once, from the oldest that is kept; those of one key in order and
//!   from one consumer at a time. What was not committed is delivered again, to the same or another consumer.
//! - What one group does is nothing to another.
//!
//! Consumers that deduplicate by the event's id therefore see each event once and in order.

pub mod embedded;
pub mod kafka;

use sea_orm::DatabaseConnection;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Which bus, and how new topics are made.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Kafka's bootstrap servers, `HOST:PORT,…`; without them the bus is embedded.
    pub brokers: Option<String>,
    /// Partitions of a new topic that does not ask for its own number.
    pub partitions: i32,
    /// Replicas of a new topic.
    pub replication: i32,
    /// Put before the names of topics and groups, so that installations can share a cluster.
    pub prefix: String,
    /// Seconds within which Kafka must acknowledge what is published.
    pub publish_timeout: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { brokers: None, partitions: 12, replication: 1, prefix: String::new(), publish_timeout: 30 }
    }
}

/// What is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Records of one key stay in order.
    pub key: String,
    /// At most [`MAX_RECORD`] bytes with the key.
    pub payload: Vec<u8>,
}

/// A record as a consumer gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its topic.
    pub topic: String,
    /// Its partition; the embedded bus has the partition 0 alone.
    pub partition: i32,
    /// Its place: increases within a partition, with holes.
    pub offset: i64,
    /// Its key.
    pub key: String,
    /// What was published.
    pub payload: Vec<u8>,
}

/// A topic to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic<'a> {
    /// Its name, without the prefix.
    pub name: &'a str,
    /// Its partitions, when it cannot do with [`Config::partitions`]: a topic with one is in order as a whole.
    pub partitions: Option<i32>,
}

/// Most bytes of a record's key and payload, so that it fits into Kafka's default of 1 MB with its frame.
pub const MAX_RECORD: usize = 900 * 1024;

/// What can go wrong on the bus.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database of the embedded bus.
    #[error("log: {0}")]
    Log(#[from] sea_orm::DbErr),
    /// Kafka refused, or its client cannot go on.
    #[error("Kafka: {0}")]
    Kafka(#[from] rdkafka::error::KafkaError),
    /// The configuration names no brokers.
    #[error("no brokers are configured")]
    NoBrokers,
    /// The brokers did not acknowledge in time.
    #[error("not acknowledged within {0:?}")]
    Timeout(Duration),
    /// The record can never be published; none of its batch was.
    #[error("a record of {size} bytes in {topic}, where {MAX_RECORD} are allowed")]
    TooLarge {
        /// Where it was to go.
        topic: String,
        /// Bytes of its key and payload.
        size: usize,
    },
    /// The partition belongs to another consumer of the group by now. Harmless: that one gets the record again.
    #[error("partition {partition} of {topic} is not this consumer's any more")]
    Lost {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
}

/// Where events go and come from. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Bus {
    /// A log in a SQLite file, for one process.
    Embedded(embedded::Log),
    /// A Kafka cluster.
    Kafka(kafka::Cluster),
}

/// Reads topics as a member of a group. Dropping it hands its topics to the group's other consumers.
#[derive(Debug)]
pub enum Consumer {
    /// Of the embedded bus.
    Embedded(embedded::Consumer),
    /// Of Kafka.
    Kafka(kafka::Consumer),
}

impl Bus {
    /// A bus in a SQLite database that holds the bus tables and belongs to this process alone.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn embedded(database: DatabaseConnection) -> Result<Self, Error> {
        Ok(Self::Embedded(embedded::Log::open(database).await?))
    }

    /// A bus on a Kafka cluster. It need not be reachable yet: see [`Bus::is_ready`].
    ///
    /// # Errors
    /// When no brokers are configured or the client cannot be made.
    pub async fn kafka(config: &Config) -> Result<Self, Error> {
        Ok(Self::Kafka(kafka::Cluster::connect(config)?))
    }

    /// Says which topics there shall be. Kafka need not be reachable: whoever first publishes on one makes it so.
    pub fn declare_topics(&self, topics: &[Topic<'_>]) {
        match self {
            Self::Embedded(_) => {}
            Self::Kafka(cluster) => cluster.declare_topics(topics),
        }
    }

    /// Makes the declared topics that do not exist. Existing ones stay as they are. Several replicas may do so at once.
    ///
    /// # Errors
    /// When the cluster cannot be reached or refuses.
    pub async fn ensure_topics(&self) -> Result<(), Error> {
        match self {
            Self::Embedded(_) => Ok(()),
            Self::Kafka(cluster) => cluster.ensure_topics().await,
        }
    }

    /// Publishes records in their order and returns when all are acknowledged. A topic that does not exist is made.
    ///
    /// # Errors
    /// When not all could be published; see the module's contract for what is there then.
    pub async fn publish(&self, topic: &str, records: Vec<Record>) -> Result<(), Error> {
        for record in &records {
            let size = record.key.len() + record.payload.len();
            if size > MAX_RECORD {
                return Err(Error::TooLarge { topic: topic.to_owned(), size });
            }
        }
        match self {
            _ if records.is_empty() => Ok(()),
            Self::Embedded(log) => log.publish(topic, records).await,
            Self::Kafka(cluster) => cluster.publish(topic, &records).await,
        }
    }

    /// Joins `group` as a consumer of `topics`. A topic that does not exist yet is read within seconds once it does.
    ///
    /// # Errors
    /// When the log cannot be written or the client cannot be made.
    pub async fn consumer(&self, group: &str, topics: &[&str]) -> Result<Consumer, Error> {
        match self {
            Self::Embedded(log) => Ok(Consumer::Embedded(log.consumer(group, topics).await?)),
            Self::Kafka(cluster) => Ok(Consumer::Kafka(cluster.consumer(group, topics)?)),
        }
    }

    /// Whether the bus answers now.
    pub async fn is_ready(&self) -> bool {
        match self {
            Self::Embedded(log) => log.is_ready().await,
            Self::Kafka(cluster) => cluster.is_ready().await,
        }
    }
}

impl Consumer {
    /// Waits for the next record. Cancel-safe: no record is lost when the future is dropped.
    ///
    /// # Errors
    /// When reading fails for good: drop this consumer and make a new one. Kafka's passing troubles are waited out.
    pub async fn next(&mut self) -> Result<Delivery, Error> {
        match self {
            Self::Embedded(consumer) => consumer.next().await,
            Self::Kafka(consumer) => consumer.next().await,
        }
    }

    /// Says that everything up to and including this delivery of its partition is done. The embedded bus has stored that
    /// on return. Kafka is told in the background: within [`kafka::COMMIT_INTERVAL`], before the partition goes to another
    /// consumer, and when this one is dropped; a crash before that has the records delivered again.
    ///
    /// # Errors
    /// [`Error::Lost`] when the partition is not this consumer's any more, and what storing gives.
    pub async fn commit(&mut self, delivery: &Delivery) -> Result<(), Error> {
        match self {
            Self::Embedded(consumer) => consumer.commit(delivery).await,
            Self::Kafka(consumer) => consumer.commit(delivery),
        }
    }
}
