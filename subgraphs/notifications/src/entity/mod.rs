//! The tables of notifications.

pub(crate) mod notification;
pub(crate) mod person;
