//! Runs a plan: fetches, entity calls, merging, null propagation, and the client's JSON.

use crate::error::GraphQLError;
use crate::operation::{Operation, Variables};
use crate::request::RequestContext;
use crate::supergraph::Supergraph;
use bytes::Bytes;
use futures::stream::BoxStream;
use hive_router_query_planner::ast::operation::OperationDefinition;
use hive_router_query_planner::state::supergraph_state::SupergraphState;
use std::sync::Arc;
use tokio::time::Instant;

/// What the client's answer looks like, in the client's order, with the types that null propagation needs.
#[derive(Debug)]
pub struct Projection {}

impl Projection {
    /// Compiles the projection of a normalised operation.
    pub fn compile(_operation: &OperationDefinition, _schema: &SupergraphState) -> Projection {
        Projection {}
    }
}

/// A complete answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// `{"data": …, "errors": …}` as JSON.
    pub body: Bytes,
    /// Whether `data` is present and not null.
    pub has_data: bool,
}

/// Runs a query or mutation until the deadline.
pub async fn run(
    _supergraph: &Arc<Supergraph>,
    _operation: &Operation,
    _variables: &Variables,
    _context: &RequestContext,
    _deadline: Instant,
) -> Answer {
    Answer { body: Bytes::from_static(b"{\"data\":null}"), has_data: false }
}

/// Starts a subscription: one answer per event. `deadline` bounds the start only.
pub async fn subscribe(
    _supergraph: &Arc<Supergraph>,
    _operation: &Arc<Operation>,
    _variables: &Arc<Variables>,
    _context: &RequestContext,
    _deadline: Instant,
) -> Result<BoxStream<'static, Answer>, Vec<GraphQLError>> {
    Ok(Box::pin(futures::stream::empty()))
}
