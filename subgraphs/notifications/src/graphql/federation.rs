//! Entity resolvers: how other subgraphs' objects lead here. What is not the viewer's is null.

use super::{
    query,
    types::{Notification, ViewerFields},
};
use crate::service as notifications;
use async_graphql::{Context, ID, Object, Result};
use hansa_kit::{Viewer, ids, viewer::USER_PREFIX};

/// The entities that notifications resolves.
#[derive(Debug, Default)]
pub struct Entities;

#[Object]
impl Entities {
    #[graphql(entity)]
    async fn find_notification_by_id(&self, context: &Context<'_>, id: ID) -> Result<Option<Notification>> {
        match Viewer::in_context(context) {
            Viewer::Anonymous => Ok(None),
            Viewer::User(_) => query::find(context, &id).await,
        }
    }

    #[graphql(entity)]
    async fn find_viewer_by_id(&self, context: &Context<'_>, id: ID) -> Option<ViewerFields> {
        let viewer = Viewer::in_context(context);
        ids::decode(USER_PREFIX, &id).filter(|id| notifications::may_read(viewer, *id)).map(|id| ViewerFields { id })
    }
}
