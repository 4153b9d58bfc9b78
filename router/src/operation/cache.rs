//! Prepared operations. Bounded; concurrent misses prepare once.

use super::{Blueprint, Operation, Variant};
use crate::error::{Code, GraphQLError};
use crate::limits;
use crate::supergraph::Supergraph;
use crate::telemetry::metrics;
use ::metrics::{Counter, counter, gauge};
use hansa_token::Claims;
use moka::Equivalent;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OnceCell, Semaphore};

/// How much the texts of the cached documents may weigh together, each with all that can be made of it, in bytes
/// (estimated).
const CAPACITY: u64 = 128 << 20;

/// What one document weighs besides its text, in bytes (estimated).
const OVERHEAD: usize = 4 << 10;

/// How many times the size of its text the plans of a document have (estimated).
const EXPANSION: usize = 16;

/// Callers of one operation who lack different rights, draw differently, or whose conditions differ, have different
/// plans; more than so many are not kept.
const MAX_PLANS: usize = 64;

type Errors = Arc<[GraphQLError]>;

/// The operations prepared over one supergraph.
pub struct Cache {
    entries: moka::future::Cache<Key, Arc<Entry>, ahash::RandomState>,
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

type Plans = HashMap<Variant, Arc<OnceCell<Arc<Operation>>>>;

struct Entry {
    blueprint: Blueprint,
    /// The plan of callers who lack nothing, where there is nothing to draw and there are no conditions.
    full: OnceCell<Arc<Operation>>,
    /// The other plans.
    partial: Mutex<Plans>,
}

impl Default for Cache {
    fn default() -> Self {
        let weight = |key: &Key, entry: &Arc<Entry>| {
            let one = key.text.len().saturating_mul(EXPANSION).saturating_add(OVERHEAD);
            u32::try_from(one.saturating_mul(entry.blueprint.plans(MAX_PLANS))).unwrap_or(u32::MAX)
        };
        let entries = moka::future::Cache::builder().max_capacity(CAPACITY).weigher(weight);
        let entries = entries.build_with_hasher(ahash::RandomState::new());
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let hits = counter!(metrics::PLAN_CACHE_REQUESTS, "outcome" => "hit");
        let misses = counter!(metrics::PLAN_CACHE_REQUESTS, "outcome" => "miss");
        Self { entries, turns: Arc::new(Semaphore::new(cores)), hits, misses }
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
        let cell = entry.cell(&variant);
        Box::pin(cell.get_or_try_init(|| self.plan(supergraph, &entry, variant))).await.cloned()
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
            let (text, name) = (text.to_owned(), name.map(str::to_owned));
            let blueprint =
                self.off_thread(move || Blueprint::new(&supergraph, &limits, &text, name.as_deref())).await?;
            Ok(Arc::new(Entry { blueprint, full: OnceCell::new(), partial: Mutex::default() }))
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
        self.off_thread(move || entry.blueprint.plan(&supergraph, &variant)).await.map(Arc::new)
    }

    /// Runs what may take milliseconds, or panic: parser, validator and planner see bytes that anybody may send.
    async fn off_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Vec<GraphQLError>> + Send + 'static,
    ) -> Result<T, Errors> {
        // Never closed. Given back when the work ends, which it does though nobody may wait for it any more.
        let turn = self.turns.clone().acquire_owned().await;
        let working = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        match working.await {
            Ok(outcome) => outcome.map_err(Errors::from),
            Err(error) => {
                tracing::error!(%error, "preparing an operation panicked");
                Err(Errors::from([GraphQLError::new(Code::Internal, "The operation cannot be planned.")]))
            }
        }
    }
}

impl Entry {
    fn cell(&self, variant: &Variant) -> Arc<OnceCell<Arc<Operation>>> {
        let mut partial = self.partial.lock().unwrap_or_else(PoisonError::into_inner);
        if partial.len() >= MAX_PLANS && !partial.contains_key(variant) {
            partial.clear();
        }
        partial.entry(variant.clone()).or_default().clone()
    }
}
