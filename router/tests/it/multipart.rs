//! Subscriptions over multipart responses (Apollo's protocol, `subscriptionSpec=1.0`).

use crate::server::{PATIENCE, Server, code, token};
use futures::StreamExt;
use futures::stream::BoxStream;
use hansa_router::Config;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use std::time::Duration;

const ACCEPT: &str = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json";

/// An open response, read as clients read it: a part is there when its closing boundary is.
struct Parts {
    chunks: BoxStream<'static, Vec<u8>>,
    text: String,
}

impl Parts {
    async fn open(request: RequestBuilder) -> Self {
        let response = request.header("accept", ACCEPT).header("accept-encoding", "gzip").send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "multipart/mixed;boundary=\"graphql\";subscriptionSpec=\"1.0\"");
        assert!(!response.headers().contains_key("content-encoding"));
        let chunks = response.bytes_stream().take_while(|chunk| futures::future::ready(chunk.is_ok()));
        let mut parts = Self { chunks: chunks.map(|chunk| chunk.unwrap().to_vec()).boxed(), text: String::new() };
        assert_eq!(parts.until_boundary().await.as_deref(), Some(""));
        parts
    }

    /// The text up to the next boundary; `None` at the end.
    async fn until_boundary(&mut self) -> Option<String> {
        loop {
            if let Some((part, rest)) = self.text.split_once("--graphql") {
                let (part, rest) = (part.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(part);
            }
            let chunk = tokio::time::timeout(PATIENCE, self.chunks.next()).await.expect("a part in time")?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next part; `None` after the last boundary.
    async fn part(&mut self) -> Option<Value> {
        let Some(part) = self.until_boundary().await else {
            assert_eq!(self.text, "--\r\n");
            return None;
        };
        let json = part.strip_prefix("\r\ncontent-type: application/json\r\n\r\n").unwrap();
        Some(serde_json::from_str(json).unwrap())
    }

    /// The next part that is no heartbeat.
    async fn next(&mut self) -> Option<Value> {
        loop {
            match self.part().await {
                Some(part) if part == json!({}) => {}
                part => return part,
            }
        }
    }
}

fn subscribe(server: &Server, query: &str) -> RequestBuilder {
    server.post(&json!({ "query": query }))
}

#[tokio::test]
async fn results_then_the_last_boundary() {
    let server = Server::start().await;
    let mut parts = Parts::open(subscribe(&server, "subscription { count(to: 2) }")).await;
    assert_eq!(parts.next().await, Some(json!({ "payload": { "data": { "count": 1 } } })));
    assert_eq!(parts.next().await, Some(json!({ "payload": { "data": { "count": 2 } } })));
    assert_eq!(parts.next().await, None);
}

#[tokio::test]
async fn queries_and_request_errors_are_plain_answers() {
    let server = Server::start().await;
    let response = subscribe(&server, "{ hello }").header("accept", ACCEPT).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json; charset=utf-8");
    assert_eq!(response.json::<Value>().await.unwrap(), json!({ "data": { "hello": "world" } }));

    let only_parts = || subscribe(&server, "{ hello }").header("accept", "multipart/mixed;subscriptionSpec=1.0");
    let response = only_parts().send().await.unwrap();
    assert_eq!(response.status(), 406);
    assert_eq!(code(&response.json().await.unwrap()), "NOT_ACCEPTABLE");

    let response = subscribe(&server, "subscription { absent }").header("accept", ACCEPT).send().await.unwrap();
    assert_eq!(code(&response.json().await.unwrap()), "GRAPHQL_VALIDATION_FAILED");
}

#[tokio::test]
async fn silence_is_filled_with_heartbeats() {
    let mut config = Config::default();
    config.limits.streams.heartbeat_ms = 20;
    let server = Server::start_with(config).await;
    let mut parts = Parts::open(subscribe(&server, "subscription { once }")).await;
    while parts.part().await.unwrap() != json!({}) {}
    assert_eq!(parts.part().await, Some(json!({})));
}

#[tokio::test]
async fn streams_end_with_their_session() {
    let server = Server::start().await;
    let open = async |token: String| Parts::open(subscribe(&server, "subscription { once }").bearer_auth(token)).await;
    let mut expiring = open(token("expiring", 2)).await;
    let mut revoked = open(token("revoked", 300)).await;
    assert_eq!(revoked.next().await, Some(json!({ "payload": { "data": { "once": 1 } } })));
    server.revocations.revoke("revoked", (std::time::SystemTime::now() + Duration::from_secs(600)).into());
    for (parts, expected) in [(&mut revoked, "TOKEN_REVOKED"), (&mut expiring, "TOKEN_EXPIRED")] {
        let mut part = parts.next().await.unwrap();
        if part["payload"]["data"] == json!({ "once": 1 }) {
            part = parts.next().await.unwrap();
        }
        assert_eq!((&part["payload"], code(&part)), (&Value::Null, expected));
        assert_eq!(parts.next().await, None);
    }
}

#[tokio::test]
async fn a_shutdown_ends_streams() {
    let server = Server::start().await;
    let mut parts = Parts::open(subscribe(&server, "subscription { once }")).await;
    parts.next().await.unwrap();
    server.shutdown.cancel();
    let part = parts.next().await.unwrap();
    assert_eq!((&part["payload"], code(&part)), (&Value::Null, "SHUTTING_DOWN"));
    assert_eq!(parts.next().await, None);
}
