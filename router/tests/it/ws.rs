//! The graphql-transport-ws protocol.

use crate::server::{PATIENCE, Server, code, forged_token, token};
use futures::{SinkExt, StreamExt};
use hansa_router::Config;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// A client of the protocol.
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

pub type Refused = Box<tungstenite::http::Response<Option<Vec<u8>>>>;

impl Socket {
    /// A socket before `connection_init`.
    pub async fn open(server: &Server, headers: &[(&'static str, &str)]) -> Result<Self, Refused> {
        let mut request = format!("ws://{}/graphql", server.address).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(tungstenite::Error::Http(response)) => Err(response),
            Err(error) => panic!("{error}"),
        }
    }

    pub async fn speaking(server: &Server) -> Self {
        Self::open(server, &[("sec-websocket-protocol", "graphql-transport-ws")]).await.unwrap()
    }

    /// A socket that is acknowledged.
    pub async fn ready(server: &Server, payload: Value) -> Self {
        let mut socket = Self::speaking(server).await;
        socket.say(json!({ "type": "connection_init", "payload": payload })).await;
        assert_eq!(socket.hear().await, json!({ "type": "connection_ack" }));
        socket
    }

    pub async fn say(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    pub async fn subscribe(&mut self, id: &str, query: &str) {
        self.say(json!({ "type": "subscribe", "id": id, "payload": { "query": query } })).await;
    }

    async fn frame(&mut self) -> Option<Message> {
        tokio::time::timeout(PATIENCE, self.0.next()).await.expect("a frame in time").map(Result::unwrap)
    }

    pub async fn hear(&mut self) -> Value {
        loop {
            match self.frame().await {
                Some(Message::Text(text)) => return serde_json::from_str(&text).unwrap(),
                Some(Message::Ping(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Everything up to the close frame is dropped.
    pub async fn closed(&mut self) -> (u16, String) {
        let closed = async {
            loop {
                match self.frame().await {
                    Some(Message::Close(Some(frame))) => return (frame.code.into(), frame.reason.to_string()),
                    Some(_) => {}
                    None => panic!("closed without a frame"),
                }
            }
        };
        tokio::time::timeout(PATIENCE, closed).await.expect("a close frame in time")
    }
}

fn next(id: &str, data: Value) -> Value {
    json!({ "type": "next", "id": id, "payload": { "data": data } })
}

fn complete(id: &str) -> Value {
    json!({ "type": "complete", "id": id })
}

#[tokio::test]
async fn operations_of_all_kinds_run_over_one_socket() {
    let server = Server::start().await;
    let mut socket = Socket::ready(&server, Value::Null).await;
    socket.subscribe("1", "subscription { count(to: 2) }").await;
    assert_eq!(socket.hear().await, next("1", json!({ "count": 1 })));
    assert_eq!(socket.hear().await, next("1", json!({ "count": 2 })));
    assert_eq!(socket.hear().await, complete("1"));
    // The id is free again.
    for (query, data) in
        [("{ hello }", json!({ "hello": "world" })), ("mutation { double(number: 3) }", json!({ "double": 6 }))]
    {
        socket.subscribe("1", query).await;
        assert_eq!(socket.hear().await, next("1", data));
        assert_eq!(socket.hear().await, complete("1"));
    }
    let payload = json!({ "query": "query A { hello } query B($t: String!) { echo(text: $t) }", "operationName": "B", "variables": { "t": "\u{1f600}" } });
    socket.say(json!({ "type": "subscribe", "id": "\"", "payload": payload })).await;
    assert_eq!(socket.hear().await, next("\"", json!({ "echo": "\u{1f600}" })));
}

#[tokio::test]
async fn request_errors_are_error_messages() {
    let server = Server::start().await;
    let mut socket = Socket::ready(&server, json!({})).await;
    for (query, expected) in [("{", "GRAPHQL_PARSE_FAILED"), ("subscription { absent }", "GRAPHQL_VALIDATION_FAILED")] {
        socket.subscribe("1", query).await;
        let message = socket.hear().await;
        assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!("1")));
        assert!(message["payload"].is_array());
        assert_eq!(code(&json!({ "errors": message["payload"] })), expected);
    }
    // No completion follows an error, and the id is free again.
    socket.subscribe("1", "{ hello }").await;
    assert_eq!(socket.hear().await, next("1", json!({ "hello": "world" })));
}

#[tokio::test]
async fn a_completed_subscription_is_silent() {
    let server = Server::start().await;
    let mut socket = Socket::ready(&server, json!({})).await;
    socket.subscribe("1", "subscription { once }").await;
    assert_eq!(socket.hear().await, next("1", json!({ "once": 1 })));
    socket.say(complete("1")).await;
    socket.say(complete("unknown")).await;
    socket.subscribe("1", "{ hello }").await;
    assert_eq!(socket.hear().await, next("1", json!({ "hello": "world" })));
    assert_eq!(socket.hear().await, complete("1"));
}

#[tokio::test]
async fn pings_are_answered_at_any_time() {
    let server = Server::start().await;
    let mut socket = Socket::speaking(&server).await;
    socket.say(json!({ "type": "ping" })).await;
    assert_eq!(socket.hear().await, json!({ "type": "pong" }));
    socket.say(json!({ "type": "connection_init" })).await;
    assert_eq!(socket.hear().await, json!({ "type": "connection_ack" }));
    socket.say(json!({ "type": "ping", "payload": { "a": 1 } })).await;
    assert_eq!(socket.hear().await, json!({ "type": "pong" }));
    socket.say(json!({ "type": "pong" })).await;
}

#[tokio::test]
async fn offences_close_the_socket() {
    let mut config = Config::default();
    config.limits.streams.max_message_bytes = 10_000;
    let server = Server::start_with(config).await;

    let mut foreign = Socket::open(&server, &[]).await.unwrap();
    assert_eq!(foreign.closed().await, (4406, "Subprotocol not acceptable".into()));

    let mut hasty = Socket::speaking(&server).await;
    hasty.subscribe("1", "{ hello }").await;
    assert_eq!(hasty.closed().await, (4401, "Unauthorized".into()));

    let mut insistent = Socket::ready(&server, json!({})).await;
    insistent.say(json!({ "type": "connection_init" })).await;
    assert_eq!(insistent.closed().await, (4429, "Too many initialisation requests".into()));

    let mut repetitive = Socket::ready(&server, json!({})).await;
    repetitive.subscribe("7", "subscription { once }").await;
    repetitive.subscribe("7", "subscription { once }").await;
    assert_eq!(repetitive.closed().await, (4409, "Subscriber for 7 already exists".into()));

    for nonsense in ["", "{}", "{\"type\":\"start\"}", "[1]", &"[".repeat(5_000)] {
        let mut socket = Socket::ready(&server, json!({})).await;
        socket.0.send(Message::text(nonsense)).await.unwrap();
        let (code, reason) = socket.closed().await;
        assert!(code == 4400 && reason.starts_with("Invalid message"), "{code} {reason}");
    }
    let mut binary = Socket::ready(&server, json!({})).await;
    binary.0.send(Message::binary(b"{\"type\":\"ping\"}".to_vec())).await.unwrap();
    assert_eq!(binary.closed().await.0, 4400);

    let mut large = Socket::ready(&server, json!({})).await;
    large.0.send(Message::text("x".repeat(20_000))).await.unwrap();
    assert_eq!(large.closed().await, (1009, "REQUEST_TOO_LARGE".into()));
}

#[tokio::test]
async fn initialisation_has_a_time_limit() {
    let mut config = Config::default();
    config.limits.streams.init_timeout_ms = 50;
    let server = Server::start_with(config).await;
    let mut socket = Socket::speaking(&server).await;
    assert_eq!(socket.closed().await, (4408, "Connection initialisation timeout".into()));
}

#[tokio::test]
async fn forwarded_headers_come_with_the_init_or_the_upgrade() {
    let mut config = Config::default();
    config.subgraphs.forward = vec!["x-tenant".into()];
    let server = Server::start_with(config).await;
    let protocol = ("sec-websocket-protocol", "graphql-transport-ws");
    for (payload, tenant) in [(json!({}), "a"), (json!({ "X-Tenant": "b", "x-other": "c" }), "b")] {
        let mut socket = Socket::open(&server, &[protocol, ("x-tenant", "a")]).await.unwrap();
        socket.say(json!({ "type": "connection_init", "payload": payload })).await;
        socket.hear().await;
        socket.subscribe("1", "{ header(name: \"x-tenant\") other: header(name: \"x-other\") }").await;
        assert_eq!(socket.hear().await, next("1", json!({ "header": tenant, "other": null })));
    }
}

#[tokio::test]
async fn tokens_come_with_the_init_or_the_upgrade() {
    let server = Server::start().await;
    let valid = token("s", 300);
    for payload in [
        json!({ "authorization": format!("Bearer {valid}") }),
        json!({ "Authorization": format!("bearer {valid}") }),
        json!({ "token": valid }),
    ] {
        let mut socket = Socket::ready(&server, payload).await;
        socket.subscribe("1", "{ header(name: \"authorization\") }").await;
        let answer = socket.hear().await;
        let forwarded = answer["payload"]["data"]["header"].as_str().unwrap();
        assert!(forwarded.ends_with(&valid) && forwarded[..7].eq_ignore_ascii_case("bearer "), "{forwarded}");
    }
    for (payload, reason) in [
        (json!({ "token": forged_token() }), "TOKEN_INVALID"),
        (json!({ "token": "" }), "TOKEN_INVALID"),
        (json!({ "token": 1 }), "TOKEN_INVALID"),
        (json!({ "authorization": "Basic dTpw" }), "TOKEN_INVALID"),
        (json!({ "authorization": format!("Bearer {}", token("s", -10)) }), "TOKEN_EXPIRED"),
    ] {
        let mut socket = Socket::speaking(&server).await;
        socket.say(json!({ "type": "connection_init", "payload": payload })).await;
        assert_eq!(socket.closed().await, (4401, reason.into()));
    }

    let protocol = ("sec-websocket-protocol", "graphql-transport-ws");
    let bearer = format!("Bearer {}", token("upgrade", 300));
    let mut socket = Socket::open(&server, &[protocol, ("authorization", &bearer)]).await.unwrap();
    socket.say(json!({ "type": "connection_init" })).await;
    socket.hear().await;
    socket.subscribe("1", "{ header(name: \"authorization\") }").await;
    assert_eq!(socket.hear().await, next("1", json!({ "header": bearer })));

    let Err(refused) = Socket::open(&server, &[protocol, ("authorization", "Bearer x")]).await else {
        panic!("accepted")
    };
    assert_eq!(refused.status(), 401);
}

#[tokio::test]
async fn sockets_end_with_their_session() {
    let server = Server::start().await;
    let mut expiring = Socket::ready(&server, json!({ "token": token("expiring", 2) })).await;
    let mut revoked = Socket::ready(&server, json!({ "token": token("revoked", 300) })).await;
    let mut other = Socket::ready(&server, json!({ "token": token("other", 300) })).await;
    for socket in [&mut expiring, &mut revoked, &mut other] {
        socket.subscribe("1", "subscription { once }").await;
        assert_eq!(socket.hear().await, next("1", json!({ "once": 1 })));
    }
    let later = (std::time::SystemTime::now() + Duration::from_secs(600)).into();
    server.revocations.revoke("revoked", later);
    assert_eq!(revoked.closed().await, (4403, "TOKEN_REVOKED".into()));
    assert_eq!(expiring.closed().await, (4401, "TOKEN_EXPIRED".into()));
    other.say(json!({ "type": "ping" })).await;
    assert_eq!(other.hear().await, json!({ "type": "pong" }));

    let mut again = Socket::speaking(&server).await;
    again.say(json!({ "type": "connection_init", "payload": { "token": token("revoked", 300) } })).await;
    assert_eq!(again.closed().await, (4403, "TOKEN_REVOKED".into()));
}

#[tokio::test]
async fn subscriptions_that_end_with_the_session_are_not_completed() {
    let server = Server::start().await;
    // Less than the tolerated clock skew is left: the upstream stream may end first.
    let mut socket = Socket::ready(&server, json!({ "token": token("expiring", 2) })).await;
    socket.subscribe("0", "{ hello }").await;
    assert_eq!(socket.hear().await, next("0", json!({ "hello": "world" })));
    assert_eq!(socket.hear().await, complete("0"));
    socket.subscribe("1", "subscription { count(to: 1) }").await;
    assert_eq!(socket.hear().await, next("1", json!({ "count": 1 })));
    match socket.frame().await {
        Some(Message::Close(Some(frame))) => assert_eq!(u16::from(frame.code), 4401),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_shutdown_closes_sockets() {
    let server = Server::start().await;
    let mut waiting = Socket::speaking(&server).await;
    let mut active = Socket::ready(&server, json!({})).await;
    active.subscribe("1", "subscription { once }").await;
    active.hear().await;
    server.shutdown.cancel();
    assert_eq!(active.closed().await, (1001, "SHUTTING_DOWN".into()));
    assert_eq!(waiting.closed().await, (1001, "SHUTTING_DOWN".into()));
    drop((active, waiting));
    tokio::time::timeout(PATIENCE, server.gateway.drained()).await.unwrap();
    let protocol = ("sec-websocket-protocol", "graphql-transport-ws");
    let Err(refused) = Socket::open(&server, &[protocol]).await else { panic!("accepted") };
    assert_eq!(refused.status(), 503);
}

#[tokio::test]
async fn sockets_and_operations_are_limited() {
    let mut config = Config::default();
    config.limits.streams.max_per_user = 1;
    config.limits.streams.max_per_address = 2;
    config.limits.streams.max_operations = 2;
    let server = Server::start_with(config).await;
    let mut first = Socket::ready(&server, json!({ "token": token("a", 300) })).await;

    let mut second = Socket::speaking(&server).await;
    second.say(json!({ "type": "connection_init", "payload": { "token": token("b", 300) } })).await;
    assert_eq!(second.closed().await, (1008, "RATE_LIMITED".into()));
    drop(second);

    for id in ["1", "2"] {
        first.subscribe(id, "subscription { once }").await;
        first.hear().await;
    }
    first.subscribe("3", "{ hello }").await;
    let refused = first.hear().await;
    assert_eq!((&refused["type"], &refused["id"]), (&json!("error"), &json!("3")));
    assert_eq!(code(&json!({ "errors": refused["payload"] })), "RATE_LIMITED");

    // The place of the second socket becomes free as soon as the server notices.
    let protocol = ("sec-websocket-protocol", "graphql-transport-ws");
    let reopened = async {
        loop {
            match Socket::open(&server, &[protocol]).await {
                Ok(socket) => return socket,
                Err(refused) => assert_eq!(refused.status(), 429),
            }
        }
    };
    let _third = tokio::time::timeout(PATIENCE, reopened).await.unwrap();
    let Err(refused) = Socket::open(&server, &[protocol]).await else { panic!("accepted") };
    assert_eq!(refused.status(), 429);
}

#[tokio::test]
async fn foreign_pages_open_no_sockets() {
    let server = Server::start().await;
    let protocol = ("sec-websocket-protocol", "graphql-transport-ws");
    let Err(refused) = Socket::open(&server, &[protocol, ("origin", "https://evil.example.com")]).await else {
        panic!("accepted")
    };
    assert_eq!(refused.status(), 403);
    let own = format!("http://{}", server.address);
    assert!(Socket::open(&server, &[protocol, ("origin", &own)]).await.is_ok());
}

#[tokio::test]
async fn silent_clients_are_pinged_then_dropped() {
    let mut config = Config::default();
    config.limits.streams.heartbeat_ms = 500;
    let server = Server::start_with(config).await;
    let mut socket = Socket::ready(&server, json!({})).await;
    // The client library answers pings while it reads.
    assert!(matches!(socket.frame().await, Some(Message::Ping(_))));
    assert!(matches!(socket.frame().await, Some(Message::Ping(_))));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_dropped() {
    let mut config = Config::default();
    config.limits.streams.write_timeout_ms = 200;
    config.limits.streams.max_total = 1;
    let server = Server::start_with(config).await;
    let mut lazy = Socket::ready(&server, json!({})).await;
    lazy.subscribe("1", "subscription { flood }").await;
    // Its place becomes free although it holds on to the connection.
    let protocol = ("sec-websocket-protocol", "graphql-transport-ws");
    let replaced = async { while Socket::open(&server, &[protocol]).await.is_err() {} };
    tokio::time::timeout(PATIENCE, replaced).await.unwrap();
    drop(lazy);
}
