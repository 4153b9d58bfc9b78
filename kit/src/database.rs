//! A service's own database: SQLite or Postgres, by its URL.

use crate::Error;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, RuntimeErr,
    SqliteTransactionMode, TransactionOptions, TransactionTrait, sqlx,
};
use sea_orm_migration::MigratorTrait;
use serde::{Deserialize, Serialize};
use std::{error::Error as StdError, sync::Arc, time::Duration};

/// SQLite has one writer, and each connection a page cache of its own: more connections cost memory and win nothing.
const SQLITE_CONNECTIONS: u32 = 4;

/// How to reach a database.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `sqlite://PATH?mode=rwc` or `postgres://USER:PASSWORD@HOST/DATABASE`.
    pub url: String,
    /// Most connections that one replica opens; of SQLite never more than four.
    pub max_connections: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { url: String::new(), max_connections: 10 }
    }
}

/// Opens a pool of connections.
///
/// # Errors
/// When the database cannot be reached.
pub async fn connect(config: &Config) -> Result<DatabaseConnection, Error> {
    connect_in_schema(config, None).await
}

/// Opens a pool whose unqualified names mean one Postgres schema.
pub(crate) async fn connect_in_schema(config: &Config, schema: Option<&str>) -> Result<DatabaseConnection, Error> {
    let most = if config.url.starts_with("sqlite:") { SQLITE_CONNECTIONS } else { u32::MAX };
    let mut options = ConnectOptions::new(config.url.clone());
    options
        .max_connections(config.max_connections.min(most))
        .connect_timeout(Duration::from_secs(3))
        .acquire_timeout(Duration::from_secs(3))
        .sqlx_logging(false);
    if let Some(schema) = schema {
        options.set_schema_search_path(schema);
    }
    options.map_sqlx_sqlite_opts(|sqlite| {
        sqlite
            .foreign_keys(true)
            .journal_mode(sea_orm::sqlx::sqlite::SqliteJournalMode::Wal)
            .synchronous(sea_orm::sqlx::sqlite::SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(10))
    });
    Ok(Database::connect(options).await?)
}

/// Brings the schema up to date. Several replicas may do so at once: Postgres lets one after the other.
///
/// # Errors
/// When a migration fails; it is rolled back where the database can.
pub async fn migrate<M: MigratorTrait>(database: &DatabaseConnection) -> Result<(), Error> {
    if database.get_database_backend() != DbBackend::Postgres {
        return Ok(M::up(database, None).await?);
    }
    // Held on a connection of its own until this transaction ends.
    let guard = database.begin().await?;
    guard.execute_unprepared("SELECT pg_advisory_xact_lock(hashtext('hansa.migrations.' || current_schema()))").await?;
    M::up(database, None).await?;
    Ok(guard.commit().await?)
}

/// Whether an error, or what caused it, is that the database cannot be reached or has no connection to give.
pub fn is_away(error: &(dyn StdError + 'static)) -> bool {
    let shared = error.downcast_ref::<Arc<dyn StdError + Send + Sync>>();
    let first: &(dyn StdError + 'static) = shared.map_or(error, |shared| &**shared);
    let mut cause = Some(first);
    while let Some(error) = cause {
        let is_away = match error.downcast_ref::<DbErr>() {
            Some(DbErr::ConnectionAcquire(_) | DbErr::Conn(_)) => true,
            Some(DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) => {
                matches!(**error, sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed)
            }
            _ => false,
        };
        if is_away {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Begins a transaction that is going to write. SQLite takes its write lock now: a read that later wants to write would
/// otherwise fail at once where another transaction has written in between.
///
/// # Errors
/// When no connection is free in time or the database is locked for too long.
pub async fn begin(database: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    database
        .begin_with_options(TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        })
        .await
}
