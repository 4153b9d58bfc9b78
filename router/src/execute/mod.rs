//! Runs a plan: fetches, entity calls, merging, null propagation, and the client's JSON.
//!
//! Subgraphs' answers are parsed once and borrowed (`value`), merged into one tree at the places that the plan names
//! (`path`), and written once in the client's order (`projection`, `write`).

mod asked;
mod failure;
mod fetch;
mod path;
mod plan;
mod projection;
mod report;
mod represent;
mod response;
mod subscribe;
mod value;
mod write;

pub use plan::Plan;
pub use projection::Projection;
pub use subscribe::subscribe;

use crate::error::GraphQLError;
use crate::operation::{Operation, Variables};
use crate::request::RequestContext;
use crate::supergraph::Supergraph;
use bytes::Bytes;
use failure::{Failure, Failures, Place};
use fetch::{Execution, Received, State};
use std::sync::Arc;
use tokio::time::Instant;
use value::{Object, Value, write_plain};
use write::Writer;

/// A complete answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// `{"data": …, "errors": …}` as JSON.
    pub body: Bytes,
    /// Whether `data` is there and not null.
    pub has_data: bool,
}

impl Answer {
    /// An answer without data.
    pub fn failed(errors: &[GraphQLError]) -> Self {
        let mut body = b"{\"data\":null".to_vec();
        finish(&mut body, errors);
        Self { body: body.into(), has_data: false }
    }
}

/// Runs a query or mutation. Fetches that have no answer by the deadline fail; the rest of the answer is given.
pub async fn run(
    supergraph: &Arc<Supergraph>,
    operation: &Operation,
    variables: &Variables,
    context: &RequestContext,
    deadline: Instant,
) -> Answer {
    let Some(plan) = &operation.plan else {
        let state = State { data: Value::Object(Object::default()), failures: Failures::default() };
        return project(supergraph, operation, variables, state);
    };
    let received = Received::new(plan);
    let execution = Execution::new(supergraph, plan, &operation.projection, variables, context, deadline, &received);
    execution.run(&plan.root).await;
    project(supergraph, operation, variables, execution.finish())
}

/// Writes the client's answer.
fn project(supergraph: &Supergraph, operation: &Operation, variables: &Variables, state: State<'_>) -> Answer {
    let State { data, mut failures } = state;
    let mut denied = Vec::new();
    for field in operation.denied(variables) {
        let path = field.error.path.iter().flatten();
        let keys: Vec<_> = path.filter_map(|element| element.as_str().map(str::to_owned)).collect();
        // The same key may be denied on several types: one error says it.
        if denied.iter().all(|(known, _)| *known != keys) {
            failures.push_from(0, Failure::of(field.error.clone(), vec![Place::Everywhere(keys.clone())]));
        }
        denied.push((keys, &field.types));
    }
    let introspection = operation.introspect(supergraph, variables);
    let projection = &operation.projection;
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(b"{\"data\":");
    let mut writer = Writer {
        out,
        variables,
        failures: &mut failures,
        interfaces: &projection.interfaces,
        denied,
        introspection: &introspection,
        path: Vec::new(),
    };
    let has_data = match &data {
        Value::Object(object) => writer.object(object, &[&projection.root], Some(&projection.root_type)).is_ok(),
        _ => false,
    };
    let mut body = writer.out;
    if !has_data {
        body.extend_from_slice(b"null");
    }
    finish(&mut body, &failures.into_errors());
    Answer { body: body.into(), has_data }
}

/// Adds the errors, if any, and the closing brace.
fn finish(body: &mut Vec<u8>, errors: &[GraphQLError]) {
    if !errors.is_empty() {
        body.extend_from_slice(b",\"errors\":");
        write_plain(errors, body);
    }
    body.push(b'}');
}
