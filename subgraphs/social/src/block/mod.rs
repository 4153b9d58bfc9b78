//! Who blocks whom. Between two people of whom one blocks the other there is nothing: neither sees or reaches the other.

pub(crate) mod service;
pub(crate) mod store;

pub(crate) use store::{among, between, is_none_between, is_visible};

use serde::{Deserialize, Serialize};

/// The configuration of blocks.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How many people one may block.
    pub max_blocked: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { max_blocked: 10_000 }
    }
}
