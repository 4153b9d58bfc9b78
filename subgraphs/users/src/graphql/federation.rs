//! Entities: what other subgraphs and `node` refer to by id. Gone, forbidden and failed alike are null, for an error
//! would take the whole batch with it.

use super::{accounts, loaders::SessionLoader, session_key, types, user_key};
use async_graphql::{Context, ID, Object, dataloader::DataLoader};
use hansa_kit::{Viewer, viewer::Identity};
use std::fmt::Display;

#[derive(Default)]
pub struct Entities;

#[Object]
impl Entities {
    #[graphql(entity)]
    async fn find_user_by_id(&self, context: &Context<'_>, id: ID) -> Option<types::User> {
        let account = accounts(context).load_one(user_key(&id)?).await;
        found(account).map(types::User)
    }

    /// Only one's own.
    #[graphql(entity)]
    async fn find_viewer_by_id(&self, context: &Context<'_>, id: ID) -> Option<types::Viewer> {
        let identity = own(Viewer::in_context(context).identity()?, &id)?;
        let account = accounts(context).load_one(identity.user_id).await;
        Some(types::Viewer::of(found(account)?, identity))
    }

    /// Only one's own.
    #[graphql(entity)]
    async fn find_session_by_id(&self, context: &Context<'_>, id: ID) -> Option<types::Session> {
        let identity = Viewer::in_context(context).identity()?;
        let sessions = context.data_unchecked::<DataLoader<SessionLoader>>();
        let session = sessions.load_one((identity.user_id, session_key(&id)?)).await;
        Some(types::Session::of(found(session)?, identity.session_id))
    }
}

fn own<'a>(identity: &'a Identity, id: &str) -> Option<&'a Identity> {
    (user_key(id) == Some(identity.user_id)).then_some(identity)
}

fn found<T>(result: Result<Option<T>, impl Display>) -> Option<T> {
    result.unwrap_or_else(|error| {
        tracing::error!(%error, "an entity could not be read");
        None
    })
}
