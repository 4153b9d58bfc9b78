//! What can go wrong in posts.

use crate::{
    domain::{BodyError, ReasonError, StageError},
    reaction::MAX_EMOJI,
    search::QueryError,
};
use hansa_kit::{
    codes::{Code, Denied, Rejection, UserError, UserErrorCode},
    idempotency::{self, KeyError},
};

/// Why posts could not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller may not do this, or asks for the impossible.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The text is not one of a post.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// What is searched for cannot be.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The post cannot be published when its author wants it to be.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// The reason for taking a post down is none.
    #[error(transparent)]
    Reason(#[from] ReasonError),
    /// The reaction is not one emoji.
    #[error("a reaction is one emoji")]
    Emoji,
    /// The post has reactions of too many kinds.
    #[error("readers have reacted with {MAX_EMOJI} different emoji already; choose one of them")]
    TooManyEmoji,
    /// The post is hidden, or is not, already.
    #[error("the post is so already")]
    Moderated,
    /// There is no such post.
    #[error("there is no such post")]
    NotFound,
    /// The post is somebody else's.
    #[error("only its author may do this")]
    NotAuthor,
    /// The post was edited after the caller read it.
    #[error("the post has been edited meanwhile")]
    Stale,
    /// The idempotency key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
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
        let (code, field) = match error {
            Error::Body(BodyError::Blank) => (UserErrorCode::Blank, BODY),
            Error::Body(BodyError::TooLong) => (UserErrorCode::TooLong, BODY),
            Error::Stage(StageError::Published) => (UserErrorCode::InvalidState, &["id"][..]),
            Error::Stage(StageError::DraftWithTime | StageError::TooFar) => {
                (UserErrorCode::Invalid, &["input", "publishAt"][..])
            }
            Error::Reason(ReasonError::Blank) => (UserErrorCode::Blank, &["reason"][..]),
            Error::Reason(ReasonError::TooLong) => (UserErrorCode::TooLong, &["reason"][..]),
            Error::Emoji => (UserErrorCode::Invalid, &["emoji"][..]),
            Error::TooManyEmoji => (UserErrorCode::LimitExceeded, &["emoji"][..]),
            Error::Moderated => (UserErrorCode::InvalidState, &["id"][..]),
            Error::NotFound => (UserErrorCode::NotFound, &["id"][..]),
            Error::NotAuthor => (UserErrorCode::Forbidden, &["id"][..]),
            Error::Stale => (UserErrorCode::Stale, &["input", "ifEditedAt"][..]),
            Error::KeySpent => (UserErrorCode::NotFound, idempotency::FIELD),
            Error::Key(error) => return Rejection::User(vec![error.into()]),
            Error::Query(error) => return Denied::new(Code::BadUserInput, error.to_string()).into(),
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
