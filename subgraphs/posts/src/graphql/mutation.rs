//! The mutations.

use super::{
    service,
    types::{
        Post, PostCreateInput, PostCreatePayload, PostDeletePayload, PostHidePayload, PostReactionAddPayload,
        PostReactionRemovePayload, PostUnhidePayload, PostUpdateInput, PostUpdatePayload,
    },
};
use crate::{
    domain::POST_PREFIX,
    moderation, reaction,
    service::{self as posts, Changes, Expected, NewPost},
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
    /// Makes a post: published now, scheduled, or a draft. Needs a signed-in caller.
    async fn post_create(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The post.")] input: PostCreateInput,
    ) -> Result<Option<PostCreatePayload>> {
        let PostCreateInput { body, visibility, is_draft, publish_at, idempotency_key } = input;
        let new = NewPost { body, visibility, is_draft, publish_at, idempotency_key };
        let (post, user_errors) = payload(posts::create(service(context), Viewer::in_context(context), new).await)?;
        Ok(Some(PostCreatePayload { post: post.map(Post), user_errors }))
    }

    /// Changes one's own post: its text, who may read it and from when on. Needs a signed-in caller.
    async fn post_update(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The post's id.")] id: ID,
        #[graphql(desc = "The change.")] input: PostUpdateInput,
    ) -> Result<Option<PostUpdatePayload>> {
        let PostUpdateInput { body, visibility, is_draft, publish_at, if_edited_at } = input;
        let expected = match if_edited_at {
            MaybeUndefined::Undefined => Expected::Any,
            MaybeUndefined::Null => Expected::EditedAt(None),
            MaybeUndefined::Value(time) => Expected::EditedAt(Some(time)),
        };
        let changes = Changes { body, visibility, is_draft, publish_at, expected };
        let updated = posts::update(service(context), Viewer::in_context(context), key(&id), changes).await;
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

    /// Reacts to a published post with an emoji; nothing changes when one has done so. A post has at most 20 different emoji.
    /// Needs a signed-in caller.
    async fn post_reaction_add(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The post's id.")] id: ID,
        #[graphql(desc = "One emoji.")] emoji: String,
    ) -> Result<Option<PostReactionAddPayload>> {
        let added = reaction::add(service(context), Viewer::in_context(context), key(&id), &emoji).await;
        let (post, user_errors) = payload(added)?;
        Ok(Some(PostReactionAddPayload { post: post.map(Post), user_errors }))
    }

    /// Takes one's reaction to a published post away; nothing changes when there is none. Needs a signed-in caller.
    async fn post_reaction_remove(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The post's id.")] id: ID,
        #[graphql(desc = "The emoji.")] emoji: String,
    ) -> Result<Option<PostReactionRemovePayload>> {
        let removed = reaction::remove(service(context), Viewer::in_context(context), key(&id), &emoji).await;
        let (post, user_errors) = payload(removed)?;
        Ok(Some(PostReactionRemovePayload { post: post.map(Post), user_errors }))
    }

    /// Takes a published post down: its author alone sees it from then on, and why. For administrators and staff.
    #[graphql(requires_scopes = "admin", requires_scopes = "staff")]
    async fn post_hide(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The post's id.")] id: ID,
        #[graphql(desc = "Why, for the author: 1 to 500 characters.")] reason: String,
    ) -> Result<Option<PostHidePayload>> {
        let hidden = moderation::hide(service(context), Viewer::in_context(context), key(&id), &reason).await;
        let (post, user_errors) = payload(hidden)?;
        Ok(Some(PostHidePayload { post: post.map(Post), user_errors }))
    }

    /// Brings a post back that was taken down. For administrators and staff.
    #[graphql(requires_scopes = "admin", requires_scopes = "staff")]
    async fn post_unhide(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The post's id.")] id: ID,
    ) -> Result<Option<PostUnhidePayload>> {
        let unhidden = moderation::unhide(service(context), Viewer::in_context(context), key(&id)).await;
        let (post, user_errors) = payload(unhidden)?;
        Ok(Some(PostUnhidePayload { post: post.map(Post), user_errors }))
    }
}

fn key(id: &ID) -> Option<Uuid> {
    ids::decode(POST_PREFIX, id)
}
