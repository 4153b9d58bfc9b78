//! Notifications through their schema and the bus, on every database.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod federation;
mod inbox;
mod live;
mod messages;
mod people;
mod world;
