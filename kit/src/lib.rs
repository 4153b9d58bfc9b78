//! What at least three subgraphs need: the frame that a service is built in.
//!
//! [`serve`] answers GraphQL over HTTP for a subgraph, [`viewer`] says who asks, [`codes`] what can be answered when it
//! goes wrong, [`ids`], [`filter`] and [`paging`] shape the API, [`loader`] and [`pages`] read for it. [`database`], [`outbox`], [`consumer`], [`bus`], [`idempotency`]
//! and [`lease`] hold the guarantees of storage and events; [`streams`] and [`signals`] those of live data. [`trace`] says
//! what caused what.

pub mod bus;
pub mod clock;
pub mod codes;
pub mod consumer;
pub mod database;
pub mod error;
pub mod filter;
pub mod idempotency;
pub mod ids;
pub mod lease;
pub mod loader;
pub mod outbox;
pub mod pages;
pub mod paging;
pub mod role;
pub mod scalars;
pub mod serve;
pub mod signals;
pub mod streams;
#[cfg(feature = "testing")]
pub mod testing;
pub mod trace;
pub mod viewer;

pub use clock::Clock;
pub use error::Error;
pub use role::{Deps, Role};
pub use viewer::Viewer;
