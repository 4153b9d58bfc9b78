//! Messages in the schema.

use super::{
    chats,
    conversation::{self, Conversation, optional_key},
    service,
    user::User,
};
use crate::{
    Error,
    conversation::{
        domain::{CONVERSATION_PREFIX, OwnId},
        service::{self as conversations, at},
    },
    entity::message::Model,
    message::{
        domain::{MESSAGE_PREFIX, Sequence, recipient},
        service::{self as messages, CONVERSATION, NewMessage, RECIPIENT, REPLY_TO, Target},
    },
};
use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use chrono::{DateTime, Utc};
use hansa_kit::{
    Viewer,
    codes::{Code, UserError, UserErrorCode, payload},
    ids,
    paging::{KeysetConnection, Slice, TotalCount, connection},
    scalars::Markdown,
    viewer::USER_PREFIX,
};
use uuid::Uuid;

/// Queries of messages.
#[derive(Debug, Default)]
pub struct Queries;

#[Object(name = "MessageQueries")]
impl Queries {
    /// The message of this id; null when the caller is not in its conversation, or one of the two in a direct conversation
    /// blocks the other. Needs a signed-in caller.
    async fn message(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The message's id.")] id: ID,
    ) -> Result<Option<Message>> {
        find(context, &id).await
    }
}

/// The viewer's message of a global id, together with others that are asked for at the same time.
pub(super) async fn find(context: &Context<'_>, id: &ID) -> Result<Option<Message>> {
    match conversations::own(Viewer::in_context(context), key(id))? {
        Some(own) => load(context, own).await,
        None => Ok(None),
    }
}

pub(super) async fn load(context: &Context<'_>, own: OwnId) -> Result<Option<Message>> {
    Ok(chats(context).load_one(MessageId(own)).await?.map(Message::of))
}

fn key(id: &ID) -> Option<Uuid> {
    ids::decode(MESSAGE_PREFIX, id)
}

/// Asks for the message as its user may read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MessageId(pub(crate) OwnId);

/// A text that somebody has written in a conversation.
#[derive(Clone, Debug)]
pub struct Message {
    row: Model,
    /// Its conversation, where that led here.
    conversation: Option<Conversation>,
}

impl Message {
    fn of(row: Model) -> Self {
        Self { row, conversation: None }
    }

    /// The same message, which `conversation` has led to.
    pub(super) fn within(self, conversation: &Conversation) -> Self {
        Self { conversation: Some(conversation.clone()), ..self }
    }
}

/// A text that somebody has written in a conversation: only for those who are in it.
#[Object]
impl Message {
    /// The global id.
    pub(super) async fn id(&self) -> ID {
        ids::encode(MESSAGE_PREFIX, self.row.id)
    }

    /// Where it was written.
    async fn conversation(&self, context: &Context<'_>) -> Result<Conversation> {
        if let Some(known) = &self.conversation {
            return Ok(known.clone());
        }
        let viewer = Viewer::in_context(context).require()?.user_id;
        let found = conversation::load(context, (viewer, self.row.conversation_id)).await?;
        found.ok_or_else(|| Code::Forbidden.error("you are not in the conversation any more"))
    }

    /// Who wrote it; null once the account is gone.
    async fn sender(&self) -> Option<User> {
        self.row.sender_id.map(|id| User { id })
    }

    /// The other of the two in a direct conversation; null in a group, and once one of the accounts is gone.
    async fn recipient(&self, context: &Context<'_>) -> Result<Option<User>> {
        let Some(sender) = self.row.sender_id else { return Ok(None) };
        let conversation = self.conversation(context).await?;
        Ok(recipient(&conversation.0.conversation, sender).map(|id| User { id }))
    }

    /// The text: 1 to 10 000 characters; null once the message is deleted.
    async fn body(&self) -> Option<Markdown> {
        self.row.body.clone().map(Markdown)
    }

    /// The message of the same conversation that it answers.
    async fn reply_to(&self, context: &Context<'_>) -> Result<Option<Message>> {
        let Some(id) = self.row.reply_to_id else { return Ok(None) };
        load(context, (Viewer::in_context(context).require()?.user_id, id)).await
    }

    /// When it was sent.
    async fn sent_at(&self) -> DateTime<Utc> {
        self.row.sent_at
    }

    /// When its text was last changed; null when it never was.
    async fn edited_at(&self) -> Option<DateTime<Utc>> {
        self.row.edited_at
    }

    /// When it was deleted; null when it is not.
    async fn deleted_at(&self) -> Option<DateTime<Utc>> {
        self.row.deleted_at
    }
}

/// A page of messages.
pub(crate) type MessageConnection = KeysetConnection<Sequence, Message>;

