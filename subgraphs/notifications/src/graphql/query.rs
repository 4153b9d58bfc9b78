//! The queries.

use super::{loader, types::Notification};
use crate::{domain::NOTIFICATION_PREFIX, service as notifications};
use async_graphql::{Context, ID, Object, Result};
use hansa_kit::{Viewer, ids};

/// Queries of notifications.
#[derive(Debug, Default)]
pub struct Notifications;

#[Object]
impl Notifications {
    /// One's own notification of this id; null when there is none. Needs a signed-in caller.
    async fn notification(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The notification's id.")] id: ID,
    ) -> Result<Option<Notification>> {
        find(context, &id).await
    }
}

/// The viewer's notification of a global id, together with others that are asked for at the same time.
pub(super) async fn find(context: &Context<'_>, id: &ID) -> Result<Option<Notification>> {
    let own = notifications::own(Viewer::in_context(context), ids::decode(NOTIFICATION_PREFIX, id))?;
    let Some(own) = own else { return Ok(None) };
    Ok(loader(context).load_one(own).await?.map(Notification))
}
