//! The outbox: a change and its event are one transaction; a relay publishes what is committed, in order.
//!
//! One relay per service holds a lease, publishes the oldest rows and deletes them once the bus has acknowledged them.
//! A crash in between publishes them again: consumers deduplicate by the event's id.

use crate::{
    Clock, Error,
    bus::{self, Bus, MAX_RECORD, Record},
    database, ids, lease, trace,
};
use backon::{BackoffBuilder, ExponentialBuilder};
use chrono::{DateTime, Utc};
use hansa_schema::{Envelope, Event};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ConnectionTrait, DatabaseConnection, QueryOrder, QuerySelect,
    entity::prelude::*,
};
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "outbox")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub seq: i64,
        pub event_id: Uuid,
        pub topic: String,
        pub key: String,
        #[sea_orm(column_type = "Text")]
        pub payload: String,
        pub created_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

const LEASE: &str = "outbox";
const BATCH: u64 = 500;
/// Rows that another replica wrote are found within this time.
const POLL: Duration = Duration::from_millis(200);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(10);

/// A service's outbox: wakes the relay of this process when a transaction has committed.
#[derive(Clone, Debug)]
pub struct Outbox {
    service: &'static str,
    committed: Arc<Notify>,
}

impl Outbox {
    /// The outbox of `service`, which names it in metrics.
    pub fn new(service: &'static str) -> Self {
        Self { service, committed: Arc::default() }
    }

    /// Says that rows were committed.
    pub fn wake(&self) {
        self.committed.notify_one();
    }
}

/// Writes an event that happens with this transaction. Call [`Outbox::wake`] after the commit.
///
/// # Errors
/// When the database fails or the event is too large for the bus.
pub async fn write<E: Event, C: ConnectionTrait>(transaction: &C, now: DateTime<Utc>, event: E) -> Result<(), Error> {
    write_all(transaction, now, [event]).await
}

/// Writes events that happen with this transaction, in their order, by one statement: some hundreds at most. Call
/// [`Outbox::wake`] after the commit.
///
/// # Errors
/// When the database fails or an event is too large for the bus.
pub async fn write_all<E: Event, C: ConnectionTrait>(
    transaction: &C,
    now: DateTime<Utc>,
    events: impl IntoIterator<Item = E>,
) -> Result<(), Error> {
    let rows: Vec<_> = events.into_iter().map(|event| row(now, event)).collect::<Result<_, _>>()?;
    if !rows.is_empty() {
        entity::Entity::insert_many(rows).exec_without_returning(transaction).await?;
    }
    Ok(())
}

fn row<E: Event>(now: DateTime<Utc>, event: E) -> Result<entity::ActiveModel, Error> {
    let envelope = Envelope { traceparent: trace::traceparent(), ..Envelope::new(ids::new(), now, event) };
    let payload = serde_json::to_string(&envelope)?;
    let size = envelope.subject.len() + payload.len();
    if size > MAX_RECORD {
        // Once committed it could never be published, and nothing behind it either.
        return Err(bus::Error::TooLarge { topic: E::TOPIC.to_owned(), size }.into());
    }
    Ok(entity::ActiveModel {
        seq: NotSet,
        event_id: Set(envelope.id),
        topic: Set(E::TOPIC.to_owned()),
        key: Set(envelope.subject),
        payload: Set(payload),
        created_at: Set(now),
    })
}

/// How many events wait to be published.
///
/// # Errors
/// When the database fails.
pub async fn depth<C: ConnectionTrait>(database: &C) -> Result<u64, Error> {
    Ok(entity::Entity::find().count(database).await?)
}

/// Publishes the outbox until shutdown. Every replica runs this; one of them at a time holds the lease and works.
pub async fn relay(database: DatabaseConnection, bus: Bus, outbox: Outbox, clock: Clock, shutdown: CancellationToken) {
    let holder = Uuid::new_v4();
    let mut delays = retry_delays();
    while !shutdown.is_cancelled() {
        let pause = match relay_batch(&database, &bus, &outbox, holder, &clock).await {
            Ok(BATCH) => continue,
            Ok(_) => {
                delays = retry_delays();
                POLL
            }
            Err(error) => {
                let delay = delays.next().unwrap_or(MAX_RETRY_DELAY);
                tracing::warn!(%error, ?delay, "the outbox could not be relayed; will try again");
                release(&database, holder).await; // another replica may fare better meanwhile
                delay
            }
        };
        tokio::select! {
            () = outbox.committed.notified() => {}
            () = tokio::time::sleep(pause) => {}
            () = shutdown.cancelled() => {}
        }
    }
    release(&database, holder).await;
}

async fn release(database: &DatabaseConnection, holder: Uuid) {
    if let Err(error) = lease::release(database, LEASE, holder).await {
        tracing::debug!(%error, "the outbox lease could not be released; it will expire");
    }
}

fn retry_delays() -> backon::ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(POLL)
        .with_max_delay(MAX_RETRY_DELAY)
        .with_jitter()
        .without_max_times()
        .build()
}

/// Publishes at most [`BATCH`] rows and returns how many it was.
async fn relay_batch(
    database: &DatabaseConnection,
    bus: &Bus,
    outbox: &Outbox,
    holder: Uuid,
    clock: &Clock,
) -> Result<u64, Error> {
    let gauge = metrics::gauge!("hansa_outbox_depth", "service" => outbox.service);
    // The lease is taken only when there is work, and the rows are read under it: nobody else is publishing them.
    if oldest(1).one(database).await?.is_none() {
        gauge.set(0.0);
        return Ok(0);
    }
    if !lease::acquire(database, LEASE, holder, clock.now()).await? {
        return Ok(0);
    }
    let rows = oldest(BATCH).all(database).await?;
    let waiting = if (rows.len() as u64) < BATCH { rows.len() as u64 } else { depth(database).await? };
    #[expect(clippy::cast_precision_loss, reason = "a gauge need not be exact beyond 2^52")]
    gauge.set(waiting as f64);
    let mut published = Vec::with_capacity(rows.len());
    let mut topics: Vec<(String, Vec<Record>)> = Vec::new();
    for row in rows {
        published.push(row.seq);
        let record = Record { key: row.key, payload: row.payload.into_bytes() };
        match topics.iter_mut().find(|(topic, _)| *topic == row.topic) {
            Some((_, records)) => records.push(record),
            None => topics.push((row.topic, vec![record])),
        }
    }
    for (topic, records) in topics {
        bus.publish(&topic, records).await?;
    }
    let count = published.len() as u64;
    let transaction = database::begin(database).await?;
    entity::Entity::delete_many().filter(entity::Column::Seq.is_in(published)).exec(&transaction).await?;
    transaction.commit().await?;
    metrics::counter!("hansa_outbox_published_total", "service" => outbox.service).increment(count);
    Ok(count)
}

fn oldest(limit: u64) -> Select<entity::Entity> {
    entity::Entity::find().order_by_asc(entity::Column::Seq).limit(limit)
}
