//! Every query of blocks but that which lists them, which is in [`crate::circle`].

use crate::entity::block::{ActiveModel, Column, Entity, Model};
use chrono::{DateTime, Utc};
use hansa_kit::Error;
use sea_orm::{
    ActiveValue::Set,
    ConnectionTrait, QuerySelect, QueryTrait,
    entity::prelude::*,
    sea_query::{Condition, Expr, ExprTrait, UnionType},
};
use std::collections::HashSet;

/// Rows that one statement deletes, at most.
const BATCH: u64 = 500;

/// Whether one of two people blocks the other.
pub(crate) async fn between(database: &impl ConnectionTrait, one: Uuid, other: Uuid) -> Result<bool, Error> {
    Ok(!among(database, one, &[other]).await?.is_empty())
}

/// Those of `others` who block `one` or are blocked by them.
pub(crate) async fn among(database: &impl ConnectionTrait, one: Uuid, others: &[Uuid]) -> Result<HashSet<Uuid>, Error> {
    let are_others = |column: Column| column.is_in(others.iter().copied());
    let either = Condition::any()
        .add(Column::BlockerId.eq(one).and(are_others(Column::BlockedId)))
        .add(Column::BlockedId.eq(one).and(are_others(Column::BlockerId)));
    let blocks = Entity::find().filter(either).all(database).await?;
    let others = blocks.into_iter().map(|block| match block.blocker_id == one {
        true => block.blocked_id,
        false => block.blocker_id,
    });
    Ok(others.collect())
}

/// The condition that there is no block between `viewer` and `person`. The viewer's blocks are read once for the
/// whole query.
pub(crate) fn is_visible(viewer: Uuid, person: Expr) -> Expr {
    let others =
        |own: Column, other: Column| Entity::find().select_only().column(other).filter(own.eq(viewer)).into_query();
    let mut hidden = others(Column::BlockerId, Column::BlockedId);
    hidden.union(UnionType::All, others(Column::BlockedId, Column::BlockerId));
    person.not_in_subquery(hidden)
}

/// The condition that there is no block between two people. Each row looks for its own.
pub(crate) fn is_none_between(one: &Expr, other: &Expr) -> Expr {
    let blocks = |blocker: &Expr, blocked: &Expr| {
        let is_it =
            Column::BlockerId.into_expr().eq(blocker.clone()).and(Column::BlockedId.into_expr().eq(blocked.clone()));
        Expr::exists(Entity::find().filter(is_it).into_query()).not()
    };
    blocks(one, other).and(blocks(other, one))
}

/// How many people somebody blocks.
pub(crate) async fn count(database: &impl ConnectionTrait, blocker: Uuid) -> Result<u64, Error> {
    Ok(Entity::find().filter(Column::BlockerId.eq(blocker)).count(database).await?)
}

/// Whether somebody blocks somebody.
pub(crate) async fn exists(database: &impl ConnectionTrait, blocker: Uuid, blocked: Uuid) -> Result<bool, Error> {
    Ok(Entity::find_by_id((blocker, blocked)).one(database).await?.is_some())
}

/// Adds a block, which is not there yet.
pub(crate) async fn insert(
    transaction: &impl ConnectionTrait,
    blocker: Uuid,
    blocked: Uuid,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let row = ActiveModel { blocker_id: Set(blocker), blocked_id: Set(blocked), created_at: Set(now) };
    Entity::insert(row).exec_without_returning(transaction).await?;
    Ok(())
}

/// Deletes a block; false when there is none.
pub(crate) async fn delete(transaction: &impl ConnectionTrait, blocker: Uuid, blocked: Uuid) -> Result<bool, Error> {
    Ok(Entity::delete_by_id((blocker, blocked)).exec(transaction).await?.rows_affected > 0)
}

/// Deletes some of the blocks by and of somebody and returns them; none when none is left.
pub(crate) async fn delete_some(transaction: &impl ConnectionTrait, person: Uuid) -> Result<Vec<Model>, Error> {
    // Each side apart, by its index.
    for (own, other) in [(Column::BlockerId, Column::BlockedId), (Column::BlockedId, Column::BlockerId)] {
        let some = Entity::find().filter(own.eq(person)).limit(BATCH).all(transaction).await?;
        if !some.is_empty() {
            let others = some.iter().map(|row| if row.blocker_id == person { row.blocked_id } else { row.blocker_id });
            Entity::delete_many().filter(own.eq(person)).filter(other.is_in(others)).exec(transaction).await?;
            return Ok(some);
        }
    }
    Ok(Vec::new())
}
