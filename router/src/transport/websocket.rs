//! Subscriptions over WebSocket: graphql-transport-ws
//! (<https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>), or what came before it, graphql-ws
//! (<https://github.com/apollographql/subscriptions-transport-ws/blob/master/PROTOCOL.md>): the subgraph chooses. Each
//! subscription has a socket of its own, so that it is asked for with the token and the headers of its caller.

use super::wire::{Pool, chain};
use super::{Config, FetchError, HttpVersion};
use crate::telemetry::trace;
use bytes::Bytes;
use futures::stream::{BoxStream, Stream, StreamExt};
use futures::{FutureExt, SinkExt};
use http::header::SEC_WEBSOCKET_PROTOCOL;
use http::{HeaderMap, HeaderValue, Uri};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// The subprotocols that are spoken, the better one first.
const PROTOCOLS: HeaderValue = HeaderValue::from_static("graphql-transport-ws, graphql-ws");
/// The older of them, which has other names for the same messages.
const OLD_PROTOCOL: &str = "graphql-ws";
/// The only operation on a socket.
const ID: &str = "1";
/// Every socket holds two buffers of this size, in bytes.
const BUFFER: usize = 4 << 10;

/// Where a subgraph takes sockets.
#[derive(Debug)]
pub(super) struct Endpoint {
    pool: Pool,
    /// `ws` or `wss`.
    url: Uri,
    /// The same as `http` or `https`, which connections are opened by.
    address: Uri,
}

/// A message of a subgraph.
#[derive(Deserialize)]
struct FromSubgraph<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

impl Endpoint {
    /// Takes sockets at this URL, by connections of these settings; the text says what is wrong with them.
    pub(super) fn new(url: &str, config: &Config) -> Result<Self, String> {
        let mut parsed = url::Url::parse(url).map_err(|error| error.to_string())?;
        let scheme = match parsed.scheme() {
            "ws" => "http",
            "wss" => "https",
            other => return Err(format!("its scheme is {other}, not ws or wss")),
        };
        parsed.set_fragment(None);
        let url: Uri = parsed.as_str().parse().map_err(|error: http::uri::InvalidUri| error.to_string())?;
        let address = format!("{scheme}{}", &parsed.as_str()[parsed.scheme().len()..]);
        let address = address.parse().map_err(|error: http::uri::InvalidUri| error.to_string())?;
        // HTTP/2 has no upgrade.
        Ok(Self { pool: Pool::new(HttpVersion::Http1, config)?, url, address })
    }

    /// Opens a socket and subscribes on it; `body` is the request as it would be posted. Of the headers, the second take
    /// the place of the first. Messages may have `limit` bytes.
    pub(super) async fn open(
        &self,
        [forward, own]: [&HeaderMap; 2],
        body: &[u8],
        limit: usize,
    ) -> Result<BoxStream<'static, Result<Bytes, FetchError>>, FetchError> {
        let mut request = self.url.clone().into_client_request().map_err(|error| broken(&error, limit))?;
        let headers = request.headers_mut();
        headers.extend(forward.clone());
        for (name, value) in own {
            headers.insert(name.clone(), value.clone());
        }
        headers.insert(SEC_WEBSOCKET_PROTOCOL, PROTOCOLS);
        trace::inject(headers);

        let stream = self.pool.connect(self.address.clone()).await?;
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER)
            .write_buffer_size(BUFFER)
            .max_message_size(Some(limit))
            .max_frame_size(Some(limit));
        // Boxed, for what the handshake takes room for is needed once.
        let shaken = client_async_with_config(request, stream, Some(config)).boxed().await;
        let (socket, response) = shaken.map_err(|error| broken(&error, limit))?;
        let is_old = response.headers().get(SEC_WEBSOCKET_PROTOCOL).is_some_and(|chosen| chosen == OLD_PROTOCOL);
        let mut socket = Socket { socket, limit };
        socket.subscribe(is_old, payload([forward, own]), body).await?;
        Ok(results(socket).boxed())
    }
}

/// The payload of `connection_init`, where subgraphs commonly look for tokens: of headers, the second take the place of the
/// first.
fn payload([forward, own]: [&HeaderMap; 2]) -> Map<String, Value> {
    let headers = forward.iter().chain(own);
    headers.filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.into()))).collect()
}

