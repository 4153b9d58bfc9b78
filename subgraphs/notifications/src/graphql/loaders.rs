//! Reads for many objects at once. A key says whose a notification must be, so that requests may share a batch.

use crate::{
    entity::notification::Model,
    store::{self, OwnId},
};
use async_graphql::dataloader::Loader;
use hansa_kit::codes::Rejection;
use sea_orm::DatabaseConnection;
use std::{collections::HashMap, sync::Arc};

/// Reads notifications by their recipients and ids.
pub(super) struct Notifications {
    database: DatabaseConnection,
}

impl Notifications {
    pub(super) fn new(database: DatabaseConnection) -> Self {
        Self { database }
    }
}

/// A fault, shared by all that waited for the batch.
#[derive(Clone, Debug)]
pub(super) struct Fault(Arc<hansa_kit::Error>);

impl From<Fault> for async_graphql::Error {
    fn from(Fault(error): Fault) -> Self {
        Rejection::Fault(Box::new(error)).into()
    }
}

impl Loader<OwnId> for Notifications {
    type Value = Model;
    type Error = Fault;

    async fn load(&self, keys: &[OwnId]) -> Result<HashMap<OwnId, Model>, Fault> {
        store::find_many(&self.database, keys).await.map_err(|error| Fault(Arc::new(error)))
    }
}
