//! Every query of presence.

use super::service::Seen;
use crate::entity::{
    friend,
    presence::{ActiveModel, Column, Entity, Model},
};
use chrono::{DateTime, Utc};
use hansa_kit::Error;
use sea_orm::{
    ActiveValue::Set,
    ConnectionTrait,
    entity::prelude::*,
    sea_query::{Expr, OnConflict},
};

/// People who are seen by one statement, at most.
const BATCH: usize = 1_000;

/// When these people were seen; those who never were are left out.
pub(crate) async fn find_many(database: &impl ConnectionTrait, users: &[Uuid]) -> Result<Vec<Model>, Error> {
    Ok(Entity::find().filter(Column::UserId.is_in(users.iter().copied())).all(database).await?)
}

/// Those of the pairs who are friends; possibly others among the same people.
pub(crate) async fn friends(database: &impl ConnectionTrait, pairs: &[Seen]) -> Result<Vec<Seen>, Error> {
    let friends = friend::Entity::find()
        .filter(friend::Column::UserId.is_in(pairs.iter().map(|(viewer, _)| *viewer)))
        .filter(friend::Column::FriendId.is_in(pairs.iter().map(|(_, user)| *user)))
        .all(database)
        .await?;
    Ok(friends.into_iter().map(|friend| (friend.user_id, friend.friend_id)).collect())
}

/// Sees these people, and returns who of them was not online.
pub(crate) async fn see(
    database: &impl ConnectionTrait,
    users: &[Uuid],
    now: DateTime<Utc>,
) -> Result<Vec<Uuid>, Error> {
    let mut arrived = Vec::new();
    for users in users.chunks(BATCH) {
        let rows =
            users.iter().map(|user| ActiveModel { user_id: Set(*user), is_online: Set(false), seen_at: Set(now) });
        let seen = OnConflict::column(Column::UserId).update_column(Column::SeenAt).to_owned();
        Entity::insert_many(rows).on_conflict(seen).exec_without_returning(database).await?;
        let came = Entity::update_many()
            .col_expr(Column::IsOnline, Expr::val(true))
            .filter(Column::UserId.is_in(users.iter().copied()))
            .filter(Column::IsOnline.eq(false))
            .exec_with_returning(database)
            .await?;
        arrived.extend(came.into_iter().map(|row| row.user_id));
    }
    Ok(arrived)
}

/// Notes that those are offline who were seen before `since` only, and returns them: each to one replica.
pub(crate) async fn miss(database: &impl ConnectionTrait, since: DateTime<Utc>) -> Result<Vec<Uuid>, Error> {
    let gone = Entity::update_many()
        .col_expr(Column::IsOnline, Expr::val(false))
        .filter(Column::IsOnline.eq(true))
        .filter(Column::SeenAt.lt(since))
        .exec_with_returning(database)
        .await?;
    Ok(gone.into_iter().map(|row| row.user_id).collect())
}

/// Forgets when somebody was seen.
pub(crate) async fn erase(transaction: &impl ConnectionTrait, user: Uuid) -> Result<(), Error> {
    Entity::delete_by_id(user).exec(transaction).await?;
    Ok(())
}
