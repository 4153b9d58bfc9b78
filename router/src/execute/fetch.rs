//! Runs the nodes of a plan: asks subgraphs and merges what they answer.

use super::asked::Asked;
use super::failure::{Failures, unavailable};
use super::path::Path;
use super::plan::{Entities, Fetch, Node, Plan, Rename, Target};
use super::projection::{Condition, Projection};
use super::report::Report;
use super::response::{self, Response};
use super::value::{self, Object, Value, write_plain};
use crate::operation::Variables;
use crate::request::RequestContext;
use crate::supergraph::Supergraph;
use crate::transport::FetchError;
use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, join_all};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::time::Instant;
use tracing::Instrument;

/// The bytes that subgraphs sent, a place for each fetch of the plan; what is parsed borrows from them.
pub(super) struct Received(Vec<OnceLock<Bytes>>);

impl Received {
    pub(super) fn new(plan: &Plan) -> Self {
        Self((0..plan.fetches).map(|_| OnceLock::new()).collect())
    }
}

/// One run of a plan.
pub(super) struct Execution<'a> {
    pub(super) supergraph: &'a Supergraph,
    pub(super) plan: &'a Plan,
    pub(super) projection: &'a Projection,
    pub(super) variables: &'a Variables,
    pub(super) context: &'a RequestContext,
    pub(super) deadline: Instant,
    pub(super) received: &'a Received,
    /// Locked for moments only, never while waiting.
    state: Mutex<State<'a>>,
}

/// What is known so far.
pub(super) struct State<'a> {
    pub(super) data: Value<'a>,
    pub(super) failures: Failures,
}

impl<'a> Execution<'a> {
    pub(super) fn new(
        supergraph: &'a Supergraph,
        plan: &'a Plan,
        projection: &'a Projection,
        variables: &'a Variables,
        context: &'a RequestContext,
        deadline: Instant,
        received: &'a Received,
    ) -> Self {
        let state = State { data: Value::Object(Object::default()), failures: Failures::default() };
        Self { supergraph, plan, projection, variables, context, deadline, received, state: Mutex::new(state) }
    }

    /// Runs a node and everything below it.
    pub(super) fn run<'s>(&'s self, node: &'a Node) -> BoxFuture<'s, ()>
    where
        'a: 's,
    {
        match node {
            Node::Fetch(fetch) => {
                let span = tracing::info_span!("fetch", subgraph = fetch.service);
                self.fetch(fetch).instrument(span).boxed()
            }
            Node::Sequence(nodes) => async move {
                for node in nodes {
                    self.run(node).await;
                }
            }
            .boxed(),
            Node::Parallel(nodes) => join_all(nodes.iter().map(|node| self.run(node))).map(drop).boxed(),
            Node::Condition(variable, met, unmet) => match if self.variables.is_true(variable) { met } else { unmet } {
                Some(node) => self.run(node),
                None => std::future::ready(()).boxed(),
            },
        }
    }

