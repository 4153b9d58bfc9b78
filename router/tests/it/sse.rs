//! GraphQL over server-sent events, distinct connections mode.

use crate::server::{PATIENCE, Server, code, token};
use futures::StreamExt;
use futures::stream::BoxStream;
use hansa_router::Config;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use std::time::Duration;

/// An open event stream.
struct Events {
    chunks: BoxStream<'static, Vec<u8>>,
    text: String,
}

impl Events {
    async fn open(request: RequestBuilder) -> Self {
        let response = request.header("accept", "text/event-stream").send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert!(!response.headers().contains_key("content-encoding"));
        let chunks = response.bytes_stream().take_while(|chunk| futures::future::ready(chunk.is_ok()));
        Self { chunks: chunks.map(|chunk| chunk.unwrap().to_vec()).boxed(), text: String::new() }
    }

    /// The next block of lines; `None` at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let chunk = tokio::time::timeout(PATIENCE, self.chunks.next()).await.expect("an event in time")?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next result; `None` at the completion.
    async fn next(&mut self) -> Option<Value> {
        loop {
            let block = self.block().await.expect("an event");
            match block.split_once('\n') {
                Some(("event: next", data)) => {
                    return Some(serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap());
                }
                Some(("event: complete", "data:")) => {
                    assert_eq!(self.block().await, None);
                    return None;
                }
                _ => assert_eq!(block, ":"),
            }
        }
    }
}

fn subscribe(server: &Server, query: &str) -> RequestBuilder {
    server.post(&json!({ "query": query })).header("accept-encoding", "gzip")
}

#[tokio::test]
async fn results_then_completion() {
    let server = Server::start().await;
    let mut events = Events::open(subscribe(&server, "subscription { count(to: 2) }")).await;
    assert_eq!(events.next().await, Some(json!({ "data": { "count": 1 } })));
    assert_eq!(events.next().await, Some(json!({ "data": { "count": 2 } })));
    assert_eq!(events.next().await, None);

    for query in ["{ hello }", "query { hello }"] {
        let mut events = Events::open(subscribe(&server, query)).await;
        assert_eq!(events.next().await, Some(json!({ "data": { "hello": "world" } })));
        assert_eq!(events.next().await, None);
    }
}

#[tokio::test]
async fn request_errors_are_events_too() {
    let server = Server::start().await;
    let mut events = Events::open(subscribe(&server, "subscription { absent }")).await;
    assert_eq!(code(&events.next().await.unwrap()), "GRAPHQL_VALIDATION_FAILED");
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn browsers_subscribe_by_get_from_the_same_origin() {
    let server = Server::start().await;
    let get = || server.request("GET", "/graphql").query(&[("query", "subscription { count(to: 1) }")]);
    let foreign = get().header("accept", "text/event-stream").send().await.unwrap();
    assert_eq!(foreign.status(), 403);
    let mut events = Events::open(get().header("sec-fetch-site", "same-origin")).await;
    assert_eq!(events.next().await, Some(json!({ "data": { "count": 1 } })));
}

#[tokio::test]
async fn a_subscription_needs_a_stream() {
    let server = Server::start().await;
    let request = subscribe(&server, "subscription { count(to: 1) }").header("accept", "application/json");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 406);
    assert_eq!(code(&response.json().await.unwrap()), "NOT_ACCEPTABLE");
}

#[tokio::test]
async fn silence_is_filled_with_heartbeats() {
    let mut config = Config::default();
    config.limits.streams.heartbeat_ms = 20;
    let server = Server::start_with(config).await;
    let mut events = Events::open(subscribe(&server, "subscription { once }")).await;
    while events.block().await.unwrap() != ":" {}
    assert_eq!(events.block().await.as_deref(), Some(":"));
}

#[tokio::test]
async fn streams_end_with_their_session() {
    let server = Server::start().await;
    let open = async |token: String| Events::open(subscribe(&server, "subscription { once }").bearer_auth(token)).await;

    let mut expiring = open(token("expiring", 2)).await;
    let mut revoked = open(token("revoked", 300)).await;
    assert_eq!(revoked.next().await, Some(json!({ "data": { "once": 1 } })));
    server.revocations.revoke("revoked", (std::time::SystemTime::now() + Duration::from_secs(600)).into());
    assert_eq!(code(&revoked.next().await.unwrap()), "TOKEN_REVOKED");
    assert_eq!(revoked.next().await, None);

    assert_eq!(expiring.next().await, Some(json!({ "data": { "once": 1 } })));
    assert_eq!(code(&expiring.next().await.unwrap()), "TOKEN_EXPIRED");
    assert_eq!(expiring.next().await, None);
}

#[tokio::test]
async fn a_shutdown_breaks_streams_off_uncompleted() {
    let server = Server::start().await;
    let mut events = Events::open(subscribe(&server, "subscription { once }")).await;
    events.next().await.unwrap();
    server.shutdown.cancel();
    assert_eq!(code(&events.next().await.unwrap()), "SHUTTING_DOWN");
    assert_eq!(events.block().await, None);
    let refused =
        subscribe(&server, "subscription { once }").header("accept", "text/event-stream").send().await.unwrap();
    assert_eq!(refused.status(), 503);
    assert_eq!(code(&refused.json().await.unwrap()), "SHUTTING_DOWN");
}

#[tokio::test]
async fn streams_are_limited_per_user() {
    let mut config = Config::default();
    config.limits.streams.max_per_user = 1;
    let server = Server::start_with(config).await;
    let request = || subscribe(&server, "subscription { once }").bearer_auth(token("s", 300));
    let mut first = Events::open(request()).await;
    first.next().await.unwrap();
    let second = request().header("accept", "text/event-stream").send().await.unwrap();
    assert_eq!(second.status(), 429);
    assert_eq!(code(&second.json().await.unwrap()), "RATE_LIMITED");
    drop(first);
    // The place becomes free as soon as the server notices.
    let freed = async {
        while request().header("accept", "text/event-stream").send().await.unwrap().status() != 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, freed).await.unwrap();
}
