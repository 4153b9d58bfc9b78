//! A function for each kind of bytes that somebody else decides about. Each panics when something that must hold does not.

use crate::front::{Front, check_text, survive_the_planner};
use crate::{operator, wire};
use axum::body::Body;
use hansa_router::supergraph::{SubgraphSdl, Supergraph, compose};
use hansa_router::transport::{self, Subgraph, Transport};
use http::{HeaderName, HeaderValue, Method, Request, Uri, header};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;
use serde_json::value::RawValue;
use std::sync::Arc;
use tokio_tungstenite::tungstenite::Message;

/// A target and its name, which is that of its folder in the corpus.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 17] = [
    ("body", body),
    ("url", url),
    ("headers", headers),
    ("token", token),
    ("document", document),
    ("variables", variables),
    ("answers", answers),
    ("events", events),
    ("socket", socket),
    ("sdl", sdl),
    ("connection", wire::connection),
    ("upstream", wire::upstream),
    ("websocket", wire::websocket),
    ("supergraph", operator::supergraph),
    ("trusted", operator::trusted),
    ("config", operator::config),
    ("keys", operator::keys),
];

thread_local! {
    static OPEN: Front = Front::start(false);
    static GUARDED: Front = Front::start(true);
}

fn post(body: impl Into<Body>) -> Option<Request<Body>> {
    Request::post("/graphql").header(header::CONTENT_TYPE, "application/json").body(body.into()).ok()
}

/// The body of a POST request: one request or a batch.
pub fn body(bytes: &[u8]) {
    OPEN.with(|front| {
        front.tell([], &[]);
        front.ask(|| post(bytes.to_vec()));
    });
}

/// The query component of a URL.
pub fn url(bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).ok();
    let Some(uri) = text.and_then(|text| format!("/graphql?{text}").parse::<Uri>().ok()) else { return };
    OPEN.with(|front| {
        front.tell([], &[]);
        front.ask(|| Request::get(uri.clone()).header("graphql-require-preflight", "1").body(Body::empty()).ok());
    });
}

/// The method in the first byte, then headers, a line each.
pub fn headers(bytes: &[u8]) {
    const METHODS: [Method; 6] =
        [Method::POST, Method::GET, Method::OPTIONS, Method::HEAD, Method::PUT, Method::CONNECT];
    let Some((first, lines)) = bytes.split_first() else { return };
    let method = &METHODS[usize::from(*first) % METHODS.len()];
    let parsed = lines.split(|byte| *byte == b'\n').filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        Some((name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?))
    });
    let parsed: Vec<_> = parsed.take(20).collect();
    OPEN.with(|front| {
        front.tell([], &[]);
        front.ask(|| {
            let mut request = Request::new(Body::from("{\"query\":\"{ __typename viewer { id } }\"}"));
            *request.method_mut() = method.clone();
            *request.uri_mut() = "/graphql?query=%7B__typename%7D".parse().ok()?;
            for (name, value) in &parsed {
                request.headers_mut().append(name, value.clone());
            }
            Some(request)
        });
    });
}

/// The value of `Authorization`, which no token is that can be made up, or claims that the issuer signed.
pub fn token(bytes: &[u8]) {
    let signed = serde_json::from_slice::<&RawValue>(bytes).ok().map(sign);
    let value = signed.as_deref().map_or(HeaderValue::from_bytes(bytes), HeaderValue::from_str);
    let Ok(value) = value else { return };
    GUARDED.with(|front| {
        front.tell([], &[]);
        let answer = front.ask(|| {
            let mut request = post("{\"query\":\"{ __typename }\"}")?;
            request.headers_mut().insert(header::AUTHORIZATION, value.clone());
            Some(request)
        });
        assert!(signed.is_some() || answer.is_some_and(|answer| answer.status == 401), "let in by {value:?}");
    });
}

