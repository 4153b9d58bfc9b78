//! Every query of friendships but that of friends, which is in [`crate::circle`].

use super::domain::{Direction, Filter, Status};
use crate::{
    block,
    entity::friendship::{ActiveModel, Column, Entity, Model},
    pair::Pair,
    relationship::View,
};
use chrono::{DateTime, Utc};
use hansa_kit::{
    Error,
    filter::SortDirection,
    pages,
    paging::{Page, Position, Slice, keyset},
};
use sea_orm::{
    ActiveValue::Set,
    ConnectionTrait, Iterable, QuerySelect, QueryTrait,
    entity::prelude::*,
    sea_query::{Condition, Expr, ExprTrait, OnConflict},
};
use std::{cmp::Reverse, collections::HashMap};

/// Rows that one statement deletes, at most.
const BATCH: u64 = 500;

/// Those of the friendships `ids` that exist and have no block between the two.
pub(crate) async fn find_many(database: &impl ConnectionTrait, ids: &[Uuid]) -> Result<Vec<Model>, Error> {
    Ok(visible().filter(Column::Id.is_in(ids.iter().copied())).all(database).await?)
}

/// The friendships of `views`, by one statement, where there are any and no block.
pub(crate) async fn find_between(
    database: &impl ConnectionTrait,
    views: &[View],
) -> Result<HashMap<View, Model>, Error> {
    let mut others: HashMap<Uuid, Vec<Uuid>> = HashMap::new();
    for view in views {
        others.entry(view.viewer).or_default().push(view.other);
    }
    // Apart for each viewer and side: SQLite finds no index for pairs.
    let either = others.into_iter().fold(Condition::any(), |either, (viewer, others)| {
        either
            .add(Column::LowId.eq(viewer).and(Column::HighId.is_in(others.clone())))
            .add(Column::HighId.eq(viewer).and(Column::LowId.is_in(others)))
    });
    let mut found = HashMap::new();
    for row in visible().filter(either).all(database).await? {
        for view in [(row.low_id, row.high_id), (row.high_id, row.low_id)] {
            found.insert(View { viewer: view.0, other: view.1 }, row.clone());
        }
    }
    Ok(found)
}

fn visible() -> Select<Entity> {
    Entity::find().filter(block::is_none_between(&Column::LowId.into_expr(), &Column::HighId.into_expr()))
}

/// The friendship of two people, whatever is between them.
pub(crate) async fn of_pair(database: &impl ConnectionTrait, pair: Pair) -> Result<Option<Model>, Error> {
    Ok(Entity::find().filter(is_of(pair)).one(database).await?)
}

fn is_of(pair: Pair) -> Condition {
    Condition::all().add(Column::LowId.eq(pair.low)).add(Column::HighId.eq(pair.high))
}

/// A page of somebody's friendships that match `filter`, newest first.
pub(crate) async fn list(
    database: &impl ConnectionTrait,
    person: Uuid,
    filter: Filter,
    page: &Page<Position>,
) -> Result<Slice<Model>, Error> {
    let statuses: Vec<_> = filter.status.map_or_else(|| Status::iter().collect(), |status| vec![status]);
    // Each direction and status apart: so each is read in the order of its index.
    let mut queries = Vec::new();
    for side in sides(filter.direction) {
        for status in &statuses {
            let friendships = visible().filter(side.eq(person)).filter(Column::Status.eq(*status));
            let after = page.after.map(Into::into);
            let order = &[Column::CreatedAt, Column::Id];
            queries.push((0, keyset(friendships, order, SortDirection::Desc, after, page.limit).into_query()));
        }
    }
    let mut found = pages::read::<Model>(database, queries).await?.remove(&0).unwrap_or_default();
    found.sort_by_key(|one| Reverse((one.created_at, one.id)));
    Ok(Slice::of(found, page.limit))
}

