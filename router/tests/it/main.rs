//! Integration tests of the router.

mod execute;
mod federation;
mod http;
mod server;
mod sse;
mod transport;
mod ws;
