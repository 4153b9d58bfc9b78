//! What the fuzz targets run. `../router/tests/corpus.rs` runs the same over the committed corpus, on stable Rust.

#![allow(clippy::unwrap_used, reason = "what panics is a finding")]

pub mod front;
pub mod operator;
pub mod targets;
pub mod wire;
