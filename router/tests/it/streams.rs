//! What happens between clients' streams and those of subgraphs: sharing, renewed tokens, broken connections.

use crate::server::{PATIENCE, Server, code, token};
use crate::ws::Socket;
use async_graphql::{Context, Object, Schema, SimpleObject, Subscription};
use async_stream::stream;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures::stream::{Stream, StreamExt};
use hansa_router::subscription::Sharing;
use hansa_router::supergraph::Source;
use hansa_router::transport::{self, Client, Subgraph, Transport};
use hansa_router::{Config, Gateway};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

const NEWS: &str = "subscription { news { number } }";

/// A subgraph over HTTP whose streams are in the test's hands.
struct Newspaper {
    /// How many events there are; their numbers and cursors count from 1.
    printed: watch::Sender<i32>,
    /// How many streams are open.
    open: AtomicUsize,
    is_down: AtomicBool,
    /// Ends the streams that were opened with an `Authorization`.
    cuts: Mutex<HashMap<String, CancellationToken>>,
}

impl Newspaper {
    fn print(&self) {
        self.printed.send_modify(|printed| *printed += 1);
    }

    fn ender(&self, headers: &HeaderMap) -> CancellationToken {
        let authorization = headers.get(header::AUTHORIZATION).map_or("", |value| value.to_str().unwrap());
        self.cuts.lock().unwrap().entry(authorization.to_owned()).or_default().clone()
    }

    /// Breaks the streams off that were opened with this token.
    fn cut(&self, token: &str) {
        if let Some(cut) = self.cuts.lock().unwrap().remove(&format!("Bearer {token}")) {
            cut.cancel();
        }
    }

    async fn has_open(&self, streams: usize) {
        let met = async {
            while self.open.load(Ordering::SeqCst) != streams {
                tokio::task::yield_now().await;
            }
        };
        let is_met = tokio::time::timeout(PATIENCE, met).await.is_ok();
        assert!(is_met, "{} streams are open, not {streams}", self.open.load(Ordering::SeqCst));
    }
}

/// Counts a stream while it is open.
struct Open(Arc<Newspaper>);

