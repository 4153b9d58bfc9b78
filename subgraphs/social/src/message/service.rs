//! What can be done with messages, and who may do it: each change, its event and its entries in the participants' streams
//! in one transaction.

use super::{
    domain::{Body, BodyError, MessagePage},
    store::{self, NewRow},
};
use crate::{
    Error, Service, block,
    conversation::{
        domain::{Change, Kind, OwnId, is_muted},
        service::{self as conversations, ID},
        store as conversation_store, stream,
    },
    entity::{conversation, message::Model, participant},
    pair,
};
use chrono::{DateTime, Utc};
use hansa_kit::{
    Viewer,
    codes::{UserError, UserErrorCode},
    database,
    idempotency::{self, Claim, KeyError},
    ids, outbox,
    paging::Slice,
};
use hansa_schema::social::MessageSent;
use sea_orm::DatabaseTransaction;
use serde::Serialize;
use std::collections::HashMap;
use uuid::Uuid;

/// Where the inputs of `messageSend` are.
pub(crate) const RECIPIENT: &[&str] = &["input", "recipientId"];
pub(crate) const CONVERSATION: &[&str] = &["input", "conversationId"];
pub(crate) const REPLY_TO: &[&str] = &["input", "replyToId"];

/// Those of the messages that their users may see.
pub(crate) async fn find_many(service: &Service, ids: &[OwnId]) -> Result<HashMap<OwnId, Model>, Error> {
    Ok(store::find_many(&service.database, ids).await?)
}

/// Messages of conversations that the caller may see. Beside a page, whether messages come before it.
pub(crate) async fn list(
    service: &Service,
    pages: &[MessagePage],
) -> Result<HashMap<MessagePage, (Slice<Model>, bool)>, Error> {
    Ok(store::list(&service.database, pages).await?)
}

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Target {
    /// To this person, in the direct conversation with them.
    Recipient(Uuid),
    /// Into this conversation.
    Conversation(Uuid),
}

/// A message to be sent.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct NewMessage {
    pub(crate) target: Target,
    pub(crate) body: String,
    pub(crate) reply_to_id: Option<Uuid>,
    #[serde(skip)]
    pub(crate) idempotency_key: Option<String>,
}

/// Sends a message of the viewer; once for one idempotency key.
///
/// From the moment that it has its sequence no other message comes into the conversation before the transaction ends: the
/// order of messages is that of their entries in every participant's stream.
pub(crate) async fn send(service: &Service, viewer: &Viewer, new: &NewMessage) -> Result<Model, Error> {
    let sender = viewer.require()?.user_id;
    let body = Body::parse(&new.body)?;
    let (id, now) = (ids::new(), service.clock.now());
    let transaction = begin(service, sender, new.target).await?;
    if let Some(key) = &new.idempotency_key {
        match claim(&transaction, sender, key, new, id, now).await? {
            Claim::Fresh => {}
            Claim::Replay(known) => return replayed(&transaction, sender, known).await,
            Claim::Reused => return Err(KeyError::Reused.into()),
        }
    }
    let conversation = match new.target {
        Target::Recipient(recipient) => {
            conversations::direct(service, &transaction, sender, recipient, RECIPIENT).await?
        }
        Target::Conversation(id) => {
            conversations::access(&transaction, sender, Some(id), CONVERSATION).await?.conversation
        }
    };
    let conversation_id = conversation.id;
    let sequence = conversation_store::advance(&transaction, conversation_id, id).await?;
    let sequence = sequence.ok_or_else(no_such_conversation)?;
    let participants = conversation_store::count_message(&transaction, conversation_id, sender, now).await?;
    check_presence(&conversation, &participants, sender)?;
    if let Some(reply_to) = new.reply_to_id
        && store::find_in(&transaction, conversation_id, reply_to).await?.is_none()
    {
        let message = "there is no such message in the conversation";
        return Err(UserError::at(UserErrorCode::NotFound, REPLY_TO, message).into());
    }
    let reply_to_id = new.reply_to_id;
    let row = NewRow { id, conversation_id, sequence, sender_id: sender, body: &body, reply_to_id, sent_at: now };
    let message = store::insert(&transaction, row).await?;
    let told: Vec<_> = participants.iter().map(|one| one.user_id).collect();
    stream::append(&transaction, &told, now, Change::Sent { conversation: conversation_id, message: id }).await?;
    let notify_ids = whom_to_notify(&transaction, sender, &participants, now).await?;
    let event = MessageSent { message_id: id, conversation_id, sender_id: sender, notify_ids, sent_at: now };
    outbox::write(&transaction, now, event).await?;
    transaction.commit().await?;
    service.outbox.wake();
    stream::announce(service, &told);
    Ok(message)
}

/// A first message to somebody begins a conversation: nothing else happens between the two meanwhile.
async fn begin(service: &Service, sender: Uuid, target: Target) -> Result<DatabaseTransaction, Error> {
    match target {
        Target::Recipient(recipient) => {
            pair::begin(service, sender, recipient).await.map_err(|error| conversations::at(error, RECIPIENT))
        }
        Target::Conversation(_) => Ok(database::begin(&service.database).await?),
    }
}

