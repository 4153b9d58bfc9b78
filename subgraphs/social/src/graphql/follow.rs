//! Follows in the schema.

use super::{service, user::User, user_key};
use crate::follow::service as follows;
use async_graphql::{Context, ID, Object, Result, SimpleObject};
use hansa_kit::{
    Viewer,
    codes::{UserError, payload},
};

/// What can be changed of follows.
#[derive(Debug, Default)]
pub struct Mutations;

#[Object(name = "FollowMutations")]
impl Mutations {
    /// Follows somebody; they are told. Needs a signed-in caller.
    async fn follow_create(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Whom to follow.")] user_id: ID,
    ) -> Result<Option<FollowCreatePayload>> {
        let followed = follows::create(service(context), Viewer::in_context(context), user_key(&user_id)).await;
        let (user, user_errors) = payload(followed)?;
        Ok(Some(FollowCreatePayload { user: user.map(|id| User { id }), user_errors }))
    }

    /// Follows somebody no more. Needs a signed-in caller.
    async fn follow_delete(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Whom to follow no more.")] user_id: ID,
    ) -> Result<Option<FollowDeletePayload>> {
        let left = follows::delete(service(context), Viewer::in_context(context), user_key(&user_id)).await;
        let (user, user_errors) = payload(left)?;
        Ok(Some(FollowDeletePayload { user: user.map(|id| User { id }), user_errors }))
    }
}

/// The result of `followCreate`.
#[derive(Debug, SimpleObject)]
pub struct FollowCreatePayload {
    /// Who is followed.
    user: Option<User>,
    /// Why nothing was done; empty on success.
    user_errors: Vec<UserError>,
}

/// The result of `followDelete`.
#[derive(Debug, SimpleObject)]
pub struct FollowDeletePayload {
    /// Who is not followed any more.
    user: Option<User>,
    /// Why nothing was done; empty on success.
    user_errors: Vec<UserError>,
}
