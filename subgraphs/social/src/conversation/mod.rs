//! Who talks to whom, how far each has read, and what happens there live.

pub(crate) mod domain;
pub(crate) mod service;
pub(crate) mod store;
pub(crate) mod stream;
pub(crate) mod typing;

use serde::{Deserialize, Serialize};

/// The configuration of conversations.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How many people a conversation has at most, whoever makes it included.
    pub max_participants: usize,
    /// How many conversations one may begin within 24 hours: groups, and first messages to somebody.
    pub max_created_per_day: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { max_participants: 200, max_created_per_day: 200 }
    }
}
