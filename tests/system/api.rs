//! A client of the public endpoint.

use serde_json::{Value, json};

/// What registering gives.
#[derive(Clone, Debug)]
pub struct Account {
    pub email: String,
    pub access: String,
    pub refresh: String,
}

pub const PASSWORD: &str = "correct horse battery staple";

const REGISTER: &str = "mutation($input: AccountRegisterInput!) { accountRegister(input: $input) {
    tokens { accessToken refreshToken } userErrors { code field message } } }";

/// Sends a request body and gives status and answer.
pub async fn post(url: &str, token: Option<&str>, body: Value) -> (u16, Value) {
    let mut request = reqwest::Client::new().post(format!("{url}/graphql")).json(&body);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

/// Runs an operation that must have no errors, and gives `data`.
pub async fn data(url: &str, token: Option<&str>, query: &str, variables: Value) -> Value {
    let (status, mut answer) = post(url, token, json!({ "query": query, "variables": variables })).await;
    assert!(answer.get("errors").is_none(), "{query}: {status} {answer}");
    answer["data"].take()
}

/// The payload of `accountRegister`.
pub async fn try_register(url: &str, username: &str, locale: &str) -> Value {
    let input = json!({ "username": username, "email": format!("{username}@example.com"), "password": PASSWORD,
        "locale": locale });
    data(url, None, REGISTER, json!({ "input": input })).await["accountRegister"].take()
}

/// Registers an account.
pub async fn register(url: &str, username: &str, locale: &str) -> Account {
    let payload = try_register(url, username, locale).await;
    assert_eq!(payload["userErrors"], json!([]), "{payload}");
    Account {
        email: format!("{username}@example.com"),
        access: text(&payload["tokens"]["accessToken"]),
        refresh: text(&payload["tokens"]["refreshToken"]),
    }
}

/// A JSON string as such.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a string: {value}")).to_owned()
}

/// The mails in the embedded mailbox.
pub async fn mailbox(url: &str) -> Vec<Value> {
    reqwest::get(format!("{url}/mail/api/messages")).await.unwrap().json().await.unwrap()
}

/// Kinds of the caller's notifications.
pub async fn notification_kinds(url: &str, token: &str) -> Vec<String> {
    let answer = data(url, Some(token), "{ viewer { notifications { nodes { kind } } } }", json!({})).await;
    let nodes = answer["viewer"]["notifications"]["nodes"].as_array().cloned().unwrap_or_default();
    nodes.iter().map(|node| text(&node["kind"])).collect()
}
