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
    /// Somebody asks for one's friendship.
    FriendshipRequested,
    /// Somebody whom one asked is a friend now.
    FriendshipAccepted,
    /// Somebody follows one.
    Followed,
    /// Somebody has written to one. Of a conversation there is one that is unread, which counts its messages.
    MessageReceived,
}

/// What a notification leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    User(Uuid),
    Friendship(Uuid),
    Message(Uuid),
}

/// Of which type a [`Subject`] is, as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::None)", rename_all = "snake_case")]
pub(crate) enum SubjectType {
    User,
    Friendship,
    Message,
}

impl Subject {
    /// The subject of this type and id.
    pub(crate) fn of(subject_type: SubjectType, id: Uuid) -> Self {
        match subject_type {
            SubjectType::User => Self::User(id),
            SubjectType::Friendship => Self::Friendship(id),
            SubjectType::Message => Self::Message(id),
        }
    }

    /// Its type and its id.
    pub(crate) fn parts(self) -> (SubjectType, Uuid) {
        match self {
            Self::User(id) => (SubjectType::User, id),
            Self::Friendship(id) => (SubjectType::Friendship, id),
            Self::Message(id) => (SubjectType::Message, id),
        }
    }
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
    pub(crate) subject: Option<Subject>,
}

/// A message that several people are told of in the same words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewMessage {
    pub(crate) conversation_id: Uuid,
    pub(crate) message_id: Uuid,
    pub(crate) sender_id: Uuid,
    pub(crate) text: Text,
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
