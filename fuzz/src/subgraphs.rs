//! The subgraphs as a client meets them who reaches them directly: each one's routes over a SQLite file, with two people
//! and an administrator who are signed in. What clients send goes through the router to here as it is: ids, cursors,
//! times, dates, words to search for, emoji.

use crate::services::{self, Installation};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http;
use futures::StreamExt;
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::time::Duration;
use tokio::runtime::Runtime;
use tower::ServiceExt;

#[path = "subgraphs/operations.rs"]
mod operations;
use operations::{OPERATIONS, TEXTS};

const PASSWORD: &str = "correct horse battery staple";
/// Most requests of one input.
const MAX_REQUESTS: usize = 8;
const DEADLINE: Duration = Duration::from_secs(60);
/// How long a stream may take to say something; most have nothing to say.
const LISTENING: Duration = Duration::from_millis(20);

thread_local! {
    static WORLD: RefCell<World> = RefCell::new(World::new());
}

/// Up to eight lines, a request each: a character for the subgraph, one for the caller, one for the operation, then its
/// variables, as JSON or as one text for all. `@N` in JSON stands for an id or a cursor that was seen before. Of the
/// operations, the first two are a whole body and a document.
///
/// What an input changes is there for the next, until it signs somebody out.
pub fn subgraphs(bytes: &[u8]) {
    WORLD.with_borrow_mut(|world| {
        let mut signed_out = false;
        let mut seen = world.ids.clone();
        for line in bytes.split(|byte| *byte == b'\n').take(MAX_REQUESTS) {
            let [subgraph, caller, operation, rest @ ..] = line else { continue };
            let pick = |byte: &u8, of: usize| usize::from(byte.wrapping_sub(b'0')) % of;
            let subgraph = pick(subgraph, world.subgraphs.len());
            let caller = pick(caller, world.tokens.len());
            let operations = OPERATIONS[subgraph];
            let body = match pick(operation, operations.len() + 2) {
                0 => rest.to_vec(),
                1 => json!({ "query": String::from_utf8_lossy(rest) }).to_string().into_bytes(),
                operation => {
                    let variables = variables(rest, &world.ids[caller.max(1) - 1], &seen);
                    json!({ "query": operations[operation - 2], "variables": variables }).to_string().into_bytes()
                }
            };
            let token = world.tokens[caller].as_deref();
            let Some(answer) = world.runtime.block_on(send(&world.subgraphs[subgraph], token, body)) else { continue };
            check(&answer);
            remember(&answer, &mut seen);
            signed_out |= answer.pointer("/errors/0/extensions/code") == Some(&"TOKEN_REVOKED".into());
        }
        if signed_out {
            *world = World::new();
        }
    });
}

fn variables(rest: &[u8], me: &str, seen: &[String]) -> Value {
    let mut variables = match serde_json::from_slice::<Map<String, Value>>(rest) {
        Ok(variables) => variables,
        Err(_) => TEXTS.iter().map(|&name| (name.into(), String::from_utf8_lossy(rest).into())).collect(),
    };
    variables.values_mut().for_each(|value| refer(value, seen));
    variables.insert("me".into(), me.into());
    variables.into()
}

/// Puts what was seen in the place of `@N`.
pub fn refer(value: &mut Value, seen: &[String]) {
    match value {
        Value::String(text) => {
            if let Some(index) = text.strip_prefix('@').and_then(|index| index.parse::<usize>().ok()) {
                *text = seen[index % seen.len()].clone();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| refer(item, seen)),
        Value::Object(fields) => fields.values_mut().for_each(|field| refer(field, seen)),
        _ => {}
    }
}

fn remember(value: &Value, seen: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| remember(item, seen)),
        Value::Object(fields) => fields.iter().for_each(|(name, field)| match field.as_str() {
            Some(text) if matches!(name.as_str(), "id" | "cursor" | "endCursor") => seen.push(text.into()),
            _ => remember(field, seen),
        }),
        _ => {}
    }
}

/// Whatever was asked: an answer is GraphQL, each error has one of the codes that requests can have, and nothing was
/// logged as an error.
fn check(answer: &Value) {
    if let Some(fault) = services::logged().iter().find(|line| line.contains(" ERROR ")) {
        panic!("{fault}");
    }
    let errors = answer.get("errors").map(|errors| errors.as_array().expect("a list of errors"));
    assert!(answer.get("data").is_some() || errors.is_some_and(|errors| !errors.is_empty()), "{answer}");
    for error in errors.into_iter().flatten() {
        let code = error["extensions"]["code"].as_str().unwrap_or_else(|| panic!("no code: {answer}"));
        assert!(matches!(code, "BAD_USER_INPUT" | "FORBIDDEN" | "TOKEN_REVOKED" | "UNAUTHENTICATED"), "{answer}");
        assert!(error["message"].is_string(), "{answer}");
    }
}