/// A socket to a subgraph.
struct Socket<S> {
    socket: WebSocketStream<S>,
    /// The most bytes of a message.
    limit: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Initialises the connection and starts the operation.
    async fn subscribe(&mut self, is_old: bool, payload: Map<String, Value>, body: &[u8]) -> Result<(), FetchError> {
        self.send(json!({ "type": "connection_init", "payload": payload }).to_string()).await?;
        loop {
            let text = self.receive().await?;
            match &*parse(&text)?.kind {
                "connection_ack" => break,
                "ping" => self.pong().await?,
                "pong" | "ka" => {}
                "connection_error" => return Err(FetchError::Refused("the connection is not acknowledged".into())),
                _ => return Err(FetchError::Unavailable("a message before the connection is acknowledged".into())),
            }
        }
        let start = if is_old { "start" } else { "subscribe" };
        let body = String::from_utf8_lossy(body);
        self.send(format!("{{\"id\":\"{ID}\",\"type\":\"{start}\",\"payload\":{body}}}")).await
    }

    async fn pong(&mut self) -> Result<(), FetchError> {
        self.send("{\"type\":\"pong\"}".to_owned()).await
    }

    async fn send(&mut self, text: String) -> Result<(), FetchError> {
        self.socket.send(Message::text(text)).await.map_err(|error| broken(&error, self.limit))
    }

    async fn receive(&mut self) -> Result<Utf8Bytes, FetchError> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text),
                Some(Ok(Message::Close(Some(frame)))) => {
                    let code = u16::from(frame.code);
                    let why = format!("the socket was closed with {code} {:?}", frame.reason.as_str());
                    // Codes of its own say that it is the request that is wrong, such as its token (RFC 6455 §7.4.2).
                    return Err(if code < 4000 { FetchError::Unavailable(why) } else { FetchError::Refused(why) });
                }
                Some(Ok(Message::Close(None))) | None => {
                    return Err(FetchError::Unavailable("the socket broke off".into()));
                }
                Some(Ok(Message::Binary(_))) => return Err(FetchError::Unavailable("a message is no text".into())),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(broken(&error, self.limit)),
            }
        }
    }
}

fn parse(text: &str) -> Result<FromSubgraph<'_>, FetchError> {
    // The error itself could quote the message, which is nothing for the log.
    serde_json::from_str(text).map_err(|_| FetchError::Unavailable("a message is of neither protocol".into()))
}

fn broken(error: &tungstenite::Error, limit: usize) -> FetchError {
    match error {
        tungstenite::Error::Http(response) => FetchError::Status(response.status()),
        tungstenite::Error::Capacity(_) => FetchError::TooLarge(limit),
        error => FetchError::Broken(chain(error)),
    }
}

/// The results of the operation. They end with its completion or after an error; a socket that closes before is an error.
fn results<S>(mut socket: Socket<S>) -> impl Stream<Item = Result<Bytes, FetchError>> + Send
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    async_stream::stream! {
        loop {
            match step(&mut socket).await {
                Ok(Step::Result(result)) => yield Ok(result),
                Ok(Step::Nothing) => {}
                Ok(Step::Refusal(errors)) => {
                    yield Ok(errors);
                    return;
                }
                Ok(Step::End) => return,
                Err(error) => {
                    yield Err(error);
                    return;
                }
            }
        }
    }
}

/// What a message means.
enum Step {
    Result(Bytes),
    Nothing,
    /// The subgraph does not run the operation, or no longer: an answer with its errors.
    Refusal(Bytes),
    End,
}

async fn step<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut Socket<S>) -> Result<Step, FetchError> {
    let text = socket.receive().await?;
    let message = parse(&text)?;
    let payload = message.payload.map(RawValue::get);
    Ok(match (&*message.kind, payload) {
        ("next" | "data", Some(result)) => Step::Result(Bytes::from(text.clone()).slice_ref(result.as_bytes())),
        ("error" | "connection_error", Some(errors)) => Step::Refusal(format!("{{\"errors\":{errors}}}").into()),
        ("complete", _) => Step::End,
        ("ping", _) => {
            socket.pong().await?;
            Step::Nothing
        }
        ("pong" | "ka" | "connection_ack", _) => Step::Nothing,
        _ => return Err(FetchError::Unavailable("an unexpected message".into())),
    })
}
