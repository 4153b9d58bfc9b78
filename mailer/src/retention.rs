//! What the mailer forgets: settled mail by its age, and whatever it keeps of a user who was deleted.
//!
//! Mail commands and deletions come by two topics, in no order between them. A deletion is therefore remembered for as
//! long as a command may still arrive, and asked for when a command is queued and again before each attempt: the two
//! transactions may have run beside each other without seeing one another.

use crate::{
    Config,
    delivery::{self, Status},
    mailbox,
};
use chrono::{DateTime, Duration, Utc};
use hansa_kit::consumer;
use sea_orm::{
    ActiveValue::Set, ConnectionTrait, DatabaseConnection, DbErr, entity::prelude::*, sea_query::OnConflict,
};

mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "deleted_user")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub deleted_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// How long settled mail is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retention {
    sent: Duration,
    dead: Duration,
}

impl Retention {
    pub(crate) fn of(config: &Config) -> Self {
        Self { sent: Duration::days(config.keep_sent_days.into()), dead: Duration::days(config.keep_dead_days.into()) }
    }
}

/// Forgets mail that is old enough with its copies in the mailbox, and what no topic can deliver again.
pub(crate) async fn prune(
    database: &DatabaseConnection,
    retention: Retention,
    now: DateTime<Utc>,
) -> Result<(), hansa_kit::Error> {
    // A replica that died while it sent to a user who was being deleted may have left a copy.
    mailbox::remove(database, delivery::message_ids(delivery::settled(Status::Suppressed, now))).await?;
    for (status, age) in
        [(Status::Sent, retention.sent), (Status::Suppressed, retention.sent), (Status::Dead, retention.dead)]
    {
        let old = delivery::settled(status, now - age);
        mailbox::remove(database, delivery::message_ids(old.clone())).await?;
        delivery::remove(database, old).await?;
    }
    entity::Entity::delete_many()
        .filter(entity::Column::DeletedAt.lt(now - consumer::INBOX_RETENTION))
        .exec(database)
        .await?;
    consumer::prune(database, now).await
}

/// Remembers that a user was deleted and erases what is kept of them. Mail to them that waits is suppressed.
pub(crate) async fn delete_user<C: ConnectionTrait>(
    transaction: &C,
    user_id: Uuid,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let row = entity::ActiveModel { id: Set(user_id), deleted_at: Set(now) };
    entity::Entity::insert(row)
        .on_conflict(OnConflict::column(entity::Column::Id).do_nothing().to_owned())
        .exec_without_returning(transaction)
        .await?;
    erase(transaction, user_id, now).await
}

/// Erases what is kept of a user if they were deleted, and says whether they were.
pub(crate) async fn erase_if_deleted<C: ConnectionTrait>(
    database: &C,
    user_id: Uuid,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    if entity::Entity::find_by_id(user_id).one(database).await?.is_none() {
        return Ok(false);
    }
    erase(database, user_id, now).await?;
    Ok(true)
}

async fn erase<C: ConnectionTrait>(database: &C, user_id: Uuid, now: DateTime<Utc>) -> Result<(), DbErr> {
    mailbox::remove(database, delivery::message_ids(delivery::to_recipient(user_id))).await?;
    delivery::erase(database, user_id, now).await
}
