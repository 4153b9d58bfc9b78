//! A router whose subgraphs come, change and go while clients ask.

use crate::federation::serve;
use crate::server::{PATIENCE, Server};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures::future::join_all;
use futures::{SinkExt, StreamExt};
use hansa_router::supergraph;
use hansa_router::transport::{self, Client, Subgraph, Transport};
use hansa_router::{Config, Gateway};
use hansa_token::JwkSet;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::{Notify, broadcast};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

const BEFORE: &str = "type Query { hello: String  slow: String  before: String } type Subscription { ticks: Int }";
const AFTER: &str = "type Query { hello: String  slow: String  after: String } type Subscription { ticks: Int }";

/// A subgraph that listens, and does as the test says.
struct World {
    /// Whether it answers at all.
    is_up: AtomicBool,
    /// Whether its schema is the later one.
    has_changed: AtomicBool,
    /// How many answers it holds back until `release`.
    held: AtomicUsize,
    release: Notify,
    ticks: broadcast::Sender<u32>,
}

impl World {
    fn new(is_up: bool) -> Arc<Self> {
        Arc::new(Self {
            is_up: is_up.into(),
            has_changed: false.into(),
            held: 0.into(),
            release: Notify::new(),
            ticks: broadcast::channel(16).0,
        })
    }

    /// A router over it that looks for changes every second.
    async fn router(self: &Arc<Self>) -> Server {
        let url = serve(axum::Router::new().route("/graphql", post(answer)).with_state(self.clone())).await;
        let settings = transport::Config { retries: 0, breaker_failures: 0, ..transport::Config::default() };
        let subgraph = Subgraph::new("world", url, Transport::Http(Client::new().unwrap()), &settings).unwrap();
        let supergraph = supergraph::Config { poll_seconds: 1, ..supergraph::Config::default() };
        let config = Config { supergraph, ..Config::default() };
        Server::over(config, vec![Arc::new(subgraph)], Ok(JwkSet { keys: Vec::new() })).await
    }

    /// Changes the schema and waits until the router has followed.
    async fn change(&self, gateway: &Gateway) {
        let has_changed = !self.has_changed.fetch_xor(true, Ordering::SeqCst);
        let field = if has_changed { "after" } else { "before" };
        let following = async {
            while gateway.supergraph().current().is_none_or(|current| !current.api.sdl.contains(field)) {
                gateway.supergraph().changed().await;
            }
        };
        tokio::time::timeout(PATIENCE, following).await.expect("the router does not follow");
    }
}

