//! Which fetches our router makes for a query, in which order.

use crate::subgraphs::{Fetch, Subgraphs};
use crate::{federation, queries};
use anyhow::ensure;
use axum::body::Body;
use hansa_router::{Config, Gateway, supergraph::Source};
use http::{Request, header};
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// A query, the fetches that answer it, and its answer.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Script {
    pub name: String,
    /// The body of the request.
    pub request: String,
    /// The fetches of a stage are sent together, when those of the stage before have been answered.
    pub stages: Vec<Vec<Exchange>>,
    /// The body of the answer.
    pub answer: String,
}

/// A fetch: the bodies of its request and answer.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Exchange {
    pub url: String,
    pub request: String,
    pub answer: String,
}

/// In milliseconds; far more than a router takes between two stages.
const LATENCY: u64 = 100;

/// Asks a router in this process every query once. The subgraphs are slow meanwhile and have no latency afterwards: a fetch
/// belongs to a later stage when it begins after the first answer of the stage before.
pub async fn record(subgraphs: &Subgraphs) -> anyhow::Result<Vec<Script>> {
    subgraphs.set_latency(LATENCY);
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("supergraph.graphql");
    std::fs::write(&file, federation::supergraph(&subgraphs.urls)?)?;
    let shutdown = CancellationToken::new();
    let _running = shutdown.clone().drop_guard();
    let gateway = Gateway::start(Config::default(), Source::File(file), None, shutdown)?;
    gateway.supergraph().first().await;
    let mut scripts = Vec::new();
    for query in queries::all() {
        let request = query.body();
        subgraphs.record();
        let post = Request::post("/graphql").header(header::CONTENT_TYPE, "application/json");
        let response = gateway.routes().oneshot(post.body(Body::from(request.clone()))?).await?;
        let answer = String::from_utf8(response.into_body().collect().await?.to_bytes().to_vec())?;
        let answered: serde_json::Value = serde_json::from_str(&answer)?;
        ensure!(answered == query.expected, "our router's answer to {} is not the expected one: {answer}", query.name);
        scripts.push(Script { name: query.name.into(), request, stages: stages(subgraphs.recorded()), answer });
    }
    subgraphs.set_latency(0);
    Ok(scripts)
}

fn stages(mut fetches: Vec<Fetch>) -> Vec<Vec<Exchange>> {
    fetches.sort_by_key(|fetch| fetch.begun);
    let mut stages: Vec<Vec<Exchange>> = Vec::new();
    let mut first_answer = None;
    for fetch in fetches {
        let exchange = Exchange { url: fetch.url, request: fetch.body, answer: fetch.answer };
        match (stages.last_mut(), first_answer) {
            (Some(stage), Some(ended)) if fetch.begun < ended => {
                stage.push(exchange);
                first_answer = Some(fetch.ended.min(ended));
            }
            _ => {
                stages.push(vec![exchange]);
                first_answer = Some(fetch.ended);
            }
        }
    }
    stages
}
