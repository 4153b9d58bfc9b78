//! Reaching subgraphs: retries, time limits, the circuit breaker, and sharing.

use crate::federation::{By, Fault, Federation, serve, soon};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::post;
use bytes::Bytes;
use futures::future::join_all;
use hansa_router::transport::{Client, Config, FetchError, Subgraph, Transport};
use http::HeaderMap;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

const ANSWER: &str = r#"{"data":{"a":1}}"#;

/// A subgraph that answers its nth call, counted from 0, as `answer` says.
async fn subgraph<R: IntoResponse + 'static>(
    by: By,
    config: Config,
    answer: impl Fn(usize) -> R + Clone + Send + Sync + 'static,
) -> (Subgraph, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    let handler = move || {
        let response = answer(counter.fetch_add(1, Ordering::SeqCst)).into_response();
        async { response }
    };
    let routes = axum::Router::new().route("/graphql", post(handler));
    let (url, transport) = match by {
        By::Call => ("http://local".to_owned(), Transport::Local(routes)),
        By::Http => (serve(routes).await, Transport::Http(Client::new().unwrap())),
    };
    (Subgraph::new("s", url, transport, &config).unwrap(), calls)
}

async fn fetch(subgraph: &Subgraph, idempotent: bool) -> Result<Bytes, FetchError> {
    subgraph.fetch(Bytes::from_static(b"{}"), &HeaderMap::new(), idempotent, soon()).await
}

#[tokio::test]
async fn queries_are_retried_and_mutations_are_not() {
    for by in [By::Call, By::Http] {
        let flaky = |call| if call < 2 { (StatusCode::SERVICE_UNAVAILABLE, "") } else { (StatusCode::OK, ANSWER) };
        let (subgraph, calls) = subgraph(by, Config::default(), flaky).await;
        let outcome = fetch(&subgraph, false).await;
        assert!(matches!(outcome, Err(FetchError::Status(StatusCode::SERVICE_UNAVAILABLE))), "{outcome:?}");
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        assert_eq!(fetch(&subgraph, true).await.unwrap(), ANSWER);
        assert_eq!(calls.load(Ordering::SeqCst), 3);
    }
}

#[tokio::test]
async fn a_graphql_answer_counts_whatever_its_status() {
    let json = [("content-type", "application/json; charset=utf-8")];
    let refuse = move |_| (StatusCode::BAD_REQUEST, json, r#"{"errors":[{"message":"no"}]}"#);
    let (graphql, _) = subgraph(By::Http, Config::default(), refuse).await;
    assert_eq!(fetch(&graphql, true).await.unwrap(), r#"{"errors":[{"message":"no"}]}"#);
    let (proxy, _) =
        subgraph(By::Http, Config::default(), move |_| (StatusCode::BAD_REQUEST, json, r#"{"oops":1}"#)).await;
    assert!(matches!(fetch(&proxy, true).await, Err(FetchError::Status(StatusCode::BAD_REQUEST))));
    // However deep it is: the stack does not grow with it.
    let deep = move |_| (StatusCode::BAD_REQUEST, json, format!(r#"{{"oops":{}"#, "[".repeat(1 << 20)));
    let (proxy, _) = subgraph(By::Http, Config::default(), deep).await;
    assert!(matches!(fetch(&proxy, true).await, Err(FetchError::Status(StatusCode::BAD_REQUEST))));
}

#[tokio::test]
async fn nobody_there() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let subgraph = Subgraph::new("s", url, Transport::Http(Client::new().unwrap()), &Config::default()).unwrap();
    assert!(matches!(fetch(&subgraph, true).await, Err(FetchError::Connect(_))));
}

#[tokio::test]
async fn answers_are_bounded() {
    for by in [By::Call, By::Http] {
        let config = Config { max_response_bytes: 10, ..Config::default() };
        let (subgraph, _) = subgraph(by, config, |_| ANSWER).await;
        assert!(matches!(fetch(&subgraph, true).await, Err(FetchError::TooLarge(10))));
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_limit_covers_all_attempts() {
    let federation =
        Federation::start_with(By::Call, Config { timeout_ms: 1000, retries: 5, ..Config::default() }).await;
    federation.desk("users").fail(Fault::Hang);
    let begun = Instant::now();
    let answer = federation.json("{ me { id } product(id: \"p1\") { id } }").await;
    assert_eq!(begun.elapsed(), Duration::from_secs(1));
    assert_eq!(answer["data"], json!({"me": null, "product": {"id": "p1"}}));
    assert_eq!(answer["errors"][0]["extensions"]["code"], "SUBGRAPH_TIMEOUT");
}

#[tokio::test(start_paused = true)]
async fn a_subgraph_that_keeps_failing_is_left_alone_for_a_while() {
    let config = Config { retries: 0, breaker_failures: 2, breaker_open_ms: 1000, ..Config::default() };
    let ill = |call| if call < 2 { (StatusCode::BAD_GATEWAY, "") } else { (StatusCode::OK, ANSWER) };
    let (subgraph, calls) = subgraph(By::Call, config, ill).await;
    for _ in 0..2 {
        assert!(matches!(fetch(&subgraph, true).await, Err(FetchError::Status(_))));
    }
    assert!(matches!(fetch(&subgraph, true).await, Err(FetchError::LeftAlone)));
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(fetch(&subgraph, true).await.unwrap(), ANSWER);
    assert_eq!(fetch(&subgraph, true).await.unwrap(), ANSWER);
}

#[tokio::test]
async fn a_panic_is_a_failure_of_that_subgraph_alone() {
    let panics = |call: usize| if call == 0 { panic!("a defect") } else { ANSWER };
    let (subgraph, _) = subgraph(By::Call, Config::default(), panics).await;
    assert!(matches!(fetch(&subgraph, true).await, Err(FetchError::Unavailable(_))));
    assert_eq!(fetch(&subgraph, true).await.unwrap(), ANSWER);
}

#[tokio::test]
async fn equal_queries_of_one_caller_are_sent_once() {
    let (calls, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (counter, opened) = (calls.clone(), gate.clone());
    let handler = move || {
        let (counter, opened) = (counter.clone(), opened.clone());
        async move {
            counter.fetch_add(1, Ordering::SeqCst);
            opened.notified().await;
            ANSWER
        }
    };
    let routes = axum::Router::new().route("/graphql", post(handler));
    let config = Config { share_in_flight: true, ..Config::default() };
    let subgraph = Subgraph::new("s", "http://local", Transport::Local(routes), &config).unwrap();
    let mut ada = HeaderMap::new();
    ada.insert("authorization", "Bearer ada".parse().unwrap());
    let mut ada_again = ada.clone();
    ada_again.insert("traceparent", "00-1".parse().unwrap());
    let mut bob = HeaderMap::new();
    bob.insert("authorization", "Bearer bob".parse().unwrap());
    let body = Bytes::from_static(b"{}");
    let fetches = [(&ada, true), (&ada_again, true), (&bob, true), (&ada, false)]
        .map(|(headers, idempotent)| subgraph.fetch(body.clone(), headers, idempotent, soon()));
    let open = async {
        while calls.load(Ordering::SeqCst) < 3 {
            tokio::task::yield_now().await;
        }
        gate.notify_waiters();
    };
    let (answers, ()) = futures::join!(join_all(fetches), open);
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap() == ANSWER));
    assert_eq!(calls.load(Ordering::SeqCst), 3, "Ada's two queries, Bob's one, and the mutation");
}
