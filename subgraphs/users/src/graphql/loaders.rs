//! Batched reads. Who may see what is part of the key, so that a loader serves all requests.

use crate::{
    account,
    entity::{account::Model as Account, session::Model as Session},
    session,
};
use async_graphql::dataloader::Loader;
use hansa_kit::{Clock, codes::Fault};
use sea_orm::DatabaseConnection;
use std::collections::HashMap;
use uuid::Uuid;

/// Reads accounts by id.
pub(crate) struct AccountLoader(pub DatabaseConnection);

impl Loader<Uuid> for AccountLoader {
    type Value = Account;
    type Error = Fault;

    async fn load(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, Account>, Self::Error> {
        let accounts = account::store::by_ids(&self.0, ids).await?;
        Ok(accounts.into_iter().map(|account| (account.id, account)).collect())
    }
}

/// Reads live sessions by owner and id.
pub(crate) struct SessionLoader {
    pub database: DatabaseConnection,
    pub clock: Clock,
}

impl Loader<(Uuid, Uuid)> for SessionLoader {
    type Value = Session;
    type Error = Fault;

    async fn load(&self, keys: &[(Uuid, Uuid)]) -> Result<HashMap<(Uuid, Uuid), Session>, Self::Error> {
        let sessions = session::store::by_keys(&self.database, keys, self.clock.now()).await?;
        Ok(sessions.into_iter().map(|session| ((session.account_id, session.id), session)).collect())
    }
}
