//! Who sends a request: the access token is checked before anything else is done, and a bad one is never taken for no
//! token at all.

use crate::error::{Code, GraphQLError};
use crate::request::RequestContext;
use hansa_token::{Claims, Verifier};
use http::{HeaderMap, HeaderValue, header};
use std::time::{Duration, SystemTime};

/// Differences between the clocks of the router and its subgraphs that are reckoned with.
const CLOCK_SKEW: Duration = Duration::from_secs(5);

/// Checks the access token of a request.
///
/// `authorization` is what the client sent (RFC 6750, `Bearer …`); `forward` are the headers that travel on to
/// subgraphs, to which the token is added. Without a verifier the header travels on unread.
///
/// # Errors
/// TOKEN_INVALID, TOKEN_EXPIRED, TOKEN_REVOKED or KEYS_UNAVAILABLE.
pub async fn identify(
    verifier: Option<&Verifier>,
    authorization: Option<&HeaderValue>,
    mut forward: HeaderMap,
) -> Result<RequestContext, GraphQLError> {
    let Some(authorization) = authorization else { return Ok(RequestContext { forward, ..RequestContext::default() }) };
    let mut value = authorization.clone();
    value.set_sensitive(true);
    forward.insert(header::AUTHORIZATION, value);
    let claims = match verifier {
        Some(verifier) => {
            let token = hansa_token::bearer([authorization.as_bytes()]).map_err(|error| refusal(&error))?;
            let token = token.ok_or_else(|| refusal(&hansa_token::Error::Invalid))?;
            Some(verifier.verify(token).await.map_err(|error| refusal(&error))?)
        }
        None => None,
    };
    Ok(RequestContext { claims, forward, ..RequestContext::default() })
}

/// The `Authorization` of a request.
///
/// # Errors
/// TOKEN_INVALID when there are several: which one a server believes would be a matter of luck.
pub fn authorization(headers: &HeaderMap) -> Result<Option<&HeaderValue>, GraphQLError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(refusal(&hansa_token::Error::Invalid)),
    }
}

/// Completes when the session of these claims is over, with TOKEN_EXPIRED or TOKEN_REVOKED. Never for anonymous callers.
pub async fn ended(verifier: Option<&Verifier>, claims: Option<&Claims>) -> Code {
    let (Some(verifier), Some(claims)) = (verifier, claims) else { return std::future::pending().await };
    tokio::select! {
        () = verifier.revocations().revoked(&claims.sid) => Code::TokenRevoked,
        () = tokio::time::sleep(time_left(claims)) => Code::TokenExpired,
    }
}

/// Whether the session is over or about to be. Subgraphs end their streams then too, perhaps a moment earlier; such an
/// end must not look like the completion of the subscription.
pub fn is_ending(verifier: Option<&Verifier>, claims: Option<&Claims>) -> bool {
    let (Some(verifier), Some(claims)) = (verifier, claims) else { return false };
    time_left(claims) <= CLOCK_SKEW || verifier.revocations().is_revoked(&claims.sid)
}

/// How long the token is valid.
pub(crate) fn time_left(claims: &Claims) -> Duration {
    let expires = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(claims.exp).unwrap_or(0));
    expires.duration_since(SystemTime::now()).unwrap_or_default()
}

fn refusal(error: &hansa_token::Error) -> GraphQLError {
    let code = match error {
        hansa_token::Error::Invalid => Code::TokenInvalid,
        hansa_token::Error::Expired => Code::TokenExpired,
        hansa_token::Error::Revoked => Code::TokenRevoked,
        hansa_token::Error::KeysUnavailable => Code::KeysUnavailable,
    };
    GraphQLError::new(code, error.to_string())
}
