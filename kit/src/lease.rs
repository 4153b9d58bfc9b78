//! Leases: what only one replica may do at a time.
//!
//! A lease is a row with an expiry. Replicas' clocks must agree to well within [`TTL`] (NTP does); whoever relies on a
//! lease also stays correct when two replicas overlap for a moment, be it by idempotent effects or by conditional writes.

use chrono::{DateTime, Duration, Utc};
use sea_orm::{
    ActiveValue::Set,
    ConnectionTrait, DbErr,
    entity::prelude::*,
    sea_query::{Expr, ExprTrait, OnConflict},
};

mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "lease")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        pub holder: Uuid,
        pub expires_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// How long a lease lasts without renewal: the longest pause when its holder dies.
pub const TTL: Duration = Duration::seconds(5);

/// Takes or renews the lease `name` for `holder`. True when it is held until `now + TTL`.
///
/// # Errors
/// When the database fails.
pub async fn acquire<C: ConnectionTrait>(
    database: &C,
    name: &str,
    holder: Uuid,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let row = entity::ActiveModel { name: Set(name.to_owned()), holder: Set(holder), expires_at: Set(now + TTL) };
    let is_ours_or_expired = Expr::col((entity::Entity, entity::Column::Holder)).eq(holder).or(Expr::col((
        entity::Entity,
        entity::Column::ExpiresAt,
    ))
    .lte(now));
    let affected = entity::Entity::insert(row)
        .on_conflict(
            OnConflict::column(entity::Column::Name)
                .update_columns([entity::Column::Holder, entity::Column::ExpiresAt])
                .action_and_where(is_ours_or_expired)
                .to_owned(),
        )
        .exec_without_returning(database)
        .await?;
    Ok(affected == 1)
}

/// Gives the lease up, so that another replica need not wait for it to expire.
///
/// # Errors
/// When the database fails.
pub async fn release<C: ConnectionTrait>(database: &C, name: &str, holder: Uuid) -> Result<(), DbErr> {
    entity::Entity::delete_many()
        .filter(entity::Column::Name.eq(name))
        .filter(entity::Column::Holder.eq(holder))
        .exec(database)
        .await?;
    Ok(())
}
