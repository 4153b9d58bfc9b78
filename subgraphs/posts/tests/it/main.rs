//! Posts through their schema, on every database.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod events;
mod federation;
mod reading;
mod search;
mod world;
mod writing;
