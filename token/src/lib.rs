//! Verification of access tokens (RFC 7519): claims, signing keys by JWKS (RFC 7517), revocation of sessions.
//!
//! The router and every subgraph check the same token with this one verifier, so that a subgraph that is reached
//! directly is just as safe as behind the router.

mod bearer;
mod claims;
mod error;
mod revocations;
mod verifier;

pub use bearer::bearer;
pub use claims::Claims;
pub use error::Error;
pub use jsonwebtoken::jwk::JwkSet;
pub use revocations::Revocations;
pub use verifier::{Config, FetchKeys, Verifier};