    /// What is known when everything has run.
    pub(super) fn finish(self) -> State<'a> {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fetch(&self, fetch: &'a Fetch) {
        let Some((body, asked)) = self.prepare(fetch) else { return };
        let answer = match self.supergraph.subgraphs.get(&fetch.service) {
            Some(subgraph) => subgraph.fetch(body, &self.context.forward, fetch.idempotent, self.deadline).await,
            None => Err(FetchError::Unavailable("it is not known".into())),
        };
        match answer {
            Ok(bytes) => self.accept(fetch, bytes, asked),
            Err(error) => self.fail(fetch, &asked, &error),
        }
    }

    /// The request body; `None` when there is nothing to ask for.
    fn prepare(&self, fetch: &'a Fetch) -> Option<(Bytes, Vec<Asked>)> {
        let wanted = |conditions: &Vec<Condition>| conditions.iter().all(|condition| condition.holds(self.variables));
        if !fetch.asks.iter().any(wanted) {
            return None;
        }
        let mut body = fetch.prefix.clone();
        let before = body.len();
        for name in &fetch.variables {
            if let Some(value) = self.variables.get(name) {
                variable(name, before, &mut body);
                write_plain(value, &mut body);
            }
        }
        let asked = match &fetch.target {
            Target::Fields { at: None, .. } => Vec::new(),
            Target::Fields { at: Some(path), .. } => vec![Asked::for_objects(path, &self.state().data)],
            Target::Entities(all) => self.ask(all, before, &mut body),
        };
        if !asked.is_empty() && asked.iter().all(Asked::is_empty) {
            return None;
        }
        body.extend_from_slice(b"}}");
        Some((body.into(), asked))
    }

    /// Adds the variables that hold representations.
    fn ask(&self, all: &[Entities], before: usize, body: &mut Vec<u8>) -> Vec<Asked> {
        let state = self.state();
        let asked: Vec<_> = all.iter().map(|entities| Asked::for_entities(entities, &state.data)).collect();
        for (index, (entities, asked)) in all.iter().zip(&asked).enumerate() {
            if all[..index].iter().all(|earlier| earlier.variable != entities.variable) {
                variable(&entities.variable, before, body);
                body.push(b'[');
                body.extend_from_slice(&asked.representations);
                body.push(b']');
            }
        }
        asked
    }

    /// Takes the first root fetch's answer from elsewhere: an event of a subscription.
    pub(super) fn accept_event(&self, fetch: &'a Fetch, bytes: Bytes) {
        self.accept(fetch, bytes, Vec::new());
    }

    fn accept(&self, fetch: &'a Fetch, bytes: Bytes, asked: Vec<Asked>) {
        let bytes = self.received.0[fetch.index].get_or_init(|| bytes);
        match response::parse(bytes, fetch.custom_scalars.as_ref()) {
            Ok(response) => self.merge(fetch, response, asked),
            Err(error) => {
                self.fail(fetch, &asked, &FetchError::Unavailable(format!("not a GraphQL answer: {error}")));
            }
        }
    }

    fn merge(&self, fetch: &'a Fetch, response: Response<'a>, asked: Vec<Asked>) {
        let Response { mut data, errors } = response;
        let mut state = self.state();
        if !errors.is_empty() {
            let State { data: known, failures } = &mut *state;
            let report = Report { fetch, asked: &asked, data: known, projection: self.projection, failures };
            report.errors(&errors, &data);
        }
        match &fetch.target {
            Target::Fields { at: None, renames, .. } => {
                rename(&mut data, renames);
                value::merge(&mut state.data, data, &self.plan.interfaces);
            }
            Target::Fields { at: Some(path), renames, .. } => {
                rename(&mut data, renames);
                if let Some(asked) = asked.first() {
                    self.place(std::slice::from_ref(path), asked, vec![data], &mut state.data);
                }
            }
            Target::Entities(all) => {
                let Value::Object(mut data) = data else { return };
                let mut malformed = false;
                for (entities, asked) in all.iter().zip(&asked) {
                    match data.take(&entities.key) {
                        Some(Value::List(mut found)) if found.len() == asked.entities() => {
                            found.iter_mut().for_each(|entity| rename(entity, &entities.renames));
                            self.place(&entities.at, asked, found, &mut state.data);
                        }
                        None | Some(Value::Null) => {}
                        // Which entity is which cannot be known.
                        Some(_) => malformed = true,
                    }
                }
                if malformed {
                    drop(state);
                    self.fail(fetch, &asked, &FetchError::Unavailable("not as many entities as asked for".into()));
                }
            }
        }
    }

    /// Merges what was found into the spots that it was asked for.
    fn place(&self, paths: &[Path], asked: &Asked, found: Vec<Value<'a>>, data: &mut Value<'a>) {
        asked.distribute(found, |spot, value| {
            if let Some(target) = paths[spot.path].locate(data, spot.indices) {
                value::merge(target, value, &self.plan.interfaces);
            }
        });
    }

    /// Adds the error of a fetch that brought nothing.
    fn fail(&self, fetch: &Fetch, asked: &[Asked], error: &FetchError) {
        let error = unavailable(&fetch.service, error);
        let mut state = self.state();
        let State { data, failures } = &mut *state;
        let report = Report { fetch, asked, data, projection: self.projection, failures };
        report.failure(error);
    }

    fn state(&self) -> MutexGuard<'_, State<'a>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins a variable of the request body, whose variables start at `before`.
fn variable(name: &str, before: usize, body: &mut Vec<u8>) {
    if body.len() > before {
        body.push(b',');
    }
    write_plain(name, body);
    body.push(b':');
}

fn rename<'a>(value: &mut Value<'a>, renames: &'a [Rename]) {
    renames.iter().for_each(|rename| rename.apply(value));
}
