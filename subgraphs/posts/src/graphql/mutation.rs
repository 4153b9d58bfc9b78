//! The mutations.

use super::{
    service,
    types::{Post, PostCreateInput, PostCreatePayload, PostDeletePayload, PostUpdateInput, PostUpdatePayload},
};
use crate::{
    domain::POST_PREFIX,
    service::{self as posts, NewPost},
    store::Expected,
};
use async_graphql::{Context, ID, MaybeUndefined, Object, Result};
use hansa_kit::{Viewer, codes::payload, ids};
use uuid::Uuid;

/// The root of mutations.
#[derive(Debug)]
pub struct Mutation;

/// All that can be changed.
#[Object]
impl Mutation {
    /// Publishes a post. Needs a signed-in caller.
    async fn post_create(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The post.")] input: PostCreateInput,
    ) -> Result<Option<PostCreatePayload>> {
        let new = NewPost { body: input.body, visibility: input.visibility, idempotency_key: input.idempotency_key };
        let (post, user_errors) = payload(posts::create(service(context), Viewer::in_context(context), new).await)?;
        Ok(Some(PostCreatePayload { post: post.map(Post), user_errors }))
    }

    /// Changes the text of one's own post. Needs a signed-in caller.
    async fn post_update(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The post's id.")] id: ID,
        #[graphql(desc = "The change.")] input: PostUpdateInput,
    ) -> Result<Option<PostUpdatePayload>> {
        let expected = match input.if_edited_at {
            MaybeUndefined::Undefined => Expected::Any,
            MaybeUndefined::Null => Expected::EditedAt(None),
            MaybeUndefined::Value(time) => Expected::EditedAt(Some(time)),
        };
        let viewer = Viewer::in_context(context);
        let updated = posts::update(service(context), viewer, key(&id), &input.body, expected).await;
        let (post, user_errors) = payload(updated)?;
        Ok(Some(PostUpdatePayload { post: post.map(Post), user_errors }))
    }

    /// Deletes one's own post. Needs a signed-in caller.
    async fn post_delete(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The post's id.")] id: ID,
    ) -> Result<Option<PostDeletePayload>> {
        let deleted = posts::delete(service(context), Viewer::in_context(context), key(&id)).await;
        let (deleted, user_errors) = payload(deleted)?;
        Ok(Some(PostDeletePayload { deleted_post_id: deleted.map(|()| id), user_errors }))
    }
}

fn key(id: &ID) -> Option<Uuid> {
    ids::decode(POST_PREFIX, id)
}
