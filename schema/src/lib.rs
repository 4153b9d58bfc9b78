//! The contract between services: event types, their envelope, and the AsyncAPI document made from them.
//!
//! A module per publisher. Consumers depend on these types only, never on the publisher's crate. Fields may be added;
//! a field that consumers read is never removed or given another meaning: a new event type is published instead.

mod asyncapi;
mod envelope;
pub mod mail;
pub mod posts;
pub mod social;
pub mod users;

pub use asyncapi::asyncapi;
pub use envelope::{Envelope, Event};

/// Every topic, and the number of its partitions where it matters.
pub const TOPICS: &[(&str, Option<i32>)] =
    &[(users::TOPIC, None), (posts::TOPIC, None), (social::TOPIC, None), (mail::TOPIC, Some(1))];
