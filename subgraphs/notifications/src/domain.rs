//! What a notification is: its id, its kinds, what of it is told live.

use async_graphql::Enum;
use hansa_kit::filter::DateTimeRange;
use sea_orm::{DeriveActiveEnum, EnumIter, prelude::StringLen};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The TypeID prefix of notifications.
pub(crate) const NOTIFICATION_PREFIX: &str = "notification";

/// What a notification is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Enum, EnumIter, DeriveActiveEnum)]
#[graphql(name = "NotificationKind")]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::None)", rename_all = "snake_case")]
pub enum Kind {
    /// The account has been made.
    Welcome,
}

/// What a notification says: plain text over CommonMark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) title: String,
    pub(crate) body: Option<String>,
}

/// A notification to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewNotification {
    pub(crate) recipient_id: Uuid,
    pub(crate) kind: Kind,
    pub(crate) text: Text,
    pub(crate) actor_id: Option<Uuid>,
}

/// Which of a user's notifications are listed or changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Any of these; all kinds when `None`.
    pub(crate) kinds: Option<Vec<Kind>>,
    pub(crate) is_read: Option<bool>,
    pub(crate) created_at: DateTimeRange,
}

/// An entry of the stream. What it tells of is read when it is sent, and so never out of date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Change {
    /// A notification came.
    Received { id: Uuid },
    /// One was changed.
    Changed { id: Uuid },
    /// One was deleted.
    Deleted { id: Uuid },
    /// Many were changed at once.
    ManyChanged,
}
