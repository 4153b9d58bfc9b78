//! Who follows whom: decided by one alone, unlike a friendship.

pub(crate) mod service;
pub(crate) mod store;

use serde::{Deserialize, Serialize};

/// The configuration of follows.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How many people one may follow.
    pub max_following: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { max_following: 10_000 }
    }
}
