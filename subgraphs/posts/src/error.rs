//! What can go wrong in posts.

use crate::domain::BodyError;
use hansa_kit::codes::{Rejection, UserError, UserErrorCode};

/// Why posts could not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is not one of a post.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// There is no such post.
    #[error("there is no such post")]
    NotFound,
    /// The post is somebody else's.
    #[error("only its author may do this")]
    NotAuthor,
    /// The post was edited after the caller read it.
    #[error("the post has been edited meanwhile")]
    Stale,
    /// The idempotency key has an impossible length or characters.
    #[error("an idempotency key has 1 to 255 characters")]
    KeyInvalid,
    /// The idempotency key was used with another input.
    #[error("the idempotency key was used with another input")]
    KeyReused,
    /// What the idempotency key made is gone.
    #[error("the post that was made with this key has been deleted")]
    KeySpent,
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
        const BODY: &[&str] = &["input", "body"];
        const KEY: &[&str] = &["input", "idempotencyKey"];
        let (code, field) = match error {
            Error::Body(BodyError::Blank) => (UserErrorCode::Blank, BODY),
            Error::Body(BodyError::TooLong) => (UserErrorCode::TooLong, BODY),
            Error::Body(BodyError::Invalid) => (UserErrorCode::Invalid, BODY),
            Error::NotFound => (UserErrorCode::NotFound, &["id"][..]),
            Error::NotAuthor => (UserErrorCode::Forbidden, &["id"][..]),
            Error::Stale => (UserErrorCode::Stale, &["input", "ifEditedAt"][..]),
            Error::KeyInvalid => (UserErrorCode::Invalid, KEY),
            Error::KeyReused => (UserErrorCode::IdempotencyKeyReused, KEY),
            Error::KeySpent => (UserErrorCode::NotFound, KEY),
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
