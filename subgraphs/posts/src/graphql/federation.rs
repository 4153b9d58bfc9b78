//! Entity resolvers: how other subgraphs' objects lead here.

use super::{
    query,
    types::{Post, User},
    viewer::ViewerFields,
};
use async_graphql::{Context, ID, Object, Result};
use hansa_kit::{Viewer, ids, viewer::USER_PREFIX};

/// The entities that posts resolves.
#[derive(Debug, Default)]
pub struct Entities;

#[Object]
impl Entities {
    #[graphql(entity)]
    async fn find_post_by_id(&self, context: &Context<'_>, id: ID) -> Result<Option<Post>> {
        query::find(context, &id).await
    }

    /// Whether there is such a user, users knows; here any may have posts.
    #[graphql(entity)]
    async fn find_user_by_id(&self, id: ID) -> Option<User> {
        ids::decode(USER_PREFIX, &id).map(|id| User { id })
    }

    /// Only one's own.
    #[graphql(entity)]
    async fn find_viewer_by_id(&self, context: &Context<'_>, id: ID) -> Option<ViewerFields> {
        let viewer = Viewer::in_context(context);
        ids::decode(USER_PREFIX, &id).filter(|id| viewer.is(*id)).map(|id| ViewerFields { id })
    }
}
