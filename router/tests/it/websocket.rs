//! Subscriptions that a subgraph takes by WebSocket.

use crate::federation::serve;
use crate::server::{PATIENCE, Server, code, token};
use crate::ws::Socket;
use async_graphql::http::{WebSocket, WebSocketProtocols, WsMessage};
use async_graphql::{Context, Data, Object, Schema, Subscription};
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocketUpgrade};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use axum::routing::{any, post};
use futures::SinkExt;
use futures::stream::{Stream, StreamExt};
use hansa_router::Config;
use hansa_router::transport::{self, Client, Named, Secret, Subgraph, Transport};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const NEW: &str = "graphql-transport-ws";
const OLD: &str = "graphql-ws";

struct Query;

#[Object]
impl Query {
    async fn nothing(&self) -> Option<i32> {
        None
    }
}

struct Root;

#[Subscription(name = "Subscription")]
impl Root {
    async fn count(&self, to: i32) -> impl Stream<Item = i32> {
        futures::stream::iter(1..=to)
    }

    /// One event, then silence.
    async fn once(&self) -> impl Stream<Item = i32> {
        futures::stream::iter([1]).chain(futures::stream::pending())
    }

    async fn refused(&self) -> async_graphql::Result<impl Stream<Item = i32> + use<>> {
        Err::<futures::stream::Empty<i32>, _>(async_graphql::Error::new("not for you"))
    }

    /// The token as it came with the upgrade, and with `connection_init`.
    async fn tokens(&self, context: &Context<'_>) -> impl Stream<Item = Vec<String>> + use<> {
        let header = &context.data_unchecked::<HeaderMap>()[header::AUTHORIZATION];
        let payload = &context.data_unchecked::<Value>()["authorization"];
        let tokens = [header.to_str().unwrap(), payload.as_str().unwrap()].map(str::to_owned);
        futures::stream::iter([tokens.to_vec()])
    }
}

/// A subgraph that takes sockets.
#[derive(Clone)]
struct Live {
    schema: Schema<Query, async_graphql::EmptyMutation, Root>,
    protocol: &'static str,
    /// How many sockets are open.
    open: Arc<AtomicUsize>,
    /// Closes each socket with this after its first event.
    closes_with: Option<u16>,
}

impl Live {
    fn new(protocol: &'static str) -> Self {
        let schema = Schema::build(Query, async_graphql::EmptyMutation, Root);
        let schema = schema.enable_federation().enable_subscription_in_federation().finish();
        Self { schema, protocol, open: Arc::default(), closes_with: None }
    }

    /// A router over it, whose sockets go to this path.
    async fn routed(&self, path: &str) -> Server {
        self.routed_with(path, None).await
    }

    /// The same with an `authorization` of the subgraph's own.
    async fn routed_with(&self, path: &str, authorization: Option<&str>) -> Server {
        let answer = |State(live): State<Self>, body: String| async move {
            let request: async_graphql::Request = serde_json::from_str(&body).unwrap();
            axum::Json(live.schema.execute(request).await)
        };
        let routes = axum::Router::new().route("/graphql", post(answer)).route("/live", any(upgraded));
        let url = serve(routes.with_state(self.clone())).await;
        let sockets = url.replace("http://", "ws://").replace("/graphql", "") + path;
        let headers = authorization.map(|text| ("authorization".to_owned(), Secret::Given(text.to_owned())));
        let own = Named { subscription_url: Some(sockets), headers: headers.into_iter().collect(), ..Named::default() };
        let config = transport::Config { named: [("live".to_owned(), own)].into(), ..Default::default() };
        let subgraph = Subgraph::new("live", url, Transport::Http(Client::new().unwrap()), &config).unwrap();
        Server::composed(Config::default(), vec![Arc::new(subgraph)]).await
    }

    async fn has_open(&self, sockets: usize) {
        let met = async {
            while self.open.load(Ordering::SeqCst) != sockets {
                tokio::task::yield_now().await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, met).await.is_ok(), "{}", self.open.load(Ordering::SeqCst));
    }
}

