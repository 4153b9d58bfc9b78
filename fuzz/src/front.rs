//! A router as its clients reach it, over subgraphs that answer what they are told to, and what must hold of everything
//! that it answers.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hansa_router::builtin::{self, nodes::NodeType};
use hansa_router::supergraph::Source;
use hansa_router::transport::{self, Named, Subgraph, Transport};
use hansa_router::{Config, Gateway, panics};
use hansa_token::{Revocations, Verifier};
use http::{Request, header};
use http_body_util::BodyExt;
use jsonwebtoken::jwk::JwkSet;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Our own federation.
const SUBGRAPHS: [(&str, &str); 4] = [
    ("users", include_str!("../../schema/users.graphql")),
    ("posts", include_str!("../../schema/posts.graphql")),
    ("social", include_str!("../../schema/social.graphql")),
    ("notifications", include_str!("../../schema/notifications.graphql")),
];

/// Types that `node` finds: by prefix, name and owner.
const NODES: [(&str, &str, &str); 2] = [("user", "User", "users"), ("post", "Post", "posts")];

/// The issuer's public key: that of the example in RFC 8037, appendix A.
pub const ISSUER: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

/// The planner panicked, which the router survives and answers with `INTERNAL`.
static EXCUSED: AtomicBool = AtomicBool::new(false);

/// A router and what its subgraphs answer.
pub struct Front {
    pub runtime: Runtime,
    pub routes: axum::Router,
    pub gateway: Arc<Gateway>,
    script: Arc<Script>,
}

/// What the subgraphs answer.
#[derive(Default)]
struct Script {
    /// In this order; then an empty object each time.
    answers: Mutex<VecDeque<Vec<u8>>>,
    /// As events, when a subscription is asked for.
    events: Mutex<Vec<u8>>,
}

impl Front {
    /// Starts a router that verifies tokens, or one that lets everybody in, over subgraphs in the process.
    pub fn start(verifies: bool) -> Self {
        Self::local(BTreeMap::new(), verifies)
    }

    /// Starts a router that lets everybody in, over subgraphs in the process, one of which takes subscriptions at this URL.
    pub fn with_sockets(subgraph: &str, url: String) -> Self {
        let own = Named { subscription_url: Some(url), ..Named::default() };
        Self::local([(subgraph.to_owned(), own)].into(), false)
    }

    fn local(named: BTreeMap<String, Named>, verifies: bool) -> Self {
        let script = Arc::new(Script::default());
        let place = |name: &str, sdl| {
            let routes = axum::Router::new().fallback(answer).with_state((sdl, script.clone()));
            (format!("http://{name}/"), Transport::Local(routes))
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let gateway = runtime.block_on(gateway(place, named, verifies));
        Self { runtime, routes: gateway.routes(), gateway, script }
    }

    /// Starts a router that lets everybody in, over subgraphs that are elsewhere: within the runtime, `place` gives the
    /// URL of one by its name and SDL, and the way to it.
    pub fn over(place: impl Fn(&str, &'static str) -> (String, Transport)) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let gateway = runtime.block_on(gateway(place, BTreeMap::new(), false));
        Self { runtime, routes: gateway.routes(), gateway, script: Arc::default() }
    }

    /// Tells the subgraphs what to answer.
    pub fn tell(&self, answers: impl IntoIterator<Item = Vec<u8>>, events: &[u8]) {
        *self.script.answers.lock().unwrap() = answers.into_iter().collect();
        *self.script.events.lock().unwrap() = events.to_vec();
    }

    /// Sends a request twice; checks that the answer is one, and the same.
    pub fn ask(&self, request: impl Fn() -> Option<Request<Body>>) -> Option<Answer> {
        let first = self.ask_once(request()?);
        let second = self.runtime.block_on(self.send(request()?));
        // A plan that is shown tells how long its fetches took.
        let is_timed = first.body.windows(12).any(|bytes| bytes == b"\"queryPlan\":");
        let are_same = first.status == second.status && (is_timed || first.body == second.body);
        assert!(are_same, "asked twice, two answers: {first:?} {second:?}");
        Some(first)
    }

    /// Sends a request; checks that the answer is one.
    pub fn ask_once(&self, request: Request<Body>) -> Answer {
        EXCUSED.store(false, Ordering::SeqCst);
        let answer = self.runtime.block_on(self.send(request));
        answer.check();
        answer
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let Ok(response) = self.routes.clone().oneshot(request).await;
        let status = response.status().as_u16();
        let content_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default().to_owned();
        let is_encoded = response.headers().contains_key(header::CONTENT_ENCODING);
        let reading = tokio::time::timeout(Duration::from_secs(20), response.into_body().collect());
        let body = reading.await.expect("the answer ends").expect("the answer is whole").to_bytes();
        Answer { status, content_type, is_encoded, body }
    }
}

/// A router over our federation, once it has composed it.
async fn gateway(
    place: impl Fn(&str, &'static str) -> (String, Transport),
    named: BTreeMap<String, Named>,
    verifies: bool,
) -> Arc<Gateway> {
    survive_the_planner();
    let limits = transport::Config { retries: 0, breaker_failures: u32::MAX, named, ..transport::Config::default() };
    let subgraphs = SUBGRAPHS.map(|(name, sdl)| {
        let (url, transport) = place(name, sdl);
        Arc::new(Subgraph::new(name, url, transport, &limits).unwrap())
    });
    let types = NODES.map(|(prefix, name, subgraph)| NodeType {
        prefix: prefix.into(),
        name: name.into(),
        subgraph: subgraph.into(),
    });
    let fields = builtin::Fields { nodes: types.into(), rate_limit: true };
    let builtin = builtin::subgraph(&fields, &subgraphs, &limits).unwrap();
    let source = Source::Compose(subgraphs.into_iter().chain([Arc::new(builtin)]).collect());
    let mut config = Config::default();
    config.limits.http.max_batch = 3;
    config.network.trusted_proxies = 1;
    config.cors.origins = vec!["https://app.example.com".into()];
    config.debug.query_plan = true;
    let verifier = verifies.then(|| {
        let keys = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "a", "x": ISSUER }] });
        let keys: JwkSet = serde_json::from_value(keys).unwrap();
        let keys: hansa_token::FetchKeys = Arc::new(move || Box::pin(std::future::ready(Ok(keys.clone()))));
        Arc::new(Verifier::new(hansa_token::Config::default(), keys, Arc::new(Revocations::default())))
    });
    let gateway = Gateway::start(config, source, verifier, CancellationToken::new()).unwrap();
    tokio::time::timeout(Duration::from_secs(120), gateway.supergraph().first()).await.expect("a supergraph");
    gateway
}

