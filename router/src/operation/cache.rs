//! Prepared operations. Bounded; concurrent misses prepare once.

use super::pace::Pace;
use super::{Blueprint, Operation, Variant, hash};
use crate::error::{Code, GraphQLError};
use crate::limits;
use crate::panics;
use crate::supergraph::Supergraph;
use crate::telemetry::metrics;
use ::metrics::{Counter, counter, gauge};
use hansa_token::Claims;
use moka::Equivalent;
use serde_json::{Map, Value};
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tokio::sync::{Mutex, OnceCell, Semaphore};

/// How much the cached documents may weigh together, each with a plan, and their other plans as much again, in bytes
/// (estimated).
const CAPACITY: u64 = 64 << 20;

/// What a document, or another plan of one, weighs at least, in bytes (estimated).
const OVERHEAD: usize = 4 << 10;

/// How many times the size of its text a document weighs with a plan (estimated).
const EXPANSION: usize = 16;

type Errors = Arc<[GraphQLError]>;

/// The operations prepared over one supergraph.
pub struct Cache {
    entries: moka::future::Cache<Key, Arc<Entry>, ahash::RandomState>,
    /// The plans of callers who lack different rights, draw differently, or whose conditions differ. Those that are asked
    /// for often are kept, however many others there are.
    variants: moka::future::Cache<VariantKey, Arc<Operation>, ahash::RandomState>,
    /// How many documents have been entered.
    entered: AtomicU64,
    /// The right to prepare: as many at a time as there are cores, so that floods of new documents wait for each other
    /// and what is prepared already is answered meanwhile.
    turns: Arc<Semaphore>,
    hits: Counter,
    misses: Counter,
}

/// A document's text and the operation chosen of it.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    text: String,
    name: Option<String>,
}

/// A [`Key`] that owns nothing; the hashes are equal.
#[derive(Hash)]
struct Lookup<'k> {
    text: &'k str,
    name: Option<&'k str>,
}

impl Equivalent<Key> for Lookup<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.text == key.text && self.name == key.name.as_deref()
    }
}

/// Whose plan it is.
#[derive(PartialEq, Eq, Hash)]
struct VariantKey {
    /// The number of the document's entry.
    entry: u64,
    variant: Variant,
    /// What it weighs, in bytes: the same for all variants of a document.
    weight: u32,
}

struct Entry {
    blueprint: Blueprint,
    /// The plan of callers who lack nothing, where there is nothing to draw and there are no conditions.
    full: OnceCell<Arc<Operation>>,
    /// Its number, which no other entry has.
    number: u64,
    /// What it weighs, in bytes.
    weight: u32,
    /// When it may be planned again; locked while it is planned.
    pace: Arc<Mutex<Pace>>,
}

impl Default for Cache {
    fn default() -> Self {
        let entries = moka::future::Cache::builder().weigher(|_, entry: &Arc<Entry>| entry.weight);
        let entries = entries.max_capacity(CAPACITY).build_with_hasher(ahash::RandomState::new());
        let variants = moka::future::Cache::builder().weigher(|key: &VariantKey, _| key.weight);
        let variants = variants.max_capacity(CAPACITY).build_with_hasher(ahash::RandomState::new());
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let hits = counter!(metrics::PLAN_CACHE_REQUESTS, "outcome" => "hit");
        let misses = counter!(metrics::PLAN_CACHE_REQUESTS, "outcome" => "miss");
        let (turns, entered) = (Arc::new(Semaphore::new(cores)), AtomicU64::default());
        Self { entries, variants, entered, turns, hits, misses }
    }
}

impl Cache {
    /// Finds or prepares an operation for a caller. What prepares it is boxed: almost always it is found, and every request
    /// would carry the room for both.
    pub(super) async fn get(
        &self,
        supergraph: &Arc<Supergraph>,
        limits: &limits::Operation,
        text: &str,
        name: Option<&str>,
        variables: Option<&Map<String, Value>>,
        claims: Option<&Claims>,
    ) -> Result<Arc<Operation>, Errors> {
        let entry = match self.entries.get(&Lookup { text, name }).await {
            Some(entry) => {
                self.hits.increment(1);
                entry
            }
            None => {
                self.misses.increment(1);
                Box::pin(self.enter(supergraph, limits, text, name)).await?
            }
        };
        let variant = entry.blueprint.variant(supergraph, variables, claims);
        if variant.lacks.nothing() && variant.draw.is_none() && variant.conditions.is_empty() {
            return match entry.full.get() {
                Some(operation) => Ok(operation.clone()),
                None => Box::pin(entry.full.get_or_try_init(|| self.plan(supergraph, &entry, variant))).await.cloned(),
            };
        }
        let key = VariantKey { entry: entry.number, variant, weight: entry.weight };
        match self.variants.get(&key).await {
            Some(operation) => Ok(operation),
            None => Box::pin(self.vary(supergraph, &entry, key)).await,
        }
    }

