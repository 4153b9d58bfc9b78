//! What can go wrong.

use hansa_kit::codes::{Denied, Rejection, UserError};
use sea_orm::DbErr;

/// Why the users service refuses or fails.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A business failure; nothing was changed.
    #[error("{}", messages(.0))]
    Refused(Vec<UserError>),
    /// The caller may not do this, or asks for the impossible.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The kit.
    #[error(transparent)]
    Kit(#[from] hansa_kit::Error),
    /// The database.
    #[error("database: {0}")]
    Database(#[from] DbErr),
    /// A password could not be hashed, or a stored hash not be read.
    #[error("password hash: {0}")]
    PasswordHash(#[from] argon2::password_hash::Error),
    /// An access token could not be signed.
    #[error("access token: {0}")]
    Token(#[from] jsonwebtoken::errors::Error),
    /// A signing key could not be made.
    #[error("signing key: {0}")]
    SigningKey(#[from] ed25519_dalek::pkcs8::Error),
    /// Work on the blocking pool broke off.
    #[error("blocking work: {0}")]
    Blocking(#[from] tokio::task::JoinError),
}

fn messages(errors: &[UserError]) -> String {
    errors.iter().map(|error| error.message.as_str()).collect::<Vec<_>>().join("; ")
}

impl From<UserError> for Error {
    fn from(error: UserError) -> Self {
        Self::Refused(vec![error])
    }
}

impl From<Error> for Rejection {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(errors) => Self::User(errors),
            Error::Denied(denied) => denied.into(),
            fault => Self::Fault(Box::new(fault)),
        }
    }
}

/// For periodic tasks, which fail by the kit's errors.
impl From<Error> for hansa_kit::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Kit(error) => error,
            Error::Database(error) => error.into(),
            other => DbErr::Custom(other.to_string()).into(),
        }
    }
}

impl From<Error> for async_graphql::Error {
    fn from(error: Error) -> Self {
        Rejection::from(error).into()
    }
}
