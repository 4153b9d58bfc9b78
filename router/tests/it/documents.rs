//! Documents that clients name instead of sending them.

use crate::server::{PATIENCE, Server, code};
use crate::ws::Socket;
use hansa_router::Config;
use hansa_router::documents::{self, Automatic, Mode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::Path;
use tempfile::TempDir;

const HELLO: &str = "query Hello { hello }";

fn sha256(text: &str) -> String {
    format!("{:x}", Sha256::digest(text))
}

fn apollo(text: &str) -> Value {
    json!({ "persistedQuery": { "version": 1, "sha256Hash": sha256(text) } })
}

fn hello() -> Value {
    json!({ "data": { "hello": "world" } })
}

fn config(mode: Mode, path: &Path) -> Config {
    let documents = documents::Config { mode, path: Some(path.to_owned()), ..documents::Config::default() };
    Config { documents, ..Config::default() }
}

/// A folder with one document.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("pages")).unwrap();
    std::fs::write(folder.path().join("pages/Hello.graphql"), format!("{HELLO}\n")).unwrap();
    std::fs::write(folder.path().join("notes.txt"), "{ nothing").unwrap();
    folder
}

async fn post(server: &Server, body: Value) -> Value {
    server.post(&body).send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn trusted_documents_are_named_in_every_way() {
    let folder = folder();
    let mut config = config(Mode::Only, folder.path());
    config.limits.http.max_batch = 10;
    let server = Server::start_with(config).await;
    let hash = sha256(HELLO);
    let named = [
        json!({ "documentId": "Hello" }),
        json!({ "doc_id": "Hello" }),
        json!({ "id": "Hello" }),
        json!({ "documentId": hash }),
        json!({ "documentId": format!("sha256:{hash}") }),
        json!({ "extensions": apollo(HELLO) }),
        json!({ "extensions": apollo(HELLO), "query": HELLO }),
        json!({ "query": HELLO }),
        json!({ "query": format!(" {HELLO}\n"), "operationName": "Hello" }),
    ];
    for body in &named {
        assert_eq!(post(&server, body.clone()).await, hello(), "{body}");
    }
    let batch = post(&server, Value::Array(named.to_vec())).await;
    assert_eq!(batch, Value::Array(vec![hello(); named.len()]));

    let extensions = apollo(HELLO).to_string();
    for (name, value) in [("documentId", "Hello"), ("id", "Hello"), ("extensions", &extensions), ("query", HELLO)] {
        let request = server.request("GET", "/graphql").query(&[(name, value)]);
        let response = request.header("apollo-require-preflight", "1").send().await.unwrap();
        assert_eq!(response.json::<Value>().await.unwrap(), hello(), "{name}");
    }
    let stream = server.post(&named[0]).header("accept", "text/event-stream").send().await.unwrap();
    assert!(stream.text().await.unwrap().contains("world"));

    let mut socket = Socket::ready(&server, Value::Null).await;
    for body in [&named[0], &named[5]] {
        socket.say(json!({ "type": "subscribe", "id": "1", "payload": body })).await;
        assert_eq!(socket.hear().await["payload"], hello());
        assert_eq!(socket.hear().await["type"], "complete");
    }
}

#[tokio::test]
async fn no_other_documents_are_run_where_only_trusted_ones_are() {
    let folder = folder();
    let mut config = config(Mode::Only, folder.path());
    config.limits.http.max_batch = 10;
    let server = Server::start_with(config.clone()).await;
    let refused = [
        (json!({ "query": "{ hello }" }), "QUERY_NOT_IN_SAFELIST"),
        (json!({ "query": "{ __schema { types { name } } }" }), "QUERY_NOT_IN_SAFELIST"),
        (json!({ "query": "{ hello }", "documentId": "Hello" }), "QUERY_NOT_IN_SAFELIST"),
        (json!({ "query": "{ hello }", "extensions": apollo("{ hello }") }), "QUERY_NOT_IN_SAFELIST"),
        (json!({ "query": "{ hello }", "extensions": apollo(HELLO) }), "QUERY_NOT_IN_SAFELIST"),
        (json!({ "extensions": apollo("{ hello }") }), "PERSISTED_QUERY_NOT_FOUND"),
        (json!({ "documentId": "Other" }), "PERSISTED_QUERY_NOT_FOUND"),
    ];
    for (body, expected) in &refused {
        assert_eq!(code(&post(&server, body.clone()).await), *expected, "{body}");
    }
    let bodies = Value::Array(refused.iter().map(|(body, _)| body.clone()).collect());
    for (answer, (body, expected)) in post(&server, bodies).await.as_array().unwrap().iter().zip(&refused) {
        assert_eq!(code(answer), *expected, "{body}");
    }
    let response = server.post(&refused[0].0).header("accept", "application/graphql-response+json").send().await;
    assert_eq!(response.unwrap().status(), 403);

    let mut socket = Socket::ready(&server, Value::Null).await;
    socket.say(json!({ "type": "subscribe", "id": "1", "payload": refused[0].0 })).await;
    assert_eq!(socket.hear().await["payload"][0]["extensions"]["code"], "QUERY_NOT_IN_SAFELIST");

    config.documents.require_id = true;
    let strict = Server::start_with(config).await;
    assert_eq!(code(&post(&strict, json!({ "query": HELLO })).await), "PERSISTED_QUERY_ID_REQUIRED");
    assert_eq!(post(&strict, json!({ "documentId": "Hello" })).await, hello());
}

#[tokio::test]
async fn other_modes_run_any_document() {
    let folder = folder();
    for mode in [Mode::Allow, Mode::Log] {
        let server = Server::start_with(config(mode, folder.path())).await;
        for body in [json!({ "query": "{ hello }" }), json!({ "documentId": "Hello" })] {
            assert_eq!(post(&server, body.clone()).await, hello(), "{mode:?} {body}");
        }
        assert_eq!(code(&post(&server, json!({ "documentId": "Other" })).await), "PERSISTED_QUERY_NOT_FOUND");
    }
}

#[tokio::test]
async fn manifests_of_clients_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let operation = json!({ "id": "a1", "name": "Hello", "type": "query", "body": HELLO });
    let manifests = [
        json!({ "format": "apollo-persisted-query-manifest", "version": 1, "operations": [operation] }),
        json!({ "a1": HELLO, "b2": "{ operations: hello }" }),
    ];
    for manifest in manifests {
        let path = folder.path().join("manifest.json");
        std::fs::write(&path, manifest.to_string()).unwrap();
        let server = Server::start_with(config(Mode::Only, &path)).await;
        for body in [json!({ "id": "a1" }), json!({ "extensions": apollo(HELLO) }), json!({ "query": HELLO })] {
            assert_eq!(post(&server, body).await, hello());
        }
    }
}

