//! What can go wrong in the mailer.

/// A fault of the mailer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Storage or bus.
    #[error(transparent)]
    Kit(#[from] hansa_kit::Error),
    /// The configuration cannot be used.
    #[error("mailer configuration: {0}")]
    Config(String),
    /// A template could not be filled in.
    #[error("template: {0}")]
    Template(#[from] minijinja::Error),
    /// A mail could not be put together.
    #[error("mail: {0}")]
    Mail(#[from] lettre::error::Error),
    /// An address that cannot be written to.
    #[error("address: {0}")]
    Address(#[from] lettre::address::AddressError),
}

impl From<sea_orm::DbErr> for Error {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Kit(error.into())
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Kit(error.into())
    }
}
