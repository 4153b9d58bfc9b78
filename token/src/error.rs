//! Why a token is refused.

/// Why a token is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a JWT, not signed by a known key or algorithm, or meant for somebody else.
    #[error("the access token is not valid")]
    Invalid,
    /// Past its `exp`.
    #[error("the access token has expired")]
    Expired,
    /// Its session was ended.
    #[error("the session of this access token has ended")]
    Revoked,
    /// The signing keys could not be fetched, so nothing can be said of the token.
    #[error("access tokens cannot be checked at the moment")]
    KeysUnavailable,
}

impl Error {
    /// The code that clients see in `extensions.code`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid => "TOKEN_INVALID",
            Self::Expired => "TOKEN_EXPIRED",
            Self::Revoked => "TOKEN_REVOKED",
            Self::KeysUnavailable => "KEYS_UNAVAILABLE",
        }
    }
}
