//! Subscriptions: each event of the upstream stream is completed by the rest of the plan, and projected.

use super::failure::unavailable;
use super::fetch::{Body, Execution, Received};
use super::plan::Plan;
use super::{Answer, project};
use crate::error::{Code, GraphQLError};
use crate::operation::{Operation, Variables};
use crate::request::RequestContext;
use crate::supergraph::Supergraph;
use crate::telemetry::trace;
use crate::transport::FetchError;
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tracing::Instrument;

/// What every event needs.
struct Subscription {
    supergraph: Arc<Supergraph>,
    operation: Arc<Operation>,
    variables: Arc<Variables>,
    context: RequestContext,
    /// How long the completion of one event may take.
    patience: Duration,
}

/// Starts a subscription: one answer for each event. The deadline bounds the start; completing an event may take as
/// long again. A broken stream gives a last answer with an error. Dropping the stream ends it upstream.
pub async fn subscribe(
    supergraph: &Arc<Supergraph>,
    operation: &Arc<Operation>,
    variables: &Arc<Variables>,
    context: &RequestContext,
    deadline: Instant,
) -> Result<BoxStream<'static, Answer>, Vec<GraphQLError>> {
    let subscription = Subscription {
        supergraph: supergraph.clone(),
        operation: operation.clone(),
        variables: variables.clone(),
        context: context.clone(),
        patience: deadline.saturating_duration_since(Instant::now()),
    };
    let Some(plan) = operation.plan.as_ref().filter(|plan| plan.subscription.is_some()) else {
        // Nothing is to be fetched: every field is denied, or skipped.
        let answer = super::run(supergraph, operation, variables, context, deadline).await;
        return Ok(futures::stream::once(std::future::ready(answer)).boxed());
    };
    let events = open(plan, &subscription, deadline).await.map_err(|error| vec![error])?;
    Ok(answers(subscription, events))
}

async fn open(
    plan: &Plan,
    subscription: &Subscription,
    deadline: Instant,
) -> Result<BoxStream<'static, Result<Bytes, FetchError>>, GraphQLError> {
    let Some(fetch) = &plan.subscription else {
        return Err(GraphQLError::new(Code::Internal, "The operation is not a subscription."));
    };
    let mut body = Body::new(fetch, 0);
    body.variables(fetch, &subscription.variables);
    let stream = match subscription.supergraph.subgraphs.get(&fetch.service) {
        Some(subgraph) => {
            let opening = subgraph.stream(body.finish(), &subscription.context.forward, deadline);
            opening.instrument(trace::fetch(&fetch.service)).await
        }
        None => Err(FetchError::Unavailable("it is not known".into())),
    };
    stream.map_err(|error| unavailable(&fetch.service, &error))
}

fn answers(
    subscription: Subscription,
    mut events: BoxStream<'static, Result<Bytes, FetchError>>,
) -> BoxStream<'static, Answer> {
    async_stream::stream! {
        while let Some(event) = events.next().await {
            let broken = event.is_err();
            yield subscription.answer(event).await;
            if broken {
                return;
            }
        }
    }
    .boxed()
}

impl Subscription {
    /// Completes one event.
    async fn answer(&self, event: Result<Bytes, FetchError>) -> Answer {
        let (Some(plan), projection) = (&self.operation.plan, &self.operation.projection) else {
            return Answer::failed(&[]);
        };
        let Some(fetch) = &plan.subscription else { return Answer::failed(&[]) };
        let bytes = match event {
            Ok(bytes) => bytes,
            Err(error) => return Answer::failed(&[unavailable(&fetch.service, &error)]),
        };
        let received = Received::new(plan);
        let deadline = Instant::now() + self.patience;
        let execution =
            Execution::new(&self.supergraph, plan, projection, &self.variables, &self.context, deadline, &received);
        execution.accept_event(fetch, bytes);
        execution.run(&plan.root).await;
        project(&self.supergraph, &self.operation, &self.variables, execution.finish())
    }
}
