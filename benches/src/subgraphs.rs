//! The subgraphs as servers. They answer a request that they have seen before from memory, so that what is measured is the
//! gateway in front of them.

use crate::federation::{self, Execute};
use anyhow::Context;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// A gateway that varies its requests must not fill the memory.
const MAX_REMEMBERED: usize = 10_000;

/// The running subgraphs; they end when it is dropped.
pub struct Subgraphs {
    /// Where they listen, by name.
    pub urls: Vec<(&'static str, String)>,
    shared: Arc<Shared>,
    _running: DropGuard,
}

/// One request to a subgraph.
pub struct Fetch {
    pub url: String,
    pub body: String,
    pub answer: String,
    pub begun: Instant,
    pub ended: Instant,
}

#[derive(Default)]
struct Shared {
    fetches: AtomicU64,
    /// Added to every answer, in milliseconds.
    latency: AtomicU64,
    /// Set while fetches are recorded.
    record: Mutex<Option<Vec<Fetch>>>,
}

struct Subgraph {
    url: String,
    execute: Execute,
    remembered: Mutex<HashMap<Bytes, Bytes>>,
    shared: Arc<Shared>,
}

/// Starts the four on ports from `port` on, or on free ones if it is 0.
///
/// # Errors
/// When a port is taken.
pub async fn start(port: u16) -> anyhow::Result<Subgraphs> {
    let shared = Arc::new(Shared::default());
    let running = CancellationToken::new();
    let mut urls = Vec::new();
    for (name, offset) in federation::NAMES.into_iter().zip(0..) {
        let port = if port == 0 { 0 } else { port + offset };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let listener = listener.with_context(|| format!("subgraph {name} on port {port}"))?;
        let url = federation::url(listener.local_addr()?.port());
        urls.push((name, url.clone()));
        let (_, execute) = federation::subgraph(name);
        let subgraph = Subgraph { url, execute, remembered: Mutex::default(), shared: shared.clone() };
        tokio::spawn(running.clone().run_until_cancelled_owned(listen(listener, Arc::new(subgraph))));
    }
    Ok(Subgraphs { urls, shared, _running: running.drop_guard() })
}

impl Subgraphs {
    /// How many fetches there have been, over all subgraphs.
    pub fn fetches(&self) -> u64 {
        self.shared.fetches.load(Ordering::Relaxed)
    }

    /// Sets what is added to every answer, in milliseconds.
    pub fn set_latency(&self, milliseconds: u64) {
        self.shared.latency.store(milliseconds, Ordering::Relaxed);
    }

    /// Begins to record fetches.
    pub fn record(&self) {
        *self.shared.record.lock().unwrap_or_else(PoisonError::into_inner) = Some(Vec::new());
    }

    /// Ends it, and gives the fetches in the order in which they ended.
    pub fn recorded(&self) -> Vec<Fetch> {
        self.shared.record.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
    }
}

async fn listen(listener: TcpListener, subgraph: Arc<Subgraph>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(connection(stream, subgraph.clone()));
    }
}

async fn connection(stream: TcpStream, subgraph: Arc<Subgraph>) {
    // Both fail only when the gateway is gone.
    drop(stream.set_nodelay(true));
    let service = service_fn(|request| answer(&subgraph, request));
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}

async fn answer(subgraph: &Subgraph, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let begun = Instant::now();
    let Ok(body) = request.into_body().collect().await else {
        return Ok(refusal());
    };
    let body = body.to_bytes();
    let Some(answer) = subgraph.answer(&body).await else {
        return Ok(refusal());
    };
    match subgraph.shared.latency.load(Ordering::Relaxed) {
        0 => {}
        latency => tokio::time::sleep(Duration::from_millis(latency)).await,
    }
    subgraph.shared.fetches.fetch_add(1, Ordering::Relaxed);
    if let Some(record) = subgraph.shared.record.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        let (url, body, answer) = (subgraph.url.clone(), text(&body), text(&answer));
        record.push(Fetch { url, body, answer, begun, ended: Instant::now() });
    }
    let mut response = Response::new(Full::new(answer));
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    Ok(response)
}

fn refusal() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

impl Subgraph {
    /// The answer to a request; `None` when it cannot be read.
    async fn answer(&self, body: &Bytes) -> Option<Bytes> {
        let known = self.remembered.lock().unwrap_or_else(PoisonError::into_inner).get(body).cloned();
        if known.is_some() {
            return known;
        }
        let request: async_graphql::Request = serde_json::from_slice(body).ok()?;
        let answer = Bytes::from(serde_json::to_vec(&(self.execute)(request).await).ok()?);
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() < MAX_REMEMBERED {
            remembered.insert(body.clone(), answer.clone());
        }
        Some(answer)
    }
}
