//! A subgraph over HTTP: `POST /graphql`, answers as JSON or, for subscriptions, as a stream of events (graphql-sse,
//! distinct connections mode), and `GET /health`.
//!
//! The access token is checked here again, whoever sent the request.

use crate::{
    codes::Code,
    trace,
    viewer::{Client, Viewer},
};
use async_graphql::{ObjectType, Request, Response, Schema, ServerError, SubscriptionType, Value};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{
        IntoResponse, Response as HttpResponse, Sse,
        sse::{Event, KeepAlive},
    },
    routing::{get, post},
};
use chrono::{DateTime, Utc};
use futures::{Stream, StreamExt};
use hansa_token::Verifier;
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, field};

/// Largest request body, in bytes.
const MAX_BODY: usize = 2 * 1024 * 1024;
/// A subgraph that is reached directly answers no deeper operation. The router's entity fetches are shallow.
pub const MAX_DEPTH: usize = 25;
/// Nor a wider one.
pub const MAX_COMPLEXITY: usize = 20_000;
/// So many cannot nest too deeply.
const FEW_BRACKETS: usize = 100;
const MAX_USER_AGENT: usize = 255;
const HEARTBEAT: Duration = Duration::from_secs(12);
const RESPONSE_TYPE: HeaderValue = HeaderValue::from_static("application/graphql-response+json");

struct Endpoint<Q, M, S> {
    schema: Schema<Q, M, S>,
    verifier: Arc<Verifier>,
    shutdown: CancellationToken,
}

/// The routes of a subgraph.
pub fn routes<Q, M, S>(schema: Schema<Q, M, S>, verifier: Arc<Verifier>, shutdown: CancellationToken) -> Router
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    Router::new()
        .route("/graphql", post(graphql::<Q, M, S>))
        .route("/health", get(|| async { Json(serde_json::json!({ "status": "ok" })) }))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(Arc::new(Endpoint { schema, verifier, shutdown }))
}

async fn graphql<Q, M, S>(
    State(endpoint): State<Arc<Endpoint<Q, M, S>>>,
    headers: HeaderMap,
    body: Bytes,
) -> HttpResponse
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    let span = tracing::trace_span!(
        target: trace::TARGET,
        "graphql",
        otel.kind = "server",
        otel.name = "POST /graphql",
        "http.request.method" = "POST",
        "http.route" = "/graphql",
        "http.response.status_code" = field::Empty,
        "graphql.operation.name" = field::Empty,
    );
    trace::follow_request(&span, &headers);
    let response = respond(&endpoint, &headers, &body).instrument(span.clone()).await;
    span.record("http.response.status_code", i64::from(response.status().as_u16()));
    response
}

async fn respond<Q, M, S>(endpoint: &Arc<Endpoint<Q, M, S>>, headers: &HeaderMap, body: &Bytes) -> HttpResponse
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    let viewer = match viewer(&endpoint.verifier, headers).await {
        Ok(viewer) => viewer,
        Err(error) => return refuse(&error),
    };
    let request = match serde_json::from_slice::<Request>(body) {
        Ok(request) => request,
        Err(error) => {
            return bad_request(&format!("bad request: {error}"));
        }
    };
    if holds_nul(&request) {
        return bad_request("the character U+0000 cannot be stored");
    }
    if nests_without_end(&request.query) {
        return bad_request("the document cannot be read, or nests too deeply");
    }
    Span::current().record("graphql.operation.name", request.operation_name.as_deref());
    let identity = viewer.identity().cloned();
    let request = request.data(viewer).data(client(headers));
    if wants_stream(headers) {
        let results = endpoint.schema.execute_stream(request).map(with_codes);
        let until = until(endpoint.verifier.clone(), identity, endpoint.shutdown.clone());
        return sse(results, until).into_response();
    }
    answer(StatusCode::OK, with_codes(endpoint.schema.execute(request).await))
}