impl Open {
    fn new(newspaper: &Arc<Newspaper>) -> Self {
        newspaper.open.fetch_add(1, Ordering::SeqCst);
        Self(newspaper.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Query;

#[Object]
impl Query {
    async fn nothing(&self) -> Option<i32> {
        None
    }
}

#[derive(SimpleObject)]
struct News {
    cursor: String,
    number: i32,
}

struct Root;

#[Subscription(name = "Subscription")]
impl Root {
    async fn news(&self, context: &Context<'_>, after: Option<String>) -> impl Stream<Item = News> + use<> {
        let newspaper = context.data_unchecked::<Arc<Newspaper>>().clone();
        let mut printed = newspaper.printed.subscribe();
        let mut position = after.map_or(*printed.borrow(), |after| after.parse().unwrap());
        stream! {
            let _open = Open::new(&newspaper);
            loop {
                printed.wait_for(|printed| *printed > position).await.unwrap();
                position += 1;
                yield News { cursor: position.to_string(), number: position };
            }
        }
    }

    /// Events of 4 kB without end.
    async fn flood(&self, context: &Context<'_>) -> impl Stream<Item = String> + use<> {
        let newspaper = context.data_unchecked::<Arc<Newspaper>>().clone();
        stream! {
            let _open = Open::new(&newspaper);
            loop {
                yield "x".repeat(4096);
                tokio::task::yield_now().await;
            }
        }
    }
}

type Api = Schema<Query, async_graphql::EmptyMutation, Root>;

async fn answer(
    State((schema, newspaper)): State<(Api, Arc<Newspaper>)>,
    headers: HeaderMap,
    body: String,
) -> Response {
    if newspaper.is_down.load(Ordering::SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let request: async_graphql::Request = serde_json::from_str(&body).unwrap();
    let request = request.data(newspaper.clone());
    if !headers[header::ACCEPT].to_str().unwrap().contains("event-stream") {
        return axum::Json(schema.execute(request).await).into_response();
    }
    let next = schema.execute_stream(request).map(|answer| Event::default().event("next").json_data(answer).unwrap());
    let events = next.take_until(newspaper.ender(&headers).cancelled_owned());
    Sse::new(events.map(Ok::<_, Infallible>)).into_response()
}

/// A router over a newspaper.
async fn start(configure: impl FnOnce(&mut Config)) -> (Server, Arc<Newspaper>) {
    let newspaper = Arc::new(Newspaper {
        printed: watch::channel(0).0,
        open: AtomicUsize::new(0),
        is_down: AtomicBool::new(false),
        cuts: Mutex::default(),
    });
    let schema = Schema::build(Query, async_graphql::EmptyMutation, Root)
        .enable_federation()
        .enable_subscription_in_federation()
        .finish();
    let routes = axum::Router::new().route("/graphql", post(answer)).with_state((schema, newspaper.clone()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/graphql", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    let transport = Transport::Http(Client::new().unwrap());
    let subgraph = Arc::new(Subgraph::new("newspaper", url, transport, &transport::Config::default()).unwrap());
    let mut config = Config::default();
    configure(&mut config);
    (Server::composed(config, vec![subgraph]).await, newspaper)
}

async fn signed_in(server: &Server, token: &str) -> Socket {
    Socket::ready(server, json!({ "token": token })).await
}

async fn number(socket: &mut Socket) -> Value {
    let message = socket.hear().await;
    assert_eq!(message["type"], "next", "{message}");
    message["payload"]["data"]["news"]["number"].clone()
}

#[tokio::test]
async fn the_same_subscription_of_one_identity_is_one_stream() {
    let (server, newspaper) = start(|_| {}).await;
    let mut same = Vec::new();
    for expires_in in [100, 200, 300] {
        let mut socket = signed_in(&server, &token("one", expires_in)).await;
        socket.subscribe("1", NEWS).await;
        // The answer to what came later tells that the subscription has been read.
        socket.say(json!({ "type": "ping" })).await;
        assert_eq!(socket.hear().await, json!({ "type": "pong" }));
        same.push(socket);
    }
    newspaper.has_open(1).await;
    let mut other = signed_in(&server, &token("other", 300)).await;
    other.subscribe("1", NEWS).await;
    newspaper.has_open(2).await;
    same[0].subscribe("2", "subscription { news { cursor } }").await;
    newspaper.has_open(3).await;
    same[0].subscribe("3", "subscription { news(after: \"0\") { number } }").await;
    newspaper.has_open(4).await;
    for id in ["2", "3"] {
        same[0].say(json!({ "type": "complete", "id": id })).await;
    }
    newspaper.has_open(2).await;

    newspaper.print();
    for socket in same.iter_mut().chain([&mut other]) {
        assert_eq!(number(socket).await, 1);
    }
    drop(other);
    newspaper.has_open(1).await;
    let mut last = same.pop().unwrap();
    drop(same);
    newspaper.print();
    assert_eq!(number(&mut last).await, 2);
    drop(last);
    newspaper.has_open(0).await;
}

#[tokio::test]
async fn who_differs_in_a_forwarded_header_has_a_stream_of_their_own() {
    let (server, newspaper) = start(|config| config.subgraphs.forward = vec!["x-tenant".into()]).await;
    let mut sockets = Vec::new();
    for (tenant, streams) in [(json!("a"), 1), (json!("b"), 2), (json!("a"), 2), (json!(null), 3)] {
        let payload = json!({ "token": token("one", 300), "X-Tenant": tenant });
        let mut socket = Socket::ready(&server, payload).await;
        socket.subscribe("1", NEWS).await;
        socket.say(json!({ "type": "ping" })).await;
        assert_eq!(socket.hear().await, json!({ "type": "pong" }));
        newspaper.has_open(streams).await;
        sockets.push(socket);
    }
}

#[tokio::test]
async fn sharing_can_be_switched_off() {
    let (server, newspaper) = start(|config| config.subscriptions.share = Sharing::Off).await;
    let mut socket = signed_in(&server, &token("one", 300)).await;
    for id in ["1", "2"] {
        socket.subscribe(id, NEWS).await;
    }
    newspaper.has_open(2).await;
}

#[tokio::test]
async fn a_client_that_does_not_keep_up_is_let_go_and_holds_nobody_up() {
    let (server, newspaper) = start(|config| {
        config.subscriptions.share = Sharing::All;
        config.limits.streams.max_queue = 4;
        config.limits.streams.write_timeout_ms = 3_600_000;
        // Who does not read does not answer pings.
        config.limits.streams.heartbeat_ms = 3_600_000;
    })
    .await;
    let mut stalled = Socket::ready(&server, json!({})).await;
    stalled.subscribe("1", "subscription { flood }").await;
    assert_eq!(stalled.hear().await["type"], "next");
    let mut fast = Socket::ready(&server, json!({})).await;
    fast.subscribe("1", "subscription { flood }").await;
    // More than the buffers of a connection and the queue of the stalled client hold.
    for _ in 0..5_000 {
        assert_eq!(fast.hear().await["type"], "next");
    }
    assert_eq!(newspaper.open.load(Ordering::SeqCst), 1);
    let mut behind = 0;
    let last = loop {
        let message = stalled.hear().await;
        if message["type"] != "next" {
            break message;
        }
        behind += 1;
    };
    assert!(behind < 5_000, "everything was kept for who did not read");
    assert_eq!((&last["type"], &last["id"]), (&json!("error"), &json!("1")));
    assert_eq!(code(&json!({ "errors": last["payload"] })), "SLOW_CONSUMER");
    assert_eq!(fast.hear().await["type"], "next");
    // The socket itself is as good as before.
    stalled.subscribe("1", "{ nothing }").await;
    assert_eq!(stalled.hear().await["payload"], json!({ "data": { "nothing": null } }));
}

#[tokio::test]
async fn a_durable_stream_goes_on_behind_its_last_event() {
    let (server, newspaper) = start(|_| {}).await;
    let token = token("s", 300);
    let mut socket = signed_in(&server, &token).await;
    // Nothing has come yet, but the client has said where it is.
    socket.subscribe("0", "subscription { news(after: \"0\") { number } }").await;
    newspaper.has_open(1).await;
    newspaper.cut(&token);
    newspaper.print();
    assert_eq!(number(&mut socket).await, 1);
    socket.say(json!({ "type": "complete", "id": "0" })).await;
    newspaper.has_open(0).await;

    socket.subscribe("1", NEWS).await;
    newspaper.has_open(1).await;
    newspaper.print();
    assert_eq!(number(&mut socket).await, 2);
    newspaper.is_down.store(true, Ordering::SeqCst);
    newspaper.cut(&token);
    newspaper.has_open(0).await;
    newspaper.print();
    newspaper.print();
    newspaper.is_down.store(false, Ordering::SeqCst);
    assert_eq!(number(&mut socket).await, 3);
    assert_eq!(number(&mut socket).await, 4);
    newspaper.print();
    assert_eq!(number(&mut socket).await, 5);
}

/// In a time of its own, which passes when there is nothing to do: nothing here waits for a socket.
#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_off_at_every_event_is_not_opened_again_at_once() {
    let sdl = "type Query { nothing: Int } type News { cursor: String! number: Int! } \
               type Subscription { news(after: String): News! }";
    let opened = Arc::new(Mutex::new(Vec::new()));
    let answer = {
        let opened = opened.clone();
        async move |body: String| {
            if body.contains("_service") {
                return axum::Json(json!({ "data": { "_service": { "sdl": sdl } } })).into_response();
            }
            let mut opened = opened.lock().unwrap();
            opened.push(tokio::time::Instant::now());
            let event = json!({ "data": { "news": { "cursor": opened.len().to_string(), "number": opened.len() } } });
            ([(header::CONTENT_TYPE, "text/event-stream")], format!("event: next\ndata: {event}\n\n")).into_response()
        }
    };
    let routes = Transport::Local(axum::Router::new().route("/graphql", post(answer)));
    let subgraph = Subgraph::new("newspaper", "http://newspaper", routes, &transport::Config::default()).unwrap();
    let (source, shutdown) = (Source::Compose(vec![Arc::new(subgraph)]), CancellationToken::new());
    let _stop = shutdown.clone().drop_guard();
    let gateway = Gateway::start(Config::default(), source, None, shutdown).unwrap();
    gateway.supergraph().first().await;

    let request = axum::http::Request::post("/graphql")
        .header(header::ACCEPT, "text/event-stream")
        .header(header::CONTENT_TYPE, "application/json")
        .body(axum::body::Body::from(json!({ "query": NEWS }).to_string()));
    let mut events = gateway.routes().oneshot(request.unwrap()).await.unwrap().into_body().into_data_stream();
    let mut told = String::new();
    while !told.contains("\"number\":5") {
        told.push_str(std::str::from_utf8(&events.next().await.unwrap().unwrap()).unwrap());
    }
    let pauses: Vec<_> = opened.lock().unwrap().windows(2).map(|two| two[1] - two[0]).collect();
    assert!(pauses.len() >= 4 && pauses.iter().all(|pause| pause.as_millis() >= 250), "{pauses:?}");
}

#[tokio::test]
async fn a_break_that_may_have_cost_events_is_told() {
    let (server, newspaper) = start(|config| config.subscriptions.resume_ms = 0).await;
    let token = token("s", 300);
    let mut socket = signed_in(&server, &token).await;
    // Before the first event there is nothing to go on behind.
    for printed in [false, true] {
        socket.subscribe("1", NEWS).await;
        newspaper.has_open(1).await;
        if printed {
            newspaper.print();
            assert_eq!(number(&mut socket).await, 1);
        }
        newspaper.is_down.store(true, Ordering::SeqCst);
        newspaper.cut(&token);
        let last = socket.hear().await;
        assert_eq!((&last["type"], code(&last["payload"])), (&json!("next"), "SUBGRAPH_UNAVAILABLE"));
        assert_eq!(socket.hear().await, json!({ "type": "complete", "id": "1" }));
        newspaper.is_down.store(false, Ordering::SeqCst);
    }
}

async fn renew(socket: &mut Socket, token: &str) -> Value {
    socket.say(json!({ "type": "ping", "payload": { "authorization": format!("Bearer {token}") } })).await;
    let pong = socket.hear().await;
    assert_eq!(pong["type"], "pong", "{pong}");
    pong["payload"].clone()
}

#[tokio::test]
async fn a_socket_lives_on_with_a_renewed_token_and_loses_nothing() {
    let (server, newspaper) = start(|_| {}).await;
    let tokens = [token("s", 50), token("s", 55), token("s", 300)];
    for sharing in ["shared", "alone"] {
        let mut socket = signed_in(&server, &tokens[0]).await;
        let begun = *newspaper.printed.borrow();
        let query = match sharing {
            "shared" => NEWS.to_owned(),
            _ => format!("subscription {{ news(after: \"{begun}\") {{ number }} }}"),
        };
        socket.subscribe("1", &query).await;
        newspaper.has_open(1).await;
        assert!(renew(&mut socket, &tokens[1]).await["expiresAt"].is_string());
        if sharing == "shared" {
            // There is no cursor yet: the next stream listens before the old one ends.
            newspaper.has_open(2).await;
        }
        newspaper.cut(&tokens[0]);
        newspaper.has_open(1).await;
        newspaper.print();
        assert_eq!(number(&mut socket).await, begun + 1);
        // Afterwards it is opened again behind the last event.
        renew(&mut socket, &tokens[2]).await;
        newspaper.cut(&tokens[1]);
        newspaper.print();
        assert_eq!(number(&mut socket).await, begun + 2);
        newspaper.cut(&tokens[2]);
        newspaper.print();
        assert_eq!(number(&mut socket).await, begun + 3);
        drop(socket);
        newspaper.has_open(0).await;
    }
}

#[tokio::test]
async fn renewal_extends_the_life_of_a_socket() {
    let (server, _newspaper) = start(|_| {}).await;
    let brief = token("s", 2);
    let mut renewed = signed_in(&server, &brief).await;
    let mut left = signed_in(&server, &brief).await;
    renew(&mut renewed, &token("s", 300)).await;
    // An earlier token takes nothing away.
    let kept = renew(&mut renewed, &token("s", 100)).await;
    assert_eq!(kept, renew(&mut renewed, &token("s", 200)).await);
    assert_eq!(left.closed().await, (4401, "TOKEN_EXPIRED".into()));
    renewed.say(json!({ "type": "ping" })).await;
    assert_eq!(renewed.hear().await, json!({ "type": "pong" }));

    server.revocations.revoke("s", (std::time::SystemTime::now() + PATIENCE).into());
    assert_eq!(renewed.closed().await, (4403, "TOKEN_REVOKED".into()));
}

#[tokio::test]
async fn only_the_same_session_renews() {
    let (server, _newspaper) = start(|_| {}).await;
    let mut socket = signed_in(&server, &token("s", 300)).await;
    let mut anonymous = Socket::ready(&server, json!({})).await;
    for (token, expected) in [
        (token("other", 300), "FORBIDDEN"),
        ("nonsense".to_owned(), "TOKEN_INVALID"),
        (token("s", -10), "TOKEN_EXPIRED"),
    ] {
        assert_eq!(code(&renew(&mut socket, &token).await), expected);
    }
    assert_eq!(code(&renew(&mut anonymous, &token("s", 300)).await), "FORBIDDEN");
    socket.subscribe("1", "{ nothing }").await;
    assert_eq!(socket.hear().await["type"], "next");
}
