//! Entity resolvers: how other subgraphs' objects lead here. What is not the viewer's is null.

use super::{
    query,
    types::{Notification, ViewerFields},
    viewer,
};
use async_graphql::{Context, ID, Object, Result};
use hansa_kit::{ids, viewer::USER_PREFIX};

/// The entities that notifications resolves.
#[derive(Debug, Default)]
pub struct Entities;

#[Object]
impl Entities {
    #[graphql(entity)]
    async fn find_notification_by_id(&self, context: &Context<'_>, id: ID) -> Result<Option<Notification>> {
        match viewer(context).identity() {
            Some(viewer) => query::find(context, viewer, &id).await,
            None => Ok(None),
        }
    }

    #[graphql(entity)]
    async fn find_viewer_by_id(&self, context: &Context<'_>, id: ID) -> Option<ViewerFields> {
        ids::decode(USER_PREFIX, &id).filter(|id| viewer(context).is(*id)).map(|id| ViewerFields { id })
    }
}
