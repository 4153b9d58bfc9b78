//! The floor: hyper's server and hyper's client, and between them the fetches that our router makes, known beforehand. What
//! a router costs above it is GraphQL, and whatever else it does for its callers. Like our router it serves from a thread
//! with a runtime and connections of its own for each core.

use crate::record::{Exchange, Script};
use anyhow::Context;
use bytes::Bytes;
use futures::future::try_join_all;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

type Client = legacy::Client<HttpConnector, Full<Bytes>>;

struct Floor {
    queries: Arc<Vec<Query>>,
    client: Client,
}

/// A thread that serves.
struct Worker {
    runtime: Handle,
    floor: Arc<Floor>,
}

struct Query {
    request: Bytes,
    stages: Vec<Vec<(Uri, Bytes)>>,
    answer: Bytes,
}

/// Serves the scripts' answers, after their fetches.
///
/// # Errors
/// When a script names no URL, the listener fails, or a thread cannot be had.
pub async fn serve(listener: TcpListener, scripts: Vec<Script>) -> anyhow::Result<()> {
    let queries = Arc::new(scripts.into_iter().map(query).collect::<anyhow::Result<_>>()?);
    let cores = std::thread::available_parallelism()?.get();
    let workers = (0..cores).map(|_| Worker::start(&queries)).collect::<anyhow::Result<Vec<_>>>()?;
    for Worker { runtime, floor } in workers.iter().cycle() {
        let stream = listener.accept().await?.0.into_std()?;
        runtime.spawn(connection(stream, floor.clone()));
    }
    Ok(())
}

impl Worker {
    /// Starts one, which ends with the process.
    fn start(queries: &Arc<Vec<Query>>) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        std::thread::Builder::new().spawn(move || runtime.block_on(std::future::pending::<()>()))?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = legacy::Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { runtime: handle, floor: Arc::new(Floor { queries: queries.clone(), client }) })
    }
}

fn query(script: Script) -> anyhow::Result<Query> {
    let fetch = |exchange: Exchange| Ok((exchange.url.parse().context("a fetch's URL")?, exchange.request.into()));
    let stage = |stage: Vec<Exchange>| stage.into_iter().map(fetch).collect();
    let stages = script.stages.into_iter().map(stage).collect::<anyhow::Result<_>>()?;
    Ok(Query { request: script.request.into(), stages, answer: script.answer.into() })
}

async fn connection(stream: std::net::TcpStream, floor: Arc<Floor>) {
    // These fail only when the client is gone.
    let Ok(stream) = TcpStream::from_std(stream) else { return };
    drop(stream.set_nodelay(true));
    let service = service_fn(|request| answer(&floor, request));
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}

async fn answer(floor: &Floor, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let answer = match request.into_body().collect().await {
        Ok(body) => floor.run(&body.to_bytes()).await.unwrap_or_else(|_| status(StatusCode::BAD_GATEWAY)),
        Err(_) => status(StatusCode::BAD_REQUEST),
    };
    Ok(answer)
}

impl Floor {
    async fn run(&self, body: &Bytes) -> Result<Response<Full<Bytes>>, legacy::Error> {
        let Some(query) = self.queries.iter().find(|query| query.request == body) else {
            return Ok(status(StatusCode::NOT_FOUND));
        };
        for stage in &query.stages {
            try_join_all(stage.iter().map(|(uri, body)| self.fetch(uri, body))).await?;
        }
        let mut response = Response::new(Full::new(query.answer.clone()));
        response.headers_mut().insert(header::CONTENT_TYPE, JSON);
        Ok(response)
    }

    async fn fetch(&self, uri: &Uri, body: &Bytes) -> Result<Option<Bytes>, legacy::Error> {
        let mut request = Request::post(uri.clone());
        if let Some(headers) = request.headers_mut() {
            headers.insert(header::CONTENT_TYPE, JSON);
            headers.insert(header::ACCEPT, JSON);
        }
        let request = request.body(Full::new(body.clone())).unwrap_or_default();
        let answer = self.client.request(request).await?;
        // What breaks off is no answer; wrk counts what the client gets.
        Ok(answer.into_body().collect().await.ok().map(|body| body.to_bytes()))
    }
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
