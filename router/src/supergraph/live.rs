//! The supergraph in use: kept up to date with its source, swapped atomically, the last good one kept.

use super::compose::compose_by;
use super::{SubgraphSdl, Supergraph, endpoints, link};
use crate::error::Error;
use crate::telemetry::metrics;
use crate::transport::{self, Client, Subgraph, Transport};
use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How soon a source is asked again while there is no supergraph at all.
const IMPATIENCE: Duration = Duration::from_millis(500);

/// How the first line of a cached supergraph begins; the digest of what it was composed from follows.
const COMPOSED_FROM: &str = "# composed from sha256:";

/// Where the supergraph comes from.
#[derive(Clone)]
pub enum Source {
    /// A supergraph document on disk; its subgraphs are reached over HTTP.
    File(PathBuf),
    /// Composed from what the subgraphs themselves say their schema is.
    Compose(Vec<Arc<Subgraph>>),
}

/// How the supergraph is kept up to date.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How often the source is asked for changes, in seconds.
    pub poll_seconds: u64,
    /// How long one subgraph may take to tell its SDL, in seconds.
    pub fetch_timeout_seconds: u64,
    /// How long composing, and starting the planner, may take, in seconds.
    pub compose_timeout_seconds: u64,
    /// Where the last good supergraph is kept, so that a router starts while its subgraphs are down.
    pub cache: Option<PathBuf>,
    /// The program that composes in a process of its own what might end this one; see [`apart`](super::apart). Not a setting:
    /// whoever embeds the router knows it. Without one, all is composed here.
    #[serde(skip)]
    pub composer: Option<PathBuf>,
    /// The labels of `@override(label:)` that are in force. `percent(N)` is not named: it is drawn for each operation.
    pub override_labels: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            poll_seconds: 10,
            fetch_timeout_seconds: 10,
            compose_timeout_seconds: 120,
            cache: None,
            composer: None,
            override_labels: Vec::new(),
        }
    }
}

/// The supergraph in use, swapped without a request noticing, and how it came to be.
#[derive(Default)]
pub struct Live {
    current: ArcSwapOption<Supergraph>,
    status: ArcSwap<Status>,
    changed: Notify,
}

/// What `/ready` tells of the supergraph.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// When the supergraph in use was composed or read; `None` before the first.
    pub since: Option<SystemTime>,
    /// Why the newest attempt failed; `None` when it succeeded. The last good supergraph stays in use. For operators: it
    /// names subgraphs and quotes their schemas.
    pub last_error: Option<Problem>,
}

/// Why the supergraph could not be brought up to date.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Problem {
    /// In a word, for everybody.
    pub reason: Reason,
    /// What exactly, for the log.
    pub detail: String,
}

/// Why the supergraph could not be brought up to date, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Reason {
    /// The document cannot be read.
    SourceUnreadable,
    /// A subgraph did not tell its schema.
    SubgraphUnavailable,
    /// The subgraphs do not compose, or not to what can be planned over.
    CompositionFailed,
}

impl Problem {
    fn new(reason: Reason, detail: impl std::fmt::Display) -> Self {
        Self { reason, detail: detail.to_string() }
    }
}

impl Live {
    /// The supergraph in use; `None` until the first is there.
    pub fn current(&self) -> Option<Arc<Supergraph>> {
        self.current.load_full()
    }

    /// How it came to be.
    pub fn status(&self) -> Arc<Status> {
        self.status.load_full()
    }

    /// Completes when the supergraph or its status has changed after this call.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The supergraph in use; waits for the first.
    pub async fn first(&self) -> Arc<Supergraph> {
        loop {
            let changed = self.changed.notified();
            match self.current() {
                Some(supergraph) => return supergraph,
                None => changed.await,
            }
        }
    }

    fn publish(&self, supergraph: Supergraph) {
        tracing::info!(subgraphs = supergraph.subgraphs.len(), "supergraph in use");
        ::metrics::counter!(metrics::SUPERGRAPH_SWAPS).increment(1);
        self.current.store(Some(Arc::new(supergraph)));
        self.status.store(Arc::new(Status { since: Some(SystemTime::now()), last_error: None }));
    }

    /// Notes the outcome of an attempt to keep up to date; a failure is logged when it is news.
    fn note(&self, outcome: Result<(), Problem>) {
        let before = self.status();
        let last_error = outcome.err();
        ::metrics::gauge!(metrics::SUPERGRAPH_UP_TO_DATE).set(if last_error.is_none() { 1.0 } else { 0.0 });
        if last_error != before.last_error {
            match &last_error {
                Some(error) => tracing::error!("the supergraph cannot be brought up to date: {error}"),
                None => tracing::info!("the supergraph is up to date again"),
            }
            self.status.store(Arc::new(Status { since: before.since, last_error }));
        }
        self.changed.notify_waiters();
    }
}