/// What the router answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub content_type: String,
    is_encoded: bool,
    pub body: Bytes,
}

impl Answer {
    /// Whatever was asked: an answer is GraphQL, and never says that the router is at fault.
    pub fn check(&self) {
        assert!(matches!(self.status, 200 | 204 | 400..=431 | 500..=504), "{self:?}");
        if self.is_encoded {
            return;
        }
        let text = std::str::from_utf8(&self.body).expect("an answer is text");
        if self.content_type.starts_with("text/event-stream") {
            text.lines().filter_map(|line| line.strip_prefix("data: ")).for_each(check_text);
        } else if self.content_type.starts_with("application/") && !self.body.is_empty() {
            check_text(text);
        } else if !self.content_type.starts_with("multipart/") {
            assert!(self.body.is_empty(), "{self:?}");
        }
    }
}

/// Checks one result, or a list of them.
pub fn check_text(text: &str) {
    serde_json::from_str::<&RawValue>(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    // Half a surrogate pair is JSON, too, and passes as the subgraph sent it; no value can hold it here.
    let Ok(result) = serde_json::from_str::<Value>(text) else { return };
    match result.as_array() {
        Some(results) => results.iter().for_each(check_result),
        None => check_result(&result),
    }
}

fn check_result(result: &Value) {
    let object = result.as_object().unwrap_or_else(|| panic!("no result: {result}"));
    assert!(object.keys().all(|key| matches!(key.as_str(), "data" | "errors" | "extensions")), "{result}");
    let errors = object.get("errors").map(|errors| errors.as_array().expect("a list of errors"));
    assert!(errors.is_none_or(|errors| !errors.is_empty() && errors.len() <= 1001), "{result}");
    assert!(object.contains_key("data") || errors.is_some(), "{result}");
    for error in errors.into_iter().flatten() {
        assert!(error["message"].is_string(), "{result}");
        let code = error["extensions"]["code"].as_str().unwrap_or_else(|| panic!("no code: {result}"));
        assert!(code != "INTERNAL" || EXCUSED.load(Ordering::SeqCst), "{result}");
        if let Some(path) = error.get("path") {
            let elements = path.as_array().unwrap_or_else(|| panic!("no path: {result}"));
            assert!(elements.iter().all(|element| element.is_string() || element.is_u64()), "{result}");
        }
    }
}

/// Answers as a subgraph.
async fn answer(State((sdl, script)): State<(&'static str, Arc<Script>)>, request: Request<Body>) -> Response {
    const JSON: [(http::HeaderName, &str); 1] = [(header::CONTENT_TYPE, "application/json")];
    let accept = request.headers().get(header::ACCEPT).cloned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    // Of half a surrogate pair, which variables may hold as a subgraph told it, serde_json makes no text.
    #[derive(serde::Deserialize)]
    struct Asked {
        query: String,
    }
    let Asked { query } = serde_json::from_slice(&body).expect("what the router sends is JSON that holds a document");
    if query.contains("_service") {
        return (JSON, json!({"data": {"_service": {"sdl": sdl}}}).to_string()).into_response();
    }
    graphql_tools::parser::parse_query::<&str>(&query).expect("the document can be parsed");
    if accept.is_some_and(|accept| accept == "text/event-stream") {
        let events = script.events.lock().unwrap().clone();
        return ([(header::CONTENT_TYPE, "text/event-stream")], events).into_response();
    }
    let answer = script.answers.lock().unwrap().pop_front().unwrap_or_else(|| b"{\"data\":{}}".to_vec());
    (JSON, answer).into_response()
}

/// The planner and the composer are caught when they panic; whatever else panics is a finding.
pub fn survive_the_planner() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let place = panic.location().map_or("", |location| location.file());
            let is_theirs =
                ["hive-router-query-planner", "federation-composition"].iter().any(|name| place.contains(name));
            // The planner reads a supergraph by a library that wants it to be valid.
            if is_theirs || (place.contains("graphql-tools") && panics::are_handled()) {
                EXCUSED.store(true, Ordering::SeqCst);
            } else {
                hook(panic);
            }
        }));
    });
}
