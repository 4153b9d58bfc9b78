//! Every query of blocks.

use crate::entity::block::{ActiveModel, Column, Entity, Model};
use chrono::{DateTime, Utc};
use hansa_kit::Error;
use sea_orm::{
    ActiveValue::Set,
    ConnectionTrait, QuerySelect, QueryTrait,
    entity::prelude::*,
    sea_query::{Condition, Expr, ExprTrait, IntoColumnRef, OnConflict, SimpleExpr},
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
    Ok(blocks
        .into_iter()
        .map(|block| if block.blocker_id == one { block.blocked_id } else { block.blocker_id })
        .collect())
}

/// Whether there is no block between `viewer` and the person in `column`, as a condition of a query.
pub(crate) fn is_visible(viewer: Uuid, column: impl IntoColumnRef) -> SimpleExpr {
    let select =
        |owner: Column, other: Column| Entity::find().select_only().column(other).filter(owner.eq(viewer)).into_query();
    let mut hidden = select(Column::BlockerId, Column::BlockedId);
    hidden.union(sea_orm::sea_query::UnionType::All, select(Column::BlockedId, Column::BlockerId));
    Expr::col(column).not_in_subquery(hidden)
}

/// How many people somebody blocks.
pub(crate) async fn count(database: &impl ConnectionTrait, blocker: Uuid) -> Result<u64, Error> {
    Ok(Entity::find().filter(Column::BlockerId.eq(blocker)).count(database).await?)
}

/// Whether somebody blocks somebody.
pub(crate) async fn exists(database: &impl ConnectionTrait, blocker: Uuid, blocked: Uuid) -> Result<bool, Error> {
    Ok(Entity::find_by_id((blocker, blocked)).one(database).await?.is_some())
}

/// Adds a block; false when it is there already.
pub(crate) async fn insert(
    transaction: &impl ConnectionTrait,
    blocker: Uuid,
    blocked: Uuid,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let row = ActiveModel { blocker_id: Set(blocker), blocked_id: Set(blocked), created_at: Set(now) };
    let known = OnConflict::columns([Column::BlockerId, Column::BlockedId]).do_nothing().to_owned();
    Ok(Entity::insert(row).on_conflict(known).exec_without_returning(transaction).await? > 0)
}

/// Deletes a block; false when there is none.
pub(crate) async fn delete(transaction: &impl ConnectionTrait, blocker: Uuid, blocked: Uuid) -> Result<bool, Error> {
    Ok(Entity::delete_by_id((blocker, blocked)).exec(transaction).await?.rows_affected > 0)
}

/// Deletes some of the blocks by or of somebody and returns them; none when none is left.
pub(crate) async fn delete_some(transaction: &impl ConnectionTrait, person: Uuid) -> Result<Vec<Model>, Error> {
    let theirs = Condition::any().add(Column::BlockerId.eq(person)).add(Column::BlockedId.eq(person));
    let blocks = Entity::find().filter(theirs).limit(BATCH).all(transaction).await?;
    for block in &blocks {
        delete(transaction, block.blocker_id, block.blocked_id).await?;
    }
    Ok(blocks)
}
