//! Blocks in the schema.

use super::{service, user::User, user_key};
use crate::block::service as blocks;
use async_graphql::{Context, ID, Object, Result, SimpleObject};
use hansa_kit::{
    Viewer,
    codes::{UserError, payload},
};

/// What can be changed of blocks.
#[derive(Debug, Default)]
pub struct Mutations;

#[Object(name = "BlockMutations")]
impl Mutations {
    /// Blocks somebody: friendship and follows between the two end, and neither sees or reaches the other any more. Who is
    /// blocked is not told. Needs a signed-in caller.
    async fn block_create(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Whom to block.")] user_id: ID,
    ) -> Result<Option<BlockCreatePayload>> {
        let blocked = blocks::create(service(context), Viewer::in_context(context), user_key(&user_id)).await;
        let (user, user_errors) = payload(blocked)?;
        Ok(Some(BlockCreatePayload { user: user.map(|id| User { id }), user_errors }))
    }

    /// Blocks somebody no more. Friendship and follows do not come back. Needs a signed-in caller.
    async fn block_delete(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Whom to block no more.")] user_id: ID,
    ) -> Result<Option<BlockDeletePayload>> {
        let unblocked = blocks::delete(service(context), Viewer::in_context(context), user_key(&user_id)).await;
        let (user, user_errors) = payload(unblocked)?;
        Ok(Some(BlockDeletePayload { user: user.map(|id| User { id }), user_errors }))
    }
}

/// The result of `blockCreate`.
#[derive(Debug, SimpleObject)]
pub struct BlockCreatePayload {
    /// Who is blocked.
    user: Option<User>,
    /// Why nothing was done; empty on success.
    user_errors: Vec<UserError>,
}

/// The result of `blockDelete`.
#[derive(Debug, SimpleObject)]
pub struct BlockDeletePayload {
    /// Who is not blocked any more.
    user: Option<User>,
    /// Why nothing was done; empty on success.
    user_errors: Vec<UserError>,
}
