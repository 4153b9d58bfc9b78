//! Consumers: every event of a topic has its effect once, whatever is redelivered.
//!
//! The event's id goes into the inbox in the transaction of its effect; the offset is committed after. An event that
//! keeps failing while the database is healthy is poison: it goes to the dead-letter topic, so that those behind it go on.

use crate::{
    Clock, Error,
    bus::{Bus, Consumer, Delivery, Record},
    database, trace,
};
use backon::{BackoffBuilder, ExponentialBuilder};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use hansa_schema::Envelope;
use sea_orm::{ActiveValue::Set, DatabaseConnection, DatabaseTransaction, entity::prelude::*, sea_query::OnConflict};
use serde_json::Value;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "inbox")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub event_id: Uuid,
        pub received_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// How long ids are remembered: longer than any topic keeps its events.
pub const INBOX_RETENTION: chrono::Duration = chrono::Duration::days(14);
/// Failures of one event, with a healthy database, before it is poison.
const ATTEMPTS: usize = 6;

/// Why a handler failed.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// The event can never be handled: it goes to the dead letters at once.
    #[error("poison event: {0}")]
    Poison(String),
    /// It may work later.
    #[error(transparent)]
    Retry(#[from] Error),
}

impl From<sea_orm::DbErr> for HandlerError {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Retry(error.into())
    }
}

impl From<serde_json::Error> for HandlerError {
    fn from(error: serde_json::Error) -> Self {
        Self::Poison(error.to_string())
    }
}

/// An event as handlers read it: its data is typed once its `type` is known.
pub type AnyEvent = Envelope<Value>;

/// What is done after the commit: waking subscribers, mostly.
pub type AfterCommit = Box<dyn FnOnce() + Send>;

/// Handles one event within the transaction of its effects.
pub trait Handler:
    for<'a> Fn(&'a DatabaseTransaction, AnyEvent) -> BoxFuture<'a, Result<Option<AfterCommit>, HandlerError>> + Send + Sync
{
}

impl<F> Handler for F where
    F: for<'a> Fn(&'a DatabaseTransaction, AnyEvent) -> BoxFuture<'a, Result<Option<AfterCommit>, HandlerError>>
        + Send
        + Sync
{
}

/// Lets the compiler read a closure as a [`Handler`].
pub fn handler<F>(handle: F) -> F
where
    F: for<'a> Fn(&'a DatabaseTransaction, AnyEvent) -> BoxFuture<'a, Result<Option<AfterCommit>, HandlerError>>
        + Send
        + Sync,
{
    handle
}

/// What a consumer works with.
#[derive(Clone, Debug)]
pub struct Source {
    /// The service's own database: inbox and effects.
    pub database: DatabaseConnection,
    /// Where events come from.
    pub bus: Bus,
    /// The consumer group: one a service.
    pub group: &'static str,
    /// What it reads.
    pub topics: &'static [&'static str],
    /// The time.
    pub clock: Clock,
}

/// Consumes until shutdown. `handle` gets every event once it is new, within the transaction of its effects; types it does
/// not know it ignores.
pub async fn run<H>(source: Source, shutdown: CancellationToken, handle: H)
where
    H: Handler,
{
    let mut reconnect = reconnect_delays();
    while !shutdown.is_cancelled() {
        let result = tokio::select! {
            result = consume(&source, &handle, &mut reconnect) => result,
            () = shutdown.cancelled() => return,
        };
        if let Err(error) = result {
            let delay = reconnect.next().unwrap_or(Duration::from_secs(10));
            tracing::warn!(%error, group = source.group, ?delay, "consuming was interrupted");
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = shutdown.cancelled() => {}
            }
        }
    }
}

fn reconnect_delays() -> backon::ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(10))
        .with_jitter()
        .without_max_times()
        .build()
}

async fn consume<H>(source: &Source, handle: &H, reconnect: &mut backon::ExponentialBackoff) -> Result<(), Error>
where
    H: Handler,
{
    let mut consumer = source.bus.consumer(source.group, source.topics).await?;
    loop {
        let delivery = consumer.next().await?;
        settle(source, &mut consumer, &delivery, handle).await?;
        *reconnect = reconnect_delays();
    }
}

