//! What social knows of users.

use super::{
    chats,
    circle::{self, FollowConnection, FriendConnection},
    friendship::Friendship,
    loaders::FriendshipOf,
    people,
    presence::{Presence, PresenceOf},
};
use crate::{
    circle::{Circle, Kind},
    relationship::{Relationship, View},
};
use async_graphql::{ComplexObject, Context, ID, Object, Result, SimpleObject};
use hansa_kit::{Viewer, ids, viewer::USER_PREFIX};
use uuid::Uuid;

/// A user, with whom they know.
#[derive(Clone, Copy, Debug)]
pub struct User {
    pub(crate) id: Uuid,
}

#[Object]
impl User {
    /// The global id.
    pub(super) async fn id(&self) -> ID {
        ids::encode(USER_PREFIX, self.id)
    }

    /// The user's friends, those who became it last first. Null for callers who are not signed in; nobody with whom the
    /// caller has a block is listed.
    async fn friends(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "How many at most, up to 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
    ) -> Result<Option<FriendConnection>> {
        let Some(circle) = self.circle(context, Kind::Friends) else { return Ok(None) };
        Ok(Some(circle::friends(context, circle, (first, after)).await?))
    }

    /// Who follows the user, the newest first. Null for callers who are not signed in; nobody with whom the caller has a
    /// block is listed.
    async fn followers(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "How many at most, up to 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
    ) -> Result<Option<FollowConnection>> {
        let Some(circle) = self.circle(context, Kind::Followers) else { return Ok(None) };
        Ok(Some(circle::follows(context, circle, (first, after)).await?))
    }

    /// Whom the user follows, the newest first. Null for callers who are not signed in; nobody with whom the caller has a
    /// block is listed.
    async fn following(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "How many at most, up to 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
    ) -> Result<Option<FollowConnection>> {
        let Some(circle) = self.circle(context, Kind::Following) else { return Ok(None) };
        Ok(Some(circle::follows(context, circle, (first, after)).await?))
    }

    /// What the user is to the caller; null for the caller themselves and for callers who are not signed in.
    async fn viewer_relationship(&self, context: &Context<'_>) -> Result<Option<ViewerRelationship>> {
        let Some(viewer) = Viewer::in_context(context).identity().filter(|viewer| viewer.user_id != self.id) else {
            return Ok(None);
        };
        let view = View { viewer: viewer.user_id, other: self.id };
        let Relationship { is_friend, is_following, is_followed_by, is_blocked } =
            people(context).load_one(view).await?.unwrap_or_default();
        Ok(Some(ViewerRelationship { view, is_friend, is_following, is_followed_by, is_blocked }))
    }

    /// Whether they are online; null unless the caller is they themselves, a friend, or somebody whom they have written to in
    /// a direct conversation.
    async fn presence(&self, context: &Context<'_>) -> Result<Option<Presence>> {
        let Some(viewer) = Viewer::in_context(context).identity() else { return Ok(None) };
        let found = chats(context).load_one(PresenceOf((viewer.user_id, self.id))).await?;
        Ok(found.map(Presence::from))
    }
}

impl User {
    fn circle(&self, context: &Context<'_>, kind: Kind) -> Option<Circle> {
        let viewer = Viewer::in_context(context).identity()?;
        Some(Circle { kind, of: self.id, viewer: viewer.user_id })
    }
}

/// What somebody is to the caller.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct ViewerRelationship {
    #[graphql(skip)]
    view: View,
    /// Whether the two are friends.
    is_friend: bool,
    /// Whether the caller follows them.
    is_following: bool,
    /// Whether they follow the caller.
    is_followed_by: bool,
    /// Whether the caller blocks them. Whether they block the caller is not told.
    is_blocked: bool,
}

#[ComplexObject]
impl ViewerRelationship {
    /// The friendship of the two, or what has come of a request; null when there was none.
    async fn friendship(&self, context: &Context<'_>) -> Result<Option<Friendship>> {
        Ok(people(context).load_one(FriendshipOf(self.view)).await?.map(Friendship))
    }
}
