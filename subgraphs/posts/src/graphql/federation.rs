//! Entity resolvers: how other subgraphs' objects lead here.

use super::{
    query,
    types::{Post, User},
};
use async_graphql::{Context, ID, Object, Result};
use hansa_kit::{ids, viewer::USER_PREFIX};

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
}
