//! The federation router: composes subgraphs into a supergraph, plans GraphQL operations over it and executes them.
//!
//! A request meets the stages in this order: [`http`] → [`auth`] → [`limits`] → [`operation`] → [`execute`] →
//! [`transport`]. [`subscription`] holds the client side of streams; [`supergraph`] says where the schema comes from and
//! swaps it; [`gateway`] is the state they share.

pub mod auth;
pub mod builtin;
pub mod config;
pub mod documents;
pub mod error;
pub mod execute;
pub mod gateway;
pub mod http;
pub mod limits;
pub mod operation;
pub mod panics;
mod rate;
pub mod request;
pub mod server;
mod sharing;
pub mod subscription;
pub mod supergraph;
pub mod telemetry;
pub mod transport;

pub use config::Config;
pub use error::{Code, Error, GraphQLError};
pub use gateway::Gateway;
