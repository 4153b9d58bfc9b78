//! A graphql-transport-ws connection (<https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>).
//!
//! One task serves one socket: it reads messages, polls the operations and writes their results. While a client does not
//! read, nothing of its is polled, so that nothing queues up.

use super::feed::Identity;
use super::message::{self, FromClient, FromServer, Renewal, close};
use super::{Admitted, Event, Events};
use crate::error::{Code, GraphQLError};
use crate::http::client::MAX_FORWARDED;
use crate::limits::Streams;
use crate::request::{Caller, RequestContext};
use crate::telemetry::metrics;
use crate::{Gateway, auth};
use axum::extract::WebSocketUpgrade;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use axum::response::Response;
use bytes::Bytes;
use chrono::DateTime;
use futures::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::{Map, Value};
use std::convert::Infallible;
use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_stream::StreamMap;
use tokio_tungstenite::tungstenite;
use tracing::Instrument;

const PROTOCOL: &str = "graphql-transport-ws";
/// Every socket holds two buffers of this size, in bytes. Messages are small.
const BUFFER: usize = 4 << 10;
/// How long a client may take to answer a close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Where `connection_init` may hold the token.
const TOKEN_KEYS: [&str; 3] = ["authorization", "token", "accessToken"];

/// Answers the upgrade and serves the socket in the background. `context` is what the upgrade request says of its
/// sender.
pub(crate) fn accept(
    upgrade: WebSocketUpgrade,
    gateway: Arc<Gateway>,
    context: RequestContext,
    admitted: Admitted,
) -> Response {
    let limits = &gateway.config.limits.streams;
    let span = tracing::Span::current();
    upgrade
        .protocols([PROTOCOL])
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_message_size(limits.max_message_bytes)
        .max_frame_size(limits.max_message_bytes)
        .on_upgrade(move |socket| serve(socket, gateway, context, admitted).instrument(span))
}

/// How a conversation ends.
enum End {
    /// The client is gone; nobody is left to be told.
    Gone,
    /// The server closes the socket.
    Close(CloseFrame),
}

impl From<CloseFrame> for End {
    fn from(frame: CloseFrame) -> Self {
        Self::Close(frame)
    }
}

async fn serve(socket: WebSocket, gateway: Arc<Gateway>, context: RequestContext, mut admitted: Admitted) {
    let mut connection = Connection::new(socket, gateway.config.limits.streams.clone());
    let end = tokio::select! {
        end = converse(&mut connection, &gateway, context, &mut admitted) => end,
        () = gateway.shutdown.cancelled() => close(close_code::AWAY, "SHUTTING_DOWN").into(),
    };
    if let End::Close(frame) = end {
        tracing::debug!(code = frame.code, reason = frame.reason.as_str(), "closing a socket");
        connection.close(frame).await;
    }
}

/// The whole conversation, until either side or the session ends it.
async fn converse(
    connection: &mut Connection,
    gateway: &Arc<Gateway>,
    context: RequestContext,
    admitted: &mut Admitted,
) -> End {
    if connection.socket.protocol().is_none() {
        return close(4406, "Subprotocol not acceptable").into();
    }
    let patience = Duration::from_millis(connection.limits.init_timeout_ms);
    let context = match timeout(patience, initialise(connection, gateway, context, admitted)).await {
        Ok(Ok(context)) => context,
        Ok(Err(end)) => return end,
        Err(_) => return close(4408, "Connection initialisation timeout").into(),
    };
    let (contexts, caller) = watch::channel(Arc::new(context));
    let caller = Caller::renewable(caller);
    tokio::select! {
        Err(end) = operate(connection, gateway, &contexts, &caller) => end,
        code = super::ended(gateway, caller.clone()) => match code {
            Code::TokenRevoked => close(4403, "TOKEN_REVOKED").into(),
            _ => close(4401, "TOKEN_EXPIRED").into(),
        },
    }
}

/// Waits for `connection_init`, and acknowledges it.
async fn initialise(
    connection: &mut Connection,
    gateway: &Gateway,
    upgraded: RequestContext,
    admitted: &mut Admitted,
) -> Result<RequestContext, End> {
    let payload = loop {
        match connection.receive().await? {
            FromClient::ConnectionInit { payload } => break payload.unwrap_or_default(),
            FromClient::Subscribe { .. } => return Err(close(4401, "Unauthorized").into()),
            FromClient::Ping { .. } => connection.send(FromServer::Pong { payload: None }.to_text()).await?,
            FromClient::Pong {} | FromClient::Complete { .. } => {}
        }
    };
    let mut upgraded = upgraded;
    forward(&payload, &gateway.forwarded, &mut upgraded.forward);
    let context = match authorization(&payload) {
        None => upgraded,
        Some(token) => {
            let verifier = gateway.verifier.as_deref();
            let identified = auth::identify(verifier, Some(&token), upgraded.forward).await;
            RequestContext { address: upgraded.address, ..identified.map_err(|error| refuse(&error))? }
        }
    };
    if let Some(claims) = &context.claims {
        admitted.count_user(&connection.limits, &claims.sub).map_err(|error| refuse(&error))?;
    }
    connection.send(FromServer::ConnectionAck.to_text()).await?;
    Ok(context)
}

