//! The kit's tests: one binary.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bus;
mod consumer;
mod idempotency;
mod lease;
mod outbox;
mod streams;
