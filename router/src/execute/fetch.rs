//! Runs the nodes of a plan: asks subgraphs and merges what they answer.

use super::asked::Asked;
use super::data::{Data, Value};
use super::failure::{Failures, unavailable};
use super::plan::{Entities, Fetch, Node, Plan, Rename, Target, Variable};
use super::projection::{Condition, Projection};
use super::report::Report;
use super::response::{self, Response};
use super::write::write_plain;
use crate::builtin;
use crate::operation::Variables;
use crate::request::RequestContext;
use crate::supergraph::Supergraph;
use crate::telemetry::trace;
use crate::transport::{FetchError, Reply};
use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, join_all};
use smallvec::SmallVec;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tracing::Instrument;

/// A fetch that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Its number in the plan.
    pub index: usize,
    /// How long its answer took.
    pub took: Duration,
    /// How many entities it asked for, if it asked for entities.
    pub entities: Option<usize>,
    /// Whether the answer is that of an identical fetch, which was under way.
    pub is_shared: bool,
}

/// One run of a plan.
pub(super) struct Execution<'a> {
    pub(super) supergraph: &'a Supergraph,
    pub(super) plan: &'a Plan,
    pub(super) projection: &'a Projection,
    pub(super) variables: &'a Variables,
    pub(super) context: &'a RequestContext,
    pub(super) deadline: Instant,
    /// Locked for moments only, never while waiting.
    state: Mutex<State>,
}

/// What is known so far.
#[derive(Default)]
pub(super) struct State {
    pub(super) data: Data,
    pub(super) failures: Failures,
    pub(super) fetches: Vec<Fetched>,
}

impl<'a> Execution<'a> {
    pub(super) fn new(
        supergraph: &'a Supergraph,
        plan: &'a Plan,
        projection: &'a Projection,
        variables: &'a Variables,
        context: &'a RequestContext,
        deadline: Instant,
    ) -> Self {
        Self { supergraph, plan, projection, variables, context, deadline, state: Mutex::default() }
    }

