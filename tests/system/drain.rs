//! The end of a process: what is under way is finished, and everybody is told.

use crate::{
    api::{PASSWORD, register},
    eventually,
    process::Hansa,
};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

const EVENTS: &str = "subscription { notificationEvents { __typename } }";
const UNDER_WAY: usize = 12;

/// The value of a metric without labels.
async fn metric(url: &str, name: &str) -> Option<f64> {
    let metrics = reqwest::get(format!("{url}/metrics")).await.ok()?.text().await.ok()?;
    metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[tokio::test]
async fn a_process_that_is_to_end_finishes_what_is_under_way() {
    let data = tempfile::tempdir().unwrap();
    let hansa = Hansa::up(data.path()).await;
    let url = hansa.url.clone();
    let account = register(&url, "anna", "en").await;

    let mut request = format!("{}/graphql", url.replace("http", "ws")).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    request.headers_mut().insert("authorization", format!("Bearer {}", account.access).parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    let subscribe = json!({ "id": "1", "type": "subscribe", "payload": { "query": EVENTS } });
    for message in [json!({ "type": "connection_init" }), subscribe] {
        socket.send(Message::text(message.to_string())).await.unwrap();
    }
    let client = reqwest::Client::new();
    let stream = client.post(format!("{url}/graphql")).bearer_auth(&account.access).json(&json!({ "query": EVENTS }));
    let stream = stream.header("accept", "text/event-stream").send().await.unwrap();
    assert_eq!(stream.status(), 200);
    eventually("two streams", async || (metric(&url, "hansa_router_streams").await? == 2.0).then_some(())).await;

    // Hashing passwords takes its time, one after the other.
    let registrations: Vec<_> = (0..UNDER_WAY)
        .map(|number| {
            let input = json!({ "username": format!("user{number}"), "email": format!("user{number}@example.com"),
                "password": PASSWORD });
            let query =
                "mutation($input: AccountRegisterInput!) { accountRegister(input: $input) { userErrors { code } } }";
            let body = json!({ "query": query, "variables": { "input": input } });
            let request = client.post(format!("{url}/graphql")).json(&body);
            tokio::spawn(async move { request.send().await.unwrap().json::<Value>().await.unwrap() })
        })
        .collect();
    let done = |answer: &Value| assert_eq!(answer["data"]["accountRegister"]["userErrors"], json!([]), "{answer}");
    eventually("requests under way", async || {
        (metric(&url, "http_server_active_requests").await? >= UNDER_WAY as f64 / 2.0).then_some(())
    })
    .await;
    hansa.ask_to_end().await;

    for registration in registrations {
        done(&registration.await.unwrap());
    }
    let frame = loop {
        match tokio::time::timeout(crate::DEADLINE, socket.next()).await.expect("a close frame in time") {
            Some(Ok(Message::Close(frame))) => break frame.expect("a reason"),
            Some(Ok(_)) => {}
            other => panic!("no close frame but {other:?}"),
        }
    };
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1001, "SHUTTING_DOWN"));
    drop(socket);
    // It ends, yet it is not complete: the client is to come back.
    let text = tokio::time::timeout(crate::DEADLINE, stream.text()).await.expect("the stream does not end").unwrap();
    assert!(!text.contains("complete"), "{text}");
    assert_eq!(hansa.ended().await, Some(0));
    assert!(reqwest::get(format!("{url}/health")).await.unwrap_err().is_connect());
}
