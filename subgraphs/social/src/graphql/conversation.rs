//! Conversations in the schema.

use super::{
    chats,
    message::{Message, MessageConnection, message_connection},
    service,
    user::User,
};
use crate::{
    Error,
    conversation::{
        domain::{CONVERSATION_PREFIX, Kind, OwnId, View, is_muted},
        service::{self as conversations, NewGroup},
        typing,
    },
    entity::participant,
    message::domain::{MESSAGE_PREFIX, MessagePage, Sequence},
};
use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use chrono::{DateTime, Utc};
use hansa_kit::{
    Viewer,
    codes::{Fault, UserError, payload},
    filter::storable,
    ids,
    paging::{End, KeysetConnection, Position, Slice, TotalCount, Window, connection},
    viewer::USER_PREFIX,
};
use std::sync::Arc;
use uuid::Uuid;

/// Queries of conversations.
#[derive(Debug, Default)]
pub struct Queries;

#[Object(name = "ConversationQueries")]
impl Queries {
    /// The conversation of this id; null when the caller is not in it, or one of the two in a direct conversation blocks the
    /// other. Needs a signed-in caller.
    async fn conversation(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The conversation's id.")] id: ID,
    ) -> Result<Option<Conversation>> {
        find(context, &id).await
    }
}

/// The viewer's conversation of a global id, together with others that are asked for at the same time.
pub(super) async fn find(context: &Context<'_>, id: &ID) -> Result<Option<Conversation>> {
    match conversations::own(Viewer::in_context(context), key(id))? {
        Some(own) => load(context, own).await,
        None => Ok(None),
    }
}

pub(super) async fn load(context: &Context<'_>, own: OwnId) -> Result<Option<Conversation>> {
    Ok(chats(context).load_one(ConversationId(own)).await?.map(Conversation::of))
}

fn key(id: &ID) -> Option<Uuid> {
    ids::decode(CONVERSATION_PREFIX, id)
}

/// Asks for the conversation as its user has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ConversationId(pub(crate) OwnId);

/// Asks for those who are in this conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ParticipantsOf(pub(crate) Uuid);

/// What people write to each other.
#[derive(Clone, Debug)]
pub struct Conversation(pub(crate) Arc<View>);

impl Conversation {
    fn of(view: View) -> Self {
        Self(Arc::new(view))
    }
}

/// What people write to each other: only for those who are in it.
#[Object]
impl Conversation {
    /// The global id.
    pub(super) async fn id(&self) -> ID {
        ids::encode(CONVERSATION_PREFIX, self.0.conversation.id)
    }

    /// What kind of conversation.
    async fn kind(&self) -> Kind {
        self.0.conversation.kind
    }

    /// The title that a group was given.
    async fn title(&self) -> Option<&str> {
        self.0.conversation.title.as_deref()
    }

    /// Who is in it, at most 200, in the order in which they came. Who has left or ended their account is not.
    async fn participants(&self, context: &Context<'_>) -> Result<Vec<ConversationParticipant>> {
        let found = chats(context).load_one(ParticipantsOf(self.0.conversation.id)).await?;
        Ok(found.unwrap_or_default().into_iter().map(ConversationParticipant).collect())
    }

