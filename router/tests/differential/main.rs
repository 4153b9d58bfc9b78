//! The router against the specification: random operations on random data, answered by the router over subgraphs and by
//! a naive execution over everything at once. Their `data` must be the same to the byte, in values, nulls and order.
//!
//! The federations are those of the conformance scenarios and our own. `DIFFERENTIAL_CASES` says how many cases to run
//! (each a federation, a world and an operation) and `DIFFERENTIAL_SEED` which ones; a failure prints its smallest case.
//! Besides, those of the scenarios are changed at random: `DIFFERENTIAL_FEDERATIONS` says how often. Each is written into
//! the file `DIFFERENTIAL_LAST` before it is composed, for what ends the process. Few operations over them may be beyond the
//! planner, none may be answered wrongly; with `DIFFERENTIAL_STRICT` the first of either fails. `DIFFERENTIAL_QUERY` is asked
//! of the federations whose names have `SCENARIO` in them, and nothing else is.

#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod bytes;
mod change;
mod draft;
mod generate;
mod naive;
mod schema;
mod world;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use generate::Generated;
use graphql_tools::parser::parse_query;
use hansa_router::request::{GraphQLRequest, RequestContext};
use hansa_router::supergraph::{SubgraphSdl, Supergraph, compose};
use hansa_router::transport::{Config, Subgraph, Transport};
use hansa_router::{execute, limits, operation};
use hansa_token::Claims;
use naive::Execution;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, RngSeed, TestRunner};
use schema::Schema;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::time::Instant;
use world::{Laws, World};

/// Imports everything that a subgraph may use.
const LINK: &str = "extend schema @link(url: \"https://specs.apollo.dev/federation/v2.9\", import: [\"@key\", \
    \"@requires\", \"@provides\", \"@external\", \"@shareable\", \"@override\", \"@inaccessible\", \
    \"@interfaceObject\", \"@tag\", \"@extends\"])\n";

/// By which header subgraphs learn which world they are in.
const WORLD: &str = "x-request-id";

/// The most operations over one changed federation.
const OPERATIONS: usize = 12;

/// What a federation is composed from.
#[derive(Clone)]
struct Source {
    name: String,
    /// Each subgraph's name and SDL.
    sdls: Vec<(String, String)>,
    /// What is put before each SDL.
    link: &'static str,
}

/// A federation that is ready for operations.
struct Federation {
    name: String,
    supergraph: Arc<Supergraph>,
    api: Schema,
    laws: Arc<OnceLock<Laws>>,
    complaints: Complaints,
}

type Complaints = Arc<Mutex<Vec<String>>>;

/// A subgraph: its name, the federation's laws, and where it complains.
type Part = (String, Arc<OnceLock<Laws>>, Complaints);

/// What the router logs: why an operation cannot be prepared is told there only.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn keep_log() {
    let log = tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).with_ansi(false).without_time();
    // The other test may have been first.
    let _ = log.with_writer(|| Log).try_init();
}

/// What became of a case.
#[derive(Debug)]
enum Outcome {
    Same,
    /// The operation was not valid.
    Refused,
    /// It cannot be planned, for this reason.
    Unplanned(String),
}

