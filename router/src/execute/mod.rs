//! Runs a plan: fetches, entity calls, merging, null propagation, and the client's JSON.
//!
//! Subgraphs' answers are read once (`response`) by the shape that was asked for (`shape`), into an arena (`data`), where what
//! no plan can tell apart is there once (`likeness`); merged at the places that the plan names (`path`, `asked`), and written
//! once in the client's order (`projection`, `write`), on memory that each thread uses again (`page`).

mod asked;
mod data;
mod explanation;
mod failure;
mod fetch;
mod fragments;
mod likeness;
mod names;
mod page;
mod path;
mod plan;
mod projection;
mod report;
mod represent;
mod response;
mod shape;
mod subscribe;
mod write;

pub use fetch::Fetched;
pub use names::Names;
pub use page::Pages;
pub use plan::Plan;
pub(crate) use plan::possible_types;
pub use projection::Projection;
pub use subscribe::{Broken, Step, subscribe};

pub(crate) use failure::unavailable;

use crate::error::{Code, GraphQLError};
use crate::operation::{Operation, Variables};
use crate::request::RequestContext;
use crate::supergraph::Supergraph;
use bytes::Bytes;
use data::Data;
use fetch::{Execution, State};
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::time::Instant;
use write::{Stop, Writer, write_plain};

/// The most that is kept for an answer before its size is known, in bytes.
const MAX_GUESS: usize = 1 << 20;

/// A complete answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// `{"data": …, "errors": …}` as JSON.
    pub body: Bytes,
    /// Whether `data` is there and not null.
    pub has_data: bool,
    /// Whether `errors` is there.
    pub has_errors: bool,
    /// The fetches that were made, in the order of the plan.
    pub fetches: Vec<Fetched>,
}

impl Answer {
    /// An answer without data.
    pub fn failed(errors: &[GraphQLError]) -> Self {
        let body = [b"{\"data\":null", &*end(errors)].concat();
        Self { body: body.into(), has_data: false, has_errors: !errors.is_empty(), fetches: Vec::new() }
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
        return project(supergraph, operation, variables, State::default());
    };
    let execution = Execution::new(supergraph, plan, &operation.projection, variables, context, deadline);
    execution.run(&plan.root).await;
    project(supergraph, operation, variables, execution.finish())
}

/// Writes the client's answer.
fn project(supergraph: &Supergraph, operation: &Operation, variables: &Variables, state: State) -> Answer {
    let State { data, mut failures, mut fetches } = state;
    fetches.sort_unstable_by_key(|fetched| fetched.index);
    let introspection = operation.introspect(supergraph, variables);
    let projection = &operation.projection;
    let guess = projection.last_size.load(Ordering::Relaxed);
    let page = supergraph.pages.take(guess + guess / 8 + 256);
    let mut writer = Writer::new(page, &data, &mut failures, &projection.interfaces);
    writer.holds = projection.conditions.iter().map(|condition| condition.holds(variables)).collect();
    writer.denied = operation.denied(variables).collect();
    writer.introspection = &introspection;
    writer.max_size = projection.max_size;
    writer.out.text(b"{\"data\":");
    let written = writer.object(Data::ROOT, &[&projection.root], Some(&projection.root_type));
    let mut body = writer.out;
    let has_data = written.is_ok();
    if !has_data {
        body.text(b"null");
    }
    let errors = failures.into_errors();
    body.text(&end(&errors));
    if matches!(written, Err(Stop::TooLarge)) || body.len() > projection.max_size {
        return Answer { fetches, ..too_large(operation, projection.max_size) };
    }
    let size = body.len().min(MAX_GUESS);
    // What is written is taken from the caches of other cores.
    if guess != size {
        projection.last_size.store(size, Ordering::Relaxed);
    }
    Answer { body: body.finish(), has_data, has_errors: !errors.is_empty(), fetches }
}

/// In place of an answer that is larger than it may be.
fn too_large(operation: &Operation, max_size: usize) -> Answer {
    tracing::warn!(document = operation.hash, max_size, "an answer is too large");
    let message = format!("The answer is larger than {max_size} bytes. Ask for less at a time.");
    Answer::failed(&[GraphQLError::new(Code::ResponseTooLarge, message)])
}

/// What follows the data: the errors, if any, and the closing brace.
fn end(errors: &[GraphQLError]) -> Cow<'static, [u8]> {
    if errors.is_empty() {
        return Cow::Borrowed(b"}");
    }
    let mut end = b",\"errors\":".to_vec();
    write_plain(errors, &mut end);
    end.push(b'}');
    Cow::Owned(end)
}
