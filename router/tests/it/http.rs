//! GraphQL over HTTP.

use crate::server::{Server, absent_subgraph, claims, code, forged_token, subgraph, token};
use hansa_router::Config;
use hansa_router::config::{Cors, Debug, Network};
use hansa_router::server::{self, Site, Workers, serve};
use hansa_token::JwkSet;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::net::TcpListener;

const RESPONSE: &str = "application/graphql-response+json";
const JSON: &str = "application/json";

#[tokio::test]
async fn the_status_depends_on_the_media_type() {
    let server = Server::start().await;
    let cases = [
        (json!({ "query": "{ hello }" }), 200, 200, None),
        (json!({ "query": "{ fail }" }), 200, 200, Some("")),
        (json!({ "query": "{" }), 200, 400, Some("GRAPHQL_PARSE_FAILED")),
        (json!({ "query": "{ absent }" }), 200, 400, Some("GRAPHQL_VALIDATION_FAILED")),
        (json!({ "query": "query A { hello } query B { hello }" }), 200, 400, Some("OPERATION_NOT_FOUND")),
        (json!({ "query": "query($t: String!) { echo(text: $t) }" }), 200, 400, Some("BAD_USER_INPUT")),
        (json!({}), 400, 400, Some("BAD_REQUEST")),
    ];
    for (body, as_json, as_response, error) in cases {
        for (accept, status) in [(JSON, as_json), (RESPONSE, as_response)] {
            let response = server.post(&body).header("accept", accept).send().await.unwrap();
            assert_eq!(response.status(), status, "{accept} {body}");
            assert_eq!(response.headers()["content-type"], format!("{accept}; charset=utf-8"));
            assert_eq!(response.headers()["cache-control"], "no-store");
            let answer: Value = response.json().await.unwrap();
            match error {
                None => assert_eq!(answer, json!({ "data": { "hello": "world" } })),
                Some("") => assert_eq!(answer["data"], json!({ "fail": null })),
                Some(expected) => assert_eq!(code(&answer), expected),
            }
        }
    }
    let response = server.post(&json!({ "query": "{" })).send().await.unwrap();
    assert_eq!(response.status(), 200, "{:?}", response.headers()); // reqwest accepts */*
}

