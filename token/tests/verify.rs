//! Which tokens are believed.

#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use hansa_token::{Config, Error, JwkSet, Revocations, Verifier};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime},
};

/// The key pair of RFC 8037, appendix A.
const PRIVATE: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
const PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
/// What PKCS #8 puts before an Ed25519 key (RFC 8410).
const PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

fn key() -> EncodingKey {
    EncodingKey::from_ed_der(&[&PKCS8[..], &BASE64.decode(PRIVATE).unwrap()].concat())
}

fn keys(kid: &str) -> JwkSet {
    let key = json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid, "x": PUBLIC });
    serde_json::from_value(json!({ "keys": [key] })).unwrap()
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// Valid claims but for these.
fn claims(differing: Value) -> Value {
    let mut claims = json!({
        "sub": "user_1", "sid": "session_1", "iss": "hansa", "aud": "hansa", "iat": now(), "exp": now() + 300,
    });
    for (name, value) in differing.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

fn signed(kid: Option<&str>, claims: &Value) -> String {
    let header = Header { kid: kid.map(str::to_owned), ..Header::new(Algorithm::EdDSA) };
    jsonwebtoken::encode(&header, claims, &key()).unwrap()
}

/// An issuer whose keys can be replaced, and how often they were read.
#[derive(Clone)]
struct Issuer {
    keys: Arc<Mutex<Result<JwkSet, String>>>,
    reads: Arc<AtomicUsize>,
}

impl Issuer {
    fn new(keys: Result<JwkSet, String>) -> Self {
        Self { keys: Arc::new(Mutex::new(keys)), reads: Arc::default() }
    }

    fn verifier(&self, config: Config) -> Verifier {
        let issuer = self.clone();
        let fetch = Arc::new(move || {
            issuer.reads.fetch_add(1, Relaxed);
            let keys = issuer.keys.lock().unwrap().clone();
            Box::pin(async move { keys }) as _
        });
        Verifier::new(config, fetch, Arc::new(Revocations::default()))
    }
}

#[tokio::test]
async fn forged_and_foreign_tokens_are_refused() {
    // The most careless configuration: a symmetric algorithm beside an asymmetric one.
    let config = Config { algorithms: vec![Algorithm::EdDSA, Algorithm::HS256], ..Config::default() };
    let verifier = Issuer::new(Ok(keys("k"))).verifier(config);
    let good = signed(Some("k"), &claims(json!({})));
    assert_eq!(verifier.verify(&good).await.unwrap().sub, "user_1");

    let symmetric = |secret: &[u8]| {
        let header = Header { kid: Some("k".into()), ..Header::new(Algorithm::HS256) };
        jsonwebtoken::encode(&header, &claims(json!({})), &EncodingKey::from_secret(secret)).unwrap()
    };
    let with_header = |header: Value| {
        let (_, rest) = good.split_once('.').unwrap();
        format!("{}.{rest}", BASE64.encode(header.to_string()))
    };
    let (signing_input, signature) = good.rsplit_once('.').unwrap();
    let (header, _) = signing_input.split_once('.').unwrap();
    let promoted = BASE64.encode(claims(json!({ "roles": ["admin"] })).to_string());
    for (what, token) in [
        ("the public key as a secret", symmetric(&BASE64.decode(PUBLIC).unwrap())),
        ("the encoded public key as a secret", symmetric(PUBLIC.as_bytes())),
        ("no algorithm", with_header(json!({ "alg": "none", "kid": "k" }))),
        ("an algorithm that is not accepted", with_header(json!({ "alg": "RS256", "kid": "k" }))),
        ("a key in the header", with_header(json!({ "alg": "EdDSA", "jwk": keys("x").keys[0] }))),
        ("an unknown key", signed(Some("other"), &claims(json!({})))),
        ("no key id", signed(None, &claims(json!({})))),
        ("changed claims", format!("{header}.{promoted}.{signature}")),
        ("no signature", format!("{signing_input}.")),
        ("half of it", signing_input.to_owned()),
        ("nothing", String::new()),
        ("another issuer", signed(Some("k"), &claims(json!({ "iss": "other" })))),
        ("no issuer", signed(Some("k"), &claims(json!({ "iss": null })))),
        ("another audience", signed(Some("k"), &claims(json!({ "aud": "other" })))),
        ("no audience", signed(Some("k"), &claims(json!({ "aud": null })))),
        ("no expiry", signed(Some("k"), &claims(json!({ "exp": null })))),
        ("no session", signed(Some("k"), &claims(json!({ "sid": null })))),
        ("not valid yet", signed(Some("k"), &claims(json!({ "nbf": now() + 300 })))),
        ("more than 8 kB", signed(Some("k"), &claims(json!({ "scope": "x".repeat(8 << 10) })))),
    ] {
        assert_eq!(verifier.verify(&token).await, Err(Error::Invalid), "{what}");
    }
}

#[tokio::test]
async fn issuers_that_know_no_sessions_are_believed_where_none_is_required() {
    let config = Config { requires_session: false, ..Config::default() };
    let verifier = Issuer::new(Ok(keys("k"))).verifier(config);
    let token = signed(Some("k"), &claims(json!({ "sid": null, "aud": ["other", "hansa"], "scp": ["a", "b"] })));
    let claims = verifier.verify(&token).await.unwrap();
    assert!(claims.has_scope("b") && claims.sid.is_empty(), "{claims:?}");
}

#[tokio::test]
async fn clocks_may_differ_a_little() {
    let verifier = Issuer::new(Ok(keys("k"))).verifier(Config { leeway_seconds: 60, ..Config::default() });
    let expired = |ago: u64| signed(Some("k"), &claims(json!({ "exp": now() - ago })));
    assert!(verifier.verify(&expired(30)).await.is_ok());
    assert_eq!(verifier.verify(&expired(90)).await, Err(Error::Expired));
    assert!(verifier.verify(&signed(Some("k"), &claims(json!({ "nbf": now() + 30 })))).await.is_ok());
}

#[tokio::test]
async fn a_session_that_has_ended_is_refused_though_its_token_was_good() {
    let verifier = Issuer::new(Ok(keys("k"))).verifier(Config::default());
    let token = signed(Some("k"), &claims(json!({})));
    assert!(verifier.verify(&token).await.is_ok());
    verifier.revocations().revoke("session_1", (SystemTime::now() + Duration::from_secs(300)).into());
    assert_eq!(verifier.verify(&token).await, Err(Error::Revoked));
}

#[tokio::test]
async fn keys_are_read_again_for_a_new_one_and_not_for_every_forged_one() {
    let issuer = Issuer::new(Ok(keys("old")));
    let verifier = issuer.verifier(Config::default());
    assert!(verifier.verify(&signed(Some("old"), &claims(json!({})))).await.is_ok());
    *issuer.keys.lock().unwrap() = Ok(keys("new"));
    let new = signed(Some("new"), &claims(json!({})));
    let rotation = async {
        while verifier.verify(&new).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), rotation).await.unwrap();

    let (begun, before) = (Instant::now(), issuer.reads.load(Relaxed));
    for number in 0..500 {
        let forged = signed(Some(&format!("forged-{number}")), &claims(json!({})));
        assert_eq!(verifier.verify(&forged).await, Err(Error::Invalid));
    }
    let reads = issuer.reads.load(Relaxed) - before;
    assert!(reads as u64 <= 1 + begun.elapsed().as_secs(), "{reads}");
}

#[tokio::test]
async fn an_issuer_that_is_down_is_no_verdict() {
    let verifier = Issuer::new(Err("down".into())).verifier(Config::default());
    let verdict = verifier.verify(&signed(Some("k"), &claims(json!({})))).await;
    assert_eq!(verdict, Err(Error::KeysUnavailable));
}
