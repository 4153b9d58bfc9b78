//! Identical queries that are under way at once.

use crate::server::{PATIENCE, Server, token};
use async_graphql::{Context, EmptySubscription, Object, Schema};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Request, header};
use axum::routing::post;
use futures::future::join_all;
use hansa_router::Config;
use hansa_router::config::Debug;
use hansa_router::transport::{self, Subgraph, Transport};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::watch;
use tower::ServiceExt;

/// Who asked what, and a gate before the answers.
#[derive(Clone)]
struct Desk {
    calls: Arc<AtomicUsize>,
    gate: watch::Sender<bool>,
}

impl Desk {
    async fn answer(&self, ctx: &Context<'_>) -> String {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.gate.subscribe().wait_for(|open| *open).await.unwrap();
        let headers = ctx.data_unchecked::<HeaderMap>();
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        text(header::AUTHORIZATION) + &text(header::USER_AGENT)
    }
}

struct Query(Desk);

#[Object]
impl Query {
    async fn caller(&self, ctx: &Context<'_>, number: i32) -> String {
        format!("{number}{}", self.0.answer(ctx).await)
    }
}

struct Mutation(Desk);

#[Object]
impl Mutation {
    async fn act(&self, ctx: &Context<'_>) -> String {
        self.0.answer(ctx).await
    }
}

type Demo = Schema<Query, Mutation, EmptySubscription>;

async fn serve(State(schema): State<Demo>, headers: HeaderMap, body: String) -> axum::Json<Value> {
    let request: async_graphql::Request = serde_json::from_str(&body).unwrap();
    axum::Json(serde_json::to_value(schema.execute(request.data(headers)).await).unwrap())
}

fn request(token: &str, agent: &str, document: &str, number: i32) -> Request<Body> {
    let body = json!({"query": document, "variables": {"number": number}}).to_string();
    Request::post("/graphql")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::USER_AGENT, agent)
        .body(Body::from(body))
        .unwrap()
}

/// A router before the desk.
async fn server(desk: &Desk, config: Config, settings: &transport::Config) -> Server {
    let schema =
        Schema::build(Query(desk.clone()), Mutation(desk.clone()), EmptySubscription).enable_federation().finish();
    let routes = axum::Router::new().route("/graphql", post(serve)).with_state(schema);
    let subgraph = Arc::new(Subgraph::new("s", "http://s/", Transport::Local(routes), settings).unwrap());
    Server::composed(config, vec![subgraph]).await
}

#[tokio::test]
async fn a_query_is_shared_with_the_same_caller_only() {
    let desk = Desk { calls: Arc::default(), gate: watch::Sender::new(true) };
    let mut config = Config::default();
    config.requests.share_in_flight = true;
    let settings = transport::Config { share_in_flight: false, ..transport::Config::default() };
    let server = server(&desk, config, &settings).await;

    let (ada, bob) = (token("ada", 300), token("bob", 300));
    let query = "query($number: Int!) { caller(number: $number) }";
    let mutation = "mutation { act }";
    let requests = || {
        [
            (request(&ada, "a", query, 1), format!("1Bearer {ada}a")),
            (request(&ada, "a", query, 1), format!("1Bearer {ada}a")),
            (request(&ada, "a", query, 2), format!("2Bearer {ada}a")),
            (request(&ada, "b", query, 1), format!("1Bearer {ada}b")),
            (request(&bob, "a", query, 1), format!("1Bearer {bob}a")),
            (request(&ada, "a", mutation, 1), format!("Bearer {ada}a")),
            (request(&ada, "a", mutation, 1), format!("Bearer {ada}a")),
        ]
    };
    let ask = async |(request, expected): (Request<Body>, String)| {
        let response = server.gateway.routes().oneshot(request).await.unwrap();
        let answer: Value = serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap();
        assert!(answer["data"]["caller"] == expected || answer["data"]["act"] == expected, "{answer} {expected}");
    };
    // Once everything is planned and every token known, requests come as far as the gate without a pause.
    join_all(requests().map(&ask)).await;
    desk.calls.store(0, Ordering::SeqCst);
    desk.gate.send_replace(false);
    let open = async {
        while desk.calls.load(Ordering::SeqCst) < 6 {
            tokio::task::yield_now().await;
        }
        desk.gate.send_replace(true);
    };
    let both = futures::future::join(join_all(requests().map(&ask)), open);
    tokio::time::timeout(PATIENCE, both).await.expect("every answer comes");
    assert_eq!(desk.calls.load(Ordering::SeqCst), 6, "only the two queries that are the same are one");
}

#[tokio::test]
async fn a_plan_tells_which_fetches_were_shared() {
    let desk = Desk { calls: Arc::default(), gate: watch::Sender::new(true) };
    let config = Config { debug: Debug { query_plan: true }, ..Config::default() };
    let server = server(&desk, config, &transport::Config::default()).await;
    let token = token("ada", 300);
    let ask = async || {
        let mut request = request(&token, "a", "query($number: Int!) { caller(number: $number) }", 1);
        request.headers_mut().insert("graphql-query-plan", HeaderValue::from_static("true"));
        let response = server.gateway.routes().oneshot(request).await.unwrap();
        let answer: Value = serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap();
        answer["extensions"]["queryPlan"]["node"]["run"]["isShared"].as_bool().unwrap()
    };
    assert!(!ask().await);
    desk.calls.store(0, Ordering::SeqCst);
    desk.gate.send_replace(false);
    // Everything is planned: both come as far as the fetch before the gate opens.
    let open = async {
        while desk.calls.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        desk.gate.send_replace(true);
    };
    let (one, other, ()) = tokio::time::timeout(PATIENCE, async { tokio::join!(ask(), ask(), open) }).await.unwrap();
    assert_eq!((one, other), (false, true));
}