/// How many of somebody's friendships match `filter`.
pub(crate) async fn count(database: &impl ConnectionTrait, person: Uuid, filter: Filter) -> Result<u64, Error> {
    let either = sides(filter.direction).iter().fold(Condition::any(), |either, side| either.add(side.eq(person)));
    let status = filter.status.map(|status| Column::Status.eq(status));
    Ok(visible().filter(either).filter(Condition::all().add_option(status)).count(database).await?)
}

fn sides(direction: Option<Direction>) -> &'static [Column] {
    match direction {
        Some(Direction::Outgoing) => &[Column::RequesterId],
        Some(Direction::Incoming) => &[Column::AddresseeId],
        None => &[Column::RequesterId, Column::AddresseeId],
    }
}

/// How many requests of somebody wait for an answer.
pub(crate) async fn count_pending(database: &impl ConnectionTrait, requester: Uuid) -> Result<u64, Error> {
    let pending = Entity::find().filter(Column::RequesterId.eq(requester)).filter(Column::Status.eq(Status::Pending));
    Ok(pending.count(database).await?)
}

/// Adds a request, in the place of one of the two people that was declined or cancelled.
pub(crate) async fn insert(
    transaction: &impl ConnectionTrait,
    id: Uuid,
    requester: Uuid,
    addressee: Uuid,
    now: DateTime<Utc>,
) -> Result<Model, Error> {
    let Pair { low, high } = Pair::of(requester, addressee);
    let row = ActiveModel {
        id: Set(id),
        low_id: Set(low),
        high_id: Set(high),
        requester_id: Set(requester),
        addressee_id: Set(addressee),
        status: Set(Status::Pending),
        created_at: Set(now),
        responded_at: Set(None),
    };
    let all =
        [Column::Id, Column::RequesterId, Column::AddresseeId, Column::Status, Column::CreatedAt, Column::RespondedAt];
    let is_over = Expr::col((Entity, Column::Status)).is_in([Status::Declined, Status::Cancelled]);
    let old =
        OnConflict::columns([Column::LowId, Column::HighId]).update_columns(all).action_and_where(is_over).to_owned();
    Ok(Entity::insert(row).on_conflict(old).exec_with_returning(transaction).await?)
}

/// Gives a pending request, in which `person` is on this `side`, its answer; `None` when there is no such request.
pub(crate) async fn answer(
    transaction: &impl ConnectionTrait,
    id: Uuid,
    side: Direction,
    person: Uuid,
    status: Status,
    now: DateTime<Utc>,
) -> Result<Option<Model>, Error> {
    let update = Entity::update_many()
        .col_expr(Column::Status, Expr::val(status))
        .col_expr(Column::RespondedAt, Expr::val(now))
        .filter(Column::Id.eq(id))
        .filter(Column::Status.eq(Status::Pending))
        .filter(sides(Some(side)).iter().fold(Condition::all(), |all, side| all.add(side.eq(person))));
    Ok(update.exec_with_returning(transaction).await?.pop())
}

/// Deletes the friendship of two friends and returns it; `None` when they are none.
pub(crate) async fn delete(transaction: &impl ConnectionTrait, pair: Pair) -> Result<Option<Model>, Error> {
    let accepted = Entity::delete_many().filter(is_of(pair)).filter(Column::Status.eq(Status::Accepted));
    Ok(accepted.exec_with_returning(transaction).await?.pop())
}

/// Deletes some of somebody's friendships and returns them; none when none is left.
pub(crate) async fn delete_some(transaction: &impl ConnectionTrait, person: Uuid) -> Result<Vec<Model>, Error> {
    // Each side apart, by its index.
    for side in sides(None) {
        let some = Entity::find().filter(side.eq(person)).limit(BATCH).all(transaction).await?;
        if !some.is_empty() {
            Entity::delete_many().filter(Column::Id.is_in(some.iter().map(|one| one.id))).exec(transaction).await?;
            return Ok(some);
        }
    }
    Ok(Vec::new())
}
