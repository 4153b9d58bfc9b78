//! What posts know of people: who follows, befriends or blocks whom, and whose account is gone. It is as the social and
//! users services have told so far.
//!
//! The events of a pair of people come in order, so that each is simply done as it comes. What is not known is not there:
//! a friend of whom nothing was told yet reads no more than a stranger.

use crate::{
    domain::Visibility,
    entity::{block, erased_user, follow, friend},
};
use chrono::{DateTime, Utc};
use hansa_kit::Error;
use sea_orm::{
    ActiveValue::Set,
    ConnectionTrait, QuerySelect,
    entity::prelude::*,
    sea_query::{Condition, Expr, ExprTrait, OnConflict, Query, SelectStatement, UnionType},
};
use std::collections::{HashMap, HashSet};

/// `follower` follows `followee` from now on.
pub(crate) async fn follow(transaction: &impl ConnectionTrait, follower: Uuid, followee: Uuid) -> Result<(), Error> {
    if are_there(transaction, [follower, followee]).await? {
        let row = follow::ActiveModel { follower_id: Set(follower), followee_id: Set(followee) };
        let known = OnConflict::new().do_nothing().to_owned();
        follow::Entity::insert(row).on_conflict(known).exec_without_returning(transaction).await?;
    }
    Ok(())
}

/// `follower` follows `followee` no more.
pub(crate) async fn unfollow(transaction: &impl ConnectionTrait, follower: Uuid, followee: Uuid) -> Result<(), Error> {
    follow::Entity::delete_by_id((follower, followee)).exec(transaction).await?;
    Ok(())
}

/// Two people are friends from now on.
pub(crate) async fn befriend(transaction: &impl ConnectionTrait, one: Uuid, other: Uuid) -> Result<(), Error> {
    if are_there(transaction, [one, other]).await? {
        let rows = [(one, other), (other, one)];
        let rows = rows.map(|(user, friend)| friend::ActiveModel { user_id: Set(user), friend_id: Set(friend) });
        let known = OnConflict::new().do_nothing().to_owned();
        friend::Entity::insert_many(rows).on_conflict(known).exec_without_returning(transaction).await?;
    }
    Ok(())
}

/// Two people are no friends any more.
pub(crate) async fn part(transaction: &impl ConnectionTrait, one: Uuid, other: Uuid) -> Result<(), Error> {
    friend::Entity::delete_by_id((one, other)).exec(transaction).await?;
    friend::Entity::delete_by_id((other, one)).exec(transaction).await?;
    Ok(())
}

/// `blocker` blocks `blocked` from now on.
pub(crate) async fn block(transaction: &impl ConnectionTrait, blocker: Uuid, blocked: Uuid) -> Result<(), Error> {
    if are_there(transaction, [blocker, blocked]).await? {
        let row = block::ActiveModel { blocker_id: Set(blocker), blocked_id: Set(blocked) };
        let known = OnConflict::new().do_nothing().to_owned();
        block::Entity::insert(row).on_conflict(known).exec_without_returning(transaction).await?;
    }
    Ok(())
}

/// `blocker` blocks `blocked` no more.
pub(crate) async fn unblock(transaction: &impl ConnectionTrait, blocker: Uuid, blocked: Uuid) -> Result<(), Error> {
    block::Entity::delete_by_id((blocker, blocked)).exec(transaction).await?;
    Ok(())
}

/// Forgets all that is known of somebody, but that their account is gone.
pub(crate) async fn erase(transaction: &impl ConnectionTrait, id: Uuid, now: DateTime<Utc>) -> Result<(), Error> {
    let row = erased_user::ActiveModel { id: Set(id), erased_at: Set(now) };
    let known = OnConflict::new().do_nothing().to_owned();
    erased_user::Entity::insert(row).on_conflict(known).exec_without_returning(transaction).await?;
    forget(transaction, id).await
}

async fn forget(transaction: &impl ConnectionTrait, id: Uuid) -> Result<(), Error> {
    use sea_orm::Condition;
    let follows = Condition::any().add(follow::Column::FollowerId.eq(id)).add(follow::Column::FolloweeId.eq(id));
    follow::Entity::delete_many().filter(follows).exec(transaction).await?;
    let blocks = Condition::any().add(block::Column::BlockerId.eq(id)).add(block::Column::BlockedId.eq(id));
    block::Entity::delete_many().filter(blocks).exec(transaction).await?;
    let friends = friend::Entity::delete_many().filter(
        Condition::any()
            .add(friend::Column::UserId.eq(id))
            // By the other row of each friendship, for this column has no index of its own.
            .add(friend::Column::UserId.in_subquery(friends_of(id)).and(friend::Column::FriendId.eq(id))),
    );
    friends.exec(transaction).await?;
    Ok(())
}

/// Who has been erased since `time`.
pub(crate) async fn erased_since(database: &impl ConnectionTrait, time: DateTime<Utc>) -> Result<Vec<Uuid>, Error> {
    let erased = erased_user::Entity::find().filter(erased_user::Column::ErasedAt.gte(time));
    Ok(erased.all(database).await?.into_iter().map(|user| user.id).collect())
}

/// Whether nobody of `ids` is known to be without an account.
pub(crate) async fn are_there<const N: usize>(database: &impl ConnectionTrait, ids: [Uuid; N]) -> Result<bool, Error> {
    Ok(erased_user::Entity::find().filter(erased_user::Column::Id.is_in(ids)).one(database).await?.is_none())
}

