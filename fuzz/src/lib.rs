//! What the fuzz targets run. `../router/tests/corpus.rs` and `../tests/corpus.rs` run the same over the committed corpus, on
//! stable Rust.

#![allow(clippy::unwrap_used, reason = "what panics is a finding")]

pub mod bus;
pub mod front;
pub mod operator;
pub mod services;
pub mod subgraphs;
pub mod targets;
pub mod wire;
