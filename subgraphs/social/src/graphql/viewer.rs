//! What social keeps for the signed-in user alone.

use async_graphql::{ID, Object};
use hansa_kit::{ids, viewer::USER_PREFIX};
use uuid::Uuid;

/// The caller's private data. Its fields are those of the viewer of the request, who is the one of this id.
#[derive(Clone, Copy, Debug)]
pub struct ViewerFields {
    pub(crate) id: Uuid,
}

#[Object(name = "Viewer")]
impl ViewerFields {
    /// The caller's user id.
    async fn id(&self) -> ID {
        ids::encode(USER_PREFIX, self.id)
    }
}
