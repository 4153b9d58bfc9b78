//! The tables of social.

pub(crate) mod person;