#[test]
fn answers_are_what_the_specification_says() {
    keep_log();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let federations = sources().into_iter().filter_map(|source| Federation::new(source).unwrap());
    let federations: Vec<_> = federations.collect();
    let all = std::env::var("SCENARIO").is_err();
    assert!(!all || federations.len() > 30, "only {} federations compose", federations.len());
    if let Ok(query) = std::env::var("DIFFERENTIAL_QUERY") {
        let generated = Generated { query, variables: Map::new() };
        for federation in &federations {
            let outcome = runtime.block_on(check(federation, World::new(0, 0), &generated));
            println!("=== {}\n{outcome:?}\n{}", federation.name, String::from_utf8_lossy(&LOG.lock().unwrap()));
        }
        return;
    }
    let cases = number("DIFFERENTIAL_CASES", 1000);
    let case = (any::<prop::sample::Index>(), any::<u64>(), 0..3_u64, prop::collection::vec(any::<u8>(), 0..160));
    let refused = std::cell::Cell::new(0_u32);
    let result = runner(cases).run(&case, |(federation, seed, faults, bytes)| {
        let federation = federation.get(&federations);
        let world = World::new(seed, faults);
        match runtime.block_on(check(federation, world, &generate::operation(&federation.api, &bytes))) {
            Ok(Outcome::Same) => Ok(()),
            Ok(Outcome::Refused) => {
                refused.set(refused.get() + 1);
                Ok(())
            }
            Ok(Outcome::Unplanned(why)) | Err(why) => {
                Err(TestCaseError::fail(format!("\n=== {} in {world:?}\n{why}", federation.name)))
            }
        }
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    // In a single federation it may be that few operations are valid.
    assert!(!all || refused.get() < cases / 2, "{} of {cases} operations were not valid", refused.get());
}

#[test]
fn answers_over_changed_federations_are_what_the_specification_says() {
    keep_log();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let sources: Vec<_> = sources().into_iter().filter(|source| source.link == LINK).collect();
    let cases = number("DIFFERENTIAL_FEDERATIONS", 100);
    let operation = (any::<u64>(), 0..3_u64, prop::collection::vec(any::<u8>(), 0..160));
    let operations = prop::collection::vec(operation, 1..OPERATIONS);
    let case = (any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 1..48), operations);
    let [composed, asked, unplanned] = [0, 0, 0].map(std::cell::Cell::<u32>::new);
    let strict = std::env::var("DIFFERENTIAL_STRICT").is_ok();
    let result = runner(cases).run(&case, |(source, bytes, operations)| {
        let source = source.get(&sources);
        let sdls = change::changed(&source.sdls, &bytes);
        let told = || sdls.iter().map(|(name, sdl)| format!("--- {name}.graphql\n{sdl}")).collect::<String>();
        let failed = |why: String| TestCaseError::fail(format!("\n=== {}: {why}\n{}", source.name, told()));
        if let Ok(file) = std::env::var("DIFFERENTIAL_LAST") {
            std::fs::write(file, told()).unwrap();
        }
        let changed = Source { sdls: sdls.clone(), ..source.clone() };
        let Some(federation) = Federation::new(changed).map_err(failed)? else { return Ok(()) };
        composed.set(composed.get() + 1);
        for (seed, faults, bytes) in operations {
            let world = World::new(seed, faults);
            let generated = generate::operation(&federation.api, &bytes);
            let outcome = runtime.block_on(check(&federation, world, &generated));
            let outcome = outcome.map_err(|why| failed(format!("in {world:?}\n{why}")))?;
            asked.set(asked.get() + 1);
            if let Outcome::Unplanned(why) = outcome {
                unplanned.set(unplanned.get() + 1);
                if strict {
                    return Err(failed(why));
                }
            }
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    assert!(composed.get() > cases / 10, "only {} of {cases} federations compose", composed.get());
    println!("{} of {cases} federations composed", composed.get());
    println!("{} of {} operations could not be planned", unplanned.get(), asked.get());
    assert!(unplanned.get() <= asked.get() / 100, "too many operations cannot be planned");
}

fn number(name: &str, default: u32) -> u32 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        rng_algorithm: RngAlgorithm::ChaCha,
        rng_seed: RngSeed::Fixed(number("DIFFERENTIAL_SEED", 0).into()),
        max_shrink_iters: 3000,
        ..ProptestConfig::default()
    })
}

/// The federations of the conformance scenarios, and our own.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<PathBuf> = std::fs::read_dir(root.join("tests/conformance/scenarios"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    let only = std::env::var("SCENARIO").unwrap_or_default();
    let mut known = BTreeSet::new();
    let mut sources = Vec::new();
    for folder in folders {
        let sdls = sdls(&folder, |name| name != "query");
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let has_link = sdls.iter().any(|(_, sdl)| sdl.contains("extend schema"));
        if name.contains(&only) && !has_link && known.insert(sdls.clone()) {
            sources.push(Source { name, sdls, link: LINK });
        }
    }
    if "ours".contains(&only) {
        let ours = sdls(&root.join("../schema"), |name| !matches!(name, "api" | "supergraph"));
        sources.push(Source { name: "ours".into(), sdls: ours, link: "" });
    }
    sources
}