/// Keeps a supergraph up to date with its source until shutdown. A change that does not compose leaves the last good
/// supergraph in use and says why in the status, the log and the metrics.
pub async fn keep(
    live: Arc<Live>,
    source: Source,
    config: Config,
    subgraphs: transport::Config,
    shutdown: CancellationToken,
) {
    let mut keeper = Keeper { live: live.clone(), source, config, subgraphs, made_from: None, cache_tried: false };
    let keeping = async {
        loop {
            let outcome = keeper.update().await;
            live.note(outcome);
            let pause = Duration::from_secs(keeper.config.poll_seconds.max(1));
            tokio::time::sleep(if live.current().is_some() { pause } else { IMPATIENCE.min(pause) }).await;
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = keeping => {}
    }
}

struct Keeper {
    live: Arc<Live>,
    source: Source,
    config: Config,
    subgraphs: transport::Config,
    /// The digest of what the last attempt was made from, and its outcome: the same is not tried twice.
    made_from: Option<(String, Result<(), Problem>)>,
    cache_tried: bool,
}

impl Keeper {
    async fn update(&mut self) -> Result<(), Problem> {
        match self.source.clone() {
            Source::File(path) => {
                let sdl = tokio::fs::read_to_string(&path).await;
                let sdl = sdl.map_err(|source| Problem::new(Reason::SourceUnreadable, file_error(&path, source)))?;
                let transport = self.subgraphs.clone();
                self.renew(digest(&[sdl.as_bytes()]), move || from_document(sdl, &transport)).await
            }
            Source::Compose(subgraphs) => match fetch_all(&subgraphs, &self.config).await {
                Ok(sdls) => {
                    let from = digest_of(&sdls);
                    let digest = from.clone();
                    let (cache, composer) = (self.config.cache.clone(), self.config.composer.clone());
                    let make = move || {
                        let compose = || compose_by(composer.as_deref(), &sdls);
                        from_subgraphs(compose, subgraphs, cache.as_deref(), &from)
                    };
                    self.renew(digest, make).await
                }
                Err(error) => {
                    self.start_from_cache(subgraphs).await;
                    Err(Problem::new(Reason::SubgraphUnavailable, error))
                }
            },
        }
    }

    /// Makes and publishes a supergraph unless it was made from the same before.
    async fn renew(
        &mut self,
        from: String,
        make: impl FnOnce() -> Result<Supergraph, Error> + Send + 'static,
    ) -> Result<(), Problem> {
        if let Some((before, outcome)) = &self.made_from
            && *before == from
        {
            return outcome.clone();
        }
        let made = self.off_thread(make).await;
        let outcome = made.map(|supergraph| self.live.publish(supergraph));
        let outcome = outcome.map_err(|error| Problem::new(Reason::CompositionFailed, error));
        self.made_from = Some((from, outcome.clone()));
        outcome
    }

    async fn off_thread(
        &self,
        make: impl FnOnce() -> Result<Supergraph, Error> + Send + 'static,
    ) -> Result<Supergraph, Error> {
        let limit = Duration::from_secs(self.config.compose_timeout_seconds);
        let labels = self.config.override_labels.clone();
        let make = move || make().map(|supergraph| supergraph.with_override_labels(&labels));
        match tokio::time::timeout(limit, tokio::task::spawn_blocking(make)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(Error::Supergraph("making it panicked; the log says where".into())),
            Err(_) => Err(Error::Supergraph(format!("making it took longer than {} s", limit.as_secs()))),
        }
    }

    /// While a subgraph is down, the last good supergraph is better than none.
    async fn start_from_cache(&mut self, subgraphs: Vec<Arc<Subgraph>>) {
        let Some(cache) = self.config.cache.clone().filter(|_| self.live.current().is_none() && !self.cache_tried)
        else {
            return;
        };
        self.cache_tried = true;
        let read = move || {
            let sdl = std::fs::read_to_string(&cache).map_err(|source| file_error(&cache, source))?;
            Supergraph::new(sdl, subgraphs)
        };
        match self.off_thread(read).await {
            Ok(supergraph) => {
                tracing::warn!("starting with the cached supergraph, as not all subgraphs can be reached");
                self.live.publish(supergraph);
            }
            Err(error) => tracing::warn!("there is no cached supergraph to start with: {error}"),
        }
    }
}

/// The schemas of all subgraphs; the text says which are missing and why.
async fn fetch_all(subgraphs: &[Arc<Subgraph>], config: &Config) -> Result<Vec<SubgraphSdl>, String> {
    let deadline = Instant::now() + Duration::from_secs(config.fetch_timeout_seconds);
    let fetched = futures::future::join_all(subgraphs.iter().map(|subgraph| fetch_sdl(subgraph, deadline))).await;
    let mut sdls = Vec::with_capacity(fetched.len());
    let mut problems = String::new();
    for (subgraph, outcome) in subgraphs.iter().zip(fetched) {
        match outcome {
            Ok(sdl) => {
                sdls.push(SubgraphSdl { name: subgraph.name.clone(), url: subgraph.url.clone(), sdl });
            }
            Err(why) => {
                let _ = write!(problems, "\n  subgraph \"{}\": {why}", subgraph.name);
            }
        }
    }
    if problems.is_empty() { Ok(sdls) } else { Err(format!("schemas are missing{problems}")) }
}

/// Composes what these subgraphs say their schemas are now.
///
/// # Errors
/// [`Error::Supergraph`] says which schemas are missing, or why the router cannot use what they compose to;
/// [`Error::Composition`] what does not fit.
pub async fn compose_now(subgraphs: &[Arc<Subgraph>], config: &Config) -> Result<String, Error> {
    let sdls = fetch_all(subgraphs, config).await.map_err(Error::Supergraph)?;
    let (subgraphs, composer) = (subgraphs.to_vec(), config.composer.clone());
    let composing = tokio::task::spawn_blocking(move || {
        let composed = compose_by(composer.as_deref(), &sdls)?;
        Supergraph::new(composed, subgraphs).map(|composed| composed.sdl)
    });
    composing.await.map_err(|_| Error::Supergraph("composing panicked; the log says where".into()))?
}

fn file_error(path: &Path, source: std::io::Error) -> Error {
    Error::File { path: path.display().to_string(), source }
}

/// Asks a subgraph for its schema (Apollo federation subgraph specification, `_service { sdl }`), or reads it.
async fn fetch_sdl(subgraph: &Subgraph, deadline: Instant) -> Result<String, String> {
    #[derive(Deserialize)]
    struct Answer {
        data: Option<Data>,
        #[serde(default)]
        errors: Vec<serde_json::Value>,
    }
    #[derive(Deserialize)]
    struct Data {
        _service: Option<Service>,
    }
    #[derive(Deserialize)]
    struct Service {
        sdl: Option<String>,
    }
    if let Some(file) = &subgraph.sdl {
        return tokio::fs::read_to_string(file).await.map_err(|source| file_error(file, source).to_string());
    }
    let body = Bytes::from_static(br#"{"query":"{_service{sdl}}"}"#);
    let bytes = subgraph.probe(body, deadline).await.map_err(|error| error.to_string())?;
    let answer: Answer = serde_json::from_slice(&bytes).map_err(|_| "its answer is no GraphQL".to_owned())?;
    let service = answer.data.and_then(|data| data._service);
    service.and_then(|service| service.sdl).ok_or_else(|| {
        let said = answer.errors.iter().find_map(|error| error["message"].as_str()).unwrap_or("no reason is given");
        format!("does not tell its schema ({{ _service {{ sdl }} }}): {said}")
    })
}

/// What is said to a schema that was not composed.
const NO_SUPERGRAPH: &str = "the schema names no subgraphs (enum join__Graph): it is not a composed one. \
    `hansa compose` and the router itself compose what router.federation.subgraphs names";

/// A supergraph from a document; its subgraphs are at the URLs that it names.
fn from_document(sdl: String, transport: &transport::Config) -> Result<Supergraph, Error> {
    let client = Client::new()?;
    let sdl = link::plain(sdl)?;
    let endpoints = endpoints(&sdl)?;
    if endpoints.is_empty() {
        return Err(Error::Supergraph(NO_SUPERGRAPH.into()));
    }
    // It may come to name them, or not do so any more.
    if let Err(error) = transport.check_names(endpoints.iter().map(|(name, _)| name.as_str())) {
        tracing::warn!("{error}");
    }
    let subgraphs = endpoints
        .into_iter()
        .map(|(name, url)| Subgraph::new(name, url, Transport::Http(client.clone()), transport).map(Arc::new))
        .collect::<Result<Vec<_>, _>>()?;
    Supergraph::new(sdl, subgraphs)
}

/// A supergraph from subgraphs: composed, unless the cache holds what composition gave for the same before.
fn from_subgraphs(
    compose: impl FnOnce() -> Result<String, Error>,
    subgraphs: Vec<Arc<Subgraph>>,
    cache: Option<&Path>,
    from: &str,
) -> Result<Supergraph, Error> {
    let header = format!("{COMPOSED_FROM}{from}\n");
    let cached = cache.and_then(|path| std::fs::read_to_string(path).ok()).filter(|sdl| sdl.starts_with(&header));
    if let Some(sdl) = cached {
        return Supergraph::new(sdl, subgraphs);
    }
    let supergraph = Supergraph::new(header + &compose()?, subgraphs)?;
    if let Some(path) = cache
        && let Err(error) = replace_file(path, &supergraph.sdl)
    {
        tracing::warn!("the supergraph cannot be cached: {error}");
    }
    Ok(supergraph)
}

/// Writes a file so that a reader, or a crash, never meets half of it.
fn replace_file(path: &Path, content: &str) -> Result<(), Error> {
    let fresh = path.with_extension(format!("{}.tmp", std::process::id()));
    let write = || {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&fresh, content)?;
        std::fs::rename(&fresh, path)
    };
    write().map_err(|source| file_error(path, source))
}

fn digest_of(sdls: &[SubgraphSdl]) -> String {
    let parts: Vec<&[u8]> = sdls.iter().flat_map(|s| [s.name.as_bytes(), s.url.as_bytes(), s.sdl.as_bytes()]).collect();
    digest(&parts)
}

/// Two lists of parts have the same digest only if they are the same. The version is in it because another version
/// may compose the same subgraphs differently.
fn digest(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new_with_prefix(env!("CARGO_PKG_VERSION"));
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
