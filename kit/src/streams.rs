//! Durable streams: per viewer an increasing sequence of rows in the owner's database.
//!
//! The event is written in the transaction of the change it tells of. A subscriber reads the rows behind its cursor, then
//! waits for a signal: no gap, no duplicate, on any replica. What is older than the retention is answered by a gap.

use crate::{
    Clock, Error,
    codes::{Code, Denied},
    signals::Signals,
};
use async_graphql::{
    Enum, SimpleObject,
    connection::{CursorType, OpaqueCursor},
};
use chrono::{DateTime, Utc};
use futures::Stream;
use sea_orm::{
    ActiveValue::Set,
    Condition, ConnectionTrait, DatabaseConnection, QueryOrder, QuerySelect,
    entity::prelude::*,
    sea_query::{Expr, ExprTrait, OnConflict, SelectStatement},
};
use std::{collections::BTreeSet, time::Duration};

mod head {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "stream_head")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub stream: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub viewer_id: Uuid,
        pub sequence: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod event {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "stream_event")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub stream: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub viewer_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub sequence: i64,
        #[sea_orm(column_type = "Text")]
        pub payload: String,
        pub occurred_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// How long events are kept.
pub const RETENTION: chrono::Duration = chrono::Duration::days(7);
/// Most events that are kept of one viewer's stream.
pub const MAX_EVENTS: i64 = 10_000;
const BATCH: u64 = 100;
/// Rows of one `INSERT`: SQLite allows 32 766 variables in a statement.
const INSERT: usize = 1_000;
/// A lost signal delays an event by this much at most.
const POLL: Duration = Duration::from_secs(5);

/// Sent in place of events that are no longer there: read the state again, then go on from `cursor`.
#[derive(Clone, Debug, PartialEq, Eq, SimpleObject)]
#[graphql(shareable)]
pub struct StreamGap {
    /// Where to go on from.
    pub cursor: String,
    /// When the gap was noticed.
    pub occurred_at: DateTime<Utc>,
    /// Why events are missing.
    pub reason: StreamGapReason,
    /// How many events are missing, if that is known.
    pub missed_count: Option<i32>,
}

/// Why a stream has a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum StreamGapReason {
    /// The subscriber did not keep up.
    SlowConsumer,
    /// The events are older than they are kept.
    RetentionExceeded,
    /// The cursor is of a stream that was started anew.
    SourceReset,
}

/// What a subscriber gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// One event.
    Event {
        /// Its place in the stream, for resuming and for removing duplicates.
        cursor: String,
        /// When it happened.
        occurred_at: DateTime<Utc>,
        /// What was appended.
        payload: String,
    },
    /// Events are missing.
    Gap(StreamGap),
}

/// Appends an event to `viewer`'s `stream` in the transaction of the change. Afterwards the caller sends
/// [`Signal::News`](crate::signals::Signal::News).
///
/// # Errors
/// When the database fails or the payload cannot be written as JSON.
pub async fn append<C: ConnectionTrait>(
    transaction: &C,
    stream: &str,
    viewer: Uuid,
    now: DateTime<Utc>,
    payload: &impl serde::Serialize,
) -> Result<(), Error> {
    append_all(transaction, stream, &[viewer], now, payload).await
}

/// As [`append`], the same event to each of `viewers`, by a number of statements that does not depend on theirs.
///
/// # Errors
/// When the database fails or the payload cannot be written as JSON.
pub async fn append_all<C: ConnectionTrait>(
    transaction: &C,
    stream: &str,
    viewers: &[Uuid],
    now: DateTime<Utc>,
    payload: &impl serde::Serialize,
) -> Result<(), Error> {
    let payload = serde_json::to_string(payload)?;
    // Everybody locks in the same order: two transactions with some viewers in common never wait for each other.
    let viewers: BTreeSet<_> = viewers.iter().copied().collect();
    let mut viewers = viewers.into_iter();
    loop {
        let some: Vec<_> = viewers.by_ref().take(INSERT).collect();
        if some.is_empty() {
            return Ok(());
        }
        let heads = advance(transaction, stream, some).await?;
        let rows = heads.iter().map(|head| event::ActiveModel {
            stream: Set(stream.to_owned()),
            viewer_id: Set(head.viewer_id),
            sequence: Set(head.sequence),
            payload: Set(payload.clone()),
            occurred_at: Set(now),
        });
        event::Entity::insert_many(rows).exec_without_returning(transaction).await?;
        let surplus = heads.iter().filter(|head| head.sequence > MAX_EVENTS).fold(Condition::any(), |any, head| {
            any.add(
                event::Column::ViewerId.eq(head.viewer_id).and(event::Column::Sequence.lte(head.sequence - MAX_EVENTS)),
            )
        });
        if !surplus.is_empty() {
            let of_stream = event::Entity::delete_many().filter(event::Column::Stream.eq(stream));
            of_stream.filter(surplus).exec(transaction).await?;
        }
    }
}

/// The next sequence of each viewer. The upsert locks their rows, so that sequences are committed in their order.
async fn advance<C: ConnectionTrait>(
    transaction: &C,
    stream: &str,
    viewers: Vec<Uuid>,
) -> Result<Vec<head::Model>, Error> {
    let heads = viewers.into_iter().map(|viewer| head::ActiveModel {
        stream: Set(stream.to_owned()),
        viewer_id: Set(viewer),
        sequence: Set(1),
    });
    let next = Expr::col((head::Entity, head::Column::Sequence)).add(1);
    let heads = head::Entity::insert_many(heads)
        .on_conflict(
            OnConflict::columns([head::Column::Stream, head::Column::ViewerId])
                .value(head::Column::Sequence, next)
                .to_owned(),
        )
        .exec_with_returning(transaction)
        .await?;
    Ok(heads)
}

