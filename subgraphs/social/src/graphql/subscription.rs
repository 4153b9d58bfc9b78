//! The subscriptions.

use super::{
    conversation::Conversation,
    message::{self, Message},
    presence::PresenceChange,
    service,
    user::User,
    user_key,
};
use crate::{
    conversation::{
        domain::{CONVERSATION_PREFIX, Change},
        stream::{self, Occurrence},
        typing::{self, Typing},
    },
    message::domain::MESSAGE_PREFIX,
    presence,
};
use async_graphql::{ComplexObject, Context, ID, Interface, Result, SimpleObject, Union};
use chrono::{DateTime, Utc};
use futures::{Stream, StreamExt};
use hansa_kit::{
    Viewer, ids,
    streams::{self, StreamGap},
};
use uuid::Uuid;

/// The root of subscriptions.
#[derive(Debug)]
pub struct Subscription;

/// All that can be listened to.
#[async_graphql::Subscription]
impl Subscription {
    /// What happens in one's conversations, each event once and in order: messages of one conversation in the order in which
    /// they were sent. Needs a signed-in caller.
    ///
    /// Events are kept for 7 days, and 10 000 of them: after a disconnection go on behind the `cursor` that came last. A
    /// cursor is good for this user, with or without `conversationId`.
    async fn conversation_events(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Only what happens in this conversation; in all of the caller's when omitted.")]
        conversation_id: Option<ID>,
        #[graphql(desc = "Only events behind this cursor; without it those from now on.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Result<ConversationEvent>> + use<>> {
        let after = streams::parse_cursor(after.as_deref())?;
        let conversation = conversation_id.map(|id| ids::decode(CONVERSATION_PREFIX, &id));
        let occurrences = stream::watch(service(context), Viewer::in_context(context), conversation, after).await?;
        Ok(occurrences.map(|occurrence| Ok(occurrence?.into())))
    }

    /// Who else is typing in a conversation, at most once each time: nothing is repeated after a disconnection. Conversations
    /// of more than 20 people are silent. Needs a signed-in caller.
    async fn typing_events(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The conversation's id.")] conversation_id: ID,
    ) -> Result<impl Stream<Item = Result<TypingIndicator>> + use<>> {
        let conversation = ids::decode(CONVERSATION_PREFIX, &conversation_id);
        let typing = typing::watch(service(context), Viewer::in_context(context), conversation).await?;
        Ok(typing.map(|typing| Ok(typing?.into())))
    }

    /// Whether people are online: how it is now, and each change, at most once. Only of those whose `User.presence` the
    /// caller may know. Needs a signed-in caller.
    async fn presence_events(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Who: 1 to 100 people.")] user_ids: Vec<ID>,
    ) -> Result<impl Stream<Item = Result<PresenceChange>> + use<>> {
        let users = user_ids.iter().filter_map(|id| user_key(id)).collect();
        let changes = presence::service::watch(service(context), Viewer::in_context(context), users).await?;
        Ok(changes.map(|change| {
            let (id, presence) = change?;
            Ok(PresenceChange { user: Some(User { id }), presence: presence.into() })
        }))
    }
}

/// An event of a durable stream.
#[derive(Interface)]
#[graphql(
    field(name = "cursor", ty = "&String", desc = "Its place in the stream: pass it as `after` to go on behind it."),
    field(name = "occurred_at", ty = "&DateTime<Utc>", desc = "When it happened.")
)]
pub enum StreamEvent {
    /// A message was sent.
    MessageSent(MessageSent),
    /// A message was edited or deleted.
    MessageChanged(MessageChanged),
    /// Somebody has read a conversation.
    ConversationRead(ConversationRead),
    /// A group was made, or somebody has left it.
    ConversationChanged(ConversationChanged),
    /// Events are missing.
    StreamGap(StreamGap),
}

/// What happens in one's conversations.
#[derive(Clone, Debug, Union)]
pub enum ConversationEvent {
    /// A message was sent.
    MessageSent(MessageSent),
    /// A message was edited or deleted.
    MessageChanged(MessageChanged),
    /// Somebody has read a conversation.
    ConversationRead(ConversationRead),
    /// A group was made, or somebody has left it.
    ConversationChanged(ConversationChanged),
    /// Events are missing.
    StreamGap(StreamGap),
}

