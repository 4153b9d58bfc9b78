//! What clients are told when something goes wrong: coded errors, and `userErrors` of mutations.

use crate::database;
use async_graphql::{Enum, ErrorExtensionValues, SimpleObject};
use std::sync::Arc;

/// `extensions.code` of a top-level error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The field needs a signed-in caller.
    Unauthenticated,
    /// The caller may not do this.
    Forbidden,
    /// An argument has an impossible value.
    BadUserInput,
    /// The database of the service does not answer; it may be worth to try again soon.
    ServiceUnavailable,
    /// A fault of the server; details are in its log only.
    Internal,
}

impl Code {
    /// The code as clients read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::ServiceUnavailable => "SERVICE_UNAVAILABLE",
            Self::Internal => "INTERNAL",
        }
    }

    /// A GraphQL error with this code.
    pub fn error(self, message: impl Into<String>) -> async_graphql::Error {
        let mut error = async_graphql::Error::new(message);
        error.extensions.get_or_insert_with(ErrorExtensionValues::default).set("code", self.as_str());
        error
    }
}

/// Why a mutation was refused; machine-readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Enum)]
pub enum UserErrorCode {
    /// A required value is empty.
    Blank,
    /// The value does not have the required form.
    Invalid,
    /// The value is longer than allowed.
    TooLong,
    /// Somebody else has this value already.
    Taken,
    /// What the input refers to does not exist, or the caller may not see it.
    NotFound,
    /// The caller may not do this.
    Forbidden,
    /// Another change got in between.
    Conflict,
    /// A quota is used up.
    LimitExceeded,
    /// The object has changed since the caller read it.
    Stale,
    /// The idempotency key was used with another input.
    IdempotencyKeyReused,
    /// Login or password is wrong.
    InvalidCredentials,
    /// The account is locked.
    AccountLocked,
    /// The token is unknown or was used already.
    TokenInvalid,
    /// The token has expired.
    TokenExpired,
    /// An administrator's account cannot be deleted.
    CannotDeleteAdmin,
    /// The object is not in a state in which this can be done.
    InvalidState,
    /// One cannot do this to oneself.
    CannotTargetSelf,
    /// One of the two people blocks the other.
    Blocked,
    /// The two people are friends already.
    AlreadyFriends,
}

/// A business failure of a mutation: nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, SimpleObject)]
#[graphql(shareable)]
pub struct UserError {
    /// Why, for programs.
    pub code: UserErrorCode,
    /// Why, for people; in English.
    pub message: String,
    /// Path of the input that caused it, from the mutation's arguments; null when it is not one input's fault.
    pub field: Option<Vec<String>>,
}

impl UserError {
    /// A failure caused by the input at `field`, a path such as `["input", "email"]`.
    pub fn at(code: UserErrorCode, field: &[&str], message: impl Into<String>) -> Self {
        let field = (!field.is_empty()).then(|| field.iter().map(|&name| name.to_owned()).collect());
        Self { code, message: message.into(), field }
    }
}

/// A field is refused as a whole: the caller may not have it, or an argument is impossible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Denied {
    /// Why, for programs.
    pub code: Code,
    /// Why, for people; in English.
    pub message: String,
}

impl Denied {
    /// A refusal with this code.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl From<Denied> for async_graphql::Error {
    fn from(Denied { code, message }: Denied) -> Self {
        code.error(message)
    }
}

/// How a service function refuses: every subgraph's error enum converts into this.
#[derive(Debug)]
pub enum Rejection {
    /// Business failures, for `userErrors`.
    User(Vec<UserError>),
    /// A coded error at the top level.
    Denied(Denied),
    /// A fault; logged, never shown.
    Fault(Box<dyn std::error::Error + Send + Sync>),
}

impl From<Denied> for Rejection {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl From<Rejection> for async_graphql::Error {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Denied(denied) => denied.into(),
            // Only a query can get here with user errors: its argument is at fault.
            Rejection::User(errors) => {
                Code::BadUserInput.error(errors.into_iter().map(|error| error.message).collect::<Vec<_>>().join("; "))
            }
            Rejection::Fault(fault) if database::is_away(&*fault) => {
                tracing::error!(error = %fault, "the database does not answer");
                Code::ServiceUnavailable.error("the service is not available at the moment")
            }
            Rejection::Fault(fault) => {
                tracing::error!(error = %fault, "internal error");
                Code::Internal.error("internal error")
            }
        }
    }
}

/// A fault of a batch, shared by all that waited for it.
#[derive(Clone, Debug)]
pub struct Fault(Arc<dyn std::error::Error + Send + Sync>);

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Fault {
    fn from(error: E) -> Self {
        Self(Arc::new(error))
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Fault> for async_graphql::Error {
    fn from(Fault(error): Fault) -> Self {
        Rejection::Fault(Box::new(error)).into()
    }
}

/// Splits a mutation's result into its payload's value and `userErrors`.
///
/// # Errors
/// Whatever is not a business failure, as a top-level error.
pub fn payload<T, E: Into<Rejection>>(result: Result<T, E>) -> async_graphql::Result<(Option<T>, Vec<UserError>)> {
    match result.map_err(Into::into) {
        Ok(value) => Ok((Some(value), Vec::new())),
        Err(Rejection::User(errors)) => Ok((None, errors)),
        Err(rejection) => Err(rejection.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;
    use sea_orm::{ConnAcquireErr, DbErr};

    fn code(rejection: Rejection) -> String {
        let error = async_graphql::Error::from(rejection);
        format!("{:?}", error.extensions.unwrap().get("code").unwrap())
    }

    #[test]
    fn a_database_that_is_away_is_told_apart_from_a_defect() {
        let away = || Error::from(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout));
        assert_eq!(code(Rejection::Fault(Box::new(away()))), "String(\"SERVICE_UNAVAILABLE\")");
        let shared = async_graphql::Error::from(Fault::from(away())).extensions.unwrap();
        assert_eq!(format!("{:?}", shared.get("code").unwrap()), "String(\"SERVICE_UNAVAILABLE\")");
        let defect = Error::from(DbErr::Custom("a defect".into()));
        assert_eq!(code(Rejection::Fault(Box::new(defect))), "String(\"INTERNAL\")");
    }
}
