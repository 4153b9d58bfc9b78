//! The tables of notifications.

pub(crate) mod notification;
