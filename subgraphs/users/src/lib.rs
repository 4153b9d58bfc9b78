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

pub use account::{AccountRole, AccountStatus, Roles};
pub use admin::{AdminLogin, FIRST_ADMIN, create_admin, ensure_admin};
pub use error::Error;
pub use graphql::{UsersSchema, schema, sdl};
pub use maintenance::maintain;
pub use service::Service;

use hansa_kit::{
    Deps, Role, database, outbox,
    role::Task,
    serve,
    viewer::{SESSION_PREFIX, USER_PREFIX},
};
use hansa_migrations::users::Migrator;
use sea_orm::DatabaseConnection;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The role's and the subgraph's name.
pub const NAME: &str = "users";

/// The types that are found by their global ids: what the ids begin with, and the type.
pub const NODES: &[(&str, &str)] = &[(USER_PREFIX, "User"), (SESSION_PREFIX, "Session")];

const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(60);

/// How the service is set up.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Its own database.
    pub database: database::Config,
    /// What verifiers of access tokens expect: issuer and audience go into every token. Not configured here, but taken from
    /// what all verifiers of the process are configured with.
    #[serde(skip)]
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

/// Builds the service: connects, migrates, and makes its routes and tasks.
///
/// # Errors
/// When the database cannot be reached or migrated.
pub async fn build(config: &Config, deps: &Deps) -> Result<Role, Error> {
    Ok(role(connect(config).await?, config, deps))
}

/// The service on its opened and migrated database.
pub fn role(database: DatabaseConnection, config: &Config, deps: &Deps) -> Role {
    let service = Service::new(database.clone(), config, deps);
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
        Task::new("users.outbox", relay),
        Task::every("users.maintenance", MAINTENANCE_INTERVAL, deps.shutdown.clone(), maintenance),
    ];
    Role { name: NAME, database, routes, tasks }
}