/// The issuer's private key, in PKCS #8: that of RFC 8037, appendix A.
pub const PRIVATE_KEY: [u8; 48] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20\x9d\x61\xb1\x9d\xef\xfd\x5a\x60\xba\x84\x4a\xf4\x92\xec\x2c\xc4\x44\x49\xc5\x69\x7b\x32\x69\x19\x70\x3b\xac\x03\x1c\xae\x7f\x60";

/// Signs claims as the issuer.
fn sign(claims: &RawValue) -> String {
    let header = Header { kid: Some("a".into()), ..Header::new(Algorithm::EdDSA) };
    format!("Bearer {}", jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_der(&PRIVATE_KEY)).unwrap())
}

/// A document; the subgraphs know nothing.
pub fn document(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let variables = json!({ "a": 1, "b": true, "c": "x", "d": null, "e": [1], "f": {} });
    let body = json!({ "query": text, "variables": variables }).to_string();
    OPEN.with(|front| {
        front.tell([], &[]);
        front.ask(|| post(body.clone()));
    });
}

/// Operations that have variables of the types of our API, and lists of them.
const WITH_VARIABLES: [&str; 6] = [
    "query($first: Int, $after: String, $yes: Boolean! = true) { users(first: $first, after: $after) { nodes { id @include(if: $yes) } } }",
    "mutation($input: AccountRegisterInput!) { accountRegister(input: $input) { viewer { id } userErrors { code } } }",
    "mutation($input: PostCreateInput!) { postCreate(input: $input) { post { id } userErrors { code message field } } }",
    "query($filter: UserFilter, $c: Int = 7) { users(filter: $filter, first: $c) { nodes { id } } }",
    "query($a: Int, $kinds: [NotificationKind!], $read: Boolean, $e: ID!, $ids: [ID!]!) { node(id: $e) { id } nodes(ids: $ids) { id } viewer { notifications(first: $a, filter: { kind: $kinds, isRead: $read }) { nodes { id } } } }",
    "query($yes: Boolean!, $no: Boolean = false) { viewer { id @skip(if: $yes) user @include(if: $no) { id username } } }",
];

/// An operation in the first byte, then the JSON of its variables.
pub fn variables(bytes: &[u8]) {
    let Some((first, variables)) = bytes.split_first() else { return };
    let query = json!(WITH_VARIABLES[usize::from(*first) % WITH_VARIABLES.len()]).to_string();
    let body = [b"{\"query\":", query.as_bytes(), b",\"variables\":", variables, b"}"].concat();
    OPEN.with(|front| {
        front.tell([], &[]);
        front.ask(|| post(body.clone()));
    });
}

/// Operations over one subgraph and over several, with lists, entities and non-nulls.
pub const WITH_FETCHES: [&str; 7] = [
    "{ viewer { id user { id username posts { nodes { id body author { username } } } } notifications { nodes { __typename id kind } } } }",
    "{ viewer { user { username } } }",
    "{ a: viewer { id } b: viewer { user { x: id y: posts(first: 3) { edges { cursor node { id author { id username } } } } } } }",
    "mutation { postCreate(input: { body: \"x\" }) { post { id author { username } } userErrors { code message field } } }",
    "{ viewer { notifications { nodes { id kind } pageInfo { hasNextPage endCursor } } } }",
    "{ viewer { user { posts { nodes { author { username posts { nodes { id } } } } } } } __schema { queryType { name } } }",
    "{ node(id: \"user_01h455vb4pex5vsknk084sn02q\") { id ... on User { username } } nodes(ids: [\"post_01h455vb4pex5vsknk084sn02q\", \"x\"]) { id ... on Post { body } } }",
];

/// An operation in the first byte, then what the subgraphs answer, one fetch after the other, with zeros between.
pub fn answers(bytes: &[u8]) {
    let Some((first, answers)) = bytes.split_first() else { return };
    let body = json!({ "query": WITH_FETCHES[usize::from(first.wrapping_sub(b'0')) % WITH_FETCHES.len()] }).to_string();
    let answers: Vec<_> = answers.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
    OPEN.with(|front| {
        front.ask(|| {
            front.tell(answers.clone(), &[]);
            post(body.clone())
        });
    });
}

