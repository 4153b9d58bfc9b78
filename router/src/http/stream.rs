//! Results as the body of one response: event streams and multipart responses, which differ in their framing only.

use super::media::Format;
use super::{events, multipart, reply};
use crate::Gateway;
use crate::error::{Code, GraphQLError};
use crate::gateway::Prepared;
use crate::limits::Streams;
use crate::request::{Caller, RequestContext};
use crate::subscription::{self, Admitted, Event};
use crate::telemetry::{Summary, metrics};
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderName, HeaderValue, header};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tracing::Instrument;

/// Events that wait for a slow reader; then the subscription itself waits.
const QUEUE: usize = 16;
/// Tells nginx and its like not to hold events back.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// How results are written one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Server-sent events.
    Events,
    /// Parts of a multipart response.
    Multipart,
}

impl Framing {
    fn format(self) -> Format {
        match self {
            Self::Events => Format::EventStream,
            Self::Multipart => Format::Multipart,
        }
    }

    /// What stands before everything else.
    fn start(self) -> Bytes {
        match self {
            Self::Events => Bytes::new(),
            Self::Multipart => multipart::START,
        }
    }

    fn heartbeat(self) -> Bytes {
        match self {
            Self::Events => events::HEARTBEAT,
            Self::Multipart => multipart::HEARTBEAT,
        }
    }

    fn next(self, result: &[u8]) -> Bytes {
        match self {
            Self::Events => events::next(result),
            Self::Multipart => multipart::next(result),
        }
    }

    /// Why the stream ends although the subscription has not.
    fn broken_off(self, error: GraphQLError) -> Bytes {
        let body = reply::body(&[error]);
        match self {
            Self::Events => events::next(&body),
            Self::Multipart => multipart::broken_off(&body),
        }
    }

    fn complete(self) -> Bytes {
        match self {
            Self::Events => events::COMPLETE,
            Self::Multipart => multipart::END,
        }
    }
}

/// Streams an operation's results until it completes, its reader leaves, its session ends or the server shuts down.
pub(super) fn respond(
    gateway: Arc<Gateway>,
    framing: Framing,
    prepared: Prepared,
    context: RequestContext,
    admitted: Admitted,
) -> Response {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let claims = context.claims.clone();
    let caller = Caller::fixed(context);
    let stream = async move {
        let _admitted = admitted;
        let writer = Writer::new(sender.clone(), framing, &gateway.config.limits.streams);
        let results = async {
            writer.write(subscription::events(gateway.clone(), prepared, caller.clone())).await?;
            if gateway.is_ending(claims.as_deref()) {
                // Whoever ends all streams will end this one in a moment: the subscription is not complete.
                std::future::pending::<()>().await;
            }
            writer.send(framing.complete()).await
        };
        tokio::select! {
            _ = results => {}
            code = subscription::ended(&gateway, caller.clone()) => {
                writer.send(framing.broken_off(GraphQLError::new(code, "the session has ended"))).await;
                writer.send(framing.complete()).await;
            }
            () = gateway.shutdown.cancelled() => {
                let error = GraphQLError::new(Code::ShuttingDown, "the server is shutting down");
                writer.send(framing.broken_off(error)).await;
                // An event stream is not completed: its reader is to come back.
                if framing == Framing::Multipart {
                    writer.send(framing.complete()).await;
                }
            }
            () = sender.closed() => {}
        }
    };
    tokio::spawn(stream.in_current_span());
    let rest = ReceiverStream::new(receiver);
    let body = futures::stream::iter(Some(framing.start()).filter(|start| !start.is_empty())).chain(rest);
    response(framing, Body::from_stream(body.map(Ok::<_, Infallible>)))
}

/// Request errors, which event streams report as events too.
pub(super) fn refuse(errors: &[GraphQLError]) -> Response {
    let framing = Framing::Events;
    let body = [framing.next(&reply::body(errors)), framing.complete()].concat();
    let mut response = response(framing, Body::from(body));
    response.extensions_mut().insert(Summary { code: reply::first_code(errors), ..Summary::default() });
    response
}

fn response(framing: Framing, body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, framing.format().content_type()),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (X_ACCEL_BUFFERING, HeaderValue::from_static("no")),
    ];
    (headers, body).into_response()
}

/// Where events go. Writing gives `None` when there is nobody left to write to.
struct Writer {
    sender: mpsc::Sender<Bytes>,
    framing: Framing,
    timeout: Duration,
    heartbeat: Duration,
}

impl Writer {
    fn new(sender: mpsc::Sender<Bytes>, framing: Framing, limits: &Streams) -> Self {
        let timeout = Duration::from_millis(limits.write_timeout_ms);
        Self { sender, framing, timeout, heartbeat: Duration::from_millis(limits.heartbeat_ms) }
    }

    async fn send(&self, event: Bytes) -> Option<()> {
        match tokio::time::timeout(self.timeout, self.sender.send(event)).await {
            Ok(sent) => sent.ok(),
            Err(_) => {
                metrics::slow_client("http");
                None
            }
        }
    }

    /// Writes results, and heartbeats between them, until the source of a subscription ends. Gives `None` also when the
    /// operation has had its last step, which is then written.
    async fn write(&self, mut events: subscription::Events) -> Option<()> {
        loop {
            match tokio::time::timeout(self.heartbeat, events.next()).await {
                Err(_) => self.send(self.framing.heartbeat()).await?,
                Ok(Some(Event::Next(result))) => self.send(self.framing.next(&result)).await?,
                Ok(Some(Event::Last(result))) => return self.finish(&result).await,
                Ok(Some(Event::Errors(errors))) => return self.finish(&reply::body(&errors)).await,
                Ok(Some(Event::End)) => return Some(()),
                Ok(None) => return None,
            }
        }
    }

    /// Writes the last result and the completion. Nothing is to be written after it.
    async fn finish(&self, result: &[u8]) -> Option<()> {
        self.send(self.framing.next(result)).await?;
        self.send(self.framing.complete()).await?;
        None
    }
}
