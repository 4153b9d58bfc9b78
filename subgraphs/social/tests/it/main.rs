//! Social through its schema, on every database.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod blocks;
mod chat;
mod circles;
mod conversations;
mod erasure;
mod federation;
mod follows;
mod friendships;
mod groups;
mod live;
mod machine;
mod messages;
mod presence;
mod running;
mod world;
