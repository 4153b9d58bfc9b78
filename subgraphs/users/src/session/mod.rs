//! Sessions: where somebody is signed in, and the tokens of it.

pub(crate) mod service;
pub(crate) mod store;
mod token;

pub(crate) use token::Tokens;
