//! The client side of streams: the results of one operation, in order, and the socket that carries many of them.

mod admission;
mod feed;
mod message;
mod socket;
mod upstream;

pub(crate) use admission::{Admission, Admitted, network};
pub(crate) use feed::Feeds;
pub(crate) use socket::accept;

use crate::error::{Code, GraphQLError};
use crate::gateway::Prepared;
use crate::http::internal;
use crate::operation::OperationKind;
use crate::request::{Caller, GraphQLRequest};
use crate::{Gateway, auth};
use async_stream::stream;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use serde::{Deserialize, Serialize};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

/// How live streams are run.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Which subscriptions with the same operation, variables and identity share one upstream stream. Subgraphs hear of
    /// the first client's address and user agent then.
    pub share: Sharing,
    /// How long a durable stream that broke off is tried to be gone on with before the client is told, in milliseconds;
    /// 0 tells at once.
    pub resume_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { share: Sharing::Durable, resume_ms: 30_000 }
    }
}

/// Which subscriptions share upstream streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sharing {
    /// None.
    Off,
    /// Durable streams (those with an argument `after` and events with a `cursor`) that are read from now on: who comes
    /// later misses nothing that it would have had alone.
    Durable,
    /// All but durable streams that are read from a cursor. Who comes later misses what came before, a first event that
    /// tells the state too.
    All,
}

/// A step of an operation. Nothing follows any but the first.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A result of a subscription, as JSON.
    Next(Bytes),
    /// The result of a query or mutation, or the last one of a subscription, as JSON.
    Last(Bytes),
    /// It could not be started, or was given up.
    Errors(Vec<GraphQLError>),
    /// The source of the subscription has ended.
    End,
}

/// The steps of an operation.
pub(crate) type Events = BoxStream<'static, Event>;

/// Runs an operation of any kind. Dropping the stream ends it, upstream too unless others read it.
pub(crate) fn events(gateway: Arc<Gateway>, prepared: Prepared, caller: Caller) -> Events {
    if prepared.operation.kind != OperationKind::Subscription {
        return unpanicking(stream! { yield Event::Last(prepared.run(&caller.now()).await.body) });
    }
    if is_shared(&gateway, &prepared) {
        return feed::events(gateway, prepared, caller);
    }
    unpanicking(upstream::events(gateway, prepared.into(), caller))
}

fn is_shared(gateway: &Gateway, prepared: &Prepared) -> bool {
    let resumption = prepared.operation.resumption.as_ref();
    let is_durable = resumption.is_some();
    let is_from_now = resumption.is_none_or(|resumption| resumption.after(&prepared.variables).is_none());
    match gateway.config.subscriptions.share {
        Sharing::Off => false,
        Sharing::Durable => is_durable && is_from_now,
        Sharing::All => is_from_now,
    }
}

/// Completes when the caller's session is over, with TOKEN_EXPIRED or TOKEN_REVOKED. Never for anonymous callers.
pub(crate) async fn ended(gateway: &Gateway, mut caller: Caller) -> Code {
    loop {
        let context = caller.now();
        tokio::select! {
            code = auth::ended(gateway.verifier.as_deref(), context.claims.as_deref()) => return code,
            () = caller.renewed() => {}
        }
    }
}

/// Prepares and runs an operation.
fn operation(gateway: Arc<Gateway>, mut request: GraphQLRequest, caller: Caller) -> Events {
    unpanicking(stream! {
        match gateway.prepare(&mut request, &caller.now(), gateway.deadline()).await {
            Ok(prepared) => {
                let mut events = events(gateway, prepared, caller);
                while let Some(event) = events.next().await {
                    yield event;
                }
            }
            Err(errors) => yield Event::Errors(errors),
        }
    })
}

/// A defect that one operation meets must not take others on the same socket down.
fn unpanicking(events: impl Stream<Item = Event> + Send + 'static) -> Events {
    let events = AssertUnwindSafe(events).catch_unwind();
    events.map(|event| event.unwrap_or_else(|_| Event::Errors(vec![internal()]))).boxed()
}
