//! Integration tests of the router.

#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod authorization;
mod connections;
mod cost;
mod documents;
mod execute;
mod federation;
mod http;
mod in_flight;
mod merging;
mod multipart;
mod nodes;
mod operation;
mod plans;
mod rate;
mod rate_shared;
mod resilience;
mod server;
mod sharing;
mod sse;
mod streams;
mod supergraph;
mod transport;
mod websocket;
mod wire;
mod ws;
