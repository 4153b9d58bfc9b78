//! Friendships: asked for by one, accepted by the other.

pub(crate) mod domain;
pub(crate) mod service;
pub(crate) mod store;

use serde::{Deserialize, Serialize};

/// The configuration of friendships.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How many requests of one person may wait for an answer.
    pub max_pending: u64,
    /// How long somebody waits after a refusal before they may ask the same person again, in hours.
    pub wait_hours: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { max_pending: 200, wait_hours: 24 }
    }
}