    /// Its messages, oldest first; the last 20 unless asked otherwise.
    async fn messages(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "How many at most from the beginning, up to 100.")] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many at most from the end, up to 100.")] last: Option<i32>,
        #[graphql(desc = "Only those in front of this cursor.")] before: Option<String>,
    ) -> Result<Option<MessageConnection>> {
        let window = Window::<Sequence>::new(first, after, last, before, End::Last)?;
        let page = MessagePage { conversation_id: self.0.conversation.id, window };
        let empty = || (Slice::of(Vec::new(), window.limit), false);
        let (messages, has_previous) = chats(context).load_one(page).await?.unwrap_or_else(empty);
        // Sequences have no holes: the last of them is the number of messages.
        let count = async { Ok::<_, Fault>(u64::try_from(self.0.conversation.head).unwrap_or(0)) };
        let total = TotalCount::when_selected(context, count).await?;
        Ok(Some(message_connection(self, messages, has_previous, total)))
    }

    /// The message that came last; null while there is none.
    async fn last_message(&self, context: &Context<'_>) -> Result<Option<Message>> {
        match self.0.conversation.last_message_id {
            Some(id) => {
                let found = super::message::load(context, (self.0.own.user_id, id)).await?;
                Ok(found.map(|message| message.within(self)))
            }
            None => Ok(None),
        }
    }

    /// How many messages of others the caller has not read: the exact number. Deleted ones do not count.
    async fn unread_count(&self) -> i32 {
        i32::try_from(self.0.own.unread_count).unwrap_or(i32::MAX)
    }

    /// Whether the caller is not notified of messages.
    async fn is_muted(&self, context: &Context<'_>) -> bool {
        is_muted(self.0.own.muted_until, service(context).clock.now())
    }

    /// When it began.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.conversation.created_at
    }
}

/// Somebody who is in a conversation.
#[derive(Clone, Debug)]
pub struct ConversationParticipant(participant::Model);

/// Somebody who is in a conversation.
#[Object]
impl ConversationParticipant {
    /// Who.
    async fn user(&self) -> Option<User> {
        Some(User { id: self.0.user_id })
    }

    /// Since when.
    async fn joined_at(&self) -> DateTime<Utc> {
        self.0.joined_at
    }

    /// When they last read something new; null when they have read nothing.
    async fn last_read_at(&self) -> Option<DateTime<Utc>> {
        self.0.last_read_at
    }

    /// The last message that they have read; null when it is none.
    async fn last_read_message_id(&self) -> Option<ID> {
        self.0.last_read_message_id.map(|id| ids::encode(MESSAGE_PREFIX, id))
    }
}

/// A page of conversations.
pub(crate) type ConversationConnection = KeysetConnection<Position, Conversation>;

pub(super) fn conversation_connection(
    slice: Slice<View>,
    has_previous: bool,
    total: TotalCount,
) -> ConversationConnection {
    let position = |view: &View| Position { time: view.own.active_at, id: view.conversation.id };
    connection(slice, has_previous, total, position, Conversation::of)
}

/// What can be changed of conversations.
#[derive(Debug, Default)]
pub struct Mutations;

#[Object(name = "ConversationMutations")]
impl Mutations {
    /// Makes a group. Direct conversations begin with their first message. Refused as BLOCKED when the caller blocks one of
    /// the others or is blocked by them. Needs a signed-in caller.
    async fn conversation_create(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The group.")] input: ConversationCreateInput,
    ) -> Result<Option<ConversationCreatePayload>> {
        let created = conversations::create(service(context), Viewer::in_context(context), input.into()).await;
        let (conversation, user_errors) = payload(created)?;
        Ok(Some(ConversationCreatePayload { conversation: conversation.map(Conversation::of), user_errors }))
    }

    /// Marks all messages up to one as read. Never goes back: what has been read stays so. Needs a signed-in caller.
    async fn conversation_mark_read(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The conversation's id.")] id: ID,
        #[graphql(desc = "The last message that the caller has read.")] up_to_message_id: ID,
    ) -> Result<Option<ConversationMarkReadPayload>> {
        let up_to = ids::decode(MESSAGE_PREFIX, &up_to_message_id);
        let read = conversations::mark_read(service(context), Viewer::in_context(context), key(&id), up_to).await;
        let (conversation, user_errors) = payload(read)?;
        Ok(Some(ConversationMarkReadPayload { conversation: conversation.map(Conversation::of), user_errors }))
    }

