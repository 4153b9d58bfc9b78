//! What all of the service's functions work with.

use crate::{Config, NAME, account::Passwords};
use chrono::Duration;
use hansa_kit::{Clock, Deps, outbox::Outbox, signals::Signals};
use hansa_token::Verifier;
use sea_orm::DatabaseConnection;
use std::sync::Arc;

/// The users service: its database, and what it is configured and connected with.
#[derive(Clone, Debug)]
pub struct Service {
    pub(crate) database: DatabaseConnection,
    pub(crate) settings: Arc<Config>,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) signals: Signals,
    pub(crate) clock: Clock,
    pub(crate) outbox: Outbox,
    pub(crate) passwords: Passwords,
}

impl Service {
    /// The service over a migrated database.
    pub fn new(database: DatabaseConnection, config: &Config, deps: &Deps) -> Self {
        Self {
            database,
            settings: Arc::new(config.clone()),
            verifier: deps.verifier.clone(),
            signals: deps.signals.clone(),
            clock: deps.clock.clone(),
            outbox: Outbox::new(NAME),
            passwords: Passwords::default(),
        }
    }

    pub(crate) fn access_token_lifetime(&self) -> Duration {
        Duration::seconds(self.settings.access_token_seconds.into())
    }

    pub(crate) fn refresh_token_lifetime(&self) -> Duration {
        Duration::days(self.settings.refresh_token_days.into())
    }

    /// What verifiers tolerate of clocks that differ.
    pub(crate) fn leeway(&self) -> Duration {
        i64::try_from(self.settings.token.leeway_seconds).ok().and_then(Duration::try_seconds).unwrap_or_default()
    }
}
