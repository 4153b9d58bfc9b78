//! What people write to each other.

pub(crate) mod domain;
pub(crate) mod service;
pub(crate) mod store;