/// The token of a `connection_init` payload, as a value of `Authorization`. Clients that copy all their headers into the
/// payload may spell the key in any case; the scheme may be left out.
fn authorization(payload: &Map<String, Value>) -> Option<HeaderValue> {
    let is_token = |key: &str| TOKEN_KEYS.iter().any(|known| known.eq_ignore_ascii_case(key));
    let (_, token) = payload.iter().find(|(key, value)| is_token(key) && !value.is_null())?;
    // A token that is no text, or no header value, is refused as an invalid one rather than taken for none.
    let token = token.as_str().unwrap_or_default().trim();
    let has_scheme = token.contains(' ');
    let value = if has_scheme { token.to_owned() } else { format!("Bearer {token}") };
    Some(HeaderValue::from_str(&value).unwrap_or(HeaderValue::from_static("Bearer ")))
}

/// Takes headers that travel on to subgraphs from a `connection_init` payload.
fn forward(payload: &Map<String, Value>, names: &[HeaderName], headers: &mut HeaderMap) {
    for name in names {
        let given = payload.iter().find(|(key, _)| key.eq_ignore_ascii_case(name.as_str()));
        let given = given.and_then(|(_, value)| value.as_str()).filter(|value| value.len() <= MAX_FORWARDED);
        if let Some(value) = given.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    }
}

/// Why a connection is not acknowledged. The reason is the code that HTTP clients get.
fn refuse(error: &GraphQLError) -> End {
    let reason = error.code().unwrap_or_default();
    metrics::refused(reason);
    match reason {
        "RATE_LIMITED" => close(close_code::POLICY, reason),
        "KEYS_UNAVAILABLE" => close(close_code::AGAIN, reason),
        "TOKEN_REVOKED" => close(4403, reason),
        _ => close(4401, reason),
    }
    .into()
}

/// Starts and stops operations as the client says, and passes their results on.
async fn operate(
    connection: &mut Connection,
    gateway: &Arc<Gateway>,
    contexts: &watch::Sender<Arc<RequestContext>>,
    caller: &Caller,
) -> Result<Infallible, End> {
    let mut operations: StreamMap<String, Events> = StreamMap::new();
    loop {
        tokio::select! {
            message = connection.receive() => match message? {
                FromClient::Subscribe { id, .. } if operations.contains_key(&id) => {
                    return Err(close(4409, &format!("Subscriber for {id} already exists")).into());
                }
                FromClient::Subscribe { id, .. } if operations.len() >= connection.limits.max_operations => {
                    let error = GraphQLError::new(Code::RateLimited, "too many operations run on this socket");
                    metrics::refused(error.code().unwrap_or_default());
                    connection.send(FromServer::Error { id: &id, payload: &[error] }.to_text()).await?;
                }
                FromClient::Subscribe { id, payload } => {
                    operations.insert(id, super::operation(gateway.clone(), *payload, caller.clone()));
                }
                FromClient::Complete { id } => drop(operations.remove(&id)),
                FromClient::Ping { payload } => {
                    let payload = match authorization(&payload.unwrap_or_default()) {
                        Some(token) => Some(renew(gateway, contexts, &token).await),
                        None => None,
                    };
                    connection.send(FromServer::Pong { payload }.to_text()).await?;
                }
                FromClient::Pong {} => {}
                FromClient::ConnectionInit { .. } => {
                    return Err(close(4429, "Too many initialisation requests").into());
                }
            },
            Some((id, event)) = operations.next() => {
                if !matches!(event, Event::Next(_)) {
                    operations.remove(&id);
                }
                match event {
                    Event::Next(result) => connection.send(message::next(&id, &result)).await?,
                    Event::Last(result) => {
                        connection.send(message::next(&id, &result)).await?;
                        connection.send(FromServer::Complete { id: &id }.to_text()).await?;
                    }
                    Event::Errors(errors) => {
                        connection.send(FromServer::Error { id: &id, payload: &errors }.to_text()).await?;
                    }
                    // Whoever ends all streams will close this socket in a moment: the subscription is not complete.
                    Event::End if gateway.is_ending(caller.now().claims.as_deref()) => {}
                    Event::End => connection.send(FromServer::Complete { id: &id }.to_text()).await?,
                }
            }
        }
    }
}

