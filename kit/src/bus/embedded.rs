//! The embedded bus: a log table in a SQLite file, with one partition for each topic.
//!
//! The file belongs to one process. Within it a topic has one active consumer per group; the others of the group stand by
//! and take over, from the committed offset, once that one is dropped.

use super::{Delivery, Error, Record};
use crate::database;
use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    DatabaseConnection, DbErr, QueryOrder, QuerySelect,
    entity::prelude::*,
    sea_query::{Expr, ExprTrait, OnConflict, Query},
};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::sync::{Mutex, watch};

mod record {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "record")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub offset: i64,
        pub topic: String,
        pub key: String,
        pub payload: Vec<u8>,
        pub appended_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod committed {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "committed")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub consumer_group: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub topic: String,
        pub next_offset: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Rows of one `INSERT`: SQLite allows 32 766 variables in a statement.
const INSERT: usize = 1_000;
/// Records that a consumer reads ahead from one topic.
const READ_AHEAD: u64 = 128;
/// Rows that one transaction of [`Log::prune`] deletes.
const PRUNE: u64 = 5_000;
/// Finds records whose publisher was cancelled between its commit and its signal.
const POLL: Duration = Duration::from_secs(1);

/// What one consumer of a group at a time may hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Claim {
    group: String,
    topic: String,
}

#[derive(Debug, Default)]
struct State {
    /// The newest offset of each topic.
    heads: HashMap<String, i64>,
    /// What active consumers hold.
    claims: HashSet<Claim>,
}

/// The log. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Log(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    database: DatabaseConnection,
    /// SQLite has one writer: waiting here is fair and does not spin as its busy handler does.
    writer: Mutex<()>,
    state: watch::Sender<State>,
}

impl Log {
    /// Opens the log in a migrated database.
    pub(super) async fn open(database: DatabaseConnection) -> Result<Self, Error> {
        let heads: Vec<(String, i64)> = record::Entity::find()
            .select_only()
            .column(record::Column::Topic)
            .column_as(record::Column::Offset.max(), "head")
            .group_by(record::Column::Topic)
            .into_tuple()
            .all(&database)
            .await?;
        let state = State { heads: heads.into_iter().collect(), claims: HashSet::new() };
        Ok(Self(Arc::new(Inner { database, writer: Mutex::new(()), state: watch::Sender::new(state) })))
    }

    pub(super) async fn is_ready(&self) -> bool {
        self.0.database.ping().await.is_ok()
    }

    /// Appends all records or none.
    pub(super) async fn publish(&self, topic: &str, records: Vec<Record>) -> Result<(), Error> {
        let _writer = self.0.writer.lock().await;
        let now = Utc::now();
        let mut rows = records.into_iter().map(|record| record::ActiveModel {
            offset: NotSet,
            topic: Set(topic.to_owned()),
            key: Set(record.key),
            payload: Set(record.payload),
            appended_at: Set(now),
        });
        let transaction = database::begin(&self.0.database).await?;
        loop {
            let chunk: Vec<_> = rows.by_ref().take(INSERT).collect();
            if chunk.is_empty() {
                break;
            }
            record::Entity::insert_many(chunk).exec_without_returning(&transaction).await?;
        }
        let head = record::Entity::find()
            .select_only()
            .column_as(record::Column::Offset.max(), "head")
            .filter(record::Column::Topic.eq(topic))
            .into_tuple::<Option<i64>>()
            .one(&transaction)
            .await?
            .flatten();
        transaction.commit().await?;
        if let Some(head) = head {
            self.0.state.send_modify(|state| {
                state.heads.insert(topic.to_owned(), head);
            });
        }
        Ok(())
    }

    pub(super) async fn consumer(&self, group: &str, topics: &[&str]) -> Result<Consumer, Error> {
        let claims = topics.iter().map(|topic| Claim { group: group.to_owned(), topic: (*topic).to_owned() });
        let subscriptions: Vec<_> = claims.map(|claim| Subscription { claim, position: Position::StandBy }).collect();
        // From now on the group holds back pruning, even before its first commit.
        let _writer = self.0.writer.lock().await;
        for Subscription { claim, .. } in &subscriptions {
            committed::Entity::insert(committed_row(claim, 0))
                .on_conflict(
                    OnConflict::columns([committed::Column::ConsumerGroup, committed::Column::Topic])
                        .do_nothing()
                        .to_owned(),
                )
                .exec_without_returning(&self.0.database)
                .await?;
        }
        let changes = self.0.state.subscribe();
        Ok(Consumer { log: self.clone(), changes, subscriptions, buffer: VecDeque::new() })
    }

    /// Deletes the records that were published before `older_than` and that every group of their topic has committed.
    /// Returns how many.
    ///
    /// # Errors
    /// When the database fails; some may be deleted then.
    pub async fn prune(&self, older_than: DateTime<Utc>) -> Result<u64, Error> {
        let mut deleted = 0;
        loop {
            let rows = self.prune_some(older_than).await?;
            deleted += rows;
            if rows < PRUNE {
                return Ok(deleted);
            }
        }
    }