/// What `reader` may see of each of `others`: posts of this visibility and of every wider one. Those of whom they may see
/// nothing are left out.
///
/// It says of an author what [`follows`], [`is_friend`] and [`no_block`] say of a post, for queries of one author each, which
/// are simpler by it.
pub(crate) async fn narrowest_visible(
    database: &impl ConnectionTrait,
    reader: Uuid,
    others: &[Uuid],
) -> Result<HashMap<Uuid, Visibility>, Error> {
    let among = |table: SelectStatement, other: Expr, kind: i32| {
        let mut rows = table;
        rows.expr(Expr::val(kind)).and_where(other.is_in(others.iter().copied()));
        rows
    };
    let blocks = |whom: block::Column, by: block::Column| {
        Query::select().column(whom).from(block::Entity).and_where(Expr::col(by).eq(reader)).to_owned()
    };
    let (blocker, blocked) = (block::Column::BlockerId, block::Column::BlockedId);
    let query = among(followed_by(reader), Expr::col(follow::Column::FolloweeId), FOLLOWED)
        .union(UnionType::All, among(friends_of(reader), Expr::col(friend::Column::FriendId), FRIEND))
        .union(UnionType::All, among(blocks(blocked, blocker), Expr::col(blocked), BLOCKED))
        .union(UnionType::All, among(blocks(blocker, blocked), Expr::col(blocker), BLOCKED))
        .to_owned();
    let mut visible: HashMap<Uuid, Visibility> = others.iter().map(|other| (*other, Visibility::Public)).collect();
    let mut is_blocked = HashSet::new();
    for row in database.query_all(&query).await? {
        let (other, kind): (Uuid, i32) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        let narrowest = match kind {
            FOLLOWED => Visibility::Followers,
            FRIEND => Visibility::Friends,
            _ => {
                is_blocked.insert(other);
                continue;
            }
        };
        visible.entry(other).and_modify(|visible| *visible = std::cmp::min(narrowest, *visible));
    }
    visible.retain(|other, _| !is_blocked.contains(other));
    if let Some(own) = visible.get_mut(&reader) {
        *own = Visibility::Private;
    }
    Ok(visible)
}

const FOLLOWED: i32 = 1;
const FRIEND: i32 = 2;
const BLOCKED: i32 = 3;

/// The ids of those whom `user` follows, as a subquery.
pub(crate) fn followed_by(user: Uuid) -> SelectStatement {
    Query::select()
        .column((follow::Entity, follow::Column::FolloweeId))
        .from(follow::Entity)
        .and_where(Expr::col((follow::Entity, follow::Column::FollowerId)).eq(user))
        .to_owned()
}

/// The ids of those who follow `user`, as a subquery.
pub(crate) fn followers_of(user: Uuid) -> SelectStatement {
    Query::select()
        .column((follow::Entity, follow::Column::FollowerId))
        .from(follow::Entity)
        .and_where(Expr::col((follow::Entity, follow::Column::FolloweeId)).eq(user))
        .to_owned()
}

/// How many people `user` follows, counted up to `limit`.
pub(crate) async fn count_followed(database: &impl ConnectionTrait, user: Uuid, limit: u64) -> Result<u64, Error> {
    Ok(follow::Entity::find().filter(follow::Column::FollowerId.eq(user)).limit(limit).count(database).await?)
}

/// The ids of the friends of `user`, as a subquery.
pub(crate) fn friends_of(user: Uuid) -> SelectStatement {
    Query::select()
        .column((friend::Entity, friend::Column::FriendId))
        .from(friend::Entity)
        .and_where(Expr::col((friend::Entity, friend::Column::UserId)).eq(user))
        .to_owned()
}

/// That `user` follows the one whose id is in the column `whom`.
pub(crate) fn follows(user: Uuid, whom: impl ColumnTrait) -> Expr {
    let is_them = Expr::col((follow::Entity, follow::Column::FolloweeId)).equals(whom.as_column_ref());
    Expr::exists(followed_by(user).and_where(is_them).to_owned())
}

/// That `user` is a friend of the one whose id is in the column `whose`.
pub(crate) fn is_friend(user: Uuid, whose: impl ColumnTrait) -> Expr {
    let is_them = Expr::col((friend::Entity, friend::Column::FriendId)).equals(whose.as_column_ref());
    Expr::exists(friends_of(user).and_where(is_them).to_owned())
}

/// That neither `user` nor the one whose id is in the column `other` blocks the other.
pub(crate) fn no_block(user: Uuid, other: impl ColumnTrait) -> Condition {
    let blocks = |blocker: Expr, blocked: Expr| {
        let both = Condition::all().add(blocker).add(blocked);
        Expr::exists(Query::select().expr(Expr::val(1)).from(block::Entity).cond_where(both).to_owned()).not()
    };
    let column = |column| Expr::col((block::Entity, column));
    let (blocker, blocked) = (block::Column::BlockerId, block::Column::BlockedId);
    Condition::all()
        .add(blocks(column(blocker).eq(user), column(blocked).equals(other.as_column_ref())))
        .add(blocks(column(blocker).equals(other.as_column_ref()), column(blocked).eq(user)))
}
