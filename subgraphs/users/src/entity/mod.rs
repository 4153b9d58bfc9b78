//! The tables.

pub mod account;
pub mod revocation;
pub mod session;
pub mod signing_key;
pub mod used_refresh_token;
