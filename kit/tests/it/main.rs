//! The kit's tests: one binary.

mod bus;
mod consumer;
mod idempotency;
mod lease;
mod outbox;
mod streams;