    /// Runs a node and everything below it.
    pub(super) fn run<'s>(&'s self, node: &'a Node) -> BoxFuture<'s, ()>
    where
        'a: 's,
    {
        match node {
            Node::Fetch(fetch) => {
                let span = trace::fetch(&fetch.service);
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
    pub(super) fn finish(self) -> State {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fetch(&self, fetch: &'a Fetch) {
        let Some((body, asked)) = self.prepare(fetch) else { return };
        let Reply { outcome, is_shared, took } = match self.supergraph.subgraphs.get(&fetch.service) {
            Some(subgraph) => {
                let limit = self.context.rate.as_ref().filter(|_| subgraph.takes_rate_limit);
                let told = limit.map(|limit| Box::new(builtin::told(&self.context.forward, limit)));
                let headers = told.as_deref().unwrap_or(&self.context.forward);
                subgraph.ask(body, headers, fetch.idempotent, self.deadline).await
            }
            None => {
                let outcome = Err(FetchError::Unavailable("it is not known".into()));
                Reply { outcome, is_shared: false, took: Duration::ZERO }
            }
        };
        let entities = match &fetch.target {
            Target::Fields { .. } => None,
            Target::Entities(_) => Some(asked.iter().map(Asked::entities).sum()),
        };
        let fetched = Fetched { index: fetch.index, took, entities, is_shared };
        self.state().fetches.push(fetched);
        match outcome {
            Ok(bytes) => self.accept(fetch, bytes, asked),
            Err(error) => {
                trace::failed(&error);
                self.fail(fetch, &asked, &error);
            }
        }
    }

    /// The request body; `None` when there is nothing to ask for.
    fn prepare(&self, fetch: &'a Fetch) -> Option<(Bytes, Vec<Asked>)> {
        let wanted = |conditions: &Vec<Condition>| conditions.iter().all(|condition| condition.holds(self.variables));
        if !fetch.asks.iter().any(wanted) {
            return None;
        }
        let mut body = Body::new(fetch);
        body.variables(fetch, self.variables);
        let asked = match &fetch.target {
            Target::Fields { at: None, .. } => Vec::new(),
            Target::Fields { at: Some(path), .. } => vec![Asked::for_objects(path, &mut self.state().data)],
            Target::Entities(all) => body.entities(all, &mut self.state().data),
        };
        if !asked.is_empty() && asked.iter().all(Asked::is_empty) {
            return None;
        }
        Some((body.finish(), asked))
    }

    /// Takes the first root fetch's answer from elsewhere: an event of a subscription.
    pub(super) fn accept_event(&self, fetch: &'a Fetch, bytes: Bytes) {
        self.accept(fetch, bytes, Vec::new());
    }

    fn accept(&self, fetch: &'a Fetch, bytes: Bytes, asked: Vec<Asked>) {
        let mut state = self.state();
        let parsed = state.data.extend(&fetch.room, |data| response::parse(&bytes, &fetch.shape, data));
        let outcome = match parsed {
            Ok(response) => self.merge(fetch, response, &asked, &mut state),
            Err(error) => Err(format!("not a GraphQL answer: {error}")),
        };
        if let Err(why) = outcome {
            drop(state);
            self.fail(fetch, &asked, &FetchError::Unavailable(why));
        }
    }

    /// Merges what an answer holds; says what of it cannot be what was asked for.
    fn merge(&self, fetch: &'a Fetch, response: Response, asked: &[Asked], state: &mut State) -> Result<(), String> {
        let Response { data: answer, errors } = response;
        let State { data, failures, .. } = state;
        if !errors.is_empty() {
            let names = &self.plan.names;
            let report = Report { fetch, asked, data, names, projection: self.projection, failures };
            report.errors(&errors, answer);
        }
        let answer = match answer {
            Value::Object(object) => object,
            Value::Null => return Ok(()),
            Value::Scalar { .. } | Value::List(_) => return Err("its data is no object".into()),
        };
        match &fetch.target {
            Target::Fields { at, renames, shares, .. } => {
                rename(data, Value::Object(answer), renames);
                match (at, asked.first()) {
                    (None, _) => data.absorb(Data::ROOT, answer, &self.plan.interfaces, data.moment()),
                    (Some(_), Some(asked)) => {
                        asked.distribute(&[Value::Object(answer)], data, &self.plan.interfaces, *shares);
                    }
                    (Some(_), None) => {}
                }
            }
            Target::Entities(all) => {
                for (of, (entities, whose)) in all.iter().zip(asked).enumerate() {
                    let found = match data.get(answer, entities.name) {
                        None | Some(Value::Null) => continue,
                        Some(Value::List(list)) if data.items(list).len() == whose.entities() => list,
                        // Which entity is which cannot be known.
                        Some(_) => return Err("not as many entities as asked for".into()),
                    };
                    rename(data, Value::List(found), &entities.renames);
                    let found: SmallVec<[Value; AT_ONCE]> = data.items(found).into();
                    if found.iter().any(|entity| !matches!(entity, Value::Object(_) | Value::Null)) {
                        let names = &self.plan.names;
                        let report = Report { fetch, asked, data, names, projection: self.projection, failures };
                        report.strangers(of, &found);
                    }
                    whose.distribute(&found, data, &self.plan.interfaces, entities.shares);
                }
            }
        }
        Ok(())
    }

    /// Adds the error of a fetch that brought nothing.
    fn fail(&self, fetch: &Fetch, asked: &[Asked], error: &FetchError) {
        let error = unavailable(&fetch.service, error);
        let mut state = self.state();
        let State { data, failures, .. } = &mut *state;
        let report = Report { fetch, asked, data, names: &self.plan.names, projection: self.projection, failures };
        report.failure(error);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// So many entities are read without room being asked for.
const AT_ONCE: usize = 32;

/// About how long a variable is, without representations, in bytes.
const VARIABLE: usize = 64;

/// So much more is needed while it is written: for a representation that turns out to be there already.
const SPARE: usize = 256;

/// A request body: `{"query":…,"variables":{…}}`.
pub(super) struct Body {
    json: Vec<u8>,
    /// Where the variables begin.
    variables: usize,
}

impl Body {
    /// A body without variables.
    pub(super) fn new(fetch: &Fetch) -> Self {
        let entities: &[Entities] = if let Target::Entities(all) = &fetch.target { all } else { &[] };
        let representations = entities.iter().map(|entities| entities.last_size.load(Ordering::Relaxed));
        let variables = VARIABLE * (fetch.variables.len() + entities.len());
        let room = fetch.prefix.len() + representations.sum::<usize>() + variables + SPARE;
        let mut json = Vec::with_capacity(room);
        json.extend_from_slice(&fetch.prefix);
        Self { variables: json.len(), json }
    }

    /// Adds the client's variables that the fetch uses.
    pub(super) fn variables(&mut self, fetch: &Fetch, values: &Variables) {
        for variable in &fetch.variables {
            if let Some(value) = values.get(&variable.name) {
                self.begin(variable);
                write_plain(value, &mut self.json);
            }
        }
    }

    /// Adds a variable of the fetch that is the router's own, if the fetch has it.
    pub(super) fn own_variable(&mut self, fetch: &Fetch, name: &str, value: &str) {
        if let Some(variable) = fetch.variables.iter().find(|variable| variable.name == name) {
            self.begin(variable);
            write_plain(value, &mut self.json);
        }
    }

    /// Adds the variables that hold representations; tells whose they are.
    fn entities(&mut self, all: &[Entities], data: &mut Data) -> Vec<Asked> {
        let asked = all.iter().enumerate().map(|(index, entities)| {
            let start = self.json.len();
            self.begin(&entities.variable);
            self.json.push(b'[');
            let asked = Asked::for_entities(entities, data, &mut self.json);
            self.json.push(b']');
            if all[..index].iter().any(|earlier| earlier.variable == entities.variable) {
                self.json.truncate(start);
            }
            asked
        });
        asked.collect()
    }

    fn begin(&mut self, variable: &Variable) {
        if self.json.len() > self.variables {
            self.json.push(b',');
        }
        self.json.extend_from_slice(&variable.key);
    }

    /// The whole body.
    pub(super) fn finish(mut self) -> Bytes {
        self.json.extend_from_slice(b"}}");
        self.json.into()
    }
}

fn rename(data: &mut Data, value: Value, renames: &[Rename]) {
    renames.iter().for_each(|rename| rename.apply(data, value));
}
