//! The people around somebody: friends, followers, whom they follow, whom they block.
//!
//! Everybody who is signed in sees anybody's friends and follows, but nothing of somebody with whom they have a block, and
//! no such person among others. Whom somebody blocks, they alone see.

use crate::{
    block::is_visible,
    entity::{block, follow, friend, friendship},
};
use chrono::{DateTime, Utc};
use hansa_kit::{
    Error,
    filter::SortDirection,
    pages,
    paging::{Position, Slice, keyset},
};
use sea_orm::{
    ConnectionTrait, FromQueryResult, QuerySelect, QueryTrait,
    entity::prelude::*,
    sea_query::{Asterisk, Expr, ExprTrait, SelectStatement},
};
use std::{cmp::Reverse, collections::HashMap};

/// What people are to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Friends,
    Followers,
    Following,
    Blocked,
}

/// The people who are something to somebody, as `viewer` sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Circle {
    pub(crate) kind: Kind,
    /// Whose.
    pub(crate) of: Uuid,
    pub(crate) viewer: Uuid,
}

/// A page of a circle, those who came last first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CirclePage {
    pub(crate) circle: Circle,
    pub(crate) limit: u64,
    pub(crate) after: Option<Position>,
}

/// Somebody in a circle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromQueryResult)]
pub(crate) struct Member {
    pub(crate) person_id: Uuid,
    pub(crate) since: DateTime<Utc>,
}

impl Member {
    /// Where they stand in the circle.
    pub(crate) fn position(&self) -> Position {
        Position { time: self.since, id: self.person_id }
    }
}

/// Many pages, by one statement.
pub(crate) async fn list(
    database: &impl ConnectionTrait,
    wanted: &[CirclePage],
) -> Result<HashMap<CirclePage, Slice<Member>>, Error> {
    let queries =
        wanted.iter().enumerate().flat_map(|(n, page)| queries(page).into_iter().map(move |query| (n, query)));
    let mut found = pages::read::<Member>(database, queries).await?;
    let slices = wanted.iter().enumerate().map(|(n, page)| {
        let mut members = found.remove(&n).unwrap_or_default();
        members.sort_by_key(|member| Reverse(member.position()));
        (*page, Slice::of(members, page.limit))
    });
    Ok(slices.collect())
}

/// How many people are in each of `circles`, by one statement.
pub(crate) async fn count(database: &impl ConnectionTrait, circles: &[Circle]) -> Result<HashMap<Circle, u64>, Error> {
    #[derive(FromQueryResult)]
    struct Count {
        people: i64,
    }
    let found = pages::read::<Count>(database, circles.iter().map(size).enumerate()).await?;
    let counts = circles.iter().enumerate().map(|(n, circle)| {
        let people = found.get(&n).and_then(|rows| rows.first()).map_or(0, |row| row.people);
        (*circle, u64::try_from(people).unwrap_or(0))
    });
    Ok(counts.collect())
}

/// What a page is read by. Friends by two queries, those who were asked and those who asked: so each is read in the order of
/// its index.
fn queries(page: &CirclePage) -> Vec<SelectStatement> {
    let circle = &page.circle;
    match circle.kind {
        Kind::Friends => {
            use friendship::Column::{AddresseeId, RequesterId, RespondedAt, Status};
            // Written out, for the indexes are of what is accepted only, which an argument would hide.
            let accepted = Status.into_expr().eq(Expr::Constant("accepted".into()));
            let side = |own, other| {
                let members = members::<friendship::Entity>(circle, own, other).filter(accepted.clone());
                keyset_page(page, members, other, RespondedAt)
            };
            vec![side(RequesterId, AddresseeId), side(AddresseeId, RequesterId)]
        }
        Kind::Followers => {
            use follow::Column::{CreatedAt, FolloweeId, FollowerId};
            vec![keyset_page(page, members::<follow::Entity>(circle, FolloweeId, FollowerId), FollowerId, CreatedAt)]
        }
        Kind::Following => {
            use follow::Column::{CreatedAt, FolloweeId, FollowerId};
            vec![keyset_page(page, members::<follow::Entity>(circle, FollowerId, FolloweeId), FolloweeId, CreatedAt)]
        }
        Kind::Blocked => {
            use block::Column::{BlockedId, BlockerId, CreatedAt};
            vec![keyset_page(page, members::<block::Entity>(circle, BlockerId, BlockedId), BlockedId, CreatedAt)]
        }
    }
}

fn keyset_page<E: EntityTrait>(
    page: &CirclePage,
    members: Select<E>,
    other: E::Column,
    since: E::Column,
) -> SelectStatement {
    let members = members.column_as(other, "person_id").column_as(since, "since");
    keyset(members, &[since, other], SortDirection::Desc, page.after.map(Into::into), page.limit).into_query()
}

fn size(circle: &Circle) -> SelectStatement {
    fn of<E: EntityTrait>(circle: &Circle, owner: E::Column, other: E::Column) -> SelectStatement {
        let mut members = members::<E>(circle, owner, other).into_query();
        members.expr_as(Expr::col(Asterisk).count(), "people").to_owned()
    }
    match circle.kind {
        Kind::Friends => of::<friend::Entity>(circle, friend::Column::UserId, friend::Column::FriendId),
        Kind::Followers => of::<follow::Entity>(circle, follow::Column::FolloweeId, follow::Column::FollowerId),
        Kind::Following => of::<follow::Entity>(circle, follow::Column::FollowerId, follow::Column::FolloweeId),
        Kind::Blocked => of::<block::Entity>(circle, block::Column::BlockerId, block::Column::BlockedId),
    }
}

fn members<E: EntityTrait>(circle: &Circle, owner: E::Column, other: E::Column) -> Select<E> {
    let members = E::find().select_only().filter(owner.eq(circle.of));
    match circle.kind {
        Kind::Blocked => members,
        _ if circle.of == circle.viewer => members,
        _ => members
            .filter(is_visible(circle.viewer, Expr::val(circle.of)))
            .filter(is_visible(circle.viewer, Expr::col(other.as_column_ref()))),
    }
}
