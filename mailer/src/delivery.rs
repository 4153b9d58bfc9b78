//! Deliveries: the queue, and what became of every mail.

use chrono::{DateTime, Utc};
use hansa_schema::mail::MailRequested;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    Condition, ConnectionTrait, DatabaseConnection, DbErr, QueryOrder, QuerySelect, UpdateMany,
    entity::prelude::*,
    sea_query::{Alias, CaseStatement, Expr, ExprTrait, Func, Query, SelectStatement},
};

mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "delivery")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub sequence: i64,
        pub id: Uuid,
        pub recipient_id: Uuid,
        pub to_address: String,
        pub message_id: String,
        #[sea_orm(column_type = "Text")]
        pub command: String,
        pub status: Status,
        pub attempts: i32,
        pub last_error: Option<String>,
        pub queued_at: DateTimeUtc,
        pub next_attempt_at: DateTimeUtc,
        pub sent_at: Option<DateTimeUtc>,
        pub settled_at: Option<DateTimeUtc>,
    }

    /// Where a delivery stands.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
    #[sea_orm(rs_type = "String", db_type = "String(StringLen::None)", rename_all = "SCREAMING_SNAKE_CASE")]
    pub enum Status {
        Queued,
        Sending,
        Sent,
        Retrying,
        Dead,
        /// Not sent, for its recipient was deleted.
        Suppressed,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) use entity::{Model as Delivery, Status};

/// The states of a delivery that is not settled.
const PENDING: [Status; 3] = [Status::Queued, Status::Sending, Status::Retrying];
const MAX_ERROR: usize = 500;

/// Queues a mail. Its id, and so its Message-ID, is that of the event which asked for it.
pub(crate) async fn enqueue<C: ConnectionTrait>(
    transaction: &C,
    event_id: Uuid,
    domain: &str,
    command: &MailRequested,
    now: DateTime<Utc>,
) -> Result<(), crate::Error> {
    let row = entity::ActiveModel {
        sequence: NotSet,
        id: Set(event_id),
        recipient_id: Set(command.recipient_id),
        to_address: Set(command.to.clone()),
        message_id: Set(format!("{event_id}@{domain}")),
        command: Set(serde_json::to_string(command)?),
        status: Set(Status::Queued),
        attempts: Set(0),
        last_error: Set(None),
        queued_at: Set(now),
        next_attempt_at: Set(now),
        sent_at: Set(None),
        settled_at: Set(None),
    };
    entity::Entity::insert(row).exec_without_returning(transaction).await?;
    Ok(())
}

/// The mail to send next: the oldest that is due and has no unsettled one before it for the same recipient.
pub(crate) async fn next_due(database: &DatabaseConnection, now: DateTime<Utc>) -> Result<Option<Delivery>, DbErr> {
    let earlier = Alias::new("earlier");
    let column = |column| Expr::col((Alias::new("earlier"), column));
    let blocked = Query::select()
        .expr(Expr::val(1))
        .from_as(entity::Entity, earlier)
        .and_where(column(entity::Column::RecipientId).equals((entity::Entity, entity::Column::RecipientId)))
        .and_where(column(entity::Column::Sequence).lt(Expr::col((entity::Entity, entity::Column::Sequence))))
        .and_where(column(entity::Column::Status).is_in(PENDING))
        .to_owned();
    entity::Entity::find()
        .filter(entity::Column::Status.is_in(PENDING))
        .filter(entity::Column::NextAttemptAt.lte(now))
        .filter(Expr::exists(blocked).not())
        .order_by_asc(entity::Column::Sequence)
        .limit(1)
        .one(database)
        .await
}

/// When the next mail that is not due yet will be.
pub(crate) async fn next_attempt_at(database: &DatabaseConnection) -> Result<Option<DateTime<Utc>>, DbErr> {
    let next = entity::Entity::find()
        .filter(entity::Column::Status.is_in(PENDING))
        .order_by_asc(entity::Column::NextAttemptAt)
        .limit(1)
        .one(database)
        .await?;
    Ok(next.map(|delivery| delivery.next_attempt_at))
}