    /// Mutes a conversation: its messages notify the caller of nothing, and do not count in `Viewer.unreadMessageCount`.
    /// Needs a signed-in caller.
    async fn conversation_mute(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The conversation's id.")] id: ID,
        #[graphql(
            desc = "Until when; for ever when omitted. A time that is over unmutes the conversation.",
            validator(custom = "storable")
        )]
        until: Option<DateTime<Utc>>,
    ) -> Result<Option<ConversationMutePayload>> {
        let muted = conversations::mute(service(context), Viewer::in_context(context), key(&id), until).await;
        let (conversation, user_errors) = payload(muted)?;
        Ok(Some(ConversationMutePayload { conversation: conversation.map(Conversation::of), user_errors }))
    }

    /// Takes the caller out of a group: it is not theirs any more, and what they wrote stays. A group that nobody is in any
    /// more is deleted. Refused as INVALID_STATE for a direct conversation. Needs a signed-in caller.
    async fn conversation_leave(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The conversation's id.")] id: ID,
    ) -> Result<Option<ConversationLeavePayload>> {
        let left = conversations::leave(service(context), Viewer::in_context(context), key(&id)).await;
        let (conversation, user_errors) = payload(left)?;
        Ok(Some(ConversationLeavePayload { conversation: conversation.map(Conversation::of), user_errors }))
    }

    /// Tells the others in a conversation that the caller is typing, for 6 seconds, or is not any more. Needs a signed-in
    /// caller.
    async fn conversation_typing_set(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The conversation's id.")] id: ID,
        #[graphql(desc = "Whether the caller is typing.")] is_typing: bool,
    ) -> Result<Option<ConversationTypingSetPayload>> {
        let set = typing::set(service(context), Viewer::in_context(context), key(&id), is_typing).await;
        let (is_accepted, user_errors) = payload(set)?;
        Ok(Some(ConversationTypingSetPayload { is_accepted: is_accepted.unwrap_or(false), user_errors }))
    }
}

/// A group to be made.
#[derive(Clone, Debug, InputObject)]
pub struct ConversationCreateInput {
    /// Whom to make it with: at most 199 others. Naming somebody twice, or oneself, changes nothing.
    participant_ids: Vec<ID>,
    /// Its title: at most 100 characters.
    title: Option<String>,
    /// Sent again with the same key within 24 hours, the mutation makes nothing new and answers with the same conversation.
    idempotency_key: Option<String>,
}

impl From<ConversationCreateInput> for NewGroup {
    fn from(input: ConversationCreateInput) -> Self {
        Self {
            participants: input.participant_ids.iter().map(|id| ids::decode(USER_PREFIX, id)).collect(),
            title: input.title,
            idempotency_key: input.idempotency_key,
        }
    }
}

/// The result of `conversationCreate`.
#[derive(Debug, SimpleObject)]
pub struct ConversationCreatePayload {
    /// The new conversation.
    conversation: Option<Conversation>,
    /// Why nothing was done; empty on success.
    user_errors: Vec<UserError>,
}

/// The result of `conversationMarkRead`.
#[derive(Debug, SimpleObject)]
pub struct ConversationMarkReadPayload {
    /// The conversation as it is now.
    conversation: Option<Conversation>,
    /// Why nothing was done; empty on success.
    user_errors: Vec<UserError>,
}

/// The result of `conversationMute`.
#[derive(Debug, SimpleObject)]
pub struct ConversationMutePayload {
    /// The conversation as it is now.
    conversation: Option<Conversation>,
    /// Why nothing was done; empty on success.
    user_errors: Vec<UserError>,
}

/// The result of `conversationLeave`.
#[derive(Debug, SimpleObject)]
pub struct ConversationLeavePayload {
    /// The conversation that was left, for the last time: without the caller, who has nothing unread there.
    conversation: Option<Conversation>,
    /// Why nothing was done; empty on success.
    user_errors: Vec<UserError>,
}

/// The result of `conversationTypingSet`.
#[derive(Debug, SimpleObject)]
pub struct ConversationTypingSetPayload {
    /// Whether it was told. In conversations of more than 20 people it is not.
    is_accepted: bool,
    /// Why nothing was done; empty on success.
    user_errors: Vec<UserError>,
}

/// The key in an id that is given, where an id of another type is the refusal `missing`.
pub(super) fn optional_key(
    prefix: &str,
    id: Option<&ID>,
    missing: impl FnOnce() -> Error,
) -> Result<Option<Uuid>, Error> {
    id.map(|id| ids::decode(prefix, id).ok_or_else(missing)).transpose()
}
