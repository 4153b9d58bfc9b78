//! The two tokens of a session.

use crate::{Error, Service, entity::account, keys::Signer};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use hansa_kit::{
    ids,
    viewer::{SESSION_PREFIX, USER_PREFIX},
};
use hansa_token::Claims;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// What a client is given to prove its session with.
#[derive(Clone)]
pub(crate) struct Tokens {
    pub access_token: String,
    pub access_token_expires_at: DateTime<Utc>,
    pub refresh_token: String,
    pub refresh_token_expires_at: DateTime<Utc>,
}

impl Tokens {
    /// The tokens of a session, the access token signed now.
    pub fn issue(
        service: &Service,
        signer: &Signer,
        account: &account::Model,
        session_id: Uuid,
        (refresh_token, refresh_token_expires_at): (RefreshToken, DateTime<Utc>),
        now: DateTime<Utc>,
    ) -> Result<Self, Error> {
        let access_token_expires_at = now + service.access_token_lifetime();
        let claims = Claims {
            sub: ids::encode(USER_PREFIX, account.id).to_string(),
            sid: ids::encode(SESSION_PREFIX, session_id).to_string(),
            roles: account.roles().iter().map(|role| role.as_str().to_owned()).collect(),
            scope: account.roles().scopes().collect::<Vec<_>>().join(" "),
            iat: now.timestamp(),
            exp: access_token_expires_at.timestamp(),
            iss: service.settings.token.issuer.clone(),
            aud: vec![service.settings.token.audience.clone()],
        };
        Ok(Self {
            access_token: signer.sign(&claims)?,
            access_token_expires_at,
            refresh_token: refresh_token.0,
            refresh_token_expires_at,
        })
    }
}

/// A refresh token: 256 random bits, in base64url.
pub(crate) struct RefreshToken(String);

impl RefreshToken {
    pub fn generate() -> Self {
        Self(URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()))
    }

    pub fn hash(&self) -> String {
        hash(&self.0)
    }
}

/// What is stored of a refresh token. It has all the entropy it needs: one round of SHA-256 will do.
pub(crate) fn hash(refresh_token: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(refresh_token))
}