async fn claim(
    transaction: &DatabaseTransaction,
    sender: Uuid,
    key: &str,
    new: &NewMessage,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<Claim, Error> {
    idempotency::check_key(key)?;
    let scope = format!("{sender}:messageSend");
    Ok(idempotency::claim(transaction, &scope, key, new, id, now).await?)
}

/// The message that a key has sent before.
async fn replayed(transaction: &DatabaseTransaction, sender: Uuid, id: Uuid) -> Result<Model, Error> {
    let mut found = store::find_many(transaction, &[(sender, id)]).await?;
    found.remove(&(sender, id)).ok_or_else(|| no_such_message(idempotency::FIELD))
}

/// Makes sure that those who speak are still there: an account may have ended, or the sender may have left, before the
/// conversation was held.
fn check_presence(
    conversation: &conversation::Model,
    participants: &[participant::Model],
    sender: Uuid,
) -> Result<(), Error> {
    let is_there = participants.iter().any(|one| one.user_id == sender);
    if !is_there {
        return Err(no_such_conversation());
    }
    if conversation.kind == Kind::Direct && participants.len() < 2 {
        let message = "whom you wrote to has no account any more";
        return Err(UserError::at(UserErrorCode::NotFound, CONVERSATION, message).into());
    }
    Ok(())
}

/// The other participants, but for those who have muted the conversation or have a block with the sender.
async fn whom_to_notify(
    transaction: &DatabaseTransaction,
    sender: Uuid,
    participants: &[participant::Model],
    now: DateTime<Utc>,
) -> Result<Vec<Uuid>, Error> {
    let others = participants.iter().filter(|one| one.user_id != sender && !is_muted(one.muted_until, now));
    let mut others: Vec<_> = others.map(|one| one.user_id).collect();
    let blocked = block::among(transaction, sender, &others).await?;
    others.retain(|other| !blocked.contains(other));
    Ok(others)
}

fn no_such_conversation() -> Error {
    UserError::at(UserErrorCode::NotFound, CONVERSATION, "you have no such conversation").into()
}

fn no_such_message(field: &[&str]) -> Error {
    UserError::at(UserErrorCode::NotFound, field, "there is no such message").into()
}

/// The refusal of a text that is an argument by itself.
fn refused_text(error: BodyError) -> Error {
    let code = match error {
        BodyError::Blank => UserErrorCode::Blank,
        BodyError::TooLong => UserErrorCode::TooLong,
    };
    UserError::at(code, &["body"], error.to_string()).into()
}

/// The viewer's own message, in a conversation where they may act.
async fn own(transaction: &DatabaseTransaction, user: Uuid, id: Option<Uuid>) -> Result<Model, Error> {
    let message = match id {
        Some(id) => store::find(transaction, id).await?,
        None => None,
    };
    let message = message.ok_or_else(|| no_such_message(ID))?;
    match conversations::access(transaction, user, Some(message.conversation_id), ID).await {
        Ok(_) if message.sender_id == Some(user) => Ok(message),
        Ok(_) => Err(UserError::at(UserErrorCode::Forbidden, ID, "only its sender may do this").into()),
        Err(Error::Refused(refusal)) if refusal.code == UserErrorCode::NotFound => Err(no_such_message(ID)),
        Err(error) => Err(error),
    }
}

/// Gives one's own message another text.
pub(crate) async fn update(service: &Service, viewer: &Viewer, id: Option<Uuid>, body: &str) -> Result<Model, Error> {
    let (sender, now) = (viewer.require()?.user_id, service.clock.now());
    let body = Body::parse(body).map_err(refused_text)?;
    let transaction = database::begin(&service.database).await?;
    let id = own(&transaction, sender, id).await?.id;
    let updated = store::update_body(&transaction, id, sender, &body, now).await?;
    let message = updated.ok_or_else(|| no_such_message(ID))?;
    commit_change(service, transaction, &message, now).await?;
    Ok(message)
}

/// Deletes one's own message: nothing is left of it but that it was there. One that is deleted already stays so.
pub(crate) async fn delete(service: &Service, viewer: &Viewer, id: Option<Uuid>) -> Result<Model, Error> {
    let (sender, now) = (viewer.require()?.user_id, service.clock.now());
    let transaction = database::begin(&service.database).await?;
    let known = own(&transaction, sender, id).await?;
    conversation_store::lock(&transaction, known.conversation_id).await?;
    let Some(message) = store::delete(&transaction, known.id, sender, now).await? else {
        return store::find(&transaction, known.id).await?.ok_or_else(|| no_such_message(ID));
    };
    let Model { conversation_id, sequence, .. } = message;
    conversation_store::discount_message(&transaction, conversation_id, sender, sequence).await?;
    commit_change(service, transaction, &message, now).await?;
    Ok(message)
}

/// Tells the participants of a changed message, and commits the change.
async fn commit_change(
    service: &Service,
    transaction: DatabaseTransaction,
    message: &Model,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let told = conversation_store::participant_ids(&transaction, message.conversation_id).await?;
    let change = Change::Changed { conversation: message.conversation_id, message: message.id };
    stream::append(&transaction, &told, now, change).await?;
    transaction.commit().await?;
    stream::announce(service, &told);
    Ok(())
}
