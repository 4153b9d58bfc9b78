//! Bytes as they come over the network: a client's connection to our server, and a subgraph's answers to our client and
//! to our sockets.

use crate::front::Front;
use crate::targets::{WITH_FETCHES, messages};
use axum::body::Body;
use futures::SinkExt;
use hansa_router::server::{self, Site, Workers};
use hansa_router::transport::{Client, Transport};
use http::{Request, header};
use serde_json::json;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_util::sync::CancellationToken;

/// A subscription of `social` that does not go on when it breaks off, and its entities.
const TYPING: &str = "subscription { typingEvents(conversationId: \"c\") { __typename user { id username } } }";
/// How long a client listens before it hangs up; then the server has to.
const LISTENING: Duration = Duration::from_millis(5);
const DEADLINE: Duration = Duration::from_secs(15);

thread_local! {
    static SERVER: (Front, SocketAddr) = serve();
    static UPSTREAM: (Front, Script) = over_http();
    static SOCKETS: (Front, Sent) = with_sockets();
}

fn serve() -> (Front, SocketAddr) {
    let front = Front::start(false);
    let site = Site { gateway: Some(front.gateway.clone()), routes: front.routes.clone() };
    let address = front.runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let workers = Arc::new(Workers::current());
        tokio::spawn(server::serve(listener, site, server::Config::default(), workers, CancellationToken::new()));
        address
    });
    (front, address)
}

/// All that a client sends over one connection: heads, bodies and chunks, several requests one after the other, frames of
/// a socket. What comes back is HTTP, and the connection ends when the client hangs up.
pub fn connection(bytes: &[u8]) {
    SERVER.with(|(front, address)| {
        front.tell([], b"event: next\ndata: {\"data\":{}}\n\nevent: complete\n\n");
        let answer = front.runtime.block_on(async {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let mut answer = Vec::new();
            // The server may have had enough of it before the end.
            if stream.write_all(bytes).await.is_ok() {
                let _ = tokio::time::timeout(LISTENING, read(&mut stream, &mut answer)).await;
                let _ = stream.shutdown().await;
            }
            tokio::time::timeout(DEADLINE, read(&mut stream, &mut answer)).await.expect("the connection ends");
            answer
        });
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "{}", String::from_utf8_lossy(&answer));
    });
}

/// Reads until the other side closes. Cancel-safe.
async fn read(stream: &mut TcpStream, bytes: &mut Vec<u8>) {
    while stream.read_buf(bytes).await.is_ok_and(|length| length > 0) {}
}

/// What subgraphs send, by the first letters of their names, whatever they are asked but for their SDL.
type Script = Arc<Mutex<BTreeMap<u8, Vec<u8>>>>;

fn over_http() -> (Front, Script) {
    let script = Script::default();
    let client = Client::new().unwrap();
    let front = Front::over(|name, sdl| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(subgraph(TcpListener::from_std(listener).unwrap(), name.as_bytes()[0], sdl, script.clone()));
        (url, Transport::Http(client.clone()))
    });
    (front, script)
}

async fn subgraph(listener: TcpListener, letter: u8, sdl: &'static str, script: Script) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let script = script.clone();
        tokio::spawn(async move {
            let Some(mut asked) = request(&mut stream).await else { return };
            let answer = match asked.windows(8).any(|window| window == b"_service") {
                true => {
                    let body = json!({ "data": { "_service": { "sdl": sdl } } }).to_string();
                    let length = body.len();
                    format!(
                        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
                    )
                    .into()
                }
                false => script.lock().unwrap().get(&letter).cloned().unwrap_or_default(),
            };
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
            // Until the client has read it, too.
            read(&mut stream, &mut asked).await;
        });
    }
}

/// Reads a whole request; none when the client hangs up before.
async fn request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut asked = Vec::new();
    while !is_whole(&asked) {
        if stream.read_buf(&mut asked).await.ok()? == 0 {
            return None;
        }
    }
    Some(asked)
}

