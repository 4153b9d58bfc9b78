//! The conformance suite: every folder below `scenarios` is a federation, an operation and its answer.
//!
//! A folder holds `NAME.graphql` for each subgraph (federation SDL; the link to the specification is added), `data.json`
//! (what the subgraphs answer from, see [`subgraph`]), `query.graphql`, `variables.json` and `config.json` (of the router)
//! if there are any, and
//! `expected.json`: the `body` of the answer, its `status` (200 if not given) and, where it matters, how many `calls`
//! each subgraph gets. The subgraphs and the router talk real HTTP.
//!
//! Every folder below `mistakes` holds subgraphs that do not compose, as they are, and in `expected.txt` what is said to
//! that.
//!
//! An SDL that begins with `# federation 1`, or has a link, gets none. The former is written with `extend` as it was then.

#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod request;
mod subgraph;

use futures::StreamExt;
use hansa_router::supergraph::{Source, SubgraphSdl, compose};
use hansa_router::{Config, Gateway};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use subgraph::Subgraph;
use tokio_util::sync::CancellationToken;

/// Nothing here takes long; an answer that has not come by then never will.
const PATIENCE: Duration = Duration::from_secs(30);

/// Imports everything that a subgraph may use.
const LINK: &str = "extend schema @link(url: \"https://specs.apollo.dev/federation/v2.9\", import: [\"@key\", \
    \"@requires\", \"@provides\", \"@external\", \"@shareable\", \"@override\", \"@inaccessible\", \
    \"@interfaceObject\", \"@tag\", \"@extends\"])\n";

/// How the specification's URL begins.
const FEDERATION: &str = "https://specs.apollo.dev/federation/";

/// How an SDL of federation 1 begins.
const FEDERATION_1: &str = "# federation 1";

