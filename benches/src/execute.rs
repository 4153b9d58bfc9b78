//! The executor alone: each query's plan over subgraphs in this process that answer from memory.

use crate::record::Script;
use crate::{federation, queries};
use anyhow::{Context, anyhow};
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::join_all;
use hansa_router::request::{GraphQLRequest, RequestContext};
use hansa_router::supergraph::Supergraph;
use hansa_router::transport::{Config, Subgraph, Transport};
use hansa_router::{execute, limits, operation};
use http::StatusCode;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Measures the executor without HTTP.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// How often each query is measured.
    #[arg(long, default_value_t = 500)]
    rounds: usize,
    /// Which query; all by default.
    #[arg(long, value_parser = queries::names())]
    query: Option<String>,
    /// How many run at once: their calls give way to each other, so that they take turns at the caches, as in a server.
    #[arg(long, default_value_t = 1)]
    at_once: u32,
}

/// How often as many queries run in one measurement.
const RUNS: u32 = 20;

/// The answers to all requests of a script.
type Answers = Arc<HashMap<Bytes, Bytes>>;

/// Prints how long each script's query takes from prepared operation to answer, and how long its calls take alone.
pub async fn measure(scripts: &[Script], options: &Options) -> anyhow::Result<()> {
    let sdl = federation::supergraph(&federation::urls(federation::PORT))?;
    for script in scripts.iter().filter(|script| options.query.as_ref().is_none_or(|query| *query == script.name)) {
        let exchanges = script.stages.iter().flatten();
        let answers: Answers = Arc::new(
            exchanges.map(|exchange| (exchange.request.clone().into(), exchange.answer.clone().into())).collect(),
        );
        let supergraph = Arc::new(Supergraph::new(sdl.clone(), subgraphs(&answers)?)?);
        let request: GraphQLRequest = serde_json::from_str(&script.request)?;
        let operation = operation::prepare(&supergraph, &limits::Operation::default(), &request, None)
            .await
            .map_err(|errors| anyhow!("{errors:?}"))?;
        let variables =
            operation::coerce(&operation, request.variables.as_ref()).map_err(|errors| anyhow!("{errors:?}"))?;
        let context = RequestContext::default();

        let (mut whole, mut calls) = (Vec::new(), Vec::new());
        for _ in 0..options.rounds {
            let begun = Instant::now();
            for _ in 0..RUNS {
                let runs = (0..options.at_once)
                    .map(|_| execute::run(&supergraph, &operation, &variables, &context, deadline()))
                    .map(|run| run.map(|answer| answer.body == script.answer));
                let good = join_all(runs).await.into_iter().all(|is_good| is_good);
                anyhow::ensure!(good, "another answer to {} than over HTTP", script.name);
            }
            whole.push(begun.elapsed() / RUNS / options.at_once);
            let begun = Instant::now();
            for _ in 0..RUNS {
                for body in answers.keys() {
                    let subgraph = &supergraph.subgraphs[federation::NAMES[0]];
                    subgraph.fetch(body.clone(), &context.forward, true, deadline()).await?;
                }
            }
            calls.push(begun.elapsed() / RUNS);
        }
        let (best, median) = best_and_median(&mut whole).context("no rounds")?;
        let (calls, _) = best_and_median(&mut calls).context("no rounds")?;
        let (name, fetches) = (&script.name, answers.len());
        println!("{name}: {best:?} at best, {median:?} in the middle; of that {calls:?} for the {fetches} calls");
    }
    Ok(())
}

fn subgraphs(answers: &Answers) -> anyhow::Result<Vec<Arc<Subgraph>>> {
    let subgraph = |(name, url)| {
        let routes = axum::Router::new().route("/graphql", post(answer)).with_state(answers.clone());
        Ok(Arc::new(Subgraph::new(name, url, Transport::Local(routes), &Config::default())?))
    };
    federation::urls(federation::PORT).into_iter().map(subgraph).collect()
}

async fn answer(State(answers): State<Answers>, body: Bytes) -> Result<Bytes, StatusCode> {
    tokio::task::yield_now().await;
    answers.get(&body).cloned().ok_or(StatusCode::NOT_FOUND)
}

fn deadline() -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_secs(30)
}

fn best_and_median(times: &mut [Duration]) -> Option<(Duration, Duration)> {
    times.sort();
    Some((*times.first()?, times[times.len() / 2]))
}
