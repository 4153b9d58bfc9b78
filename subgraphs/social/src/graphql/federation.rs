//! Entity resolvers: how other subgraphs' objects lead here.

use super::{
    conversation::{self, Conversation},
    friendship::{self, Friendship},
    message::{self, Message},
    user::User,
    viewer::ViewerFields,
};
use async_graphql::{Context, ID, Object, Result};
use hansa_kit::{Viewer, ids, viewer::USER_PREFIX};

/// The entities that social resolves.
#[derive(Debug, Default)]
pub struct Entities;

#[Object]
impl Entities {
    /// Only for its two people.
    #[graphql(entity)]
    async fn find_friendship_by_id(&self, context: &Context<'_>, id: ID) -> Result<Option<Friendship>> {
        friendship::find(context, &id).await
    }

    /// Only for those who are in it.
    #[graphql(entity)]
    async fn find_conversation_by_id(&self, context: &Context<'_>, id: ID) -> Result<Option<Conversation>> {
        match Viewer::in_context(context) {
            Viewer::Anonymous => Ok(None),
            Viewer::User(_) => conversation::find(context, &id).await,
        }
    }

    /// Only for those who are in its conversation.
    #[graphql(entity)]
    async fn find_message_by_id(&self, context: &Context<'_>, id: ID) -> Result<Option<Message>> {
        match Viewer::in_context(context) {
            Viewer::Anonymous => Ok(None),
            Viewer::User(_) => message::find(context, &id).await,
        }
    }

    /// Whether there is such a user, users knows; here any may have friends.
    #[graphql(entity)]
    async fn find_user_by_id(&self, id: ID) -> Option<User> {
        ids::decode(USER_PREFIX, &id).map(|id| User { id })
    }

    #[graphql(entity)]
    async fn find_viewer_by_id(&self, context: &Context<'_>, id: ID) -> Option<ViewerFields> {
        let viewer = Viewer::in_context(context);
        ids::decode(USER_PREFIX, &id).filter(|id| viewer.is(*id)).map(|id| ViewerFields { id })
    }
}
