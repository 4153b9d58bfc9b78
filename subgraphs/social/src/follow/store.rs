//! Every query of follows but those that list them, which are in [`crate::circle`].

use crate::entity::follow::{ActiveModel, Column, Entity, Model};
use chrono::{DateTime, Utc};
use hansa_kit::Error;
use sea_orm::{ActiveValue::Set, ConnectionTrait, QuerySelect, entity::prelude::*, sea_query::OnConflict};

/// Rows that one statement deletes, at most.
const BATCH: u64 = 500;

/// How many people somebody follows.
pub(crate) async fn count(database: &impl ConnectionTrait, follower: Uuid) -> Result<u64, Error> {
    Ok(Entity::find().filter(Column::FollowerId.eq(follower)).count(database).await?)
}

/// Whether somebody follows somebody.
pub(crate) async fn exists(database: &impl ConnectionTrait, follower: Uuid, followee: Uuid) -> Result<bool, Error> {
    Ok(Entity::find_by_id((follower, followee)).one(database).await?.is_some())
}

/// Adds a follow; false when it is there already.
pub(crate) async fn insert(
    transaction: &impl ConnectionTrait,
    follower: Uuid,
    followee: Uuid,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let row = ActiveModel { follower_id: Set(follower), followee_id: Set(followee), created_at: Set(now) };
    let known = OnConflict::columns([Column::FollowerId, Column::FolloweeId]).do_nothing().to_owned();
    Ok(Entity::insert(row).on_conflict(known).exec_without_returning(transaction).await? > 0)
}

/// Deletes a follow; false when there is none.
pub(crate) async fn delete(transaction: &impl ConnectionTrait, follower: Uuid, followee: Uuid) -> Result<bool, Error> {
    Ok(Entity::delete_by_id((follower, followee)).exec(transaction).await?.rows_affected > 0)
}

/// Deletes some of the follows by and of somebody and returns them; none when none is left.
pub(crate) async fn delete_some(transaction: &impl ConnectionTrait, person: Uuid) -> Result<Vec<Model>, Error> {
    // Each side apart, by its index.
    for (own, other) in [(Column::FollowerId, Column::FolloweeId), (Column::FolloweeId, Column::FollowerId)] {
        let some = Entity::find().filter(own.eq(person)).limit(BATCH).all(transaction).await?;
        if !some.is_empty() {
            let others =
                some.iter().map(|row| if row.follower_id == person { row.followee_id } else { row.follower_id });
            Entity::delete_many().filter(own.eq(person)).filter(other.is_in(others)).exec(transaction).await?;
            return Ok(some);
        }
    }
    Ok(Vec::new())
}
