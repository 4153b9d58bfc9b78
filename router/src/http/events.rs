//! Results as server-sent events (GraphQL over SSE, distinct connections mode:
//! <https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md>).

use super::media::Format;
use super::reply;
use crate::error::GraphQLError;
use crate::gateway::Prepared;
use crate::limits::Streams;
use crate::request::RequestContext;
use crate::subscription::{self, Admitted, Event};
use crate::telemetry::Summary;
use crate::{Gateway, auth};
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
const COMPLETE: Bytes = Bytes::from_static(b"event: complete\ndata:\n\n");
const HEARTBEAT: Bytes = Bytes::from_static(b":\n\n");
/// Tells nginx and its like not to hold events back.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Streams an operation's results until it completes, its reader leaves, its session ends or the server shuts down.
pub(super) fn respond(
    gateway: Arc<Gateway>,
    prepared: Prepared,
    context: RequestContext,
    admitted: Admitted,
) -> Response {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let claims = context.claims.clone();
    let stream = async move {
        let _admitted = admitted;
        let writer = Writer::new(sender.clone(), &gateway.config.limits.streams);
        let results = async {
            writer.write(subscription::events(gateway.clone(), prepared, context)).await?;
            if gateway.is_ending(claims.as_deref()) {
                // Whoever ends all streams will end this one in a moment: the subscription is not complete.
                std::future::pending::<()>().await;
            }
            writer.send(COMPLETE).await
        };
        tokio::select! {
            _ = results => {}
            code = auth::ended(gateway.verifier.as_deref(), claims.as_deref()) => {
                writer.finish(&reply::body(&[GraphQLError::new(code, "the session has ended")])).await;
            }
            // Not completed: the client is to come back.
            () = gateway.shutdown.cancelled() => {}
            () = sender.closed() => {}
        }
    };
    tokio::spawn(stream.in_current_span());
    event_stream(Body::from_stream(ReceiverStream::new(receiver).map(Ok::<_, Infallible>)))
}

/// Request errors, which this protocol reports as events too.
pub(super) fn refuse(errors: &[GraphQLError]) -> Response {
    let mut response = event_stream(Body::from([next(&reply::body(errors)), COMPLETE].concat()));
    response.extensions_mut().insert(Summary { code: reply::first_code(errors), ..Summary::default() });
    response
}

fn event_stream(body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, Format::EventStream.content_type()),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (X_ACCEL_BUFFERING, HeaderValue::from_static("no")),
    ];
    (headers, body).into_response()
}

/// The event of one result. A line break, which JSON has between tokens only, would end the field.
fn next(result: &[u8]) -> Bytes {
    let mut event = Vec::with_capacity(result.len() + 32);
    event.extend_from_slice(b"event: next\ndata: ");
    event.extend(result.iter().filter(|byte| !matches!(byte, b'\n' | b'\r')));
    event.extend_from_slice(b"\n\n");
    event.into()
}

/// Where events go. Writing gives `None` when there is nobody left to write to.
struct Writer {
    sender: mpsc::Sender<Bytes>,
    timeout: Duration,
    heartbeat: Duration,
}

impl Writer {
    fn new(sender: mpsc::Sender<Bytes>, limits: &Streams) -> Self {
        let timeout = Duration::from_millis(limits.write_timeout_ms);
        Self { sender, timeout, heartbeat: Duration::from_millis(limits.heartbeat_ms) }
    }

    async fn send(&self, event: Bytes) -> Option<()> {
        tokio::time::timeout(self.timeout, self.sender.send(event)).await.ok()?.ok()
    }

    /// Writes results, and heartbeats between them, until the source of a subscription ends. Gives `None` also when the
    /// operation has had its last step, which is then written.
    async fn write(&self, mut events: subscription::Events) -> Option<()> {
        loop {
            match tokio::time::timeout(self.heartbeat, events.next()).await {
                Err(_) => self.send(HEARTBEAT).await?,
                Ok(Some(Event::Next(result))) => self.send(next(&result)).await?,
                Ok(Some(Event::Last(result))) => return self.finish(&result).await,
                Ok(Some(Event::Errors(errors))) => return self.finish(&reply::body(&errors)).await,
                Ok(None) => return Some(()),
            }
        }
    }

    /// Writes the last result and the completion. Nothing is to be written after it.
    async fn finish(&self, result: &[u8]) -> Option<()> {
        self.send(next(result)).await?;
        self.send(COMPLETE).await?;
        None
    }
}
