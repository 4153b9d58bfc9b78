//! How often callers may ask.

use crate::server::{Server, code, token};
use crate::ws::Socket;
use hansa_router::Config;
use hansa_router::config::Network;
use hansa_router::limits::{Count, Quota};
use serde_json::{Value, json};

/// So many an hour: within a test nothing comes back.
fn quota(count: Count, amount: u32) -> Option<Quota> {
    let positive = |number: u32| number.try_into().unwrap();
    Some(Quota { count, amount: positive(amount), period_seconds: positive(3600), burst: None })
}

fn hello() -> Value {
    json!({ "query": "{ hello }" })
}

#[tokio::test]
async fn anonymous_callers_are_counted_by_address() {
    let mut config = Config { network: Network { trusted_proxies: 1 }, ..Config::default() };
    config.limits.rate.per_address = quota(Count::Operations, 2);
    let server = Server::start_with(config).await;
    let ask = async |address: &str| server.post(&hello()).header("x-forwarded-for", address).send().await.unwrap();
    for address in ["192.0.2.1", "2001:db8::1"] {
        assert_eq!(ask(address).await.status(), 200);
    }
    assert_eq!(ask("2001:db8::2").await.status(), 200);
    assert_eq!(ask("192.0.2.1").await.status(), 200);
    for address in ["192.0.2.1", "2001:db8::3"] {
        let refused = ask(address).await;
        assert_eq!(refused.status(), 429, "{address}");
        let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=1800).contains(&wait), "{wait}");
        let answer: Value = refused.json().await.unwrap();
        assert_eq!(code(&answer), "RATE_LIMITED");
        assert_eq!(answer["errors"][0]["extensions"]["retryAfterSeconds"], wait);
    }
    assert_eq!(ask("2001:db8:0:1::1").await.status(), 200);
    let signed_in = server.post(&hello()).header("x-forwarded-for", "192.0.2.1").bearer_auth(token("s", 300));
    assert_eq!(signed_in.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn users_are_counted_over_all_their_sessions_and_transports() {
    let mut config = Config::default();
    config.limits.rate.per_user = quota(Count::Operations, 5);
    config.limits.http.max_batch = 3;
    let server = Server::start_with(config).await;
    let batch = json!([hello(), hello(), { "query": "{" }]);
    let answers: Value = server.post(&batch).bearer_auth(token("a", 300)).send().await.unwrap().json().await.unwrap();
    assert_eq!(answers[1], json!({ "data": { "hello": "world" } }));

    let mut socket = Socket::ready(&server, json!({ "token": token("b", 300) })).await;
    socket.say(json!({ "type": "subscribe", "id": "1", "payload": hello() })).await;
    assert_eq!(socket.hear().await["type"], "next");
    assert_eq!(socket.hear().await["type"], "complete");

    let stream = server.post(&hello()).bearer_auth(token("c", 300)).header("accept", "text/event-stream");
    assert!(stream.send().await.unwrap().text().await.unwrap().contains("world"));

    socket.say(json!({ "type": "subscribe", "id": "2", "payload": hello() })).await;
    let refused = socket.hear().await;
    assert_eq!(
        (&refused["type"], &refused["payload"][0]["extensions"]["code"]),
        (&json!("error"), &json!("RATE_LIMITED"))
    );
    let answers: Value = server.post(&batch).bearer_auth(token("a", 300)).send().await.unwrap().json().await.unwrap();
    assert!(answers.as_array().unwrap().iter().all(|answer| code(answer) == "RATE_LIMITED"), "{answers}");
    // Nobody else is concerned.
    assert_eq!(server.ask("{ hello }").await, json!({ "data": { "hello": "world" } }));
}

#[tokio::test]
async fn costs_can_be_counted_in_place_of_operations() {
    let mut config = Config::default();
    config.limits.rate.per_address = quota(Count::Cost, 12);
    let server = Server::start_with(config).await;
    assert_eq!(server.ask("mutation { double(number: 1) }").await["data"]["double"], 2);
    assert_eq!(code(&server.ask("mutation { double(number: 1) }").await), "RATE_LIMITED");
    // What costs nothing counts as 1.
    assert_eq!(server.ask("{ hello }").await["data"]["hello"], "world");
    assert_eq!(server.ask("{ hello }").await["data"]["hello"], "world");
    assert_eq!(code(&server.ask("{ hello }").await), "RATE_LIMITED");
}

#[test]
fn unusable_quotas_are_refused() {
    for quota in [
        json!({ "amount": 0, "period_seconds": 1 }),
        json!({ "amount": 1 }),
        json!({ "amount": 1, "period_seconds": 1, "burst": 0 }),
        json!({ "amount": 1, "period_seconds": 1, "count": "bytes" }),
    ] {
        assert!(serde_json::from_value::<Quota>(quota.clone()).is_err(), "{quota}");
    }
    let mut config = Config::default();
    let too_many = json!({ "amount": u32::MAX, "period_seconds": 1 });
    config.limits.rate.per_user = Some(serde_json::from_value(too_many).unwrap());
    assert!(config.validate().unwrap_err().to_string().contains("limits.rate.per_user.amount"));
}
