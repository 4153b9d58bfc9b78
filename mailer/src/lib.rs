//! The e-mail worker: takes mail commands in order, renders them, and sends one message per interval over all replicas.
//!
//! Commands become rows of the delivery table ([`events`]); whichever replica holds the lease sends them one after the
//! other ([`sender`]), through a server or into the embedded [`mailbox`] ([`smtp`]).

mod delivery;
mod error;
mod events;
pub mod mailbox;
mod sender;
mod smtp;
mod templates;

pub use error::Error;
pub use smtp::Config as SmtpConfig;

use hansa_kit::{Deps, Role, consumer, database, role::Task};
use hansa_schema::mail;
use sea_orm::DatabaseConnection;
use serde::{Deserialize, Serialize};

/// The service's name.
pub const NAME: &str = "mailer";

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
        topics: &[mail::TOPIC],
        clock: deps.clock.clone(),
    };
    let queued = sender::Queued::default();
    let sender = sender::Sender::new(config, database, deps.clock.clone(), queued.clone())?;
    let handler = events::handler(deps.clock.clone(), sender.domain().to_owned(), queued);
    Ok(Role {
        name: NAME,
        routes: axum::Router::new().route("/health", axum::routing::get(|| async { "ok" })),
        tasks: vec![
            Task::new("mailer.consumer", consumer::run(source, deps.shutdown.clone(), handler)),
            Task::new("mailer.sender", sender.run(deps.shutdown.clone())),
        ],
    })
}
