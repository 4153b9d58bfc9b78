//! What social keeps for the signed-in user alone.

use super::{
    circle::{self, BlockConnection},
    conversation::{ConversationConnection, conversation_connection},
    friendship::{Friendship, FriendshipConnection, FriendshipFilter},
    service,
};
use crate::{
    conversation::service as conversations,
    entity::friendship::Model,
    friendship::{domain::Filter, service as friendships},
};
use async_graphql::{Context, ID, Object, Result};
use hansa_kit::{
    Viewer, ids,
    paging::{Page, Position, TotalCount, connection},
    viewer::USER_PREFIX,
};
use uuid::Uuid;

/// The caller's private data. Its fields are those of the viewer of the request, who is the one of this id.
#[derive(Clone, Copy, Debug)]
pub struct ViewerFields {
    pub(crate) id: Uuid,
}

#[Object(name = "Viewer")]
impl ViewerFields {
    /// The caller's user id.
    async fn id(&self) -> ID {
        ids::encode(USER_PREFIX, self.id)
    }

    /// The caller's friendships and requests, those asked for last first.
    async fn friendships(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which friendships.")] filter: Option<FriendshipFilter>,
        #[graphql(desc = "How many at most, up to 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
    ) -> Result<Option<FriendshipConnection>> {
        let page = Page::new(first, after)?;
        let filter = Filter::from(filter.unwrap_or_default());
        let (service, viewer) = (service(context), Viewer::in_context(context));
        let total = TotalCount::when_selected(context, friendships::count(service, viewer, filter)).await?;
        let slice = friendships::list(service, viewer, filter, &page).await?;
        let position = |one: &Model| Position { time: one.created_at, id: one.id };
        Ok(Some(connection(slice, page.after.is_some(), total, position, Friendship)))
    }

    /// The caller's conversations, those first where something happened last. Direct ones are left out while one of the two
    /// blocks the other.
    async fn conversations(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "How many at most, up to 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
    ) -> Result<Option<ConversationConnection>> {
        let page = Page::new(first, after)?;
        let (service, viewer) = (service(context), Viewer::in_context(context));
        let total = TotalCount::when_selected(context, conversations::count(service, viewer)).await?;
        let slice = conversations::list(service, viewer, &page).await?;
        Ok(Some(conversation_connection(slice, page.after.is_some(), total)))
    }

    /// How many messages the caller has not read, over all conversations that are not muted: the exact number.
    async fn unread_message_count(&self, context: &Context<'_>) -> Result<Option<i32>> {
        let unread = conversations::count_unread(service(context), Viewer::in_context(context)).await?;
        Ok(Some(i32::try_from(unread).unwrap_or(i32::MAX)))
    }

    /// Whom the caller blocks, the newest first.
    async fn blocked_users(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "How many at most, up to 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
    ) -> Result<Option<BlockConnection>> {
        let viewer = Viewer::in_context(context).require()?;
        Ok(Some(circle::blocks(context, viewer.user_id, (first, after)).await?))
    }
}