    async fn vary(
        &self,
        supergraph: &Arc<Supergraph>,
        entry: &Arc<Entry>,
        key: VariantKey,
    ) -> Result<Arc<Operation>, Errors> {
        let planning = self.plan(supergraph, entry, key.variant.clone());
        self.variants.try_get_with(key, planning).await.map_err(|errors: Arc<Errors>| Errors::clone(&errors))
    }

    async fn enter(
        &self,
        supergraph: &Arc<Supergraph>,
        limits: &limits::Operation,
        text: &str,
        name: Option<&str>,
    ) -> Result<Arc<Entry>, Errors> {
        let key = Key { text: text.to_owned(), name: name.map(str::to_owned) };
        let making = async {
            let (supergraph, limits) = (supergraph.clone(), limits.clone());
            let (text, name) = (Arc::<str>::from(text), name.map(str::to_owned));
            let document = text.clone();
            let work = move || Blueprint::new(&supergraph, &limits, &document, name.as_deref());
            let weight = text.len().saturating_mul(EXPANSION).saturating_add(OVERHEAD);
            let blueprint = self.off_thread(work, move || hash(&text)).await?;
            Ok(Arc::new(Entry {
                blueprint,
                full: OnceCell::new(),
                number: self.entered.fetch_add(1, Ordering::Relaxed),
                weight: u32::try_from(weight).unwrap_or(u32::MAX),
                pace: Arc::default(),
            }))
        };
        let entry =
            self.entries.try_get_with(key, making).await.map_err(|errors: Arc<Errors>| Errors::clone(&errors))?;
        #[expect(clippy::cast_precision_loss, reason = "a gauge need not be exact beyond 2^52")]
        gauge!(metrics::PLAN_CACHE_ENTRIES).set(self.entries.entry_count() as f64);
        Ok(entry)
    }

    async fn plan(
        &self,
        supergraph: &Arc<Supergraph>,
        entry: &Arc<Entry>,
        variant: Variant,
    ) -> Result<Arc<Operation>, Errors> {
        let (supergraph, entry) = (supergraph.clone(), entry.clone());
        // Kept until the work ends, as the turn is.
        let mut pace = entry.pace.clone().lock_owned().await;
        if let Some(next) = pace.next() {
            tokio::time::sleep_until(next.into()).await;
        }
        let named = entry.clone();
        let work = move || {
            let begun = Instant::now();
            let outcome = entry.blueprint.plan(&supergraph, &variant);
            pace.worked(begun, begun.elapsed());
            outcome
        };
        self.off_thread(work, move || named.blueprint.hash.clone()).await.map(Arc::new)
    }

    /// Runs what may take milliseconds, or panic: parser, validator and planner see bytes that anybody may send. The log
    /// calls it by its document.
    async fn off_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Vec<GraphQLError>> + Send + 'static,
        document: impl FnOnce() -> String + Send + 'static,
    ) -> Result<T, Errors> {
        // Never closed. Given back when the work ends, which it does though nobody may wait for it any more.
        let turn = self.turns.clone().acquire_owned().await;
        let working = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            panics::handle(work).unwrap_or_else(|why| {
                tracing::error!(document = document(), why, "preparing an operation panicked");
                Err(vec![GraphQLError::new(Code::Internal, "The operation cannot be planned.")])
            })
        });
        let outcome = working.await.unwrap_or_else(|error| {
            tracing::error!(%error, "preparing an operation was given up");
            Err(vec![GraphQLError::new(Code::Internal, "The operation cannot be planned.")])
        });
        outcome.map_err(Errors::from)
    }
}
