//! What a message is.

use crate::entity::conversation;
use hansa_kit::paging::Window;
use sea_orm::Value;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The TypeID prefix of messages.
pub(crate) const MESSAGE_PREFIX: &str = "message";
/// The longest text, in characters (Unicode scalar values).
pub(crate) const MAX_BODY: usize = 10_000;

/// The text of a message: CommonMark, without white space around it, neither empty nor too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Body(String);

/// Why a text is not one of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Nothing but white space.
    #[error("a message needs a text")]
    Blank,
    /// Longer than 10 000 characters.
    #[error("a message has at most {MAX_BODY} characters")]
    TooLong,
}

impl Body {
    /// Reads a text as a client sent it.
    pub(crate) fn parse(text: &str) -> Result<Self, BodyError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(BodyError::Blank);
        }
        if text.chars().nth(MAX_BODY).is_some() {
            return Err(BodyError::TooLong);
        }
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The place of a message in its conversation: 1, 2, 3, without holes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(transparent)]
pub(crate) struct Sequence(pub(crate) i64);

impl From<Sequence> for Vec<Value> {
    fn from(Sequence(place): Sequence) -> Self {
        vec![place.into()]
    }
}

/// Some messages of a conversation, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MessagePage {
    pub(crate) conversation_id: Uuid,
    pub(crate) window: Window<Sequence>,
}

/// To whom a message goes in a conversation: the other of two people, as long as both are there.
pub(crate) fn recipient(conversation: &conversation::Model, sender: Uuid) -> Option<Uuid> {
    let (low, high) = (conversation.low_id?, conversation.high_id?);
    Some(if low == sender { high } else { low })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_trimmed_and_bounded() {
        assert_eq!(Body::parse(" \n text\t").unwrap().as_str(), "text");
        assert_eq!(Body::parse(" \u{3000}\n"), Err(BodyError::Blank));
        let longest = "я".repeat(MAX_BODY);
        assert_eq!(Body::parse(&format!("  {longest}  ")).unwrap().as_str(), longest);
        assert_eq!(Body::parse(&format!("{longest}!")), Err(BodyError::TooLong));
    }
}
