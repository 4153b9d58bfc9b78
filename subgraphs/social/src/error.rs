//! What can go wrong in social.

use crate::{conversation::domain::TitleTooLong, message::domain::BodyError};
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
    /// One of the two people blocks the other; which one is not told.
    #[error("there is a block between you and this person")]
    Blocked,
    /// They are friends already.
    #[error("you are friends already")]
    AlreadyFriends,
    /// They are no friends.
    #[error("you are not friends")]
    NotFriends,
    /// A refusal is not long enough ago.
    #[error("they have declined lately: ask again later")]
    AskedTooSoon,
    /// There is no such friendship, or it is not one of the caller's.
    #[error("you have no such friendship")]
    NoSuchFriendship,
    /// The request is one that the other has to answer.
    #[error("this is for the other to do")]
    NotTheirs,
    /// The request is not pending any more.
    #[error("the request has been answered or cancelled")]
    Settled,
    /// A quota is used up; says which.
    #[error("{0}")]
    LimitExceeded(&'static str),
    /// The text is not one of a message.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The title is not one of a group.
    #[error(transparent)]
    Title(#[from] TitleTooLong),
    /// What several mutations refuse, each for an argument of its own.
    #[error("{}", .0.message)]
    Refused(UserError),
    /// Storage or bus.
    #[error(transparent)]
    Kit(#[from] hansa_kit::Error),
}

impl From<sea_orm::DbErr> for Error {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Kit(error.into())
    }
}

impl From<UserError> for Error {
    fn from(refusal: UserError) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Error> for Rejection {
    fn from(error: Error) -> Self {
        const USER: &[&str] = &["userId"];
        const ID: &[&str] = &["id"];
        const BODY: &[&str] = &["input", "body"];
        let (code, field) = match error {
            Error::Oneself => (UserErrorCode::CannotTargetSelf, USER),
            Error::NoSuchPerson => (UserErrorCode::NotFound, USER),
            Error::Blocked => (UserErrorCode::Blocked, USER),
            Error::AlreadyFriends => (UserErrorCode::AlreadyFriends, USER),
            Error::NotFriends | Error::AskedTooSoon => (UserErrorCode::InvalidState, USER),
            Error::NoSuchFriendship => (UserErrorCode::NotFound, ID),
            Error::NotTheirs => (UserErrorCode::Forbidden, ID),
            Error::Settled => (UserErrorCode::InvalidState, ID),
            Error::LimitExceeded(_) => (UserErrorCode::LimitExceeded, &[][..]),
            Error::Body(BodyError::Blank) => (UserErrorCode::Blank, BODY),
            Error::Body(BodyError::TooLong) => (UserErrorCode::TooLong, BODY),
            Error::Title(TitleTooLong) => (UserErrorCode::TooLong, &["input", "title"][..]),
            Error::Refused(refusal) => return Rejection::User(vec![refusal]),
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