/// Handles one delivery until its effect or its dead letter is safe, then commits its offset.
async fn settle<H>(source: &Source, consumer: &mut Consumer, delivery: &Delivery, handle: &H) -> Result<(), Error>
where
    H: Handler,
{
    let mut delays = reconnect_delays();
    let mut failures = 0;
    let reason = loop {
        match apply(source, delivery, handle).await {
            Ok(()) => break None,
            Err(HandlerError::Poison(reason)) => break Some(reason),
            Err(HandlerError::Retry(error)) => {
                // While the database is away nothing is the event's fault.
                if source.database.ping().await.is_ok() {
                    failures += 1;
                }
                if failures >= ATTEMPTS {
                    break Some(error.to_string());
                }
                tracing::warn!(%error, topic = delivery.topic, offset = delivery.offset, "an event failed");
                tokio::time::sleep(delays.next().unwrap_or_default()).await;
            }
        }
    };
    if let Some(reason) = reason {
        bury(source, delivery, &reason).await?;
    }
    Ok(consumer.commit(delivery).await?)
}

async fn apply<H>(source: &Source, delivery: &Delivery, handle: &H) -> Result<(), HandlerError>
where
    H: Handler,
{
    let event: AnyEvent = serde_json::from_slice(&delivery.payload)?;
    let span = tracing::trace_span!(
        target: trace::TARGET,
        "process",
        otel.kind = "consumer",
        otel.name = format!("process {}", delivery.topic),
        "messaging.operation.type" = "process",
        "messaging.destination.name" = delivery.topic,
        "messaging.consumer.group.name" = source.group,
        "messaging.message.id" = %event.id,
        "cloudevents.event_type" = event.r#type,
        otel.status_code = tracing::field::Empty,
    );
    trace::follow_event(&span, event.traceparent.as_deref());
    let outcome = take_effect(source, event, handle).instrument(span.clone()).await;
    if outcome.is_err() {
        span.record("otel.status_code", "ERROR");
    }
    outcome
}

/// The effect of an event and its id in the inbox, in one transaction; nothing when the id is there already.
async fn take_effect<H>(source: &Source, event: AnyEvent, handle: &H) -> Result<(), HandlerError>
where
    H: Handler,
{
    let transaction = database::begin(&source.database).await?;
    if !remember(&transaction, event.id, source.clock.now()).await? {
        return Ok(transaction.rollback().await?);
    }
    let after_commit = handle(&transaction, event).await?;
    transaction.commit().await?;
    metrics::counter!("hansa_events_consumed_total", "group" => source.group).increment(1);
    if let Some(after_commit) = after_commit {
        after_commit();
    }
    Ok(())
}

/// Puts the id into the inbox; false when it is there already.
async fn remember(transaction: &DatabaseTransaction, event_id: Uuid, now: DateTime<Utc>) -> Result<bool, Error> {
    let row = entity::ActiveModel { event_id: Set(event_id), received_at: Set(now) };
    let inserted = entity::Entity::insert(row)
        .on_conflict(OnConflict::column(entity::Column::EventId).do_nothing().to_owned())
        .exec_without_returning(transaction)
        .await?;
    Ok(inserted == 1)
}

/// The dead-letter topic of `topic`.
pub fn dead_letters(topic: &str) -> String {
    format!("{topic}.dead")
}

async fn bury(source: &Source, delivery: &Delivery, reason: &str) -> Result<(), Error> {
    tracing::error!(topic = delivery.topic, offset = delivery.offset, reason, "an event goes to the dead letters");
    metrics::counter!("hansa_events_dead_total", "group" => source.group).increment(1);
    let letter = serde_json::json!({
        "group": source.group,
        "topic": delivery.topic,
        "partition": delivery.partition,
        "offset": delivery.offset,
        "reason": reason,
        "payload": String::from_utf8_lossy(&delivery.payload),
    });
    let record = Record { key: delivery.key.clone(), payload: serde_json::to_vec(&letter)? };
    Ok(source.bus.publish(&dead_letters(&delivery.topic), vec![record]).await?)
}

/// Forgets ids that no topic can deliver again.
///
/// # Errors
/// When the database fails.
pub async fn prune(database: &DatabaseConnection, now: DateTime<Utc>) -> Result<(), Error> {
    entity::Entity::delete_many().filter(entity::Column::ReceivedAt.lt(now - INBOX_RETENTION)).exec(database).await?;
    Ok(())
}