#[tokio::test]
async fn requests_that_are_none_are_refused() {
    let server = Server::start().await;
    let large = json!({ "query": "#".repeat(3 << 20) }).to_string();
    let query = r#"{"query":"{hello}"}"#;
    let multipart = "multipart/form-data; boundary=x";
    let cases = [
        ("POST", Some(JSON), JSON, "NONSENSE", 400, "BAD_REQUEST"),
        ("POST", Some(JSON), JSON, r#"{"query":"{hello}","variables":[7]}"#, 400, "BAD_REQUEST"),
        ("POST", Some(JSON), JSON, r#"[{"query":"{hello}"}]"#, 400, "BAD_REQUEST"),
        ("POST", Some("text/plain"), JSON, query, 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("POST", Some(multipart), JSON, query, 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("POST", None, JSON, query, 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("POST", Some(JSON), "text/html", query, 406, "NOT_ACCEPTABLE"),
        ("POST", Some(JSON), JSON, &large, 413, "REQUEST_TOO_LARGE"),
        ("PUT", Some(JSON), JSON, query, 405, "METHOD_NOT_ALLOWED"),
        ("DELETE", None, JSON, "", 405, "METHOD_NOT_ALLOWED"),
    ];
    for (method, content_type, accept, body, status, expected) in cases {
        let mut request = server.request(method, "/graphql").header("accept", accept).body(body.to_owned());
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status, "{method} {content_type:?} {accept}");
        assert_eq!(
            response.headers().get("allow").map(|allow| allow.to_str().unwrap()),
            (status == 405).then_some("GET, POST")
        );
        assert_eq!(code(&response.json().await.unwrap()), expected);
    }
    let deep = server.post_text(&format!("{}{}", "[".repeat(10_000), "]".repeat(10_000))).send().await.unwrap();
    assert_eq!(deep.status(), 400);
}

#[tokio::test]
async fn a_body_without_a_length_is_limited_too() {
    let server = Server::start().await;
    let chunks =
        futures::stream::iter(std::iter::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 64 << 10])).take(64));
    let request = server.request("POST", "/graphql").header("content-type", JSON);
    let response = request.body(reqwest::Body::wrap_stream(chunks)).send().await.unwrap();
    assert_eq!(response.status(), 413);
    assert_eq!(code(&response.json().await.unwrap()), "REQUEST_TOO_LARGE");
}

#[tokio::test]
async fn queries_may_be_asked_by_get() {
    let server = Server::start().await;
    let get = |query: &str| server.request("GET", "/graphql").query(&[("query", query)]);
    let forged = get("{ hello }").send().await.unwrap();
    assert_eq!(forged.status(), 403);
    assert_eq!(code(&forged.json().await.unwrap()), "CSRF_PREVENTED");

    let asked = get("query($text: String!) { echo(text: $text) }").query(&[("variables", r#"{"text":"a b"}"#)]);
    let asked = asked.header("graphql-require-preflight", "1").send().await.unwrap();
    assert_eq!(asked.json::<Value>().await.unwrap(), json!({ "data": { "echo": "a b" } }));

    let mutation = get("mutation { double(number: 1) }").header("content-type", JSON).send().await.unwrap();
    assert_eq!(mutation.status(), 405);
    assert_eq!(mutation.headers()["allow"], "POST");
    assert_eq!(code(&mutation.json().await.unwrap()), "METHOD_NOT_ALLOWED");
    assert_eq!(server.ask("mutation { double(number: 1) }").await, json!({ "data": { "double": 2 } }));
}

#[tokio::test]
async fn batches_are_answered_in_order_where_allowed() {
    let mut config = Config::default();
    config.limits.http.max_batch = 3;
    let server = Server::start_with(config).await;
    let batch = json!([{ "query": "{ hello }" }, { "query": "{" }, { "query": "mutation { double(number: 4) }" }]);
    let answers: Value = server.post(&batch).send().await.unwrap().json().await.unwrap();
    assert_eq!(answers[0], json!({ "data": { "hello": "world" } }));
    assert_eq!(code(&answers[1]), "GRAPHQL_PARSE_FAILED");
    assert_eq!(answers[2], json!({ "data": { "double": 8 } }));
    let large = Value::Array(vec![json!({ "query": "{ hello }" }); 4]);
    assert_eq!(server.post(&large).send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn a_bad_token_is_never_taken_for_none() {
    let server = Server::start().await;
    let hello = json!({ "query": "{ hello }" });
    server.revocations.revoke("ended", (std::time::SystemTime::now() + std::time::Duration::from_secs(600)).into());
    let unsigned = {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
        let claims = serde_json::to_string(&claims("s", 300)).unwrap();
        format!("{}.{}.", BASE64.encode(r#"{"alg":"none","kid":"k"}"#), BASE64.encode(claims))
    };
    let cases = [
        (format!("Bearer {}", token("s", 300)), 200, ""),
        (format!("bearer {}", token("s", 300)), 200, ""),
        (format!("Bearer {}", token("s", -10)), 401, "TOKEN_EXPIRED"),
        (format!("Bearer {}", token("ended", 300)), 401, "TOKEN_REVOKED"),
        (format!("Bearer {}", forged_token()), 401, "TOKEN_INVALID"),
        (format!("Bearer {unsigned}"), 401, "TOKEN_INVALID"),
        ("Bearer nonsense".into(), 401, "TOKEN_INVALID"),
        ("Bearer".into(), 401, "TOKEN_INVALID"),
        ("Basic dTpw".into(), 401, "TOKEN_INVALID"),
        (String::new(), 401, "TOKEN_INVALID"),
    ];
    for (authorization, status, expected) in cases {
        for accept in [JSON, RESPONSE, "text/event-stream"] {
            let request = server.post(&hello).header("accept", accept);
            let response = request.header("authorization", &authorization).send().await.unwrap();
            assert_eq!(response.status(), status, "{authorization} {accept}");
            if status == 401 {
                assert_eq!(response.headers()["www-authenticate"], "Bearer error=\"invalid_token\"");
                assert_eq!(code(&response.json().await.unwrap()), expected);
            }
        }
    }
    let twice = server.post(&hello).header("authorization", "Bearer a").header("authorization", "Bearer b");
    assert_eq!(twice.send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn no_keys_no_verdict() {
    let server = Server::over(Config::default(), vec![subgraph()], Err("down".into())).await;
    let request = server.post(&json!({ "query": "{ hello }" })).bearer_auth(token("s", 300));
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(code(&response.json().await.unwrap()), "KEYS_UNAVAILABLE");
}

#[tokio::test]
async fn subgraphs_learn_who_asks() {
    let network = Network { trusted_proxies: 1 };
    let server = Server::start_with(Config { network, ..Config::default() }).await;
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let bearer = format!("Bearer {}", token("s", 300));
    let sent = [
        ("authorization", bearer.as_str()),
        ("x-request-id", "request-1"),
        ("traceparent", traceparent),
        ("user-agent", "test"),
        ("x-forwarded-for", "203.0.113.9, 192.0.2.1"),
        ("cookie", "private"),
    ];
    let expected = [
        ("authorization", Some(bearer.as_str())),
        ("x-request-id", Some("request-1")),
        ("traceparent", Some(traceparent)),
        ("user-agent", Some("test")),
        ("x-forwarded-for", Some("192.0.2.1")),
        ("cookie", None),
    ];
    for (name, value) in expected {
        let query = format!("{{ header(name: \"{name}\") }}");
        let request = sent
            .iter()
            .fold(server.post(&json!({ "query": query })), |request, (name, value)| request.header(*name, *value));
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["x-request-id"], "request-1");
        assert_eq!(response.json::<Value>().await.unwrap()["data"]["header"], json!(value), "{name}");
    }
    let long =
        server.post(&json!({ "query": "{ header(name: \"user-agent\") }" })).header("user-agent", "x".repeat(1025));
    assert_eq!(long.send().await.unwrap().json::<Value>().await.unwrap()["data"]["header"], Value::Null);
    let address = server.ask(r#"{ header(name: "x-forwarded-for") }"#).await;
    assert_eq!(address["data"]["header"], "127.0.0.1");
}

#[tokio::test]
async fn subgraphs_learn_the_address_of_who_connects() {
    let router = Server::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/graphql", listener.local_addr().unwrap());
    let site = Site { gateway: Some(router.gateway.clone()), routes: axum::Router::new() };
    let workers = Arc::new(Workers::current());
    tokio::spawn(serve(listener, site, server::Config::default(), workers, router.shutdown.clone()));
    let query = json!({ "query": r#"{ header(name: "x-forwarded-for") }"# });
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer: Value = client.post(url).json(&query).send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["data"]["header"], "127.0.0.1");
}

#[tokio::test]
async fn every_request_has_an_id() {
    let server = Server::start().await;
    let id = async |given: &str| {
        let response = server.request("GET", "/health").header("x-request-id", given).send().await.unwrap();
        response.headers()["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(id("a-1").await, "a-1");
    for odd in ["", "a b", "<script>", &"a".repeat(129)] {
        assert_eq!(id(odd).await.len(), 36, "{odd}");
    }
}

#[tokio::test]
async fn foreign_pages_need_leave() {
    let cors = Cors { origins: vec!["https://app.example.com".into()], ..Cors::default() };
    let server = Server::start_with(Config { cors, ..Config::default() }).await;
    let preflight = async |server: &Server, origin: &str| {
        let request = server.request("OPTIONS", "/graphql").header("origin", origin);
        let request = request.header("access-control-request-method", "POST");
        request.header("access-control-request-headers", "content-type").send().await.unwrap()
    };
    let allowed = preflight(&server, "https://app.example.com").await;
    assert_eq!(allowed.status(), 200);
    assert_eq!(allowed.headers()["access-control-allow-origin"], "https://app.example.com");
    assert_eq!(allowed.headers()["access-control-allow-headers"], "content-type");
    let refused = preflight(&server, "https://evil.example.com").await;
    assert!(!refused.headers().contains_key("access-control-allow-origin"));
    let closed = Server::start().await;
    assert_eq!(preflight(&closed, "https://app.example.com").await.status(), 405);
}

#[tokio::test]
async fn operations_run_out_of_time() {
    let mut config = Config::default();
    config.limits.http.timeout_ms = 200;
    let server = Server::start_with(config).await;
    let answer = server.ask("{ stall }").await;
    assert_eq!(answer["data"], json!({ "stall": null }));
    assert_eq!(code(&answer), "SUBGRAPH_TIMEOUT");
}

#[tokio::test]
async fn long_answers_are_compressed_on_request() {
    let server = Server::start().await;
    let text = "long ".repeat(1000);
    let body = json!({ "query": "query($t: String!) { echo(text: $t) }", "variables": { "t": text } });
    for (accept, encoding) in [("gzip", Some("gzip")), ("br", Some("br")), ("identity", None)] {
        let response = server.post(&body).header("accept-encoding", accept).send().await.unwrap();
        let headers = response.headers();
        assert_eq!(headers.get("content-encoding").map(|value| value.to_str().unwrap()), encoding);
        let length = response.bytes().await.unwrap().len();
        assert_eq!(length < 1000, encoding.is_some(), "{accept} {length}");
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_refused_whole() {
    let mut config = Config::default();
    config.limits.operation.max_response_bytes = 1000;
    let server = Server::start_with(config).await;
    let ask = async |length| server.ask(&format!("{{ echo(text: \"{}\") }}", "x".repeat(length))).await;
    assert_eq!(ask(900).await["data"]["echo"].as_str().map(str::len), Some(900));
    let refusal = ask(1000).await;
    assert_eq!((&refusal["data"], code(&refusal)), (&Value::Null, "RESPONSE_TOO_LARGE"));
}

#[tokio::test]
async fn readiness_says_why_not() {
    let server = Server::over(Config::default(), vec![absent_subgraph()], Ok(JwkSet { keys: Vec::new() })).await;
    assert_eq!(server.request("GET", "/health").send().await.unwrap().status(), 200);
    tokio::time::timeout(crate::server::PATIENCE, async {
        while server.gateway.supergraph().status().last_error.is_none() {
            server.gateway.supergraph().changed().await;
        }
    })
    .await
    .unwrap();
    let ready = server.request("GET", "/ready").send().await.unwrap();
    assert_eq!(ready.status(), 503);
    let ready: Value = ready.json().await.unwrap();
    assert_eq!(ready["status"], "no supergraph");
    assert_eq!(ready["supergraph"]["problem"], "SUBGRAPH_UNAVAILABLE", "{ready}");
    assert!(!ready.to_string().contains("absent"), "the subgraphs are nobody's business: {ready}");
    // Nobody comes back to an event stream that was completed.
    for accept in [JSON, "text/event-stream"] {
        let refused = server.post(&json!({ "query": "{ hello }" })).header("accept", accept).send().await.unwrap();
        assert_eq!(refused.status(), 503, "{accept}");
    }
    let refused = server.post(&json!({ "query": "{ hello }" })).send().await.unwrap();
    assert_eq!(code(&refused.json().await.unwrap()), "SUPERGRAPH_UNAVAILABLE");

    let server = Server::start().await;
    let ready = server.request("GET", "/ready").send().await.unwrap();
    assert_eq!(ready.status(), 200);
    server.shutdown.cancel();
    assert_eq!(server.request("GET", "/ready").send().await.unwrap().status(), 503);
}

#[tokio::test]
async fn the_query_plan_is_shown_to_developers_only() {
    let ask = async |server: &Server| {
        let request = server.post(&json!({ "query": "{ hello }" })).header("graphql-query-plan", "true");
        request.send().await.unwrap().json::<Value>().await.unwrap()
    };
    assert_eq!(ask(&Server::start().await).await, json!({ "data": { "hello": "world" } }));
    let developing = Server::start_with(Config { debug: Debug { query_plan: true }, ..Config::default() }).await;
    let answer = ask(&developing).await;
    assert_eq!(answer["data"], json!({ "hello": "world" }));
    assert!(answer["extensions"]["queryPlan"].is_object(), "{answer}");
}

#[tokio::test]
async fn unusable_configurations_are_refused() {
    let mut config = Config::default();
    config.limits.http.timeout_ms = 0;
    assert!(config.validate().unwrap_err().to_string().contains("limits.http.timeout_ms"));
    assert!(serde_json::from_value::<Config>(json!({ "limits": { "http": { "max_body": 1 } } })).is_err());
    assert_eq!(serde_json::from_value::<Config>(json!({})).unwrap().limits, Config::default().limits);
}
