//! The posts subgraph: short texts that users publish, for everybody or for whom they choose.
//!
//! `graphql` and `events` call `service`, which keeps the rules of `domain` in transactions over `store`. A change and
//! its event are one transaction.

mod domain;
mod entity;
mod error;
mod events;
mod feed;
mod graphql;
mod live;
mod moderation;
mod people;
mod reaction;
mod revision;
mod schedule;
mod search;
mod service;
mod store;

pub use error::Error;
pub use graphql::{Schema, schema};
pub use search::QueryError;
pub use service::Service;

use hansa_kit::{Deps, Role, consumer, database, idempotency, outbox, role::Task, serve, signals::Signals, streams};
use sea_orm::DatabaseConnection;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The subgraph's name.
pub const NAME: &str = "posts";

/// The types that are found by their global ids: what the ids begin with, and the type.
pub const NODES: &[(&str, &str)] = &[(domain::POST_PREFIX, "Post")];

const PRUNE_EVERY: Duration = Duration::from_secs(3600);
/// Once is enough, unless a replica of an earlier version wrote meanwhile.
const BACKFILL_EVERY: Duration = Duration::from_secs(3600);

/// The configuration of posts.
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
    database::migrate::<hansa_migrations::posts::Migrator>(&connection).await?;
    Ok(role(connection, deps))
}

/// The service on its opened and migrated database.
pub fn role(database: DatabaseConnection, deps: &Deps) -> Role {
    let service = Service::new(database.clone(), deps.signals.clone(), deps.clock.clone());
    let source = consumer::Source {
        database: database.clone(),
        bus: deps.bus.clone(),
        group: NAME,
        topics: events::TOPICS,
        clock: deps.clock.clone(),
    };
    let relay = outbox::relay(
        database.clone(),
        deps.bus.clone(),
        service.outbox.clone(),
        deps.clock.clone(),
        deps.shutdown.clone(),
    );
    let consume = consumer::run(source, deps.shutdown.clone(), events::handler(service.clone()));
    let schema = schema(service.clone());
    let (scheduled, announced, pruned) = (service.clone(), service.clone(), service.clone());
    let publish = move || schedule::publish_due(scheduled.clone());
    let distribute = move || live::distribute(announced.clone());
    let prune = move || prune(pruned.clone());
    let shutdown = deps.shutdown.clone();
    let backfill = move || backfill(service.clone(), shutdown.clone());
    Role {
        name: NAME,
        database,
        routes: serve::routes(schema, deps.verifier.clone(), deps.shutdown.clone()),
        tasks: vec![
            Task::new("posts.outbox", relay),
            Task::new("posts.consumer", consume),
            Task::every("posts.search", BACKFILL_EVERY, deps.shutdown.clone(), backfill),
            Task::every("posts.schedule", schedule::EVERY, deps.shutdown.clone(), publish),
            Task::every("posts.live", live::EVERY, deps.shutdown.clone(), distribute),
            Task::every("posts.prune", PRUNE_EVERY, deps.shutdown.clone(), prune),
        ],
    }
}

async fn prune(service: Service) -> Result<(), hansa_kit::Error> {
    let now = service.clock.now();
    consumer::prune(&service.database, now).await?;
    idempotency::prune(&service.database, now).await?;
    streams::prune(&service.database, now).await?;
    service::erase_again(&service).await
}

async fn backfill(service: Service, shutdown: CancellationToken) -> Result<(), hansa_kit::Error> {
    shutdown.run_until_cancelled(search::backfill(&service)).await.unwrap_or(Ok(()))
}

/// The subgraph's federation SDL; needs no database.
pub fn sdl() -> String {
    let service = Service::new(DatabaseConnection::default(), Signals::memory(), hansa_kit::Clock::default());
    schema(service).sdl_with_options(async_graphql::SDLExportOptions::new().federation())
}
