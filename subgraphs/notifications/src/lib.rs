//! The notifications subgraph: what a user is told, kept until they delete it and sent live while they watch.
//!
//! `events` turns other services' events into notifications, in the words of `texts`; `graphql` shows them to their
//! recipients. Both call `service`: each change and its entry in the recipient's durable stream are one transaction.

mod domain;
mod entity;
mod error;
mod events;
mod graphql;
mod person;
mod service;
mod store;
mod texts;

pub use error::Error;
pub use graphql::{Schema, schema};
pub use service::Service;

use hansa_kit::{Deps, Role, consumer, database, role::Task, serve, streams};
use sea_orm::DatabaseConnection;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The subgraph's name.
pub const NAME: &str = "notifications";

/// The types that are found by their global ids: what the ids begin with, and the type.
pub const NODES: &[(&str, &str)] = &[(domain::NOTIFICATION_PREFIX, "Notification")];

const PRUNE_EVERY: Duration = Duration::from_secs(3600);

/// The configuration of notifications.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The service's own database.
    pub database: database::Config,
}

/// Opens and migrates the database, and builds the service on it.
///
/// # Errors
/// When the database cannot be reached or migrated.
pub async fn build(config: &Config, deps: &Deps) -> Result<Role, Error> {
    let connection = database::connect(&config.database).await?;
    database::migrate::<hansa_migrations::notifications::Migrator>(&connection).await?;
    Ok(role(connection, deps))
}

/// The service on its opened and migrated database.
pub fn role(database: DatabaseConnection, deps: &Deps) -> Role {
    let source = consumer::Source {
        database: database.clone(),
        bus: deps.bus.clone(),
        group: NAME,
        topics: events::TOPICS,
        clock: deps.clock.clone(),
    };
    let service = Service { database: database.clone(), signals: deps.signals.clone(), clock: deps.clock.clone() };
    let consume = consumer::run(source, deps.shutdown.clone(), events::handler(service.clone()));
    let pruned = service.clone();
    let prune = move || prune(pruned.clone());
    Role {
        name: NAME,
        database,
        routes: serve::routes(schema(service), deps.verifier.clone(), deps.shutdown.clone()),
        tasks: vec![
            Task::new("notifications.consumer", consume),
            Task::every("notifications.prune", PRUNE_EVERY, deps.shutdown.clone(), prune),
        ],
    }
}

async fn prune(service: Service) -> Result<(), hansa_kit::Error> {
    let now = service.clock.now();
    consumer::prune(&service.database, now).await?;
    streams::prune(&service.database, now).await
}

/// The subgraph's federation SDL; needs no database.
pub fn sdl() -> String {
    let service = Service {
        database: DatabaseConnection::default(),
        signals: hansa_kit::signals::Signals::memory(),
        clock: hansa_kit::Clock::default(),
    };
    schema(service).sdl_with_options(async_graphql::SDLExportOptions::new().federation())
}
