//! The e-mail worker: takes mail commands in order, renders them, and sends one message per interval over all replicas.
//!
//! Commands become rows of the delivery table (`events`); whichever replica holds the lease sends them one after the
//! other (`sender`), through a server or into the embedded [`mailbox`] (`smtp`). What is old or belongs to a deleted
//! user is forgotten (`retention`).

mod delivery;
mod error;
mod events;
pub mod mailbox;
mod retention;
mod sender;
mod smtp;
mod templates;

pub use error::Error;
pub use smtp::Config as SmtpConfig;

use hansa_kit::{Deps, Role, consumer, database, role::Task};
use retention::Retention;
use sea_orm::DatabaseConnection;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The service's name.
pub const NAME: &str = "mailer";

const PRUNE_EVERY: Duration = Duration::from_secs(3600);

/// How mail is sent.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The mailer's own database.
    pub database: database::Config,
    /// Where mail goes.
    pub smtp: SmtpConfig,
    /// Least time between two messages over all replicas, in milliseconds.
    pub interval_ms: u64,
    /// Days for which sent mail is kept.
    pub keep_sent_days: u16,
    /// Days for which mail is kept that could not be sent.
    pub keep_dead_days: u16,
    /// Sender of every mail.
    pub from: String,
    /// What mails call this installation.
    pub product_name: String,
    /// The address that mails link to.
    pub public_url: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            database: database::Config::default(),
            smtp: SmtpConfig::default(),
            interval_ms: 1_000,
            keep_sent_days: 30,
            keep_dead_days: 90,
            from: "Hansa <no-reply@hansa.localhost>".into(),
            product_name: "Hansa".into(),
            public_url: "http://127.0.0.1:4000".into(),
        }
    }
}

/// Opens and migrates the database, and builds the mailer on it.
///
/// # Errors
/// When the database cannot be reached or migrated, or the configuration cannot be used.
pub async fn build(config: &Config, deps: &Deps) -> Result<Role, Error> {
    let connection = database::connect(&config.database).await?;
    database::migrate::<hansa_migrations::mailer::Migrator>(&connection).await?;
    role(config, connection, deps)
}

/// The mailer on its opened and migrated database.
///
/// # Errors
/// When the configuration cannot be used.
pub fn role(config: &Config, database: DatabaseConnection, deps: &Deps) -> Result<Role, Error> {
    let source = consumer::Source {
        database: database.clone(),
        bus: deps.bus.clone(),
        group: NAME,
        topics: events::TOPICS,
        clock: deps.clock.clone(),
    };
    let queued = sender::Queued::default();
    let sender = sender::Sender::new(config, database.clone(), deps.clock.clone(), queued.clone())?;
    let handler = events::handler(deps.clock.clone(), sender.domain().to_owned(), queued);
    let (retention, clock) = (Retention::of(config), deps.clock.clone());
    let pruned = database.clone();
    let prune = move || {
        let (database, now) = (pruned.clone(), clock.now());
        async move { retention::prune(&database, retention, now).await }
    };
    Ok(Role {
        name: NAME,
        database,
        routes: axum::Router::new().route("/health", axum::routing::get(|| async { "ok" })),
        tasks: vec![
            Task::new("mailer.consumer", consumer::run(source, deps.shutdown.clone(), handler)),
            Task::new("mailer.sender", sender.run(deps.shutdown.clone())),
            Task::every("mailer.prune", PRUNE_EVERY, deps.shutdown.clone(), prune),
        ],
    })
}