    async fn prune_some(&self, older_than: DateTime<Utc>) -> Result<u64, DbErr> {
        let is_uncommitted = Query::select()
            .expr(Expr::val(1))
            .from(committed::Entity)
            .and_where(
                Expr::col((committed::Entity, committed::Column::Topic))
                    .equals((record::Entity, record::Column::Topic)),
            )
            .and_where(
                Expr::col((committed::Entity, committed::Column::NextOffset))
                    .lte(Expr::col((record::Entity, record::Column::Offset))),
            )
            .to_owned();
        let doomed = Query::select()
            .column(record::Column::Offset)
            .from(record::Entity)
            .and_where(record::Column::AppendedAt.lt(older_than))
            .and_where(Expr::exists(is_uncommitted).not())
            .order_by(record::Column::Offset, sea_orm::Order::Asc)
            .limit(PRUNE)
            .to_owned();
        let _writer = self.0.writer.lock().await;
        let result = record::Entity::delete_many()
            .filter(record::Column::Offset.in_subquery(doomed))
            .exec(&self.0.database)
            .await?;
        Ok(result.rows_affected)
    }
}

fn committed_row(claim: &Claim, next_offset: i64) -> committed::ActiveModel {
    committed::ActiveModel {
        consumer_group: Set(claim.group.clone()),
        topic: Set(claim.topic.clone()),
        next_offset: Set(next_offset),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// Another consumer of the group holds the topic.
    StandBy,
    /// The topic is held; where to begin is not known yet.
    Claimed,
    /// The topic is held and read up to this offset, exclusive.
    At(i64),
}

#[derive(Debug)]
struct Subscription {
    claim: Claim,
    position: Position,
}

impl Subscription {
    fn has_news(&self, state: &State) -> bool {
        match self.position {
            Position::StandBy => !state.claims.contains(&self.claim),
            Position::Claimed => true,
            Position::At(next) => state.heads.get(&self.claim.topic).is_some_and(|head| *head >= next),
        }
    }
}

/// A consumer of the embedded bus.
#[derive(Debug)]
pub struct Consumer {
    log: Log,
    changes: watch::Receiver<State>,
    subscriptions: Vec<Subscription>,
    /// Read and not yet delivered.
    buffer: VecDeque<Delivery>,
}

impl Consumer {
    pub(super) async fn next(&mut self) -> Result<Delivery, Error> {
        loop {
            if let Some(delivery) = self.buffer.pop_front() {
                return Ok(delivery);
            }
            self.claim();
            for subscription in &mut self.subscriptions {
                read(&self.log, subscription, &mut self.buffer).await?;
            }
            if self.buffer.is_empty() {
                let subscriptions = &self.subscriptions;
                let news = self.changes.wait_for(|state| subscriptions.iter().any(|one| one.has_news(state)));
                drop(tokio::time::timeout(POLL, news).await);
            }
        }
    }

    /// Takes over the topics that no other consumer of the group holds.
    fn claim(&mut self) {
        for subscription in self.subscriptions.iter_mut().filter(|one| one.position == Position::StandBy) {
            if self.log.0.state.send_if_modified(|state| state.claims.insert(subscription.claim.clone())) {
                subscription.position = Position::Claimed;
            }
        }
    }

    pub(super) async fn commit(&mut self, delivery: &Delivery) -> Result<(), Error> {
        let held = |one: &&Subscription| one.claim.topic == delivery.topic && one.position != Position::StandBy;
        let Some(subscription) = self.subscriptions.iter().find(held) else {
            return Err(Error::Lost { topic: delivery.topic.clone(), partition: delivery.partition });
        };
        let next = delivery.offset + 1;
        let _writer = self.log.0.writer.lock().await;
        committed::Entity::insert(committed_row(&subscription.claim, next))
            .on_conflict(
                OnConflict::columns([committed::Column::ConsumerGroup, committed::Column::Topic])
                    .update_column(committed::Column::NextOffset)
                    .action_and_where(Expr::col((committed::Entity, committed::Column::NextOffset)).lt(next))
                    .to_owned(),
            )
            .exec_without_returning(&self.log.0.database)
            .await?;
        Ok(())
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.log.0.state.send_modify(|state| {
            for subscription in self.subscriptions.iter().filter(|one| one.position != Position::StandBy) {
                state.claims.remove(&subscription.claim);
            }
        });
    }
}

/// Reads on in one topic, if it is held. The position moves with what is put into `buffer`, so that it is cancel-safe.
async fn read(log: &Log, subscription: &mut Subscription, buffer: &mut VecDeque<Delivery>) -> Result<(), Error> {
    let Claim { group, topic } = &subscription.claim;
    let next = match subscription.position {
        Position::StandBy => return Ok(()),
        Position::At(next) => next,
        Position::Claimed => committed::Entity::find_by_id((group.clone(), topic.clone()))
            .one(&log.0.database)
            .await?
            .map_or(0, |row| row.next_offset),
    };
    let head = log.0.state.borrow().heads.get(topic).copied().unwrap_or(0);
    let rows = record::Entity::find()
        .filter(record::Column::Topic.eq(topic))
        .filter(record::Column::Offset.gte(next))
        .order_by_asc(record::Column::Offset)
        .limit(READ_AHEAD)
        .all(&log.0.database)
        .await?;
    subscription.position = Position::At(match rows.last() {
        Some(last) => last.offset + 1,
        // The newest records may have been pruned: without this they would count as news for ever.
        None => std::cmp::max(next, head + 1),
    });
    buffer.extend(rows.into_iter().map(|row| Delivery {
        topic: row.topic,
        partition: 0,
        offset: row.offset,
        key: row.key,
        payload: row.payload,
    }));
    Ok(())
}