impl From<Occurrence> for ConversationEvent {
    fn from(occurrence: Occurrence) -> Self {
        let (cursor, occurred_at, change) = match occurrence {
            Occurrence::Gap(gap) => return Self::StreamGap(gap),
            Occurrence::Change { cursor, occurred_at, change } => (cursor, occurred_at, change),
        };
        match change {
            Change::Sent { message, .. } => Self::MessageSent(MessageSent { cursor, occurred_at, message }),
            Change::Changed { message, .. } => Self::MessageChanged(MessageChanged { cursor, occurred_at, message }),
            Change::Read { conversation, reader, up_to } => {
                let up_to_message_id = ids::encode(MESSAGE_PREFIX, up_to);
                let reader = Some(User { id: reader });
                Self::ConversationRead(ConversationRead { cursor, occurred_at, conversation, reader, up_to_message_id })
            }
            Change::Group { conversation } => {
                Self::ConversationChanged(ConversationChanged { cursor, occurred_at, conversation })
            }
        }
    }
}

/// A message was sent, by somebody else or on another device.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct MessageSent {
    /// Its place in the stream: pass it as `after` to go on behind it.
    cursor: String,
    /// When it was sent.
    occurred_at: DateTime<Utc>,
    #[graphql(skip)]
    message: Uuid,
}

#[ComplexObject]
impl MessageSent {
    /// The message as it is now.
    async fn message(&self, context: &Context<'_>) -> Result<Option<Message>> {
        message::find(context, &ids::encode(MESSAGE_PREFIX, self.message)).await
    }
}

/// A message was edited or deleted.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct MessageChanged {
    /// Its place in the stream: pass it as `after` to go on behind it.
    cursor: String,
    /// When it happened.
    occurred_at: DateTime<Utc>,
    #[graphql(skip)]
    message: Uuid,
}

#[ComplexObject]
impl MessageChanged {
    /// The message as it is now.
    async fn message(&self, context: &Context<'_>) -> Result<Option<Message>> {
        message::find(context, &ids::encode(MESSAGE_PREFIX, self.message)).await
    }
}

/// Somebody has read a conversation up to a message. In conversations of more than 20 people only what the caller has read,
/// on another device, is told.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct ConversationRead {
    /// Its place in the stream: pass it as `after` to go on behind it.
    cursor: String,
    /// When it happened.
    occurred_at: DateTime<Utc>,
    #[graphql(skip)]
    conversation: Uuid,
    /// Who.
    reader: Option<User>,
    /// The last message that they have read.
    up_to_message_id: ID,
}

#[ComplexObject]
impl ConversationRead {
    /// The conversation as it is now.
    async fn conversation(&self, context: &Context<'_>) -> Result<Option<Conversation>> {
        super::conversation::find(context, &ids::encode(CONVERSATION_PREFIX, self.conversation)).await
    }
}

/// A group that the caller is in was made, or somebody has left it.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct ConversationChanged {
    /// Its place in the stream: pass it as `after` to go on behind it.
    cursor: String,
    /// When it happened.
    occurred_at: DateTime<Utc>,
    #[graphql(skip)]
    conversation: Uuid,
}

#[ComplexObject]
impl ConversationChanged {
    /// The conversation as it is now.
    async fn conversation(&self, context: &Context<'_>) -> Result<Option<Conversation>> {
        super::conversation::find(context, &ids::encode(CONVERSATION_PREFIX, self.conversation)).await
    }
}

/// Somebody is typing, or is not any more.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct TypingIndicator {
    /// Who.
    user: Option<User>,
    /// Whether they are typing.
    is_typing: bool,
    /// Who has not said so again until then is not typing any more.
    expires_at: DateTime<Utc>,
}

impl From<Typing> for TypingIndicator {
    fn from(Typing { user_id, is_typing, expires_at }: Typing) -> Self {
        Self { user: Some(User { id: user_id }), is_typing, expires_at }
    }
}
