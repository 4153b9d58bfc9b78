//! What a conversation is.

use crate::entity::{conversation, participant};
use async_graphql::Enum;
use chrono::{DateTime, Utc};
use sea_orm::{DeriveActiveEnum, EnumIter, prelude::StringLen};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The TypeID prefix of conversations.
pub(crate) const CONVERSATION_PREFIX: &str = "conversation";
/// The longest title, in characters (Unicode scalar values).
pub(crate) const MAX_TITLE: usize = 100;
/// Read receipts and typing are told to everybody in conversations of so many people at most: what each of many does is
/// nobody's news, and would be the square of their number in rows and signals.
pub(crate) const MAX_INTIMATE: usize = 20;

/// What kind of conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Enum, EnumIter, DeriveActiveEnum)]
#[graphql(name = "ConversationKind")]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::None)", rename_all = "snake_case")]
pub enum Kind {
    /// Of two people. They have one, which their first message begins.
    Direct,
    /// Of those whom its creator has chosen.
    Group,
}

/// A conversation as one of its participants has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) conversation: conversation::Model,
    /// The viewer's place in it.
    pub(crate) own: participant::Model,
}

/// A participant and a conversation: what a conversation is read by.
pub(crate) type OwnId = (Uuid, Uuid);

/// The title of a group: without white space around it; `None` when nothing is left.
///
/// # Errors
/// When it is longer than [`MAX_TITLE`].
pub(crate) fn parse_title(title: Option<&str>) -> Result<Option<String>, TitleTooLong> {
    let Some(title) = title.map(str::trim).filter(|title| !title.is_empty()) else { return Ok(None) };
    if title.chars().nth(MAX_TITLE).is_some() {
        return Err(TitleTooLong);
    }
    Ok(Some(title.to_owned()))
}

/// A title is longer than [`MAX_TITLE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a title has at most {MAX_TITLE} characters")]
pub struct TitleTooLong;

/// Whether a conversation that is muted until `until` is so at `now`.
pub(crate) fn is_muted(until: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    until.is_some_and(|until| until > now)
}

/// An entry of the stream. What it tells of is read when it is sent, and so never out of date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Change {
    /// A message was sent.
    Sent { conversation: Uuid, message: Uuid },
    /// One was edited or deleted.
    Changed { conversation: Uuid, message: Uuid },
    /// Somebody has read up to a message.
    Read { conversation: Uuid, reader: Uuid, up_to: Uuid },
    /// A group was made, or somebody has left it.
    Group { conversation: Uuid },
}

impl Change {
    /// Where it happened.
    pub(crate) fn conversation(self) -> Uuid {
        match self {
            Self::Sent { conversation, .. }
            | Self::Changed { conversation, .. }
            | Self::Read { conversation, .. }
            | Self::Group { conversation } => conversation,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_trimmed_and_bounded() {
        assert_eq!(parse_title(Some(" Trip \n")), Ok(Some("Trip".into())));
        assert_eq!((parse_title(None), parse_title(Some(" \u{3000}"))), (Ok(None), Ok(None)));
        let longest = "я".repeat(MAX_TITLE);
        assert_eq!(parse_title(Some(&longest)), Ok(Some(longest.clone())));
        assert_eq!(parse_title(Some(&format!("{longest}!"))), Err(TitleTooLong));
    }
}