async fn answer(State(world): State<Arc<World>>, headers: HeaderMap, body: String) -> Response {
    if !world.is_up.load(Ordering::SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if headers[header::ACCEPT].to_str().unwrap().contains("event-stream") {
        let ticks = tokio_stream::wrappers::BroadcastStream::new(world.ticks.subscribe());
        let next = ticks.map(|tick| {
            let data = json!({ "data": { "ticks": tick.unwrap() } });
            Ok::<_, Infallible>(Event::default().event("next").json_data(data).unwrap())
        });
        return Sse::new(next).into_response();
    }
    if body.contains("_service") {
        let sdl = if world.has_changed.load(Ordering::SeqCst) { AFTER } else { BEFORE };
        return axum::Json(json!({ "data": { "_service": { "sdl": sdl } } })).into_response();
    }
    if body.contains("slow") {
        let released = world.release.notified();
        world.held.fetch_add(1, Ordering::SeqCst);
        released.await;
    }
    axum::Json(json!({ "data": { "hello": "world", "slow": "at last", "before": "b" } })).into_response()
}

/// The data of each tick that comes over a socket.
async fn follow_ticks(server: &Server) -> impl futures::Stream<Item = Value> + Unpin + use<> {
    let mut request = format!("ws://{}/graphql", server.address).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    let subscribe = json!({ "type": "subscribe", "id": "1", "payload": { "query": "subscription { ticks }" } });
    for message in [json!({ "type": "connection_init" }), subscribe] {
        socket.send(Message::text(message.to_string())).await.unwrap();
    }
    let messages = socket.filter_map(async |message| match message.unwrap() {
        Message::Text(text) => Some(serde_json::from_str::<Value>(&text).unwrap()),
        // Heartbeats.
        Message::Ping(_) => None,
        other => panic!("{other:?}"),
    });
    let messages = Box::pin(messages);
    messages.skip(1).map(|message| message["payload"]["data"].clone())
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("in vain: {what}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn supergraphs_are_swapped_under_load_and_nobody_notices() {
    const CLIENTS: usize = 100;
    let world = World::new(true);
    let server = Arc::new(world.router().await);
    tokio::time::timeout(PATIENCE, server.gateway.supergraph().first()).await.unwrap();
    let mut sockets = Vec::new();
    for _ in 0..10 {
        sockets.push(follow_ticks(&server).await);
    }
    until("the subscriptions", || world.ticks.receiver_count() == sockets.len()).await;

    let (is_over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (server, is_over, answered) = (server.clone(), is_over.clone(), answered.clone());
            tokio::spawn(async move {
                while !is_over.load(Ordering::SeqCst) {
                    assert_eq!(server.ask("{ hello }").await, json!({ "data": { "hello": "world" } }));
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    // Planned over a schema that is gone when it is answered.
    let old = tokio::spawn({
        let server = server.clone();
        async move { server.ask("{ slow before }").await }
    });
    until("the old operation", || world.held.load(Ordering::SeqCst) == 1).await;
    for tick in 0..4 {
        world.change(&server.gateway).await;
        let before = answered.load(Ordering::SeqCst);
        until("answers", || answered.load(Ordering::SeqCst) > before + CLIENTS).await;
        world.ticks.send(tick).unwrap();
        for socket in &mut sockets {
            let data = tokio::time::timeout(PATIENCE, socket.next()).await.expect("a tick in time");
            assert_eq!(data, Some(json!({ "ticks": tick })));
        }
        if tick == 0 {
            assert!(server.ask("{ before }").await["errors"].is_array(), "the new schema is in use");
            world.release.notify_waiters();
        }
    }
    assert_eq!(old.await.unwrap(), json!({ "data": { "slow": "at last", "before": "b" } }));
    is_over.store(true, Ordering::SeqCst);
    for client in join_all(clients).await {
        client.expect("a request failed");
    }
    assert!(answered.load(Ordering::SeqCst) > 4 * CLIENTS);
}

#[tokio::test]
async fn a_router_gets_ready_when_its_subgraphs_come() {
    let world = World::new(false);
    let server = world.router().await;
    let ready = async || {
        let response = server.request("GET", "/ready").send().await.unwrap();
        (response.status(), response.json::<Value>().await.unwrap())
    };
    while server.gateway.supergraph().status().last_error.is_none() {
        tokio::time::timeout(PATIENCE, server.gateway.supergraph().changed()).await.unwrap();
    }
    let (status, why) = ready().await;
    assert_eq!((status.as_u16(), &why["supergraph"]["problem"]), (503, &json!("SUBGRAPH_UNAVAILABLE")));
    world.is_up.store(true, Ordering::SeqCst);
    tokio::time::timeout(PATIENCE, server.gateway.supergraph().first()).await.expect("it does not notice");
    assert_eq!(ready().await.0, 200);
    assert_eq!(server.ask("{ hello }").await, json!({ "data": { "hello": "world" } }));

    // Gone again, it costs its own fields and not the router.
    world.is_up.store(false, Ordering::SeqCst);
    let answer = server.ask("{ hello }").await;
    assert_eq!(answer["data"], json!({ "hello": null }));
    assert_eq!(answer["errors"][0]["extensions"]["code"], "SUBGRAPH_UNAVAILABLE");
    assert_eq!(ready().await.0, 200);
}

#[tokio::test]
async fn a_query_is_tried_so_often_and_a_mutation_once() {
    for (query, calls) in [("query", 4), ("mutation", 1)] {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let routes = axum::Router::new().route(
            "/graphql",
            post(move || {
                count.fetch_add(1, Ordering::SeqCst);
                async { StatusCode::SERVICE_UNAVAILABLE }
            }),
        );
        let settings = transport::Config { retries: 3, ..transport::Config::default() };
        let client = Transport::Http(Client::new().unwrap());
        let subgraph = Subgraph::new("ill", serve(routes).await, client, &settings).unwrap();
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let outcome = subgraph.fetch("{}".into(), &HeaderMap::new(), query == "query", deadline).await;
        assert!(outcome.is_err());
        assert_eq!(asked.load(Ordering::SeqCst), calls, "{query}");
    }
}
