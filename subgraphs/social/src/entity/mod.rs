//! The tables of social.

pub(crate) mod block;
pub(crate) mod conversation;
pub(crate) mod follow;
pub(crate) mod friend;
pub(crate) mod friendship;
pub(crate) mod message;
pub(crate) mod participant;
pub(crate) mod person;
pub(crate) mod presence;
