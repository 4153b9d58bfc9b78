//! The check of one token.

use crate::{Claims, Error, Revocations};
use arc_swap::ArcSwap;
use futures::future::BoxFuture;
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation,
    errors::ErrorKind,
    jwk::{AlgorithmParameters, Jwk, JwkSet},
};
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{sync::Mutex, time::Instant};

/// Reads the issuer's current keys, by HTTP or by a call within the process.
pub type FetchKeys = Arc<dyn Fn() -> BoxFuture<'static, Result<JwkSet, String>> + Send + Sync>;

/// Keys are fetched again at this age even when every `kid` is known, so that a withdrawn key stops working.
const MAX_KEY_AGE: Duration = Duration::from_secs(300);
/// An unknown `kid` triggers a fetch, but a flood of forged ones does not become a flood of fetches.
const MIN_FETCH_INTERVAL: Duration = Duration::from_secs(1);
/// A public key of Ed25519, 32 bytes, in characters of base64 (RFC 8037 §2).
const ED25519_LENGTH: usize = 43;
/// A longer token is refused unread.
const MAX_TOKEN_LENGTH: usize = 8 * 1024;
/// Verified tokens that are remembered.
const CACHED_TOKENS: u64 = 100_000;

/// What is accepted.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The `iss` that tokens must carry.
    pub issuer: String,
    /// The `aud` that tokens must carry.
    pub audience: String,
    /// Accepted signature algorithms. `none` cannot be expressed.
    pub algorithms: Vec<Algorithm>,
    /// Tolerated difference between clocks, in seconds.
    pub leeway_seconds: u64,
    /// Whether tokens must name their session (`sid`): one that does not cannot be revoked.
    pub requires_session: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            issuer: "hansa".into(),
            audience: "hansa".into(),
            algorithms: vec![Algorithm::EdDSA],
            leeway_seconds: 5,
            requires_session: true,
        }
    }
}

struct Keys {
    by_id: HashMap<String, DecodingKey>,
    fetched: Option<Instant>,
}

