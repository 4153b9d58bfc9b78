//! The queries.

use super::{loader, types::Notification, viewer};
use crate::domain::NOTIFICATION_PREFIX;
use async_graphql::{Context, ID, Object, Result};
use hansa_kit::{ids, viewer::Identity};

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
        let viewer = viewer(context);
        find(context, viewer.require()?, &id).await
    }
}

/// The viewer's notification of a global id, together with others that are asked for at the same time.
pub(super) async fn find(context: &Context<'_>, viewer: &Identity, id: &ID) -> Result<Option<Notification>> {
    let Some(id) = ids::decode(NOTIFICATION_PREFIX, id) else { return Ok(None) };
    Ok(loader(context).load_one((viewer.user_id, id)).await?.map(Notification))
}
