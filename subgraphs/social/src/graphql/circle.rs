//! Friends, followers, whom somebody follows or blocks, in the schema.

use super::{people, user::User};
use crate::circle::{Circle, CirclePage, Kind, Member};
use async_graphql::{
    Context, ObjectType, OutputType, Result, SimpleObject,
    connection::{ConnectionNameType, EdgeNameType},
};
use chrono::{DateTime, Utc};
use hansa_kit::{
    codes::Fault,
    paging::{KeysetConnection, Page, Position, Slice, TotalCount, connection_of_edges},
};
use uuid::Uuid;

/// Names the types of lists of friends.
pub struct FriendNames;

impl ConnectionNameType for FriendNames {
    fn type_name<T: OutputType>() -> String {
        "FriendConnection".into()
    }
}

impl EdgeNameType for FriendNames {
    fn type_name<T: OutputType>() -> String {
        "FriendEdge".into()
    }
}

/// A friend in a list.
#[derive(Debug, SimpleObject)]
#[graphql(name = "FriendEdgeFields", visible = false)]
pub struct FriendFields {
    /// When the two became friends.
    friends_since: DateTime<Utc>,
}

/// Names the types of lists of follows.
pub struct FollowNames;

impl ConnectionNameType for FollowNames {
    fn type_name<T: OutputType>() -> String {
        "FollowConnection".into()
    }
}

impl EdgeNameType for FollowNames {
    fn type_name<T: OutputType>() -> String {
        "FollowEdge".into()
    }
}

/// A follower, or somebody followed, in a list.
#[derive(Debug, SimpleObject)]
#[graphql(name = "FollowEdgeFields", visible = false)]
pub struct FollowFields {
    /// Since when.
    followed_at: DateTime<Utc>,
}

/// Names the types of lists of blocks.
pub struct BlockNames;

impl ConnectionNameType for BlockNames {
    fn type_name<T: OutputType>() -> String {
        "BlockConnection".into()
    }
}

impl EdgeNameType for BlockNames {
    fn type_name<T: OutputType>() -> String {
        "BlockEdge".into()
    }
}

/// Somebody blocked in a list.
#[derive(Debug, SimpleObject)]
#[graphql(name = "BlockEdgeFields", visible = false)]
pub struct BlockFields {
    /// Since when.
    blocked_at: DateTime<Utc>,
}

/// A page of friends.
pub(super) type FriendConnection = KeysetConnection<Position, User, FriendFields, FriendNames, FriendNames>;
/// A page of followers, or of people who are followed.
pub(super) type FollowConnection = KeysetConnection<Position, User, FollowFields, FollowNames, FollowNames>;
/// A page of people who are blocked.
pub(super) type BlockConnection = KeysetConnection<Position, User, BlockFields, BlockNames, BlockNames>;

/// The arguments of a list.
pub(super) type Arguments = (Option<i32>, Option<String>);

/// Friends, those who became it last first.
pub(super) async fn friends(context: &Context<'_>, circle: Circle, arguments: Arguments) -> Result<FriendConnection> {
    list(context, circle, arguments, |friends_since| FriendFields { friends_since }).await
}

/// Follows, the newest first.
pub(super) async fn follows(context: &Context<'_>, circle: Circle, arguments: Arguments) -> Result<FollowConnection> {
    list(context, circle, arguments, |followed_at| FollowFields { followed_at }).await
}

/// Whom the viewer blocks, the newest first.
pub(super) async fn blocks(context: &Context<'_>, viewer: Uuid, arguments: Arguments) -> Result<BlockConnection> {
    let circle = Circle { kind: Kind::Blocked, of: viewer, viewer };
    list(context, circle, arguments, |blocked_at| BlockFields { blocked_at }).await
}

async fn list<E: ObjectType, N: ConnectionNameType + EdgeNameType>(
    context: &Context<'_>,
    circle: Circle,
    (first, after): Arguments,
    fields: impl Fn(DateTime<Utc>) -> E,
) -> Result<KeysetConnection<Position, User, E, N, N>> {
    let Page { limit, after } = Page::new(first, after)?;
    let members = async {
        let members = people(context).load_one(CirclePage { circle, limit, after }).await?;
        Ok::<_, Fault>(members.unwrap_or_else(|| Slice::of(Vec::new(), limit)))
    };
    let total = TotalCount::when_selected(context, async {
        Ok::<_, Fault>(people(context).load_one(circle).await?.unwrap_or(0))
    });
    let (members, total) = futures::try_join!(members, total)?;
    Ok(connection_of_edges(members, after.is_some(), total, |member: Member| {
        (member.position(), User { id: member.person_id }, fields(member.since))
    }))
}
