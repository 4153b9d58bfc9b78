//! The users subgraph: accounts, credentials, sessions, and the keys that access tokens are signed with.

mod account;
mod admin;
mod entity;
mod error;
mod graphql;
mod keys;
mod maintenance;
mod routes;
mod service;
mod session;

pub use account::{AccountStatus, Role, Roles};
pub use admin::{AdminLogin, FIRST_ADMIN, create_admin, ensure_admin};
pub use error::Error;
pub use graphql::{UsersSchema, schema, sdl};
pub use maintenance::maintain;
pub use service::Service;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use hansa_kit::{Clock, Deps, database, outbox, role::Task, serve};
use hansa_migrations::users::Migrator;
use hansa_token::FetchKeys;
use sea_orm::DatabaseConnection;
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};

/// The role's and the subgraph's name.
pub const NAME: &str = "users";

const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(60);

/// Reads which sessions are to be refused, and until when: their global ids.
pub type FetchRevocations =
    Arc<dyn Fn() -> BoxFuture<'static, Result<Vec<(String, DateTime<Utc>)>, String>> + Send + Sync>;

/// How the service is set up.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Its own database.
    pub database: database::Config,
    /// What verifiers of access tokens expect: issuer and audience go into every token.
    pub token: hansa_token::Config,
    /// How long an access token lives, in seconds.
    pub access_token_seconds: u32,
    /// How long a refresh token lives, and so a session that is not used, in days.
    pub refresh_token_days: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            database: database::Config::default(),
            token: hansa_token::Config::default(),
            access_token_seconds: 300,
            refresh_token_days: 30,
        }
    }
}

/// Opens the service's database and brings it up to date.
///
/// # Errors
/// When the database cannot be reached or migrated.
pub async fn connect(config: &Config) -> Result<DatabaseConnection, Error> {
    let database = database::connect(&config.database).await?;
    database::migrate::<Migrator>(&database).await?;
    Ok(database)
}

/// Reads the signing keys from the database, for verifiers within the process.
pub fn key_source(database: DatabaseConnection, clock: Clock) -> FetchKeys {
    Arc::new(move || {
        let (database, now) = (database.clone(), clock.now());
        Box::pin(async move { keys::jwks(&database, now).await.map_err(|error| error.to_string()) })
    })
}

/// Reads ended sessions from the database, for verifiers within the process.
pub fn revocation_source(database: DatabaseConnection, clock: Clock) -> FetchRevocations {
    Arc::new(move || {
        let (database, now) = (database.clone(), clock.now());
        Box::pin(async move { session::service::revocations(&database, now).await.map_err(|error| error.to_string()) })
    })
}

/// Builds the service: connects, migrates, and makes its routes and tasks.
///
/// # Errors
/// When the database cannot be reached or migrated.
pub async fn build(config: &Config, deps: &Deps) -> Result<hansa_kit::Role, Error> {
    Ok(build_on(connect(config).await?, config, deps))
}

/// Builds the service over a database that [`connect`] has opened.
pub fn build_on(database: DatabaseConnection, config: &Config, deps: &Deps) -> hansa_kit::Role {
    let service = Service::new(database, config, deps);
    let relay = outbox::relay(
        service.database.clone(),
        deps.bus.clone(),
        service.outbox.clone(),
        deps.clock.clone(),
        deps.shutdown.clone(),
    );
    let routes = serve::routes(schema(service.clone()), deps.verifier.clone(), deps.shutdown.clone())
        .merge(routes::routes(service.clone()));
    let maintenance = move || {
        let service = service.clone();
        async move { Ok(maintain(&service).await?) }
    };
    let tasks = vec![
        Task::new("outbox relay", relay),
        Task::every("maintenance", MAINTENANCE_INTERVAL, deps.shutdown.clone(), maintenance),
    ];
    hansa_kit::Role { name: NAME, routes, tasks }
}
