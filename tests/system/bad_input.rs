//! Whatever is thrown at it, the answer is a clear coded error and the process stays well.

use crate::{
    api::{PASSWORD, data, post, register},
    eventually,
    process::Hansa,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::header;
use serde_json::{Value, json};

/// Sends raw bytes.
async fn raw(url: &str, content_type: &str, body: Vec<u8>) -> (u16, Value) {
    let request = reqwest::Client::new().post(format!("{url}/graphql")).header(header::CONTENT_TYPE, content_type);
    let response = request.body(body).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap_or_default())
}

fn code(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or("none")
}

fn forged(header: Value, claims: &Value, signature: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", part(&header), part(claims))
}

#[tokio::test]
async fn every_bad_input_has_its_answer() {
    let folder = tempfile::tempdir().unwrap();
    let hansa = Hansa::up(folder.path()).await;
    let url = hansa.url.as_str();
    eventually("a supergraph", async || {
        let (status, _) = post(url, None, json!({ "query": "{ __typename }" })).await;
        (status == 200).then_some(())
    })
    .await;
    requests(url).await;
    tokens(url).await;
    registrations(url).await;

    let healthy = reqwest::get(format!("{url}/health")).await.unwrap();
    assert!(healthy.status().is_success());
    data(url, None, "{ posts { nodes { id } } }", json!({})).await;
}

async fn requests(url: &str) {
    let json_type = "application/json";
    let malformed = raw(url, json_type, b"{\"query\": ".to_vec()).await;
    assert_eq!((malformed.0, code(&malformed.1)), (400, "BAD_REQUEST"), "{malformed:?}");
    let not_object = raw(url, json_type, b"42".to_vec()).await;
    assert_eq!((not_object.0, code(&not_object.1)), (400, "BAD_REQUEST"), "{not_object:?}");
    let wrong_type = raw(url, json_type, b"{\"query\": 1}".to_vec()).await;
    assert_eq!((wrong_type.0, code(&wrong_type.1)), (400, "BAD_REQUEST"), "{wrong_type:?}");
    let huge = raw(url, json_type, vec![b' '; 10 << 20]).await;
    assert_eq!((huge.0, code(&huge.1)), (413, "REQUEST_TOO_LARGE"), "{huge:?}");
    let media = raw(url, "text/plain", b"{ __typename }".to_vec()).await;
    assert!((400..500).contains(&media.0) && code(&media.1) != "none", "{media:?}");

    for (query, variables, expected) in [
        ("{", json!({}), "GRAPHQL_PARSE_FAILED"),
        ("{ unknown }", json!({}), "GRAPHQL_VALIDATION_FAILED"),
        ("query A { __typename } query B { __typename }", json!({}), "OPERATION_NOT_FOUND"),
        ("query($id: ID!) { post(id: $id) { id } }", json!({}), "BAD_USER_INPUT"),
        ("query($n: Int) { posts(first: $n) { nodes { id } } }", json!({ "n": "many" }), "BAD_USER_INPUT"),
        ("{ posts(first: 1000) { nodes { id } } }", json!({}), "BAD_USER_INPUT"),
        ("{ posts(filter: { createdAt: { from: \"nope\" } }) { nodes { id } } }", json!({}), "BAD_USER_INPUT"),
    ] {
        let (status, answer) = post(url, None, json!({ "query": query, "variables": variables })).await;
        assert_eq!(code(&answer), expected, "{query}: {status} {answer}");
    }
}

async fn tokens(url: &str) {
    let ann = register(url, "ann", "en").await;
    let query = json!({ "query": "{ viewer { email } }" });
    let claims: Value = {
        let payload = ann.access.split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    };
    let mut other = claims.clone();
    other["scope"] = json!("admin staff");
    let signature = ann.access.rsplit('.').next().unwrap();
    let header: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(ann.access.split('.').next().unwrap()).unwrap()).unwrap();
    for token in [
        "nonsense".to_owned(),
        forged(json!({ "alg": "none", "typ": "JWT" }), &claims, ""),
        forged(json!({ "alg": "none", "kid": header["kid"] }), &claims, signature),
        forged(json!({ "alg": "HS256", "kid": header["kid"] }), &claims, signature),
        forged(header.clone(), &other, signature),
    ] {
        let (status, answer) = post(url, Some(&token), query.clone()).await;
        assert_eq!((status, code(&answer)), (401, "TOKEN_INVALID"), "{answer}");
    }
    let (status, answer) = post(url, Some(&ann.access), query).await;
    assert_eq!((status, &answer["data"]["viewer"]["email"]), (200, &json!("ann@example.com")), "{answer}");
}

async fn registrations(url: &str) {
    let query = "mutation($input: AccountRegisterInput!) { accountRegister(input: $input) { viewer { id }
        userErrors { code field } } }";
    for (username, email, password, expected, field) in [
        ("ann", "new@example.com", PASSWORD, "TAKEN", "username"),
        ("ANN", "new@example.com", PASSWORD, "TAKEN", "username"),
        ("bob", "Ann@Example.com", PASSWORD, "TAKEN", "email"),
        ("bob", "nowhere", PASSWORD, "INVALID", "email"),
        ("bob", "\"<b>\"@example.com", PASSWORD, "INVALID", "email"),
        ("", "new@example.com", PASSWORD, "BLANK", "username"),
        ("bob", "new@example.com", "password12", "INVALID", "password"),
        ("bob", "new@example.com", "short", "INVALID", "password"),
    ] {
        let input = json!({ "username": username, "email": email, "password": password });
        let answer = data(url, None, query, json!({ "input": input })).await;
        let payload = &answer["accountRegister"];
        assert!(payload["viewer"].is_null(), "{payload}");
        let error = json!({ "code": expected, "field": ["input", field] });
        assert!(payload["userErrors"].as_array().unwrap().contains(&error), "{username} {email}: {payload}");
    }
}