/// The documents of a folder, by name.
fn sdls(folder: &Path, is_wanted: fn(&str) -> bool) -> Vec<(String, String)> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let documents = files.filter(|path| path.extension().is_some_and(|extension| extension == "graphql"));
    let named = documents.map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), path));
    let mut sdls: Vec<_> = named
        .filter(|(name, _)| is_wanted(name))
        .map(|(name, path)| (name, std::fs::read_to_string(path).unwrap()))
        .collect();
    sdls.sort();
    sdls
}

impl Federation {
    /// Composes it; nothing if that cannot be done.
    fn new(Source { name, sdls, link }: Source) -> Result<Option<Self>, String> {
        let laws: Arc<OnceLock<Laws>> = Arc::default();
        let complaints = Complaints::default();
        let (mut linked, mut parts, mut subgraphs) = (Vec::new(), BTreeMap::new(), Vec::new());
        for (name, sdl) in sdls {
            let url = format!("http://{name}/graphql");
            let part: Part = (name.clone(), laws.clone(), complaints.clone());
            let routes = axum::Router::new().route("/graphql", post(answer)).with_state(part);
            let subgraph = Subgraph::new(&name, &url, Transport::Local(routes), &Config::default()).unwrap();
            subgraphs.push(Arc::new(subgraph));
            parts.insert(name.clone(), subgraph_schema(&sdl));
            linked.push(SubgraphSdl { name, url, sdl: format!("{link}{sdl}") });
        }
        let Ok(sdl) = compose(&linked) else { return Ok(None) };
        let _ = laws.set(Laws::new(Schema::parse(&sdl), parts));
        let supergraph = Supergraph::new(sdl, subgraphs).map_err(|error| format!("composes, but: {error}"))?;
        let supergraph = Arc::new(supergraph);
        let api = Schema::new(&supergraph.api.document);
        Ok(Some(Self { name, supergraph, api, laws, complaints }))
    }
}

/// A subgraph's schema with what every subgraph has. The parser knows no schema extensions, which are links here.
fn subgraph_schema(sdl: &str) -> Schema {
    let (before, link) = sdl.split_once("extend schema").unwrap_or((sdl, ")"));
    let sdl = format!("{before}{}", link.split_once(')').unwrap().1);
    let machinery = "extend type Query { _entities(representations: [_Any!]!): [_Entity]! } scalar _Any";
    Schema::parse(&format!("{sdl}\n{machinery}"))
}

/// Answers as a subgraph.
async fn answer(State((name, laws, complaints)): State<Part>, headers: HeaderMap, body: String) -> String {
    let request: Value = serde_json::from_str(&body).unwrap();
    let text = request["query"].as_str().unwrap();
    let laws = laws.get().unwrap();
    let document = match parse_query::<String>(text) {
        Ok(document) => document.into_static(),
        Err(error) => {
            complaints.lock().unwrap().push(format!("{name} was asked {text}: {error}"));
            return "{\"data\":null}".into();
        }
    };
    let none = Map::new();
    let mut execution = Execution {
        laws,
        world: decode(headers[WORLD].to_str().unwrap()),
        schema: &laws.subgraphs[&name],
        document: &document,
        variables: request["variables"].as_object().unwrap_or(&none),
        errors: Vec::new(),
        complaints: Vec::new(),
    };
    let data = execution.run();
    let complained = execution.complaints.iter().map(|complaint| format!("{name}: {complaint}"));
    complaints.lock().unwrap().extend(complained);
    let errors: Vec<Value> =
        execution.errors.iter().map(|path| json!({"message": "it failed", "path": path})).collect();
    format!("{{\"data\":{data},\"errors\":{}}}", Value::Array(errors))
}

fn encode(world: World) -> String {
    format!("{}-{}-{}", world.seed, world.nulls, world.errors)
}

fn decode(text: &str) -> World {
    let numbers: Vec<u64> = text.split('-').map(|number| number.parse().unwrap()).collect();
    World { seed: numbers[0], nulls: numbers[1], errors: numbers[2] }
}

