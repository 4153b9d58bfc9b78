//! Social through its schema, on every database.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod blocks;
mod circles;
mod erasure;
mod federation;
mod follows;
mod friendships;
mod machine;
mod world;
