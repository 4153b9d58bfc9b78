//! What two people are to each other, for many pairs at once.

use crate::entity::{block, follow, friend};
use hansa_kit::Error;
use sea_orm::{
    ConnectionTrait, FromQueryResult, QuerySelect, QueryTrait,
    entity::prelude::*,
    sea_query::{Expr, SelectStatement, UnionType},
};
use std::collections::HashMap;

/// Somebody, and somebody else as they see them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct View {
    pub(crate) viewer: Uuid,
    pub(crate) other: Uuid,
}

/// What somebody is to the viewer. That they block the viewer is not told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Relationship {
    pub(crate) is_friend: bool,
    pub(crate) is_following: bool,
    pub(crate) is_followed_by: bool,
    pub(crate) is_blocked: bool,
}

const FRIEND: i32 = 0;
const FOLLOW: i32 = 1;
const BLOCK: i32 = 2;

/// What one is to another.
#[derive(FromQueryResult)]
struct Fact {
    kind: i32,
    from_id: Uuid,
    to_id: Uuid,
}

/// The relationships of `views`, by one statement.
pub(crate) async fn find_many(
    database: &impl ConnectionTrait,
    views: &[View],
) -> Result<HashMap<View, Relationship>, Error> {
    let mut found: HashMap<View, Relationship> = views.iter().map(|view| (*view, Relationship::default())).collect();
    let mut others: HashMap<Uuid, Vec<Uuid>> = HashMap::new();
    for view in views {
        others.entry(view.viewer).or_default().push(view.other);
    }
    let queries = others.iter().flat_map(|(viewer, others)| facts_of(*viewer, others));
    let Some(union) = queries.reduce(|mut union, query| union.union(UnionType::All, query).to_owned()) else {
        return Ok(found);
    };
    for row in database.query_all(&union).await? {
        let Fact { kind, from_id, to_id } = Fact::from_query_result(&row, "")?;
        if let Some(of_from) = found.get_mut(&View { viewer: from_id, other: to_id }) {
            match kind {
                FRIEND => of_from.is_friend = true,
                FOLLOW => of_from.is_following = true,
                _ => of_from.is_blocked = true,
            }
        }
        if kind == FOLLOW
            && let Some(of_to) = found.get_mut(&View { viewer: to_id, other: from_id })
        {
            of_to.is_followed_by = true;
        }
    }
    Ok(found)
}

fn facts_of(viewer: Uuid, others: &[Uuid]) -> [SelectStatement; 4] {
    use block::Column::{BlockedId, BlockerId};
    use follow::Column::{FolloweeId, FollowerId};
    use friend::Column::{FriendId, UserId};
    let others = || others.iter().copied();
    [
        facts::<friend::Entity>(FRIEND, UserId, FriendId)
            .filter(UserId.eq(viewer))
            .filter(FriendId.is_in(others()))
            .into_query(),
        facts::<follow::Entity>(FOLLOW, FollowerId, FolloweeId)
            .filter(FollowerId.eq(viewer))
            .filter(FolloweeId.is_in(others()))
            .into_query(),
        facts::<follow::Entity>(FOLLOW, FollowerId, FolloweeId)
            .filter(FolloweeId.eq(viewer))
            .filter(FollowerId.is_in(others()))
            .into_query(),
        facts::<block::Entity>(BLOCK, BlockerId, BlockedId)
            .filter(BlockerId.eq(viewer))
            .filter(BlockedId.is_in(others()))
            .into_query(),
    ]
}

fn facts<E: EntityTrait>(kind: i32, from: E::Column, to: E::Column) -> Select<E> {
    E::find().select_only().expr_as(Expr::val(kind), "kind").column_as(from, "from_id").column_as(to, "to_id")
}
