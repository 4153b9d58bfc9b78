//! The client side of streams: the results of one operation, in order, and the socket that carries many of them.

mod admission;
mod message;
mod socket;

pub(crate) use admission::{Admission, Admitted, network};
pub(crate) use socket::accept;

use crate::Gateway;
use crate::error::GraphQLError;
use crate::gateway::Prepared;
use crate::http::internal;
use crate::operation::OperationKind;
use crate::request::{GraphQLRequest, RequestContext};
use async_stream::stream;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

/// A step of an operation. The stream of a subscription may end without a last step, when its source ends.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A result of a subscription, as JSON.
    Next(Bytes),
    /// The result of a query or mutation, as JSON; nothing follows.
    Last(Bytes),
    /// It could not be started, or broke; nothing follows.
    Errors(Vec<GraphQLError>),
}

/// The steps of an operation.
pub(crate) type Events = BoxStream<'static, Event>;

/// Runs an operation of any kind. Dropping the stream ends it, upstream too.
pub(crate) fn events(gateway: Arc<Gateway>, prepared: Prepared, context: RequestContext) -> Events {
    unpanicking(stream! {
        if prepared.operation.kind != OperationKind::Subscription {
            yield Event::Last(prepared.run(&context).await.body);
            return;
        }
        match prepared.subscribe(&context).await {
            Ok(mut answers) => {
                while let Some(answer) = answers.next().await {
                    // Subgraphs break their streams off then too; that is no failure to tell of.
                    if answer.has_data || !gateway.is_ending(context.claims.as_deref()) {
                        yield Event::Next(answer.body);
                    }
                }
            }
            Err(errors) => yield Event::Errors(errors),
        }
    })
}

/// Prepares and runs an operation.
fn operation(gateway: Arc<Gateway>, mut request: GraphQLRequest, context: RequestContext) -> Events {
    unpanicking(stream! {
        match gateway.prepare(&mut request, &context, gateway.deadline()).await {
            Ok(prepared) => {
                let mut events = events(gateway, prepared, context);
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
