//! Posts through their schema, on every database.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod events;
mod federation;
mod feed;
mod live;
mod publishing;
mod reading;
mod responding;
mod search;
mod visibility;
mod world;
mod writing;
