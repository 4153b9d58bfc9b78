//! Friendships in the schema.

use super::{loaders::OwnFriendship, people, service, user::User, user_key};
use crate::{
    entity::friendship::Model,
    friendship::{
        domain::{Answer, Direction, FRIENDSHIP_PREFIX, Filter, Status},
        service as friendships,
    },
};
use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use chrono::{DateTime, Utc};
use hansa_kit::{
    Viewer,
    codes::{UserError, payload},
    ids,
    paging::{KeysetConnection, Position},
};
use uuid::Uuid;

/// What is between two people since one asked for the other's friendship. Only the two see it.
#[derive(Clone, Debug)]
pub struct Friendship(pub(super) Model);

#[Object]
impl Friendship {
    /// The global id.
    pub(super) async fn id(&self) -> ID {
        ids::encode(FRIENDSHIP_PREFIX, self.0.id)
    }

    /// Who asked.
    async fn requester(&self) -> Option<User> {
        Some(User { id: self.0.requester_id })
    }

    /// Who was asked.
    async fn addressee(&self) -> Option<User> {
        Some(User { id: self.0.addressee_id })
    }

    /// How far it has come.
    async fn status(&self) -> Status {
        self.0.status
    }

    /// When it was asked for.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it was accepted, declined or cancelled; null while it is pending.
    async fn responded_at(&self) -> Option<DateTime<Utc>> {
        self.0.responded_at
    }
}

/// A page of friendships.
pub(super) type FriendshipConnection = KeysetConnection<Position, Friendship>;

/// Which friendships to list; what is omitted restricts nothing.
#[derive(Clone, Debug, Default, InputObject)]
pub struct FriendshipFilter {
    /// Those that have come this far.
    status: Option<Status>,
    /// Only those that others asked for, or only those that the caller did.
    direction: Option<Direction>,
}

impl From<FriendshipFilter> for Filter {
    fn from(FriendshipFilter { status, direction }: FriendshipFilter) -> Self {
        Self { status, direction }
    }
}

/// The friendship of a global id, if it is one of the viewer's, together with others that are asked for at the same time.
pub(super) async fn find(context: &Context<'_>, id: &ID) -> Result<Option<Friendship>> {
    let viewer = Viewer::in_context(context).identity();
    let (Some(viewer), Some(id)) = (viewer, friendship_key(id)) else { return Ok(None) };
    let friendship = people(context).load_one(OwnFriendship { viewer: viewer.user_id, id }).await?;
    Ok(friendship.map(Friendship))
}

fn friendship_key(id: &str) -> Option<Uuid> {
    ids::decode(FRIENDSHIP_PREFIX, id)
}

/// What can be changed of friendships.
#[derive(Debug, Default)]
pub struct Mutations;

#[Object(name = "FriendshipMutations")]
impl Mutations {
    /// Asks for somebody's friendship; they are told. If they have asked the caller already, the two are friends at once.
    /// Who was declined asks the same person again a day later, and may be asked by them meanwhile. Needs a signed-in
    /// caller.
    async fn friendship_request(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Whom to ask.")] user_id: ID,
    ) -> Result<Option<FriendshipRequestPayload>> {
        let requested = friendships::request(service(context), Viewer::in_context(context), user_key(&user_id)).await;
        let (friendship, user_errors) = payload(requested)?;
        Ok(Some(FriendshipRequestPayload { friendship: friendship.map(Friendship), user_errors }))
    }

    /// Accepts a request: the two are friends from now on. Needs a signed-in caller, who was asked.
    async fn friendship_accept(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The friendship's id.")] id: ID,
    ) -> Result<Option<FriendshipAcceptPayload>> {
        let (friendship, user_errors) = answer(context, &id, Answer::Accept).await?;
        Ok(Some(FriendshipAcceptPayload { friendship, user_errors }))
    }

    /// Declines a request. Needs a signed-in caller, who was asked.
    async fn friendship_decline(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The friendship's id.")] id: ID,
    ) -> Result<Option<FriendshipDeclinePayload>> {
        let (friendship, user_errors) = answer(context, &id, Answer::Decline).await?;
        Ok(Some(FriendshipDeclinePayload { friendship, user_errors }))
    }

    /// Takes a request back that was not answered yet. Needs a signed-in caller, who asked.
    async fn friendship_cancel(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The friendship's id.")] id: ID,
    ) -> Result<Option<FriendshipCancelPayload>> {
        let (friendship, user_errors) = answer(context, &id, Answer::Cancel).await?;
        Ok(Some(FriendshipCancelPayload { friendship, user_errors }))
    }

    /// Is somebody's friend no more; they are not told. Needs a signed-in caller.
    async fn friendship_delete(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Whose friend to be no more.")] user_id: ID,
    ) -> Result<Option<FriendshipDeletePayload>> {
        let deleted = friendships::delete(service(context), Viewer::in_context(context), user_key(&user_id)).await;
        let (user, user_errors) = payload(deleted)?;
        Ok(Some(FriendshipDeletePayload { user: user.map(|id| User { id }), user_errors }))
    }
}

async fn answer(context: &Context<'_>, id: &ID, answer: Answer) -> Result<(Option<Friendship>, Vec<UserError>)> {
    let viewer = Viewer::in_context(context);
    let answered = friendships::answer(service(context), viewer, friendship_key(id), answer).await;
    let (friendship, user_errors) = payload(answered)?;
    Ok((friendship.map(Friendship), user_errors))
}

/// The result of `friendshipRequest`.
#[derive(Debug, SimpleObject)]
pub struct FriendshipRequestPayload {
    /// The friendship: pending, or accepted when the other had asked already.
    friendship: Option<Friendship>,
    /// Why nothing was done; empty on success.
    user_errors: Vec<UserError>,
}

/// The result of `friendshipAccept`.
#[derive(Debug, SimpleObject)]
pub struct FriendshipAcceptPayload {
    /// The friendship as it is now.
    friendship: Option<Friendship>,
    /// Why nothing was done; empty on success.
    user_errors: Vec<UserError>,
}

/// The result of `friendshipDecline`.
#[derive(Debug, SimpleObject)]
pub struct FriendshipDeclinePayload {
    /// The friendship as it is now.
    friendship: Option<Friendship>,
    /// Why nothing was done; empty on success.
    user_errors: Vec<UserError>,
}

/// The result of `friendshipCancel`.
#[derive(Debug, SimpleObject)]
pub struct FriendshipCancelPayload {
    /// The friendship as it is now.
    friendship: Option<Friendship>,
    /// Why nothing was done; empty on success.
    user_errors: Vec<UserError>,
}

/// The result of `friendshipDelete`.
#[derive(Debug, SimpleObject)]
pub struct FriendshipDeletePayload {
    /// Who was the caller's friend.
    user: Option<User>,
    /// Why nothing was done; empty on success.
    user_errors: Vec<UserError>,
}