/// The answer, or the first event of a stream; none from a stream with nothing to say.
async fn send(routes: &Router, token: Option<&str>, body: Vec<u8>) -> Option<Value> {
    let is_stream = body.starts_with(b"{\"query\":\"subscription");
    let mut request = http::Request::post("/graphql").header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if is_stream {
        request = request.header("accept", "text/event-stream");
    }
    let response = routes.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    assert!(matches!(status, 200 | 400 | 401), "status {status}");
    if is_stream && status == 200 {
        let mut events = response.into_body().into_data_stream();
        let event = tokio::time::timeout(LISTENING, events.next()).await.ok()??.unwrap();
        let event = std::str::from_utf8(&event).expect("an event is text");
        let data = event.lines().find_map(|line| line.strip_prefix("data: "))?;
        return Some(serde_json::from_str(data).expect("the data of an event is JSON"));
    }
    let answer = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    Some(serde_json::from_slice(&answer).expect("an answer is JSON"))
}

struct World {
    runtime: Runtime,
    /// In the order of [`OPERATIONS`].
    subgraphs: Vec<Router>,
    /// Nobody's, then in the order of the first ids.
    tokens: Vec<Option<String>>,
    /// Of two people, an administrator, and what they have made.
    ids: Vec<String>,
    _installation: Installation,
}

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (installation, subgraphs, tokens, ids) = runtime.block_on(async {
            let installation = Installation::new().await;
            let roles = installation.subgraphs().await;
            let subgraphs: Vec<_> = roles.iter().map(|role| role.routes.clone()).collect();
            let admin = hansa_users::create_admin(&roles[0].database, "root", "root@example.org").await.unwrap();
            // Events reach the subgraphs while people are made, and not after: the same input is to do the same again.
            let tasks = roles.into_iter().flat_map(|role| role.tasks).map(|task| task.work);
            let (tokens, ids) = tokio::select! {
                made = people(&subgraphs, admin) => made,
                _ = futures::future::join_all(tasks) => unreachable!("tasks end at shutdown"),
            };
            (installation, subgraphs, tokens, ids)
        });
        drop(services::logged());
        Self { runtime, subgraphs, tokens, ids, _installation: installation }
    }
}

/// Two friends, one of whom has written a post and to the other, and an administrator: their tokens and ids.
async fn people(subgraphs: &[Router], admin: hansa_users::AdminLogin) -> (Vec<Option<String>>, Vec<String>) {
    let [users, posts, social, notifications] = subgraphs else { unreachable!("four subgraphs") };
    const MADE: &str = "viewer { id } tokens { accessToken }";
    let mut tokens = vec![None];
    let mut ids = Vec::new();
    for name in ["ann", "bob"] {
        let input = json!({ "username": name, "email": format!("{name}@example.org"), "password": PASSWORD });
        let query =
            format!("mutation ($input: AccountRegisterInput!) {{ made: accountRegister(input: $input) {{ {MADE} }} }}");
        sign_in(users, &query, input, &mut tokens, &mut ids).await;
    }
    let query = format!("mutation ($input: SessionCreateInput!) {{ made: sessionCreate(input: $input) {{ {MADE} }} }}");
    let input = json!({ "login": admin.username, "password": admin.password });
    sign_in(users, &query, input, &mut tokens, &mut ids).await;
    let (ann, bob) = (tokens[1].as_deref(), tokens[2].as_deref());
    let steps = [
        (social, bob, "mutation ($id: ID!) { made: followCreate(userId: $id) { user { id } } }"),
        (social, ann, "mutation ($bob: ID!) { made: friendshipRequest(userId: $bob) { friendship { id } } }"),
        (social, bob, "mutation ($last: ID!) { made: friendshipAccept(id: $last) { friendship { id } } }"),
        (
            posts,
            ann,
            "mutation { made: postCreate(input: { body: \"Seven words about the sea and ships\" }) { post { id } } }",
        ),
        (
            social,
            ann,
            "mutation ($bob: ID!) { made: messageSend(input: { recipientId: $bob, body: \"Ahoy\" }) { message { id conversation { id } } } }",
        ),
        (
            notifications,
            bob,
            "query ($me: ID!) { _entities(representations: [{ __typename: \"Viewer\", id: $me }]) { ... on Viewer { made: notifications { nodes { id } } } } }",
        ),
    ];
    for (subgraph, token, query) in steps {
        // Until the subgraph has heard of what it takes.
        let variables = json!({ "id": ids[0], "bob": ids[1], "me": ids[1], "last": ids.last() });
        let body = json!({ "query": query, "variables": variables }).to_string();
        let known = ids.len();
        let making = async {
            while ids.len() == known {
                tokio::time::sleep(Duration::from_millis(5)).await;
                remember(&send(subgraph, token, body.clone().into()).await.unwrap(), &mut ids);
            }
        };
        tokio::time::timeout(DEADLINE, making).await.unwrap_or_else(|_| panic!("in vain: {query}"));
    }
    (tokens, ids)
}

async fn sign_in(users: &Router, query: &str, input: Value, tokens: &mut Vec<Option<String>>, ids: &mut Vec<String>) {
    let body = json!({ "query": query, "variables": { "input": input } }).to_string();
    let answer = send(users, None, body.into()).await.unwrap();
    let made = &answer["data"]["made"];
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
    tokens.push(Some(text(&made["tokens"]["accessToken"])));
    ids.push(text(&made["viewer"]["id"]));
}