#[tokio::test]
async fn scenarios_are_answered_as_expected() {
    let failures: Vec<_> = outcomes().await.into_iter().filter_map(Result::err).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn mistakes_are_explained() {
    let failures = folders("mistakes").into_iter().filter_map(|folder| {
        let subgraph = |(name, sdl): (String, String)| SubgraphSdl { url: format!("http://{name}"), name, sdl };
        let said = match compose(&sdls_of(&folder).into_iter().map(subgraph).collect::<Vec<_>>()) {
            Ok(supergraph) => format!("composes: {supergraph}"),
            Err(error) => format!("{error}\n"),
        };
        let expected = std::fs::read_to_string(folder.join("expected.txt")).unwrap_or_default();
        (said != expected).then(|| format!("\n=== {}\nexpected: {expected}\nsaid: {said}", folder.display()))
    });
    let failures: Vec<_> = failures.collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The folders below a folder, or those whose path has `SCENARIO` in it.
fn folders(below: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance").join(below);
    let only = std::env::var("SCENARIO").unwrap_or_default();
    let mut folders: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|path| path.is_dir() && path.to_string_lossy().contains(&only));
    folders.sort();
    folders
}

/// Runs the scenarios.
async fn outcomes() -> Vec<Result<(), String>> {
    let outcomes = folders("scenarios").into_iter().map(|scenario| async move {
        let outcome = tokio::spawn(check(scenario.clone())).await;
        let outcome = outcome.unwrap_or_else(|panic| Err(panic.to_string()));
        let name = scenario.file_name().unwrap().to_string_lossy().into_owned();
        outcome.map_err(|why| format!("\n=== {name}\n{why}"))
    });
    futures::stream::iter(outcomes).buffered(8).collect().await
}

/// Runs one scenario; says what is not as expected.
async fn check(scenario: PathBuf) -> Result<(), String> {
    let expected = json_at(&scenario.join("expected.json")).ok_or("there is no expected.json")?;
    let data = json_at(&scenario.join("data.json")).unwrap_or_default();
    let query = std::fs::read_to_string(scenario.join("query.graphql")).unwrap();
    let variables = json_at(&scenario.join("variables.json")).unwrap_or_else(|| json!({}));

    let config = json_at(&scenario.join("config.json")).unwrap_or_else(|| json!({}));
    let config = serde_json::from_value(config).map_err(|error| format!("config.json: {error}"))?;

    let clock = Arc::new(AtomicU64::new(0));
    let mut subgraphs = Vec::new();
    let mut sdls = Vec::new();
    for (name, sdl) in sdls_of(&scenario) {
        let subgraph = Arc::new(Subgraph::new(&sdl, data[&name].clone(), clock.clone()));
        let url = format!("http://{}/graphql", serve(subgraph.clone().routes()).await);
        let link = if sdl.starts_with(FEDERATION_1) || sdl.contains(FEDERATION) { "" } else { LINK };
        sdls.push(SubgraphSdl { name: name.clone(), url, sdl: format!("{link}{sdl}") });
        subgraphs.push((name, subgraph));
    }
    let supergraph = compose(&sdls).map_err(|error| format!("does not compose: {error}"))?;
    let (status, body) = ask(config, &supergraph, &query, &variables).await?;

    let mut wrong = Vec::new();
    for (name, subgraph) in &subgraphs {
        wrong.extend(subgraph.complaints().iter().map(|complaint| format!("{name}: {complaint}")));
        let calls = &expected["calls"][name];
        if !calls.is_null() && *calls != subgraph.requests().len() {
            wrong.push(format!("{name} shall get {calls} requests"));
        }
    }
    if expected["status"].as_u64().unwrap_or(200) != u64::from(status) || expected["body"] != body {
        wrong.push(format!("expected: {}", expected["body"]));
    }
    if wrong.is_empty() {
        return Ok(());
    }
    wrong.push(format!("answered: {body} with status {status}"));
    let requests = |(name, subgraph): &(String, Arc<Subgraph>)| {
        subgraph.requests().iter().map(|request| format!("asked {name}: {request}")).collect::<Vec<_>>()
    };
    wrong.extend(subgraphs.iter().flat_map(requests));
    Err(wrong.join("\n"))
}

/// The subgraphs of a scenario: every document but the operation.
fn sdls_of(scenario: &Path) -> Vec<(String, String)> {
    let files = std::fs::read_dir(scenario).unwrap().map(|entry| entry.unwrap().path());
    let documents = files.filter(|path| path.extension().is_some_and(|extension| extension == "graphql"));
    let named = documents.map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), path));
    let mut sdls: Vec<_> = named
        .filter(|(name, _)| name != "query")
        .map(|(name, path)| (name, std::fs::read_to_string(path).unwrap()))
        .collect();
    sdls.sort();
    sdls
}

fn json_at(path: &Path) -> Option<Value> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// Sends an operation to a router over this supergraph; gives the status and the body of its answer.
async fn ask(mut config: Config, supergraph: &str, query: &str, variables: &Value) -> Result<(u16, Value), String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("supergraph.graphql");
    std::fs::write(&file, supergraph).unwrap();
    config.subgraphs.retries = 0;
    let shutdown = CancellationToken::new();
    let _stop = shutdown.clone().drop_guard();
    let gateway = Gateway::start(config, Source::File(file), None, shutdown).unwrap();
    let started = tokio::time::timeout(PATIENCE, gateway.supergraph().first()).await;
    started.map_err(|_| format!("no supergraph: {:?}", gateway.supergraph().status()))?;
    let address = serve(gateway.routes()).await;
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
    let request =
        client.post(format!("http://{address}/graphql")).json(&json!({"query": query, "variables": variables}));
    let answer = request.send().await.map_err(|error| format!("no answer: {error}"))?;
    let status = answer.status().as_u16();
    Ok((status, answer.json().await.map_err(|error| format!("no JSON: {error}"))?))
}

/// Serves routes on a free port; gives the address.
async fn serve(routes: axum::Router) -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    address
}
