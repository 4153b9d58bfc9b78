//! Social through its schema, on every database.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod world;