/// Notes that an attempt begins, before the first byte goes out; false when another replica has got hold of the mail.
pub(crate) async fn begin_attempt(database: &DatabaseConnection, delivery: &Delivery) -> Result<bool, DbErr> {
    let result = update(delivery.id, Status::Sending)
        .col_expr(entity::Column::Attempts, Expr::col(entity::Column::Attempts).add(1))
        .filter(entity::Column::Attempts.eq(delivery.attempts))
        .filter(entity::Column::Status.is_in(PENDING))
        .exec(database)
        .await?;
    Ok(result.rows_affected == 1)
}

/// Notes that the mail was accepted; false when it was settled meanwhile.
pub(crate) async fn sent(
    database: &DatabaseConnection,
    delivery: &Delivery,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let result = update(delivery.id, Status::Sent)
        .col_expr(entity::Column::SentAt, Expr::val(now))
        .col_expr(entity::Column::SettledAt, Expr::val(now))
        .col_expr(entity::Column::LastError, Expr::val(None::<String>))
        .filter(entity::Column::Status.eq(Status::Sending))
        .exec(database)
        .await?;
    Ok(result.rows_affected == 1)
}

/// Notes that an attempt failed: it is tried again at `retry_at`, or never. False when the mail was settled meanwhile.
pub(crate) async fn failed(
    database: &DatabaseConnection,
    delivery: &Delivery,
    reason: &str,
    retry_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let reason: String = reason.chars().take(MAX_ERROR).collect();
    let update = match retry_at {
        Some(retry_at) => {
            update(delivery.id, Status::Retrying).col_expr(entity::Column::NextAttemptAt, Expr::val(retry_at))
        }
        None => update(delivery.id, Status::Dead).col_expr(entity::Column::SettledAt, Expr::val(now)),
    };
    let result = update
        .col_expr(entity::Column::LastError, Expr::val(reason))
        .filter(entity::Column::Status.eq(Status::Sending))
        .exec(database)
        .await?;
    Ok(result.rows_affected == 1)
}

fn update(id: Uuid, status: Status) -> UpdateMany<entity::Entity> {
    entity::Entity::update_many().col_expr(entity::Column::Status, Expr::val(status)).filter(entity::Column::Id.eq(id))
}

/// The mails that were settled as `status` before `time`.
pub(crate) fn settled(status: Status, time: DateTime<Utc>) -> Condition {
    Condition::all().add(entity::Column::Status.eq(status)).add(entity::Column::SettledAt.lt(time))
}

/// The mails to one user.
pub(crate) fn to_recipient(recipient_id: Uuid) -> Condition {
    Condition::all().add(entity::Column::RecipientId.eq(recipient_id))
}

/// The Message-IDs of `which`, as their headers have them.
pub(crate) fn message_ids(which: Condition) -> SelectStatement {
    Query::select().expr(Expr::cust("'<' || message_id || '>'")).from(entity::Entity).cond_where(which).to_owned()
}

/// Removes deliveries.
pub(crate) async fn remove(database: &DatabaseConnection, which: Condition) -> Result<(), DbErr> {
    entity::Entity::delete_many().filter(which).exec(database).await?;
    Ok(())
}

/// Erases what is personal in the mails to one user, and suppresses those that wait. That they were stays known.
pub(crate) async fn erase<C: ConnectionTrait>(
    database: &C,
    recipient_id: Uuid,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let status = CaseStatement::new()
        .case(entity::Column::Status.is_in(PENDING), Status::Suppressed)
        .finally(Expr::col(entity::Column::Status));
    let settled_at = Func::coalesce([Expr::col(entity::Column::SettledAt), Expr::val(now)]);
    entity::Entity::update_many()
        .col_expr(entity::Column::ToAddress, Expr::val(""))
        .col_expr(entity::Column::Command, Expr::val(""))
        .col_expr(entity::Column::LastError, Expr::val(None::<String>))
        .col_expr(entity::Column::Status, status.into())
        .col_expr(entity::Column::SettledAt, settled_at.into())
        .filter(to_recipient(recipient_id))
        .exec(database)
        .await?;
    Ok(())
}

/// How many mails wait.
pub(crate) async fn depth(database: &DatabaseConnection) -> Result<u64, DbErr> {
    entity::Entity::find().filter(entity::Column::Status.is_in(PENDING)).count(database).await
}
