//! Subscriptions: each event of the upstream stream is completed by the rest of the plan, and projected.

use super::failure::unavailable;
use super::fetch::{Body, Execution};
use super::plan::{Fetch, Plan};
use super::{Answer, project};
use crate::error::GraphQLError;
use crate::operation::{AFTER_VARIABLE, Operation, Variables};
use crate::request::Caller;
use crate::supergraph::Supergraph;
use crate::telemetry::trace;
use crate::transport::FetchError;
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tracing::Instrument;

/// A step of one upstream stream.
#[derive(Debug)]
pub enum Step {
    /// An event, completed and projected; of a durable stream with its cursor.
    Event(Answer, Option<String>),
    /// The stream broke off; nothing follows.
    Broken(Broken),
}

/// Why a subgraph's stream could not be opened, or broke off. Its text is for the log, never for clients.
#[derive(Debug)]
pub struct Broken {
    service: String,
    reason: FetchError,
}

impl Broken {
    /// Logs it, and gives the error that clients see.
    pub fn report(&self) -> GraphQLError {
        unavailable(&self.service, &self.reason)
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.service, self.reason)
    }
}

/// What every event needs.
struct Subscription {
    supergraph: Arc<Supergraph>,
    operation: Arc<Operation>,
    variables: Arc<Variables>,
    caller: Caller,
    /// How long the completion of one event may take.
    patience: Duration,
}

/// Starts a subscription, of a durable stream behind `after` if it is given in place of what the client says. The
/// deadline bounds the start; completing an event may take as long again. Dropping the stream ends it upstream.
///
/// # Errors
/// When the subgraph cannot be reached.
pub async fn subscribe(
    supergraph: &Arc<Supergraph>,
    operation: &Arc<Operation>,
    variables: &Arc<Variables>,
    caller: &Caller,
    after: Option<&str>,
    deadline: Instant,
) -> Result<BoxStream<'static, Step>, Broken> {
    let subscription = Subscription {
        supergraph: supergraph.clone(),
        operation: operation.clone(),
        variables: variables.clone(),
        caller: caller.clone(),
        patience: deadline.saturating_duration_since(Instant::now()),
    };
    let Some((_, fetch)) = upstream(operation) else {
        // Nothing is to be fetched: every field is denied, or skipped.
        let answer = super::run(supergraph, operation, variables, &caller.now(), deadline).await;
        return Ok(futures::stream::once(std::future::ready(Step::Event(answer, None))).boxed());
    };
    let body = body(operation, fetch, variables, after);
    let context = caller.now();
    let events = match supergraph.subgraphs.get(&fetch.service) {
        Some(subgraph) => {
            let opening = subgraph.stream(body, &context.forward, deadline);
            opening.instrument(trace::fetch(&fetch.service)).await
        }
        None => Err(FetchError::Unavailable("it is not known".into())),
    };
    let service = fetch.service.clone();
    match events {
        Ok(events) => Ok(steps(subscription, events)),
        Err(reason) => Err(Broken { service, reason }),
    }
}

fn upstream(operation: &Operation) -> Option<(&Plan, &Fetch)> {
    let plan = operation.plan.as_ref()?;
    Some((plan, plan.subscription.as_ref()?))
}

/// The request body for the subgraph.
fn body(operation: &Operation, fetch: &Fetch, variables: &Variables, after: Option<&str>) -> Bytes {
    let mut body = Body::new(fetch);
    body.variables(fetch, variables);
    let given = operation.resumption.as_ref().and_then(|resumption| resumption.after(variables));
    if let Some(cursor) = after.or(given) {
        body.own_variable(fetch, AFTER_VARIABLE, cursor);
    }
    body.finish()
}

fn steps(
    subscription: Subscription,
    mut events: BoxStream<'static, Result<Bytes, FetchError>>,
) -> BoxStream<'static, Step> {
    async_stream::stream! {
        let Some((plan, fetch)) = upstream(&subscription.operation) else { return };
        while let Some(event) = events.next().await {
            match event {
                Ok(bytes) => {
                    let resumption = subscription.operation.resumption.as_ref();
                    let cursor = resumption.and_then(|resumption| cursor(&bytes, &resumption.key));
                    yield Step::Event(subscription.answer(plan, fetch, bytes).await, cursor);
                }
                Err(reason) => {
                    yield Step::Broken(Broken { service: fetch.service.clone(), reason });
                    return;
                }
            }
        }
    }
    .boxed()
}

impl Subscription {
    /// Completes one event.
    async fn answer(&self, plan: &Plan, fetch: &Fetch, event: Bytes) -> Answer {
        let projection = &self.operation.projection;
        let deadline = Instant::now() + self.patience;
        let context = self.caller.now();
        let execution = Execution::new(&self.supergraph, plan, projection, &self.variables, &context, deadline);
        execution.accept_event(fetch, event);
        execution.run(&plan.root).await;
        project(&self.supergraph, &self.operation, &self.variables, execution.finish())
    }
}

/// The place of an event in a durable stream, by the response name of its field.
fn cursor(event: &[u8], field: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Event<'e> {
        #[serde(borrow)]
        data: HashMap<String, &'e RawValue>,
    }
    #[derive(Deserialize)]
    struct Place {
        cursor: String,
    }
    // Nobody has looked at it yet: what is passed over may be nested without end, and this library does so in a loop.
    let event = serde_json::from_slice::<Event>(event).ok()?;
    let place = serde_json::from_str::<Place>(event.data.get(field)?.get());
    place.ok().map(|place| place.cursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_an_event() {
        let deep = format!("{}{}", "[".repeat(1 << 20), "]".repeat(1 << 20));
        let event = |before: &str, cursor: &str| {
            format!(r#"{{"x":{before},"data":{{"y":{before},"news":{{"z":{before},"cursor":{cursor}}}}}}}"#)
        };
        assert_eq!(cursor(event("1", "\"a\\u0062\"").as_bytes(), "news").as_deref(), Some("ab"));
        assert_eq!(cursor(event(&deep, "\"a\"").as_bytes(), "news").as_deref(), Some("a"));
        assert_eq!(cursor(event(&deep, &deep).as_bytes(), "news"), None);
        for nothing in ["", "{}", r#"{"data":null}"#, r#"{"data":{"news":null}}"#, r#"{"data":{"new":{"cursor":"a"}}}"#]
        {
            assert_eq!(cursor(nothing.as_bytes(), "news"), None, "{nothing}");
        }
    }
}
