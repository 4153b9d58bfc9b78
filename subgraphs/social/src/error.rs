//! What can go wrong in social.

use hansa_kit::{
    codes::{Denied, Rejection},
    idempotency::KeyError,
};

/// Why social could not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller may not do this, or asks for the impossible.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The idempotency key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
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
            Error::Key(error) => Rejection::User(vec![error.into()]),
            Error::Denied(denied) => denied.into(),
            Error::Kit(fault) => Rejection::Fault(Box::new(fault)),
        }
    }
}

impl From<Error> for async_graphql::Error {
    fn from(error: Error) -> Self {
        Rejection::from(error).into()
    }
}
