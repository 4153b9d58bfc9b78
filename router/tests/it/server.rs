//! A router on a free port over one subgraph that lives in the test, and clients to talk to it.

use async_graphql::{Context, Object, Schema, Subscription};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures::stream::{Stream, StreamExt};
use hansa_router::supergraph::Source;
use hansa_router::transport::{self, Subgraph, Transport};
use hansa_router::{Config, Gateway};
use hansa_token::{Claims, JwkSet, Revocations, Verifier};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio_util::sync::CancellationToken;

/// Nothing in these tests takes long; a condition that is not met by then never will be.
pub const PATIENCE: Duration = Duration::from_secs(20);
const SECRET: &[u8] = b"a secret that only the tests know";

pub struct Server {
    pub address: SocketAddr,
    pub gateway: Arc<Gateway>,
    pub revocations: Arc<Revocations>,
    pub shutdown: CancellationToken,
    client: reqwest::Client,
}

impl Server {
    pub async fn start() -> Self {
        Self::start_with(Config::default()).await
    }

    pub async fn start_with(config: Config) -> Self {
        Self::composed(config, vec![subgraph()]).await
    }

    /// A router whose supergraph is there.
    pub async fn composed(config: Config, subgraphs: Vec<Arc<Subgraph>>) -> Self {
        let server = Self::over(config, subgraphs, Ok(keys())).await;
        let composed = server.gateway.supergraph().first();
        assert!(tokio::time::timeout(PATIENCE, composed).await.is_ok(), "{:?}", server.gateway.supergraph().status());
        server
    }

    /// A router that may never get a supergraph.
    pub async fn over(config: Config, subgraphs: Vec<Arc<Subgraph>>, keys: Result<JwkSet, String>) -> Self {
        let shutdown = CancellationToken::new();
        let revocations = Arc::new(Revocations::default());
        let fetch = Arc::new(move || {
            let keys = keys.clone();
            Box::pin(async move { keys }) as _
        });
        let accepted =
            hansa_token::Config { algorithms: vec![Algorithm::HS256], leeway_seconds: 0, ..Default::default() };
        let verifier = Arc::new(Verifier::new(accepted, fetch, revocations.clone()));
        let gateway = Gateway::start(config, Source::Compose(subgraphs), Some(verifier), shutdown.clone()).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = gateway.routes().into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Self { address, gateway, revocations, shutdown, client }
    }

    /// Why a router does not start.
    pub fn refusal(config: Config) -> String {
        let started = Gateway::start(config, Source::Compose(Vec::new()), None, CancellationToken::new());
        started.err().expect("it should be refused").to_string()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method.parse().unwrap(), self.url(path))
    }

    pub fn post(&self, body: &Value) -> reqwest::RequestBuilder {
        self.post_text(&body.to_string())
    }

    pub fn post_text(&self, body: &str) -> reqwest::RequestBuilder {
        self.request("POST", "/graphql").header("content-type", "application/json").body(body.to_owned())
    }

    /// The answer to a document.
    pub async fn ask(&self, query: &str) -> Value {
        self.post(&json!({ "query": query })).send().await.unwrap().json().await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// `extensions.code` of the first error.
pub fn code(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_else(|| panic!("no code in {answer}"))
}

/// An access token of a session, expiring so many seconds from now.
pub fn token(sid: &str, expires_in: i64) -> String {
    signed(sid, expires_in, SECRET)
}

/// A token that is signed by somebody else.
pub fn forged_token() -> String {
    signed("s", 300, b"another secret")
}

fn signed(sid: &str, expires_in: i64, secret: &[u8]) -> String {
    let header = Header { kid: Some("k".into()), ..Header::new(Algorithm::HS256) };
    jsonwebtoken::encode(&header, &claims(sid, expires_in), &EncodingKey::from_secret(secret)).unwrap()
}

pub fn claims(sid: &str, expires_in: i64) -> Claims {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    Claims {
        sub: "user_1".into(),
        sid: sid.into(),
        roles: Vec::new(),
        scope: String::new(),
        iat: now,
        exp: now + expires_in,
        iss: "hansa".into(),
        aud: vec!["hansa".into()],
    }
}

pub fn keys() -> JwkSet {
    let secret = jsonwebtoken::jwk::Jwk::from_encoding_key(&EncodingKey::from_secret(SECRET), Algorithm::HS256);
    let mut key = secret.unwrap();
    key.common.key_id = Some("k".into());
    JwkSet { keys: vec![key] }
}

type Demo = Schema<Query, Mutation, Counting>;

/// A subgraph that is called within the process.
pub fn subgraph() -> Arc<Subgraph> {
    let schema =
        Schema::build(Query, Mutation, Counting).enable_federation().enable_subscription_in_federation().finish();
    let routes = axum::Router::new().route("/graphql", post(answer)).with_state(schema);
    let config = transport::Config::default();
    Arc::new(Subgraph::new("demo", "http://demo/graphql", Transport::Local(routes), &config).unwrap())
}

/// A subgraph that cannot be reached.
pub fn absent_subgraph() -> Arc<Subgraph> {
    let config = transport::Config::default();
    Arc::new(Subgraph::new("absent", "http://absent/", Transport::Local(axum::Router::new()), &config).unwrap())
}

async fn answer(State(schema): State<Demo>, headers: HeaderMap, body: String) -> Response {
    let is_stream = headers.get(header::ACCEPT).is_some_and(|accept| accept.to_str().unwrap().contains("event-stream"));
    let request: async_graphql::Request = serde_json::from_str(&body).unwrap();
    let request = request.data(headers);
    if is_stream {
        let next =
            schema.execute_stream(request).map(|answer| Event::default().event("next").json_data(answer).unwrap());
        let complete = futures::stream::once(async { Event::default().event("complete").data("") });
        return Sse::new(next.chain(complete).map(Ok::<_, Infallible>)).into_response();
    }
    axum::Json(schema.execute(request).await).into_response()
}

pub struct Query;

#[Object]
impl Query {
    async fn hello(&self) -> &str {
        "world"
    }

    async fn echo(&self, text: String) -> String {
        text
    }

    async fn fail(&self) -> Result<Option<i32>, async_graphql::Error> {
        Err(async_graphql::Error::new("it failed"))
    }

    /// Never answers.
    async fn stall(&self) -> Option<i32> {
        std::future::pending().await
    }

    /// A header as it reached the subgraph.
    async fn header(&self, ctx: &Context<'_>, name: String) -> Option<String> {
        let name: HeaderName = name.parse().unwrap();
        ctx.data_unchecked::<HeaderMap>().get(name).map(|value| value.to_str().unwrap().to_owned())
    }
}

pub struct Mutation;

#[Object]
impl Mutation {
    async fn double(&self, number: i32) -> i32 {
        number * 2
    }
}

pub struct Counting;

#[Subscription(name = "Subscription")]
impl Counting {
    /// 1, 2, … and the end.
    async fn count(&self, to: i32) -> impl Stream<Item = i32> {
        futures::stream::iter(1..=to)
    }

    /// One event, then silence.
    async fn once(&self) -> impl Stream<Item = i32> {
        futures::stream::iter([1]).chain(futures::stream::pending())
    }

    /// Events of 4 kB without end.
    async fn flood(&self) -> impl Stream<Item = String> {
        futures::stream::repeat_with(|| "x".repeat(4096))
    }
}