/// Checks access tokens: signature, algorithm, issuer, audience, expiry, revocation.
pub struct Verifier {
    config: Config,
    fetch: FetchKeys,
    keys: ArcSwap<Keys>,
    fetching: Mutex<Option<Instant>>,
    verified: moka::future::Cache<Box<str>, Arc<Claims>>,
    revocations: Arc<Revocations>,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Verifier {
    /// A verifier that reads keys by `fetch` when it first needs them.
    pub fn new(config: Config, fetch: FetchKeys, revocations: Arc<Revocations>) -> Self {
        Self {
            config,
            fetch,
            keys: ArcSwap::from_pointee(Keys { by_id: HashMap::new(), fetched: None }),
            fetching: Mutex::new(None),
            verified: moka::future::Cache::builder().max_capacity(CACHED_TOKENS).time_to_live(MAX_KEY_AGE).build(),
            revocations,
        }
    }

    /// The sessions whose tokens are refused.
    pub fn revocations(&self) -> &Arc<Revocations> {
        &self.revocations
    }

    /// Checks `token` and returns what it says.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Expired`], [`Error::Revoked`]; [`Error::KeysUnavailable`] when its key could not
    /// be looked up.
    pub async fn verify(&self, token: &str) -> Result<Arc<Claims>, Error> {
        let claims = match self.verified.get(token).await {
            Some(claims) => claims,
            None => {
                let claims = Arc::new(self.check_signature(token).await?);
                self.verified.insert(token.into(), claims.clone()).await;
                claims
            }
        };
        if claims.exp.saturating_add(self.leeway()) <= chrono::Utc::now().timestamp() {
            return Err(Error::Expired);
        }
        if self.revocations.is_revoked(&claims.sid) {
            return Err(Error::Revoked);
        }
        Ok(claims)
    }

    fn leeway(&self) -> i64 {
        i64::try_from(self.config.leeway_seconds).unwrap_or(0)
    }

    async fn check_signature(&self, token: &str) -> Result<Claims, Error> {
        if token.len() > MAX_TOKEN_LENGTH {
            return Err(Error::Invalid);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|error| invalid(&error))?;
        if !self.config.algorithms.contains(&header.alg) {
            return Err(invalid(&format_args!("{:?} is not one of token.algorithms", header.alg)));
        }
        let kid = header.kid.ok_or_else(|| invalid(&"it does not name its key (kid)"))?;
        let key = self.key(&kid).await?;
        // The algorithm is the header's, already held against the allowed ones: a key fits one family only.
        let mut validation = Validation::new(header.alg);
        validation.leeway = self.config.leeway_seconds;
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.config.issuer]);
        validation.set_audience(&[&self.config.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let decoded = jsonwebtoken::decode::<Claims>(token, &key, &validation);
        let claims = decoded.map(|data| data.claims).map_err(|error| match error.kind() {
            ErrorKind::ExpiredSignature => Error::Expired,
            _ => invalid(&error),
        })?;
        if self.config.requires_session && claims.sid.is_empty() {
            return Err(invalid(&"it does not name its session (sid)"));
        }
        Ok(claims)
    }

    async fn key(&self, kid: &str) -> Result<DecodingKey, Error> {
        let keys = self.keys.load();
        let is_fresh = keys.fetched.is_some_and(|at| at.elapsed() < MAX_KEY_AGE);
        if is_fresh && let Some(key) = keys.by_id.get(kid) {
            return Ok(key.clone());
        }
        let fetched = self.refresh().await;
        let keys = self.keys.load();
        match keys.by_id.get(kid) {
            Some(key) => Ok(key.clone()), // an issuer that is down does not lock everybody out
            None if fetched.is_ok() => Err(invalid(&"no key has its kid")),
            None => Err(Error::KeysUnavailable),
        }
    }

    async fn refresh(&self) -> Result<(), ()> {
        let mut last = self.fetching.lock().await;
        if last.is_some_and(|at| at.elapsed() < MIN_FETCH_INTERVAL) {
            return if self.keys.load().fetched.is_some() { Ok(()) } else { Err(()) };
        }
        let fetched = (self.fetch)().await;
        // Those who waited for this attempt, however long it took, go by its outcome and not into a queue of attempts.
        *last = Some(Instant::now());
        let set = fetched.map_err(|error| tracing::warn!(%error, "signing keys could not be fetched"))?;
        let by_id = set.keys.iter().filter_map(|jwk| Some((jwk.common.key_id.clone()?, decoding_key(jwk)?))).collect();
        self.keys.store(Arc::new(Keys { by_id, fetched: Some(Instant::now()) }));
        Ok(())
    }
}

/// What is wrong with a token is for those who set the issuer up, and for nobody who tries tokens out.
fn invalid(why: &dyn std::fmt::Display) -> Error {
    tracing::debug!(%why, "an access token is refused");
    Error::Invalid
}

/// The key, if it is one. The library takes one of Ed25519 of whatever length, and panics when a token is held against it.
fn decoding_key(jwk: &Jwk) -> Option<DecodingKey> {
    let is_whole = match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(pair) => pair.x.len() == ED25519_LENGTH,
        _ => true,
    };
    DecodingKey::from_jwk(jwk).ok().filter(|_| is_whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::join_all;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Longer than the interval between attempts.
    const HANG: Duration = Duration::from_secs(3);

    #[tokio::test(start_paused = true)]
    async fn those_who_wait_for_keys_go_by_one_attempt() {
        let attempts = Arc::new(AtomicUsize::new(0));
        let counter = attempts.clone();
        let fetch: FetchKeys = Arc::new(move || {
            counter.fetch_add(1, Ordering::SeqCst);
            Box::pin(async {
                tokio::time::sleep(HANG).await;
                Err("the issuer hangs".to_owned())
            })
        });
        let verifier = Verifier::new(Config::default(), fetch, Arc::default());
        let begun = Instant::now();
        let outcomes = join_all((0..50).map(|_| verifier.key("k"))).await;
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(Error::KeysUnavailable))));
        assert_eq!(attempts.load(Ordering::SeqCst), 1);
        assert_eq!(begun.elapsed(), HANG);

        assert!(verifier.key("k").await.is_err());
        assert_eq!(attempts.load(Ordering::SeqCst), 1, "it is too soon for another attempt");
        tokio::time::advance(MIN_FETCH_INTERVAL).await;
        assert!(verifier.key("k").await.is_err());
        assert_eq!(attempts.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn what_is_no_key_is_left_out() {
        let whole = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        for (x, is_key) in
            [(whole, true), (&whole[..39], false), ("", false), ("AAAA", false), (&"A".repeat(44), false)]
        {
            let jwk = serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "kid": "a", "x": x });
            assert_eq!(decoding_key(&serde_json::from_value(jwk).unwrap()).is_some(), is_key, "{x}");
        }
    }
}
