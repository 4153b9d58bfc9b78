//! What can go wrong in social.

use hansa_kit::{
    codes::{Denied, Rejection, UserError, UserErrorCode},
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
    /// One cannot be one's own friend, follower or enemy.
    #[error("this is yourself")]
    Oneself,
    /// Nobody has this account, as far as is known here.
    #[error("there is no such person")]
    NoSuchPerson,
    /// A quota is used up; says which.
    #[error("{0}")]
    LimitExceeded(&'static str),
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
        const USER: &[&str] = &["userId"];
        let (code, field) = match error {
            Error::Oneself => (UserErrorCode::CannotTargetSelf, USER),
            Error::NoSuchPerson => (UserErrorCode::NotFound, USER),
            Error::LimitExceeded(_) => (UserErrorCode::LimitExceeded, &[][..]),
            Error::Key(error) => return Rejection::User(vec![error.into()]),
            Error::Denied(denied) => return denied.into(),
            Error::Kit(fault) => return Rejection::Fault(Box::new(fault)),
        };
        Rejection::User(vec![UserError::at(code, field, error.to_string())])
    }
}

impl From<Error> for async_graphql::Error {
    fn from(error: Error) -> Self {
        Rejection::from(error).into()
    }
}