/// Gives a code to errors without one. Ours all have one: the rest is what the library says of a document or of the
/// values in it.
fn with_codes(mut response: Response) -> Response {
    for error in &mut response.errors {
        let extensions = error.extensions.get_or_insert_default();
        if extensions.get("code").is_none() {
            extensions.set("code", Code::BadUserInput.as_str());
        }
    }
    response
}

async fn viewer(verifier: &Verifier, headers: &HeaderMap) -> Result<Viewer, hansa_token::Error> {
    let authorization = headers.get_all(header::AUTHORIZATION);
    match hansa_token::bearer(authorization.iter().map(HeaderValue::as_bytes))? {
        Some(token) => Viewer::of(verifier.verify(token).await?).ok_or(hansa_token::Error::Invalid),
        None => Ok(Viewer::Anonymous),
    }
}

/// Whether the request holds U+0000, which Postgres keeps in no text: neither a store nor a domain meets it.
fn holds_nul(request: &Request) -> bool {
    fn in_value(value: &Value) -> bool {
        match value {
            Value::String(text) => text.contains('\0'),
            Value::List(items) => items.iter().any(in_value),
            Value::Object(fields) => fields.values().any(in_value),
            _ => false,
        }
    }
    request.variables.values().any(in_value) || escapes_nul(&request.query)
}

/// Whether a document nests more than can be read: the parser calls itself for every bracket, until there is no stack
/// left. One with many brackets is read by a parser first that stops in time.
fn nests_without_end(document: &str) -> bool {
    let brackets = document.bytes().filter(|byte| b"([{".contains(byte)).count();
    brackets > FEW_BRACKETS && graphql_tools::parser::parse_query::<&str>(document).is_err()
}

/// Whether a document has the escape sequence of U+0000, whose backslash is not itself escaped. The character itself is in
/// no document (GraphQL, "Source Text").
fn escapes_nul(document: &str) -> bool {
    document.match_indices(r"\u0000").any(|(at, _)| {
        let before = document[..at].bytes().rev().take_while(|&byte| byte == b'\\').count();
        before.is_multiple_of(2)
    })
}

fn client(headers: &HeaderMap) -> Client {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    Client {
        user_agent: text("user-agent").map(|agent| agent.chars().take(MAX_USER_AGENT).collect()),
        ip_address: text("x-forwarded-for")
            .and_then(|chain| chain.split(',').next())
            .and_then(|address| address.trim().parse::<std::net::IpAddr>().ok())
            .map(|address| address.to_string()),
    }
}

fn wants_stream(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/event-stream"))
}

/// Completes when a stream has to end: its session is revoked, its token expires, the process shuts down.
async fn until(verifier: Arc<Verifier>, identity: Option<crate::viewer::Identity>, shutdown: CancellationToken) {
    let Some(identity) = identity else { return shutdown.cancelled().await };
    let expires = DateTime::from_timestamp(identity.claims.exp, 0).unwrap_or(DateTime::<Utc>::MAX_UTC);
    let remaining = (expires - Utc::now()).to_std().unwrap_or_default();
    tokio::select! {
        () = tokio::time::sleep(remaining) => {}
        () = verifier.revocations().revoked(&identity.claims.sid) => {}
        () = shutdown.cancelled() => {}
    }
}

/// A stream that is ended from outside is not completed: its reader is to come back.
fn sse(
    results: impl Stream<Item = Response> + Send + 'static,
    until: impl Future<Output = ()> + Send + 'static,
) -> impl IntoResponse {
    let next = results.map(|result| {
        let data = serde_json::to_string(&result).unwrap_or_default();
        Event::default().event("next").data(data)
    });
    let complete = futures::stream::once(async { Event::default().event("complete").data("") });
    let events = next.chain(complete).take_until(until);
    Sse::new(events.map(Ok::<_, Infallible>)).keep_alive(KeepAlive::new().interval(HEARTBEAT))
}

fn coded(code: &str, message: &str) -> Response {
    let mut error = ServerError::new(message, None);
    error.extensions.get_or_insert_default().set("code", code);
    Response::from_errors(vec![error])
}

