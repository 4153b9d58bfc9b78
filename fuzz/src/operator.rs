//! What operators and issuers say: files and the keys of tokens. A mistake in them is told, and brings nothing down.

use crate::front::survive_the_planner;
use axum::body::Body;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use figment::Figment;
use figment::providers::{Format, Serialized, Toml};
use hansa_router::supergraph::{self, Live, Source};
use hansa_router::transport::{self, Subgraph, Transport};
use hansa_router::{Config, Gateway, documents, server};
use hansa_token::{Claims, JwkSet, Revocations, Verifier};
use http::{Request, header};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

thread_local! {
    static RUNTIME: Runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    static FOLDER: TempDir = TempDir::new().unwrap();
}

/// A supergraph document in a file.
pub fn supergraph(bytes: &[u8]) {
    survive_the_planner();
    let file = FOLDER.with(|folder| folder.path().join("supergraph.graphql"));
    std::fs::write(&file, bytes).unwrap();
    RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let (live, shutdown) = (Arc::new(Live::default()), CancellationToken::new());
            let (config, subgraphs) = (supergraph::Config::default(), transport::Config::default());
            tokio::select! {
                biased;
                () = live.changed() => {}
                () = supergraph::keep(live.clone(), Source::File(file), config, subgraphs, shutdown) => {}
            }
            assert!(live.current().is_some() != live.status().last_error.is_some(), "{:?}", live.status());
        });
    });
}

/// Trusted documents: a manifest, or one document after a first byte `g`.
pub fn trusted(bytes: &[u8]) {
    let (name, text) = bytes.strip_prefix(b"g").map_or(("manifest.json", bytes), |text| ("document.graphql", text));
    let file = FOLDER.with(|folder| folder.path().join(name));
    std::fs::write(&file, text).unwrap();
    let documents = documents::Config { mode: documents::Mode::Only, path: Some(file), ..documents::Config::default() };
    start(Config { documents, ..Config::default() });
}

/// A configuration file: the router's settings, or the server's after a first byte `s`. One that is not refused serves.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(text) = text.strip_prefix('s') {
        drop(read::<server::Config>(text).map(|config| config.validate()));
        return;
    }
    let Some(mut config) = read::<Config>(text) else { return };
    drop(config.federation.source(&config.subgraphs));
    // These name files, which are the other targets' matter.
    config.documents = documents::Config::default();
    config.supergraph.cache = None;
    start(config);
}

fn read<T: DeserializeOwned + Serialize + Default>(text: &str) -> Option<T> {
    Figment::from(Serialized::defaults(T::default())).merge(Toml::string(text)).extract().ok()
}

/// Starts a router and asks it, if it does not refuse its settings.
fn start(config: Config) {
    const SDL: &str = "type Query { a: Int }";
    RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let answer = || async { json!({ "data": { "a": 1, "_service": { "sdl": SDL } } }).to_string() };
            let routes = Transport::Local(axum::Router::new().fallback(answer));
            let subgraph = Subgraph::new("a", "http://a/", routes, &config.subgraphs).unwrap();
            let shutdown = CancellationToken::new();
            let source = Source::Compose(vec![Arc::new(subgraph)]);
            let Ok(gateway) = Gateway::start(config, source, None, shutdown.clone()) else { return };
            gateway.supergraph().changed().await;
            for query in ["{ a }", "{ __typename a }"] {
                let request = Request::post("/graphql").header(header::CONTENT_TYPE, "application/json");
                let request = request.body(Body::from(json!({ "query": query }).to_string())).unwrap();
                let Ok(answer) = gateway.routes().oneshot(request).await;
                assert!(answer.status() != 500, "{answer:?}");
            }
            shutdown.cancel();
        });
    });
}

/// What an issuer says its keys are. A token is let in only if its key is among them, and never by a secret that is no
/// secret.
pub fn keys(bytes: &[u8]) {
    let Ok(keys) = serde_json::from_slice::<JwkSet>(bytes) else { return };
    let names: Vec<_> = keys.keys.iter().filter_map(|key| key.common.key_id.clone()).take(5).collect();
    let is_known = std::str::from_utf8(bytes).is_ok_and(|text| text.contains(crate::front::ISSUER));
    let config = hansa_token::Config {
        algorithms: vec![Algorithm::EdDSA, Algorithm::RS256, Algorithm::PS512, Algorithm::ES256, Algorithm::ES384],
        ..hansa_token::Config::default()
    };
    let fetch: hansa_token::FetchKeys = Arc::new(move || Box::pin(std::future::ready(Ok(keys.clone()))));
    let verifier = Verifier::new(config, fetch, Arc::new(Revocations::default()));
    let claims = Claims {
        sub: "user".into(),
        sid: "session".into(),
        roles: Vec::new(),
        scope: String::new(),
        iat: 0,
        exp: 1 << 40,
        iss: "hansa".into(),
        aud: vec!["hansa".into()],
    };
    RUNTIME.with(|runtime| {
        runtime.block_on(async {
            for kid in names {
                let header = |algorithm| Header { kid: Some(kid.clone()), ..Header::new(algorithm) };
                let key = EncodingKey::from_ed_der(&crate::targets::PRIVATE_KEY);
                let genuine = jsonwebtoken::encode(&header(Algorithm::EdDSA), &claims, &key).unwrap();
                assert!(is_known || verifier.verify(&genuine).await.is_err(), "let in by {kid:?}");
                let public = EncodingKey::from_secret(crate::front::ISSUER.as_bytes());
                let forged = jsonwebtoken::encode(&header(Algorithm::HS256), &claims, &public).unwrap();
                assert!(verifier.verify(&forged).await.is_err(), "let in by {kid:?}");
                let (_, rest) = genuine.split_once('.').unwrap();
                for algorithm in ["RS256", "PS512", "ES256", "ES384", "none"] {
                    let header = BASE64_URL_SAFE_NO_PAD.encode(json!({ "alg": algorithm, "kid": kid }).to_string());
                    assert!(verifier.verify(&format!("{header}.{rest}")).await.is_err(), "let in by {kid:?}");
                }
            }
        });
    });
}