/// Whether this is a whole request of our client's.
fn is_whole(asked: &[u8]) -> bool {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    let Ok(httparse::Status::Complete(head)) = request.parse(asked) else { return false };
    let length = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|length| std::str::from_utf8(length.value).ok()?.parse::<usize>().ok());
    asked.len() >= head + length.unwrap_or_default()
}

/// An operation in the first byte, the last of which is a subscription, then what subgraphs send over their connections,
/// each one's its first letter and what comes before a zero: status, headers, a body, chunks, events.
pub fn upstream(bytes: &[u8]) {
    let Some((first, answers)) = bytes.split_first() else { return };
    let operation = usize::from(first.wrapping_sub(b'0')) % (WITH_FETCHES.len() + 1);
    let query = WITH_FETCHES.get(operation).unwrap_or(&TYPING);
    let answers = answers.split(|byte| *byte == 0).filter_map(<[u8]>::split_first);
    UPSTREAM.with(|(front, script)| {
        *script.lock().unwrap() = answers.map(|(letter, answer)| (*letter, answer.to_vec())).collect();
        let request = Request::post("/graphql").header(header::CONTENT_TYPE, "application/json");
        let accept = if operation < WITH_FETCHES.len() { "application/json" } else { "text/event-stream" };
        let body = Body::from(json!({ "query": query }).to_string());
        front.ask_once(request.header(header::ACCEPT, accept).body(body).unwrap());
    });
}

/// What a subgraph sends over its socket.
type Sent = Arc<Mutex<Vec<u8>>>;

fn with_sockets() -> (Front, Sent) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let front = Front::with_sockets("social", format!("ws://{}/", listener.local_addr().unwrap()));
    let sent = Sent::default();
    let listener = front.runtime.block_on(async { TcpListener::from_std(listener).unwrap() });
    front.runtime.spawn(sockets(listener, sent.clone()));
    (front, sent)
}

async fn sockets(listener: TcpListener, sent: Sent) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let sent = sent.lock().unwrap().clone();
        tokio::spawn(async move {
            let Some(mut asked) = request(&mut stream).await else { return };
            let head = std::str::from_utf8(&asked).unwrap();
            let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
            let accept = derive_accept_key(key.as_bytes());
            // The router may have had enough of it before the end.
            let _ = converse(&mut stream, &accept, &sent).await;
            let _ = stream.shutdown().await;
            read(&mut stream, &mut asked).await;
        });
    }
}

/// Sends what [`websocket`] is told to.
async fn converse(stream: &mut TcpStream, accept: &str, sent: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
    const ACCEPT: &[u8] = b"{accept}";
    let protocol = match sent.split_first() {
        Some((b'0', bytes)) => {
            let place = bytes.windows(ACCEPT.len()).position(|window| window == ACCEPT);
            let (before, after) =
                place.map_or((bytes, &[][..]), |place| (&bytes[..place], &bytes[place + ACCEPT.len()..]));
            let accept = place.map_or("", |_| accept);
            return Ok(stream.write_all(&[before, accept.as_bytes(), after].concat()).await?);
        }
        Some((b'1', _)) => "graphql-ws",
        _ => "graphql-transport-ws",
    };
    let head = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n";
    let head = format!("{head}sec-websocket-accept: {accept}\r\nsec-websocket-protocol: {protocol}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
    for message in messages(sent.get(1..).unwrap_or_default()) {
        socket.send(message).await?;
    }
    Ok(())
}

/// What a subgraph sends over its socket, which breaks off then. After a first byte `0` bytes as they come over TCP: a
/// head, in which `{accept}` stands for the answer to the client's key, and frames. Otherwise [`messages`], in the older
/// protocol (graphql-ws) after a first byte `1`.
pub fn websocket(bytes: &[u8]) {
    SOCKETS.with(|(front, sent)| {
        *sent.lock().unwrap() = bytes.to_vec();
        front.tell([b"{\"data\":{\"_entities\":[{\"username\":\"ann\"}]}}".to_vec()], &[]);
        let request = Request::post("/graphql").header(header::CONTENT_TYPE, "application/json");
        let body = Body::from(json!({ "query": TYPING }).to_string());
        front.ask_once(request.header(header::ACCEPT, "text/event-stream").body(body).unwrap());
    });
}
