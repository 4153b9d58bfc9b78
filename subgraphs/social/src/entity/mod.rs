//! The tables of social.

pub(crate) mod block;
pub(crate) mod follow;
pub(crate) mod friend;
pub(crate) mod friendship;
pub(crate) mod person;
