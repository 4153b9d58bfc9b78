//! How often callers may ask.

use crate::server::{Server, code, subgraph, token};
use crate::ws::Socket;
use hansa_router::Config;
use hansa_router::builtin::{self, Fields};
use hansa_router::config::Network;
use hansa_router::limits::{Count, Quota};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use std::sync::Arc;

/// So many an hour: within a test nothing comes back.
pub fn quota(count: Count, amount: u32) -> Option<Quota> {
    let positive = |number: u32| number.try_into().unwrap();
    Some(Quota { count, amount: positive(amount), period_seconds: positive(3600), burst: None })
}

pub fn hello() -> Value {
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

/// The headers that tell a policy, and what is left of it.
fn told(headers: &HeaderMap) -> [Option<&str>; 2] {
    ["ratelimit-policy", "ratelimit"].map(|name| headers.get(name).map(|value| value.to_str().unwrap()))
}

#[tokio::test]
async fn headers_tell_what_is_left() {
    let mut config = Config::default();
    config.limits.rate.per_user = quota(Count::Operations, 4);
    config.limits.http.max_batch = 2;
    let server = Server::start_with(config).await;
    let ask = async |body: &Value, accept: &str| {
        let request = server.post(body).bearer_auth(token("a", 300)).header("accept", accept);
        request.send().await.unwrap().headers().clone()
    };
    const POLICY: Option<&str> = Some("\"user\";q=4;w=3600");
    assert_eq!(told(&ask(&hello(), "*/*").await), [POLICY, Some("\"user\";r=3;t=900")]);
    let headers = ask(&json!([hello(), hello()]), "*/*").await;
    let [policy, left] = told(&headers);
    assert!(policy == POLICY && left.unwrap().starts_with("\"user\";r=1;t="), "{headers:?}");
    let headers = ask(&hello(), "text/event-stream").await;
    assert!(told(&headers)[1].unwrap().starts_with("\"user\";r=0;t="), "{headers:?}");
    for accept in ["*/*", "text/event-stream"] {
        let refused = ask(&hello(), accept).await;
        let [policy, left] = told(&refused);
        let wait = left.unwrap().strip_prefix("\"user\";r=0;t=").unwrap().parse::<u64>().unwrap();
        assert!(policy == POLICY && (1..=900).contains(&wait), "{refused:?}");
        assert!(refused.get("retry-after").is_none_or(|seconds| seconds == wait.to_string().as_str()), "{refused:?}");
    }
    // No rate applies to others.
    assert_eq!(told(server.post(&hello()).send().await.unwrap().headers()), [None, None]);
}

/// A router with the field `rateLimit`.
async fn with_field(config: Config) -> Server {
    let fields = Fields { nodes: Vec::new(), rate_limit: true };
    let builtin = builtin::subgraph(&fields, &[], &Default::default()).unwrap();
    Server::composed(config, vec![subgraph(), Arc::new(builtin)]).await
}

#[tokio::test]
async fn a_field_tells_what_is_left_and_is_not_counted_twice() {
    let mut config = Config::default();
    config.limits.rate.per_user = quota(Count::Operations, 5);
    let server = with_field(config).await;
    let query = json!({ "query": "{
        rateLimit { __typename limit cost left: remaining resetAt }
        hello  header(name: \"hansa-rate-limit\")
    }" });
    let ask = async |token: Option<&str>| {
        let request = server.post(&query).header("graphql-cost", "true").header("hansa-rate-limit", "{\"limit\":9}");
        let request = token.map(|token| request.try_clone().unwrap().bearer_auth(token)).unwrap_or(request);
        request.send().await.unwrap().json::<Value>().await.unwrap()
    };
    for left in [4, 3] {
        let answer = ask(Some(&token("a", 300))).await;
        let limit = &answer["data"]["rateLimit"];
        let reset_at = limit["resetAt"].as_str().unwrap();
        let expected = json!({ "__typename": "RateLimit", "limit": 5, "cost": 1, "left": left, "resetAt": reset_at });
        assert_eq!(*limit, expected);
        let cost = json!({ "limit": 5, "cost": 1, "remaining": left, "resetAt": reset_at });
        assert_eq!(answer["extensions"]["cost"]["rateLimit"], cost);
        // Other subgraphs are not told.
        assert_eq!((&answer["data"]["hello"], &answer["data"]["header"]), (&json!("world"), &Value::Null));
    }
    let answer = ask(None).await;
    assert_eq!(answer["data"], json!({ "rateLimit": null, "hello": "world", "header": null }));
    assert!(answer["extensions"]["cost"].get("rateLimit").is_none(), "{answer}");

    let mut socket = Socket::ready(&server, json!({ "token": token("a", 300) })).await;
    socket.subscribe("1", "{ rateLimit { remaining } }").await;
    assert_eq!(socket.hear().await["payload"], json!({ "data": { "rateLimit": { "remaining": 2 } } }));
}

#[tokio::test]
async fn a_field_tells_what_an_operation_cost() {
    let mut config = Config::default();
    config.limits.rate.per_address = quota(Count::Cost, 100);
    let server = with_field(config).await;
    let query = json!({ "query": "{ a: rateLimit { cost remaining } b: rateLimit { cost remaining } }" });
    let response = server.post(&query).send().await.unwrap();
    assert_eq!(told(response.headers())[0], Some("\"address\";q=100;qu=\"cost\";w=3600"));
    let limit = json!({ "cost": 2, "remaining": 98 });
    assert_eq!(response.json::<Value>().await.unwrap()["data"], json!({ "a": limit, "b": limit }));
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
    let never_back = json!({ "amount": 1, "period_seconds": u32::MAX, "burst": 100 });
    config.limits.rate.per_user = Some(serde_json::from_value(never_back).unwrap());
    assert!(config.validate().unwrap_err().to_string().contains("limits.rate.per_user.burst"));
    let mut config = Config::default();
    config.limits.rate.redis.timeout_ms = 0;
    assert!(config.validate().unwrap_err().to_string().contains("limits.rate.redis.timeout_ms"));
}
