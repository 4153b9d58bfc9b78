//! What social knows of users.

use async_graphql::{ID, Object};
use hansa_kit::{ids, viewer::USER_PREFIX};
use uuid::Uuid;

/// A user, with whom they know.
#[derive(Clone, Copy, Debug)]
pub struct User {
    pub(crate) id: Uuid,
}

#[Object]
impl User {
    /// The global id.
    async fn id(&self) -> ID {
        ids::encode(USER_PREFIX, self.id)
    }
}