fn bad_request(message: &str) -> HttpResponse {
    answer(StatusCode::BAD_REQUEST, coded(Code::BadUserInput.as_str(), message))
}

fn refuse(error: &hansa_token::Error) -> HttpResponse {
    let status = match error {
        hansa_token::Error::KeysUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::UNAUTHORIZED,
    };
    answer(status, coded(error.code(), &error.to_string()))
}

fn answer(status: StatusCode, response: Response) -> HttpResponse {
    (status, [(header::CONTENT_TYPE, RESPONSE_TYPE)], Json(response)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::{EmptyMutation, EmptySubscription, Object};
    use axum::{body::Body, http};
    use hansa_token::{JwkSet, Revocations};
    use serde_json::{Value as Json, json};
    use tower::ServiceExt;

    struct Query;

    #[Object]
    impl Query {
        async fn echo(&self, text: Option<String>) -> Option<String> {
            text
        }
    }

    fn service() -> Router {
        let keys = Arc::new(|| Box::pin(async { Ok(JwkSet { keys: Vec::new() }) }) as _);
        let verifier = Verifier::new(hansa_token::Config::default(), keys, Arc::new(Revocations::default()));
        let schema = Schema::new(Query, EmptyMutation, EmptySubscription);
        routes(schema, Arc::new(verifier), CancellationToken::new())
    }

    async fn send(request: http::request::Builder, body: &Json) -> (StatusCode, Json) {
        let response = service().oneshot(request.body(Body::from(body.to_string())).unwrap()).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), MAX_BODY).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn what_cannot_be_stored_is_refused() {
        let query = "query ($text: String) { echo(text: $text) }";
        for body in [
            json!({ "query": query, "variables": { "text": "a\0b" } }),
            json!({ "query": query, "variables": { "text": null, "more": { "deep": ["", "\0"] } } }),
            json!({ "query": r#"{ echo(text: "a\u0000b") }"# }),
            json!({ "query": r#"{ echo(text: "\\\u0000") }"# }),
        ] {
            let (status, answer) = send(http::Request::post("/graphql"), &body).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
            assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
        }
        // Text that speaks of it.
        for body in [
            json!({ "query": query, "variables": { "text": r"\u0000" } }),
            json!({ "query": r#"{ echo(text: "\\u0000") }"# }),
        ] {
            assert_eq!(send(http::Request::post("/graphql"), &body).await.1, json!({ "data": { "echo": r"\u0000" } }));
        }
    }

    #[tokio::test]
    async fn a_document_cannot_exhaust_the_stack() {
        let deep = |open: &str, close: &str| [open.repeat(200_000), close.repeat(200_000)];
        let [lists, objects, fields] = [deep("[", "]"), deep("{a:", "}"), deep("{a", "}")].map(|parts| parts.concat());
        let hidden = deep("[\")\"", "]").concat();
        for query in [
            format!("{{ echo(text: {lists}) }}"),
            format!("{{ echo(text: {hidden}) }}"),
            format!("{{ echo(text: {objects}) }}"),
            format!("query ($text: {lists}) {{ echo }}"),
            fields,
            "{".repeat(1_000_000),
        ] {
            let (status, answer) = send(http::Request::post("/graphql"), &json!({ "query": query })).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{}", &query[..40]);
            assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
        }
        let wide = format!("{{ {} }}", "a: echo(text: \"((((\") ".repeat(500));
        assert_eq!(send(http::Request::post("/graphql"), &json!({ "query": wide })).await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn a_request_has_one_token_at_most() {
        let body = json!({ "query": "{ echo }" });
        for headers in [&["Basic YTpi"][..], &["Bearer a", "Bearer a"]] {
            let request = headers
                .iter()
                .fold(http::Request::post("/graphql"), |request, value| request.header(header::AUTHORIZATION, *value));
            let (status, answer) = send(request, &body).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{headers:?}");
            assert_eq!(answer["errors"][0]["extensions"]["code"], "TOKEN_INVALID");
        }
        assert_eq!(send(http::Request::post("/graphql"), &body).await.0, StatusCode::OK);
    }
}
