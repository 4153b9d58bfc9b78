//! Every query of sessions, their used refresh tokens and their revocation.

use crate::entity::{
    revocation,
    session::{ActiveModel, Column, Entity, Model},
    used_refresh_token,
};
use chrono::{DateTime, Utc};
use hansa_kit::{
    filter::SortDirection,
    paging::{Page, Slice, keyset},
};
use sea_orm::{
    ActiveValue::Set,
    Condition, ConnectionTrait, DbErr, Select,
    entity::prelude::*,
    sea_query::{Expr, OnConflict},
};

/// Sessions that have neither ended nor expired.
fn live(now: DateTime<Utc>) -> Select<Entity> {
    Entity::find().filter(Column::RevokedAt.is_null()).filter(Column::ExpiresAt.gt(now))
}

pub(crate) async fn insert<C: ConnectionTrait>(database: &C, session: Model) -> Result<Model, DbErr> {
    Entity::insert(ActiveModel::from(session.clone())).exec_without_returning(database).await?;
    Ok(session)
}

/// The live sessions with these owners and ids.
pub(crate) async fn by_keys<C: ConnectionTrait>(
    database: &C,
    keys: &[(Uuid, Uuid)],
    now: DateTime<Utc>,
) -> Result<Vec<Model>, DbErr> {
    live(now)
        .filter(Column::AccountId.is_in(keys.iter().map(|&(account_id, _)| account_id)))
        .filter(Column::Id.is_in(keys.iter().map(|&(_, id)| id)))
        .all(database)
        .await
}

/// One page of the live sessions of `account_id`, the newest first: ids grow with time.
pub(crate) async fn page<C: ConnectionTrait>(
    database: &C,
    account_id: Uuid,
    page: &Page<Uuid>,
    now: DateTime<Utc>,
) -> Result<Slice<Model>, DbErr> {
    let own = live(now).filter(Column::AccountId.eq(account_id));
    let after = page.after.map(|id| vec![id.into()]);
    let sessions = keyset(own, &[Column::Id], SortDirection::Desc, after, page.limit);
    Ok(Slice::of(sessions.all(database).await?, page.limit))
}

pub(crate) async fn count<C: ConnectionTrait>(
    database: &C,
    account_id: Uuid,
    now: DateTime<Utc>,
) -> Result<u64, DbErr> {
    live(now).filter(Column::AccountId.eq(account_id)).count(database).await
}

/// Exchanges the refresh token with hash `used` for that with hash `next`, if it is the valid one of a live session.
pub(crate) async fn rotate<C: ConnectionTrait>(
    transaction: &C,
    used: &str,
    next: String,
    expires_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Option<Model>, DbErr> {
    let rotated = Entity::update_many()
        .col_expr(Column::RefreshHash, Expr::value(next))
        .col_expr(Column::LastUsedAt, Expr::value(now))
        .col_expr(Column::ExpiresAt, Expr::value(expires_at))
        .filter(Column::RefreshHash.eq(used))
        .filter(Column::RevokedAt.is_null())
        .filter(Column::ExpiresAt.gt(now))
        .exec_with_returning(transaction)
        .await?;
    let Some(session) = rotated.into_iter().next() else { return Ok(None) };
    let row =
        used_refresh_token::ActiveModel { hash: Set(used.to_owned()), session_id: Set(session.id), used_at: Set(now) };
    used_refresh_token::Entity::insert(row).exec_without_returning(transaction).await?;
    Ok(Some(session))
}

/// The session that a refresh token was exchanged in before.
pub(crate) async fn of_used_token<C: ConnectionTrait>(database: &C, hash: &str) -> Result<Option<Uuid>, DbErr> {
    let used = used_refresh_token::Entity::find_by_id(hash.to_owned()).one(database).await?;
    Ok(used.map(|used| used.session_id))
}

/// The session whose refresh token this is, be it over or not.
pub(crate) async fn of_token<C: ConnectionTrait>(database: &C, hash: &str) -> Result<Option<Model>, DbErr> {
    Entity::find().filter(Column::RefreshHash.eq(hash)).one(database).await
}

/// Ends the sessions that `which` selects and have not ended yet, and returns their ids.
pub(crate) async fn revoke<C: ConnectionTrait>(
    transaction: &C,
    which: Condition,
    until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Vec<Uuid>, DbErr> {
    let ended = Entity::update_many()
        .col_expr(Column::RevokedAt, Expr::value(now))
        .filter(which)
        .filter(Column::RevokedAt.is_null())
        .exec_with_returning(transaction)
        .await?;
    let ids: Vec<Uuid> = ended.into_iter().map(|session| session.id).collect();
    let rows = ids.iter().map(|&id| revocation::ActiveModel { session_id: Set(id), until: Set(until) });
    if !ids.is_empty() {
        revocation::Entity::insert_many(rows)
            .on_conflict(OnConflict::column(revocation::Column::SessionId).do_nothing().to_owned())
            .exec_without_returning(transaction)
            .await?;
    }
    Ok(ids)
}

/// Sessions that have ended while access tokens of theirs may still be unexpired.
pub(crate) async fn revocations<C: ConnectionTrait>(
    database: &C,
    now: DateTime<Utc>,
) -> Result<Vec<revocation::Model>, DbErr> {
    revocation::Entity::find().filter(revocation::Column::Until.gt(now)).all(database).await
}

/// Forgets what is of no use any more: sessions that are over, refresh tokens used before `used_before`, revocations of
/// sessions all of whose tokens have expired.
pub(crate) async fn prune<C: ConnectionTrait>(
    database: &C,
    used_before: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let is_over = Condition::any().add(Column::ExpiresAt.lte(now)).add(Column::RevokedAt.is_not_null());
    Entity::delete_many().filter(is_over).exec(database).await?;
    used_refresh_token::Entity::delete_many()
        .filter(used_refresh_token::Column::UsedAt.lt(used_before))
        .exec(database)
        .await?;
    revocation::Entity::delete_many().filter(revocation::Column::Until.lte(now)).exec(database).await?;
    Ok(())
}
