//! Reads for many objects at once. A key says whose a notification must be, so that requests may share a batch.

use crate::{Service, entity::notification::Model, service, store::OwnId};
use async_graphql::dataloader::Loader;
use hansa_kit::codes::Fault;
use std::collections::HashMap;

/// Reads notifications by their recipients and ids.
pub(super) struct Notifications(pub(super) Service);

impl Loader<OwnId> for Notifications {
    type Value = Model;
    type Error = Fault;

    async fn load(&self, keys: &[OwnId]) -> Result<HashMap<OwnId, Model>, Fault> {
        Ok(service::find_many(&self.0, keys).await?)
    }
}