/// Begins `viewer`'s `stream`, unless it has begun: from now on they are among its [`listeners`].
///
/// # Errors
/// When the database fails.
pub async fn open<C: ConnectionTrait>(database: &C, stream: &str, viewer: Uuid) -> Result<(), Error> {
    if head::Entity::find_by_id((stream.to_owned(), viewer)).one(database).await?.is_none() {
        let head = head::ActiveModel { stream: Set(stream.to_owned()), viewer_id: Set(viewer), sequence: Set(0) };
        let begun = OnConflict::columns([head::Column::Stream, head::Column::ViewerId]).do_nothing().to_owned();
        head::Entity::insert(head).on_conflict(begun).exec_without_returning(database).await?;
    }
    Ok(())
}

/// Whose `stream` has begun, of the users that the query `among` finds: the first `limit` in the order of their ids,
/// behind the id `after`. Whoever never listened can miss nothing, so that nothing needs to be appended for them.
///
/// # Errors
/// When the database fails.
pub async fn listeners<C: ConnectionTrait>(
    database: &C,
    stream: &str,
    among: SelectStatement,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Uuid>, Error> {
    let mut heads = head::Entity::find()
        .select_only()
        .column(head::Column::ViewerId)
        .filter(head::Column::Stream.eq(stream))
        .filter(head::Column::ViewerId.in_subquery(among));
    if let Some(after) = after {
        heads = heads.filter(head::Column::ViewerId.gt(after));
    }
    Ok(heads.order_by_asc(head::Column::ViewerId).limit(limit).into_tuple().all(database).await?)
}

/// Forgets what is older than [`RETENTION`].
///
/// # Errors
/// When the database fails.
pub async fn prune<C: ConnectionTrait>(database: &C, now: DateTime<Utc>) -> Result<(), Error> {
    event::Entity::delete_many().filter(event::Column::OccurredAt.lt(now - RETENTION)).exec(database).await?;
    Ok(())
}

/// Erases all of a viewer, whose account is gone.
///
/// # Errors
/// When the database fails.
pub async fn erase<C: ConnectionTrait>(transaction: &C, viewer: Uuid) -> Result<(), Error> {
    event::Entity::delete_many().filter(event::Column::ViewerId.eq(viewer)).exec(transaction).await?;
    head::Entity::delete_many().filter(head::Column::ViewerId.eq(viewer)).exec(transaction).await?;
    Ok(())
}

/// Reads the argument `after` of a subscription.
///
/// # Errors
/// `BAD_USER_INPUT` when it is not a cursor.
pub fn parse_cursor(after: Option<&str>) -> Result<Option<i64>, Denied> {
    let decode = |cursor| OpaqueCursor::<i64>::decode_cursor(cursor).ok().map(|cursor| cursor.0).filter(|at| *at >= 0);
    match after.map(decode) {
        None => Ok(None),
        Some(Some(position)) => Ok(Some(position)),
        Some(None) => Err(Denied::new(Code::BadUserInput, "`after` is not a cursor of this stream")),
    }
}

fn cursor(sequence: i64) -> String {
    OpaqueCursor(sequence).encode_cursor()
}

/// `viewer`'s `stream` behind `after`, or from now on. Ends only by an error or by being dropped; rows are read as the
/// subscriber takes them, so that a slow one costs nothing.
pub fn subscribe(
    database: DatabaseConnection,
    signals: Signals,
    clock: Clock,
    stream: &'static str,
    viewer: Uuid,
    after: Option<i64>,
) -> impl Stream<Item = Result<Item, Error>> + Send {
    async_stream::try_stream! {
        let mut news = signals.news(stream, viewer);
        let mut position = match after {
            Some(position) => position,
            None => last_sequence(&database, stream, viewer).await?,
        };
        loop {
            let head = last_sequence(&database, stream, viewer).await?;
            if position > head {
                position = head;
                yield gap(head, clock.now(), StreamGapReason::SourceReset, None);
            }
            let rows = event::Entity::find()
                .filter(event::Column::Stream.eq(stream))
                .filter(event::Column::ViewerId.eq(viewer))
                .filter(event::Column::Sequence.gt(position))
                .order_by_asc(event::Column::Sequence)
                .limit(BATCH)
                .all(&database)
                .await?;
            let is_last = (rows.len() as u64) < BATCH;
            // Sequences have no holes: a first row further on, or none before the head, means that rows were pruned.
            let next = rows.first().map_or(head + 1, |row| row.sequence);
            let missed = next - position - 1;
            if missed > 0 {
                position = next - 1;
                yield gap(position, clock.now(), StreamGapReason::RetentionExceeded, Some(missed));
            }
            for row in rows {
                position = row.sequence;
                yield Item::Event { cursor: cursor(row.sequence), occurred_at: row.occurred_at, payload: row.payload };
            }
            if is_last {
                tokio::select! {
                    () = news.wait() => {}
                    () = tokio::time::sleep(POLL) => {}
                }
            }
        }
    }
}

fn gap(position: i64, now: DateTime<Utc>, reason: StreamGapReason, missed: Option<i64>) -> Item {
    let missed_count = missed.map(|count| i32::try_from(count).unwrap_or(i32::MAX));
    Item::Gap(StreamGap { cursor: cursor(position), occurred_at: now, reason, missed_count })
}

async fn last_sequence(database: &DatabaseConnection, stream: &str, viewer: Uuid) -> Result<i64, Error> {
    let head = head::Entity::find_by_id((stream.to_owned(), viewer)).one(database).await?;
    Ok(head.map_or(0, |head| head.sequence))
}