/// Extends the life of a socket by a later token of its session; its operations go on.
async fn renew(gateway: &Gateway, contexts: &watch::Sender<Arc<RequestContext>>, token: &HeaderValue) -> Renewal {
    let current = contexts.borrow().clone();
    let mut forward = current.forward.clone();
    forward.remove(header::AUTHORIZATION);
    let renewed = auth::identify(gateway.verifier.as_deref(), Some(token), forward).await;
    let renewed = renewed.and_then(|context| match &context.claims {
        Some(claims) if Identity::of(&context) == Identity::of(&current) => Ok((claims.exp, context)),
        _ => Err(GraphQLError::new(Code::Forbidden, "a socket keeps the session that it was opened with")),
    });
    match renewed {
        Ok((expires, context)) => {
            let is_later = current.claims.as_ref().is_none_or(|claims| claims.exp < expires);
            if is_later {
                contexts.send_replace(Arc::new(context));
            }
            let expires = contexts.borrow().claims.as_ref().map_or(expires, |claims| claims.exp);
            Renewal::Renewed { expires_at: DateTime::from_timestamp(expires, 0).unwrap_or_default() }
        }
        Err(error) => Renewal::Refused { errors: [error] },
    }
}

/// A socket with its heartbeat and its limits.
struct Connection {
    socket: WebSocket,
    limits: Streams,
    heard: Instant,
    is_pinged: bool,
}

impl Connection {
    fn new(socket: WebSocket, limits: Streams) -> Self {
        Self { socket, limits, heard: Instant::now(), is_pinged: false }
    }

    /// The next message. A silent client is pinged (RFC 6455 §5.5.2), and given up when it stays silent. Cancel safe.
    async fn receive(&mut self) -> Result<FromClient, End> {
        let heartbeat = Duration::from_millis(self.limits.heartbeat_ms);
        loop {
            let patience = if self.is_pinged { heartbeat * 2 } else { heartbeat };
            let Ok(received) = timeout_at(self.heard + patience, self.socket.recv()).await else {
                if self.is_pinged {
                    return Err(End::Gone);
                }
                self.is_pinged = true;
                self.write(Message::Ping(Bytes::new())).await?;
                continue;
            };
            self.heard = Instant::now();
            self.is_pinged = false;
            match received {
                Some(Ok(Message::Text(text))) => return Ok(FromClient::parse(&text)?),
                Some(Ok(Message::Binary(_))) => return Err(message::invalid("binary").into()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_))) => {
                    // The library answers a close frame when it is polled once more (RFC 6455 §5.5.1).
                    let _ = timeout(CLOSE_TIMEOUT, self.socket.recv()).await;
                    return Err(End::Gone);
                }
                None => return Err(End::Gone),
                Some(Err(error)) => return Err(broken(&error)),
            }
        }
    }

    async fn send(&mut self, text: Utf8Bytes) -> Result<(), End> {
        self.write(Message::Text(text)).await
    }

    async fn write(&mut self, message: Message) -> Result<(), End> {
        let patience = Duration::from_millis(self.limits.write_timeout_ms);
        match timeout(patience, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => {
                metrics::slow_client("websocket");
                Err(End::Gone)
            }
        }
    }

    /// Sends the close frame and waits for the client's, so that the frame is not lost with the connection.
    async fn close(mut self, frame: CloseFrame) {
        if self.write(Message::Close(Some(frame))).await.is_ok() {
            let answered = async { while let Some(Ok(_)) = self.socket.recv().await {} };
            // A client that does not answer is cut off.
            let _ = timeout(CLOSE_TIMEOUT, answered).await;
        }
    }
}

/// The end of a socket whose frames cannot be read.
fn broken(error: &axum::Error) -> End {
    use tungstenite::Error as Cause;
    match error.source().and_then(|cause| cause.downcast_ref::<Cause>()) {
        Some(Cause::Capacity(_)) => close(close_code::SIZE, "REQUEST_TOO_LARGE").into(),
        Some(Cause::Utf8(_)) => close(close_code::INVALID, "a text message is not UTF-8").into(),
        Some(Cause::Protocol(_)) => close(close_code::PROTOCOL, "").into(),
        _ => End::Gone,
    }
}