pub(super) fn message_connection(
    conversation: &Conversation,
    slice: Slice<Model>,
    has_previous: bool,
    total: TotalCount,
) -> MessageConnection {
    let message = |row| Message::of(row).within(conversation);
    connection(slice, has_previous, total, |row| Sequence(row.sequence), message)
}

/// What can be changed of messages.
#[derive(Debug, Default)]
pub struct Mutations;

#[Object(name = "MessageMutations")]
impl Mutations {
    /// Sends a message. Refused as BLOCKED in a direct conversation when one of the two blocks the other; in a group a block
    /// changes nothing. Needs a signed-in caller.
    async fn message_send(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The message.")] input: MessageSendInput,
    ) -> Result<Option<MessageSendPayload>> {
        let sent = async {
            let viewer = Viewer::in_context(context);
            viewer.require()?;
            messages::send(service(context), viewer, &input.try_into()?).await
        };
        let (message, user_errors) = payload(sent.await)?;
        Ok(Some(MessageSendPayload { message: message.map(Message::of), user_errors }))
    }

    /// Changes the text of one's own message. Needs a signed-in caller.
    async fn message_update(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The message's id.")] id: ID,
        #[graphql(desc = "The new text: 1 to 10 000 characters, white space around it not counted and not kept.")]
        body: String,
    ) -> Result<Option<MessageUpdatePayload>> {
        let updated = messages::update(service(context), Viewer::in_context(context), key(&id), &body).await;
        let (message, user_errors) = payload(updated)?;
        Ok(Some(MessageUpdatePayload { message: message.map(Message::of), user_errors }))
    }

    /// Deletes one's own message: its text is gone for everybody, and that it was there remains. Needs a signed-in caller.
    async fn message_delete(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The message's id.")] id: ID,
    ) -> Result<Option<MessageDeletePayload>> {
        let deleted = messages::delete(service(context), Viewer::in_context(context), key(&id)).await;
        let (message, user_errors) = payload(deleted)?;
        Ok(Some(MessageDeletePayload { message: message.map(Message::of), user_errors }))
    }
}

/// A message to be sent: to exactly one of `recipientId` and `conversationId`.
#[derive(Clone, Debug, InputObject)]
pub struct MessageSendInput {
    /// To this person: in the direct conversation with them, which the first message begins.
    recipient_id: Option<ID>,
    /// Into this conversation.
    conversation_id: Option<ID>,
    /// The text: 1 to 10 000 characters, white space around it not counted and not kept.
    body: String,
    /// The message of the same conversation that it answers.
    reply_to_id: Option<ID>,
    /// Sent again with the same key within 24 hours, the mutation sends nothing new and answers with the same message.
    idempotency_key: Option<String>,
}

impl TryFrom<MessageSendInput> for NewMessage {
    type Error = Error;

    fn try_from(input: MessageSendInput) -> Result<Self, Error> {
        let missing = |field: &'static [&'static str], what: &'static str| {
            move || Error::from(UserError::at(UserErrorCode::NotFound, field, what))
        };
        let nobody = || at(Error::NoSuchPerson, RECIPIENT);
        let recipient = optional_key(USER_PREFIX, input.recipient_id.as_ref(), nobody)?;
        let nowhere = missing(CONVERSATION, "you have no such conversation");
        let conversation = optional_key(CONVERSATION_PREFIX, input.conversation_id.as_ref(), nowhere)?;
        let nothing = missing(REPLY_TO, "there is no such message in the conversation");
        let reply_to_id = optional_key(MESSAGE_PREFIX, input.reply_to_id.as_ref(), nothing)?;
        let target = match (recipient, conversation) {
            (Some(recipient), None) => Target::Recipient(recipient),
            (None, Some(conversation)) => Target::Conversation(conversation),
            _ => {
                let message = "name either `recipientId` or `conversationId`";
                return Err(UserError::at(UserErrorCode::Invalid, &["input"], message).into());
            }
        };
        Ok(Self { target, body: input.body, reply_to_id, idempotency_key: input.idempotency_key })
    }
}

/// The result of `messageSend`.
#[derive(Debug, SimpleObject)]
pub struct MessageSendPayload {
    /// The new message.
    message: Option<Message>,
    /// Why nothing was done; empty on success.
    user_errors: Vec<UserError>,
}

/// The result of `messageUpdate`.
#[derive(Debug, SimpleObject)]
pub struct MessageUpdatePayload {
    /// The message as it is now.
    message: Option<Message>,
    /// Why nothing was done; empty on success.
    user_errors: Vec<UserError>,
}

/// The result of `messageDelete`.
#[derive(Debug, SimpleObject)]
pub struct MessageDeletePayload {
    /// What is left of the message.
    message: Option<Message>,
    /// Why nothing was done; empty on success.
    user_errors: Vec<UserError>,
}
