//! What can go wrong in the kit itself.

/// A fault of storage, bus or cache.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database.
    #[error("database: {0}")]
    Database(#[from] sea_orm::DbErr),
    /// The event bus.
    #[error("event bus: {0}")]
    Bus(#[from] crate::bus::Error),
    /// The live signals.
    #[error("signals: {0}")]
    Signals(#[from] fred::error::Error),
    /// A value that could not be written or read as JSON.
    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The configuration cannot be used.
    #[error("configuration: {0}")]
    Config(String),
}
