//! Presence in the schema.

use super::user::User;
use crate::presence::service::Seen;
use async_graphql::SimpleObject;
use chrono::{DateTime, Utc};

/// Asks for the presence of a user, as the viewer may know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PresenceOf(pub(crate) Seen);

/// Whether somebody is online.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct Presence {
    /// Whether a subscription of theirs is open, or was less than a minute ago.
    is_online: bool,
    /// When they were last online; null when they never were.
    last_seen_at: Option<DateTime<Utc>>,
}

impl From<crate::presence::service::Presence> for Presence {
    fn from(presence: crate::presence::service::Presence) -> Self {
        Self { is_online: presence.is_online, last_seen_at: presence.last_seen_at }
    }
}

/// Somebody came or went.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct PresenceChange {
    /// Who.
    pub(super) user: Option<User>,
    /// Whether they are online now.
    pub(super) presence: Presence,
}