async fn upgraded(State(live): State<Live>, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    upgrade.protocols([live.protocol]).on_upgrade(async move |socket| {
        live.open.fetch_add(1, Ordering::SeqCst);
        let (mut sink, messages) = socket.split();
        let texts =
            messages.take_while(|message| futures::future::ready(message.is_ok())).filter_map(async |message| {
                match message {
                    Ok(Message::Text(text)) => Some(text.as_bytes().to_vec()),
                    _ => None,
                }
            });
        let protocol = if live.protocol == OLD {
            WebSocketProtocols::SubscriptionsTransportWS
        } else {
            WebSocketProtocols::GraphQLWS
        };
        let mut data = Data::default();
        data.insert(headers);
        let answers = WebSocket::new(live.schema, Box::pin(texts), protocol).connection_data(data);
        let answers = answers.on_connection_init(async |payload| {
            let mut data = Data::default();
            data.insert(payload);
            Ok(data)
        });
        let mut answers = std::pin::pin!(answers);
        while let Some(answer) = answers.next().await {
            let (message, is_event) = match answer {
                WsMessage::Text(text) => (Message::text(text.clone()), text.contains("\"data\"")),
                WsMessage::Close(code, reason) => {
                    (Message::Close(Some(CloseFrame { code, reason: reason.into() })), false)
                }
            };
            if sink.send(message).await.is_err() {
                break;
            }
            if let Some(code) = live.closes_with.filter(|_| is_event) {
                let _ = sink.send(Message::Close(Some(CloseFrame { code, reason: "enough".into() }))).await;
                break;
            }
        }
        live.open.fetch_sub(1, Ordering::SeqCst);
    })
}

fn next(id: &str, data: Value) -> Value {
    json!({ "type": "next", "id": id, "payload": { "data": data } })
}

fn complete(id: &str) -> Value {
    json!({ "type": "complete", "id": id })
}

#[tokio::test]
async fn results_come_by_either_protocol() {
    for protocol in [NEW, OLD] {
        let live = Live::new(protocol);
        let server = live.routed("/live").await;
        let token = token("s", 300);
        let mut socket = Socket::ready(&server, json!({ "token": token })).await;
        socket.subscribe("1", "subscription { count(to: 2) }").await;
        for message in [next("1", json!({ "count": 1 })), next("1", json!({ "count": 2 })), complete("1")] {
            assert_eq!(socket.hear().await, message, "{protocol}");
        }
        let bearer = format!("Bearer {token}");
        socket.subscribe("2", "subscription { tokens }").await;
        assert_eq!(socket.hear().await, next("2", json!({ "tokens": [bearer, bearer] })), "{protocol}");
        assert_eq!(socket.hear().await, complete("2"));
        live.has_open(0).await;
    }
}

#[tokio::test]
async fn who_has_a_token_of_its_own_does_not_learn_the_callers() {
    let server = Live::new(NEW).routed_with("/live", Some("Basic eA==")).await;
    let mut socket = Socket::ready(&server, json!({ "token": token("s", 300) })).await;
    socket.subscribe("1", "subscription { tokens }").await;
    assert_eq!(socket.hear().await, next("1", json!({ "tokens": ["Basic eA==", "Basic eA=="] })));
}

#[tokio::test]
async fn a_socket_lives_as_long_as_its_subscription() {
    let live = Live::new(NEW);
    let server = live.routed("/live").await;
    let mut socket = Socket::ready(&server, json!({})).await;
    socket.subscribe("1", "subscription { once }").await;
    assert_eq!(socket.hear().await, next("1", json!({ "once": 1 })));
    live.has_open(1).await;
    socket.say(complete("1")).await;
    live.has_open(0).await;
}

#[tokio::test]
async fn refusals_and_breaks_are_told() {
    for protocol in [NEW, OLD] {
        let live = Live::new(protocol);
        let server = live.routed("/live").await;
        let mut socket = Socket::ready(&server, json!({})).await;
        socket.subscribe("1", "subscription { refused }").await;
        let refused = socket.hear().await;
        assert_eq!(refused["payload"]["errors"][0]["message"], "not for you", "{protocol}: {refused}");
        assert_eq!(socket.hear().await, complete("1"));
    }

    let live = Live { closes_with: Some(1011), ..Live::new(NEW) };
    let server = live.routed("/live").await;
    let mut socket = Socket::ready(&server, json!({})).await;
    socket.subscribe("1", "subscription { once }").await;
    assert_eq!(socket.hear().await, next("1", json!({ "once": 1 })));
    assert_eq!(code(&socket.hear().await["payload"]), "SUBGRAPH_UNAVAILABLE");

    let server = live.routed("/nowhere").await;
    let mut socket = Socket::ready(&server, json!({})).await;
    socket.subscribe("1", "subscription { once }").await;
    let refused = socket.hear().await;
    assert_eq!(refused["payload"][0]["extensions"]["code"], "SUBGRAPH_UNAVAILABLE", "{refused}");
}

#[tokio::test]
async fn only_sockets_have_urls_of_their_own() {
    let own = Named { subscription_url: Some("http://live/events".into()), ..Named::default() };
    let config = transport::Config { named: [("live".to_owned(), own)].into(), ..Default::default() };
    let refused = Subgraph::new("live", "http://live", Transport::Http(Client::new().unwrap()), &config);
    let why = refused.err().unwrap().to_string();
    assert!(why.contains("subgraphs.named.live.subscription_url") && why.contains("not ws or wss"), "{why}");
}