/// The event stream of a subgraph.
pub fn events(bytes: &[u8]) {
    let body = json!({ "query": "subscription { notificationEvents { __typename } }" }).to_string();
    OPEN.with(|front| {
        front.ask(|| {
            front.tell([], bytes);
            let mut request = post(body.clone())?;
            request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
            Some(request)
        });
    });
}

/// What a client sends over a socket (graphql-transport-ws): [`messages`].
pub fn socket(bytes: &[u8]) {
    use futures::{SinkExt, StreamExt};
    use hyper_util::rt::TokioIo;
    use hyper_util::service::TowerToHyperService;
    use tokio_tungstenite::tungstenite::client::IntoClientRequest;
    OPEN.with(|front| {
        front.tell([], b"event: next\ndata: {\"data\":{}}\n\nevent: complete\n\n");
        front.runtime.block_on(async {
            let (ours, theirs) = tokio::io::duplex(1 << 20);
            let service = TowerToHyperService::new(front.routes.clone());
            let server = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(theirs), service);
            let server = tokio::spawn(server.with_upgrades());
            let mut request = "ws://localhost/graphql".into_client_request().unwrap();
            let protocol = HeaderValue::from_static("graphql-transport-ws");
            request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
            let (socket, _) = tokio_tungstenite::client_async(request, ours).await.expect("a socket opens");
            let (mut sink, mut stream) = socket.split();
            let writing = async {
                for message in messages(bytes) {
                    if sink.send(message).await.is_err() {
                        return;
                    }
                }
                let _ = sink.send(Message::Close(None)).await;
            };
            let reading = async {
                while let Some(Ok(message)) = stream.next().await {
                    if let Message::Text(text) = message {
                        check_message(&text);
                    }
                }
            };
            let both = async { futures::join!(writing, reading) };
            tokio::time::timeout(std::time::Duration::from_secs(15), both).await.expect("the socket closes");
            let _ = server.await;
        });
    });
}

/// Messages of a socket, one a line; a line that begins with a zero is binary.
pub fn messages(bytes: &[u8]) -> impl Iterator<Item = Message> {
    bytes.split(|byte| *byte == b'\n').take(50).filter_map(|line| {
        match (line.split_first(), std::str::from_utf8(line)) {
            (Some((0, binary)), _) => Some(Message::binary(binary.to_vec())),
            (_, Ok(text)) => Some(Message::text(text)),
            _ => None,
        }
    })
}

fn check_message(text: &str) {
    let message: serde_json::Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    match message["type"].as_str() {
        Some("connection_ack" | "ping" | "pong" | "complete") => {}
        Some("next") => check_text(&message["payload"].to_string()),
        Some("error") => check_text(&json!({ "errors": message["payload"] }).to_string()),
        _ => panic!("no message: {text}"),
    }
}

/// SDLs of up to three subgraphs, with zeros between.
pub fn sdl(bytes: &[u8]) {
    survive_the_planner();
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let sdls = text.split('\0').zip(["a", "b", "c"]);
    let sdls: Vec<_> = sdls
        .map(|(sdl, name)| SubgraphSdl { name: name.into(), url: format!("http://{name}/"), sdl: sdl.into() })
        .collect();
    match compose(&sdls) {
        Ok(supergraph) => {
            let subgraphs = sdls.iter().map(|sdl| {
                let transport = Transport::Local(axum::Router::new());
                Arc::new(Subgraph::new(&sdl.name, &sdl.url, transport, &transport::Config::default()).unwrap())
            });
            // The planner may refuse it; it must not bring us down.
            let _ = Supergraph::new(supergraph, subgraphs);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
