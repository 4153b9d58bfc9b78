//! The people around somebody: friends, followers, whom they follow, whom they block.
//!
//! Everybody who is signed in sees anybody's friends and follows, but nothing of somebody with whom they have a block, and
//! no such person among others. Whom somebody blocks, they alone see.

use crate::{
    block::is_visible,
    entity::{block, follow, friend},
    pages,
};
use chrono::{DateTime, Utc};
use hansa_kit::{
    Error,
    filter::SortDirection,
    paging::{Position, Slice, keyset},
};
use sea_orm::{
    ConnectionTrait, FromQueryResult, QuerySelect, QueryTrait,
    entity::prelude::*,
    sea_query::{Alias, Asterisk, Expr, ExprTrait, SelectStatement},
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
    let found = pages::read::<Member>(database, wanted.iter().map(page)).await?;
    let slices = found.into_iter().zip(wanted).map(|(mut members, page)| {
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
    let found = pages::read::<Count>(database, circles.iter().map(size)).await?;
    let counts = found
        .into_iter()
        .zip(circles)
        .map(|(rows, circle)| (*circle, rows.first().map_or(0, |row| u64::try_from(row.people).unwrap_or(0))));
    Ok(counts.collect())
}

fn page(CirclePage { circle, limit, after }: &CirclePage) -> SelectStatement {
    fn of<E: EntityTrait>(
        circle: &Circle,
        [owner, other, since]: [E::Column; 3],
        page: (Option<Position>, u64),
    ) -> SelectStatement {
        let members = members::<E>(circle, owner, other).column_as(other, "person_id").column_as(since, "since");
        keyset(members, &[since, other], SortDirection::Desc, page.0.map(Into::into), page.1).into_query()
    }
    let page = (*after, *limit);
    match circle.kind {
        Kind::Friends => {
            use friend::Column::{FriendId, Since, UserId};
            of::<friend::Entity>(circle, [UserId, FriendId, Since], page)
        }
        Kind::Followers => {
            use follow::Column::{CreatedAt, FolloweeId, FollowerId};
            of::<follow::Entity>(circle, [FolloweeId, FollowerId, CreatedAt], page)
        }
        Kind::Following => {
            use follow::Column::{CreatedAt, FolloweeId, FollowerId};
            of::<follow::Entity>(circle, [FollowerId, FolloweeId, CreatedAt], page)
        }
        Kind::Blocked => {
            use block::Column::{BlockedId, BlockerId, CreatedAt};
            of::<block::Entity>(circle, [BlockerId, BlockedId, CreatedAt], page)
        }
    }
}

fn size(circle: &Circle) -> SelectStatement {
    fn of<E: EntityTrait>(circle: &Circle, owner: E::Column, other: E::Column) -> SelectStatement {
        let mut members = members::<E>(circle, owner, other).into_query();
        members.expr_as(Expr::col(Asterisk).count(), Alias::new("people")).to_owned()
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