/// Runs one case; says what is different.
async fn check(federation: &Federation, world: World, generated: &Generated) -> Result<Outcome, String> {
    let told =
        |what: String| Err(format!("{what}\nquery: {}\nvariables: {}", generated.query, json!(generated.variables)));
    let request = GraphQLRequest {
        query: Some(generated.query.clone()),
        variables: Some(generated.variables.clone()),
        ..GraphQLRequest::default()
    };
    let limits = limits::Operation::default();
    LOG.lock().unwrap().clear();
    let operation = match operation::prepare(&federation.supergraph, &limits, &request, Some(&admin())).await {
        Ok(operation) => operation,
        Err(errors) => {
            let refusals = ["GRAPHQL_VALIDATION_FAILED", "OPERATION_TOO_COMPLEX", "COST_LIMIT_EXCEEDED"];
            let is_refusal = |code| refusals.contains(&code);
            return match errors.iter().all(|error| error.code().is_some_and(is_refusal)) {
                true => Ok(Outcome::Refused),
                false => {
                    let why = told(format!("cannot be prepared: {}", String::from_utf8_lossy(&LOG.lock().unwrap())));
                    Ok(Outcome::Unplanned(why.unwrap_err()))
                }
            };
        }
    };
    let variables = match operation::coerce(&operation, Some(&generated.variables)) {
        Ok(variables) => variables,
        Err(errors) => return told(format!("its variables are refused: {errors:?}")),
    };
    let mut context = RequestContext::default();
    context.forward.insert(WORLD, encode(world).parse().unwrap());
    let deadline = Instant::now() + Duration::from_secs(30);
    federation.complaints.lock().unwrap().clear();
    let answer = execute::run(&federation.supergraph, &operation, &variables, &context, deadline).await;
    let answer = String::from_utf8(answer.body.to_vec()).unwrap();

    let document = parse_query::<String>(&generated.query).unwrap().into_static();
    let laws = federation.laws.get().unwrap();
    let variables = with_defaults(&document, &generated.variables);
    let mut reference = Execution {
        laws,
        world,
        schema: &federation.api,
        document: &document,
        variables: &variables,
        errors: Vec::new(),
        complaints: Vec::new(),
    };
    let expected = reference.run();
    let is_same = answer
        .strip_prefix(&format!("{{\"data\":{expected}"))
        .is_some_and(|rest| if reference.errors.is_empty() { rest == "}" } else { rest.starts_with(",\"errors\":[{") });
    let complaints = federation.complaints.lock().unwrap().clone();
    if is_same && complaints.is_empty() {
        return Ok(Outcome::Same);
    }
    let errors = json!(reference.errors);
    let plan = operation.plan.as_ref().map(|plan| plan.source.to_string()).unwrap_or_default();
    told(format!(
        "expected: {expected} with errors at {errors}\nanswered: {answer}\ncomplaints: {complaints:?}\nplan: {plan}"
    ))
}

/// Somebody who may see everything.
fn admin() -> Claims {
    let text = || "x".to_owned();
    let (sub, sid, iss) = (text(), text(), text());
    Claims { sub, sid, roles: Vec::new(), scope: "admin staff".into(), iat: 0, exp: i64::MAX, iss, aud: Vec::new() }
}

/// The variables of an operation, those that are not given with their defaults.
fn with_defaults(
    document: &graphql_tools::static_graphql::query::Document,
    given: &Map<String, Value>,
) -> Map<String, Value> {
    use graphql_tools::static_graphql::query::{Definition, OperationDefinition};
    let mut variables = given.clone();
    for definition in &document.definitions {
        let definitions = match definition {
            Definition::Operation(OperationDefinition::Query(query)) => &query.variable_definitions,
            Definition::Operation(OperationDefinition::Mutation(mutation)) => &mutation.variable_definitions,
            _ => continue,
        };
        for definition in definitions {
            if let Some(value) = &definition.default_value {
                variables.entry(definition.name.clone()).or_insert_with(|| naive::to_json(value));
            }
        }
    }
    variables
}