#[tokio::test]
async fn unusable_documents_keep_a_router_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("manifest.json");
    for (text, words) in [
        ("", "manifest.json"),
        ("[]", "manifest.json"),
        (r#"{"a":1}"#, r#"document "a" is no text"#),
        (r#"{"a":"{"}"#, r#"document "a""#),
        (r#"{"format":"apollo-persisted-query-manifest","operations":[{"id":"a"}]}"#, "operations[0]"),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = Server::refusal(config(Mode::Only, &path));
        assert!(error.contains(words), "{text}: {error}");
    }
    assert!(Server::refusal(config(Mode::Only, &folder.path().join("absent"))).contains("absent"));
    for (name, text) in [("a/Same.graphql", "{ a }"), ("b/Same.graphql", "{ b }")] {
        let path = folder.path().join("folder").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    assert!(Server::refusal(config(Mode::Only, &folder.path().join("folder"))).contains("\"Same\""));
}

#[tokio::test]
async fn changes_are_read_without_a_restart_and_bad_ones_are_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("manifest.json");
    let write = |text: String| {
        let fresh = path.with_extension("fresh");
        std::fs::write(&fresh, text).unwrap();
        std::fs::rename(&fresh, &path).unwrap();
    };
    write(json!({ "a": HELLO }).to_string());
    let mut config = config(Mode::Only, &path);
    config.documents.poll_seconds = 1;
    let server = Server::start_with(config).await;
    let until = async |id: &str, expected: &str| {
        let asking = async {
            while post(&server, json!({ "id": id })).await["errors"][0]["extensions"]["code"] != expected {
                assert_eq!(post(&server, json!({ "id": "a" })).await, hello());
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, asking).await.unwrap();
    };
    assert_eq!(code(&post(&server, json!({ "id": "b" })).await), "PERSISTED_QUERY_NOT_FOUND");
    write(json!({ "a": HELLO, "b": "{ absent }" }).to_string());
    until("b", "GRAPHQL_VALIDATION_FAILED").await;
    write("{ broken".into());
    write(json!({ "a": HELLO, "c": "{" }).to_string());
    // What comes after it is read again, and until then nothing is lost.
    write(json!({ "a": HELLO, "d": "{ absent }" }).to_string());
    until("d", "GRAPHQL_VALIDATION_FAILED").await;
    assert_eq!(code(&post(&server, json!({ "id": "b" })).await), "PERSISTED_QUERY_NOT_FOUND");
}

#[tokio::test]
async fn documents_are_kept_for_clients_that_send_them() {
    let server = Server::start().await;
    let named = json!({ "extensions": apollo(HELLO) });
    let unknown = server.post(&named).header("accept", "application/json").send().await.unwrap();
    assert_eq!(unknown.status(), 200);
    let unknown: Value = unknown.json().await.unwrap();
    assert_eq!(code(&unknown), "PERSISTED_QUERY_NOT_FOUND");
    assert_eq!(unknown["errors"][0]["message"], "PersistedQueryNotFound");

    let sent = json!({ "query": HELLO, "extensions": apollo(HELLO) });
    assert_eq!(post(&server, sent).await, hello());
    assert_eq!(post(&server, named.clone()).await, hello());
    let get = server.request("GET", "/graphql").query(&[("extensions", apollo(HELLO).to_string())]);
    let got = get.header("content-type", "application/json").send().await.unwrap();
    assert_eq!(got.json::<Value>().await.unwrap(), hello());
    let mut socket = Socket::ready(&server, Value::Null).await;
    socket.say(json!({ "type": "subscribe", "id": "1", "payload": named })).await;
    assert_eq!(socket.hear().await["payload"], hello());
}

#[tokio::test]
async fn only_valid_documents_are_kept_and_under_their_own_hash() {
    let server = Server::start().await;
    let forged = json!({ "query": "{ hello }", "extensions": apollo(HELLO) });
    let refused = post(&server, forged).await;
    assert_eq!(code(&refused), "BAD_REQUEST");
    assert_eq!(refused["errors"][0]["message"], "provided sha does not match query");
    for invalid in ["{ absent }", "{"] {
        let answer = post(&server, json!({ "query": invalid, "extensions": apollo(invalid) })).await;
        assert!(code(&answer).starts_with("GRAPHQL_"), "{answer}");
        let answer = post(&server, json!({ "extensions": apollo(invalid) })).await;
        assert_eq!(code(&answer), "PERSISTED_QUERY_NOT_FOUND");
    }
    assert_eq!(code(&post(&server, json!({ "extensions": apollo(HELLO) })).await), "PERSISTED_QUERY_NOT_FOUND");
    // A mutation that is named is one still.
    let mutation = "mutation { double(number: 1) }";
    post(&server, json!({ "query": mutation, "extensions": apollo(mutation) })).await;
    let get = server.request("GET", "/graphql").query(&[("extensions", apollo(mutation).to_string())]);
    assert_eq!(get.header("content-type", "application/json").send().await.unwrap().status(), 405);
}

#[tokio::test]
async fn clients_are_told_when_nothing_is_kept() {
    let automatic = Automatic { enabled: false, ..Automatic::default() };
    let documents = documents::Config { automatic, ..documents::Config::default() };
    let server = Server::start_with(Config { documents, ..Config::default() }).await;
    let answer = post(&server, json!({ "extensions": apollo(HELLO) })).await;
    assert_eq!(code(&answer), "PERSISTED_QUERY_NOT_SUPPORTED");
    assert_eq!(answer["errors"][0]["message"], "PersistedQueryNotSupported");
    assert_eq!(post(&server, json!({ "query": HELLO, "extensions": apollo(HELLO) })).await, hello());
}
