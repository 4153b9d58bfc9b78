//! The log of operations that take long.

use crate::execute::Fetched;
use crate::operation::Operation;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// What is logged of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// A query or mutation that takes so long is logged as slow, in milliseconds; 0 logs none.
    pub slow_operation_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { slow_operation_ms: 1_000 }
    }
}

/// Logs an operation if it was slow: which, and how long it waited for which subgraph. Values of variables are never
/// logged.
pub(crate) fn note(config: Config, kind: &str, operation: &Operation, took: Duration, fetches: &[Fetched]) {
    if config.slow_operation_ms == 0 || took < Duration::from_millis(config.slow_operation_ms) {
        return;
    }
    tracing::warn!(
        operation = kind,
        name = operation.name.as_deref(),
        document = operation.hash,
        milliseconds = took.as_millis(),
        fetches = summary(operation, fetches),
        "a slow operation"
    );
}

/// For each subgraph the number of fetches, their time together and the longest: `posts 2 (31 ms, longest 20 ms)`.
fn summary(operation: &Operation, fetches: &[Fetched]) -> String {
    let mut subgraphs: BTreeMap<&str, (usize, Duration, Duration)> = BTreeMap::new();
    for &Fetched { index, took, .. } in fetches {
        let name = operation.plan.as_ref().and_then(|plan| plan.subgraph(index)).unwrap_or_default();
        let (count, sum, longest) = subgraphs.entry(name).or_default();
        *count += 1;
        *sum += took;
        *longest = took.max(*longest);
    }
    subgraphs.iter().fold(String::new(), |mut text, (name, (count, sum, longest))| {
        let separator = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{separator}{name} {count} ({} ms, longest {} ms)", sum.as_millis(), longest.as_millis());
        text
    })
}
