//! Events of the social service.
//!
//! What happens between two people has the pair as its subject, whoever acted: it stays in order over friendships,
//! follows and blocks, and a consumer's replica of these facts is never of two minds.

use crate::Event;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The topic of the social service.
pub const TOPIC: &str = "hansa.social";
const SOURCE: &str = "/hansa/social";

/// The subject of what happens between two people.
fn pair(one: Uuid, other: Uuid) -> String {
    format!("{}:{}", one.min(other), one.max(other))
}

/// Somebody asks for somebody's friendship.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct FriendshipRequested {
    /// The friendship.
    pub friendship_id: Uuid,
    /// Who asks.
    pub requester_id: Uuid,
    /// Who is asked.
    pub addressee_id: Uuid,
}

impl Event for FriendshipRequested {
    const TYPE: &'static str = "social.friendship.requested";
    const TOPIC: &'static str = TOPIC;
    const SOURCE: &'static str = SOURCE;
    fn subject(&self) -> String {
        pair(self.requester_id, self.addressee_id)
    }
}

/// Two people are friends from now on.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct FriendshipAccepted {
    /// The friendship.
    pub friendship_id: Uuid,
    /// Who had asked.
    pub requester_id: Uuid,
    /// Who was asked, and accepted.
    pub addressee_id: Uuid,
}

impl Event for FriendshipAccepted {
    const TYPE: &'static str = "social.friendship.accepted";
    const TOPIC: &'static str = TOPIC;
    const SOURCE: &'static str = SOURCE;
    fn subject(&self) -> String {
        pair(self.requester_id, self.addressee_id)
    }
}

/// Two people are no friends any more, or a request came to nothing: declined, cancelled, or ended by a block.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct FriendshipEnded {
    /// The friendship.
    pub friendship_id: Uuid,
    /// Who had asked.
    pub requester_id: Uuid,
    /// Who was asked.
    pub addressee_id: Uuid,
}

impl Event for FriendshipEnded {
    const TYPE: &'static str = "social.friendship.ended";
    const TOPIC: &'static str = TOPIC;
    const SOURCE: &'static str = SOURCE;
    fn subject(&self) -> String {
        pair(self.requester_id, self.addressee_id)
    }
}

/// Somebody follows somebody from now on.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct FollowCreated {
    /// Who follows.
    pub follower_id: Uuid,
    /// Who is followed.
    pub followee_id: Uuid,
}

impl Event for FollowCreated {
    const TYPE: &'static str = "social.follow.created";
    const TOPIC: &'static str = TOPIC;
    const SOURCE: &'static str = SOURCE;
    fn subject(&self) -> String {
        pair(self.follower_id, self.followee_id)
    }
}

/// Somebody follows somebody no more.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct FollowDeleted {
    /// Who followed.
    pub follower_id: Uuid,
    /// Who was followed.
    pub followee_id: Uuid,
}

impl Event for FollowDeleted {
    const TYPE: &'static str = "social.follow.deleted";
    const TOPIC: &'static str = TOPIC;
    const SOURCE: &'static str = SOURCE;
    fn subject(&self) -> String {
        pair(self.follower_id, self.followee_id)
    }
}

/// Somebody blocks somebody from now on: neither sees or reaches the other. Friendship and follows between them end
/// with events of their own, before this one.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct BlockCreated {
    /// Who blocks.
    pub blocker_id: Uuid,
    /// Who is blocked.
    pub blocked_id: Uuid,
}

impl Event for BlockCreated {
    const TYPE: &'static str = "social.block.created";
    const TOPIC: &'static str = TOPIC;
    const SOURCE: &'static str = SOURCE;
    fn subject(&self) -> String {
        pair(self.blocker_id, self.blocked_id)
    }
}

/// Somebody blocks somebody no more. The other may still block them.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct BlockDeleted {
    /// Who blocked.
    pub blocker_id: Uuid,
    /// Who was blocked.
    pub blocked_id: Uuid,
}

impl Event for BlockDeleted {
    const TYPE: &'static str = "social.block.deleted";
    const TOPIC: &'static str = TOPIC;
    const SOURCE: &'static str = SOURCE;
    fn subject(&self) -> String {
        pair(self.blocker_id, self.blocked_id)
    }
}

/// A message was sent. Its text stays with the social service.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct MessageSent {
    /// The message.
    pub message_id: Uuid,
    /// Where.
    pub conversation_id: Uuid,
    /// Who wrote it.
    pub sender_id: Uuid,
    /// Whom to notify: the other participants, but for those who have muted the conversation or have a block with the
    /// sender.
    pub notify_ids: Vec<Uuid>,
    /// When.
    pub sent_at: DateTime<Utc>,
}

impl Event for MessageSent {
    const TYPE: &'static str = "social.message.sent";
    const TOPIC: &'static str = TOPIC;
    const SOURCE: &'static str = SOURCE;
    fn subject(&self) -> String {
        self.conversation_id.to_string()
    }
}

/// Participants have read a conversation up to a message: what told them of it is read too.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct ConversationRead {
    /// The conversation.
    pub conversation_id: Uuid,
    /// Who has read.
    pub reader_id: Uuid,
    /// The last message that was read.
    pub up_to_message_id: Uuid,
    /// How many messages of others they have not read.
    pub unread_count: i64,
}

impl Event for ConversationRead {
    const TYPE: &'static str = "social.conversation.read";
    const TOPIC: &'static str = TOPIC;
    const SOURCE: &'static str = SOURCE;
    fn subject(&self) -> String {
        self.conversation_id.to_string()
    }
}
