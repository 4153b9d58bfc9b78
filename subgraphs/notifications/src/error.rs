//! What can go wrong in notifications.

use hansa_kit::codes::{Denied, Rejection, UserError, UserErrorCode};

/// Why notifications could not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller may not do this, or asks for the impossible.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The caller has no such notification.
    #[error("you have no such notification")]
    NotFound,
    /// Storage or bus.
    #[error(transparent)]
    Kit(#[from] hansa_kit::Error),
}

impl From<sea_orm::DbErr> for Error {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Kit(error.into())
    }
}

impl From<Error> for Rejection {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Self::User(vec![UserError::at(UserErrorCode::NotFound, &["id"], error.to_string())]),
            Error::Denied(denied) => denied.into(),
            Error::Kit(fault) => Self::Fault(Box::new(fault)),
        }
    }
}

impl From<Error> for async_graphql::Error {
    fn from(error: Error) -> Self {
        Rejection::from(error).into()
    }
}
