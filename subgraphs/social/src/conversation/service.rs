//! What can be done with conversations, and who may do it: each change, its event and its entries in the participants'
//! streams in one transaction.
//!
//! A conversation is its participants' alone. A direct one is hidden from both while one of them blocks the other; in a
//! group a block between two changes nothing, for there everybody speaks to everybody. In every transaction locks are
//! taken in the same order: people, conversations, messages, participants, heads of streams.

use super::{
    domain::{Change, Kind, MAX_INTIMATE, OwnId, View, parse_title},
    store::{self, NewConversation},
    stream, typing,
};
use crate::{Error, Service, block, entity::conversation::Model, entity::participant, message, pair::Pair, person};
use chrono::{DateTime, Duration, Utc};
use hansa_kit::{
    Viewer,
    codes::{Denied, UserError, UserErrorCode},
    database,
    idempotency::{self, Claim, KeyError},
    ids, outbox,
    paging::{Page, Position, Slice},
};
use hansa_schema::social::ConversationRead;
use sea_orm::{ConnectionTrait, DatabaseTransaction};
use serde::Serialize;
use std::collections::{BTreeSet, HashMap};
use uuid::Uuid;

/// Where mutations have the id of what they are about.
pub(crate) const ID: &[&str] = &["id"];
const PARTICIPANTS: &[&str] = &["input", "participantIds"];

/// What a conversation is read by: its id, if it is one, and the viewer as who must be in it.
pub(crate) fn own(viewer: &Viewer, id: Option<Uuid>) -> Result<Option<OwnId>, Denied> {
    let user = viewer.require()?.user_id;
    Ok(id.map(|id| (user, id)))
}

/// Those of the conversations that their users may see.
pub(crate) async fn find_many(service: &Service, ids: &[OwnId]) -> Result<HashMap<OwnId, View>, Error> {
    Ok(store::find_many(&service.database, ids).await?)
}

/// A page of the viewer's conversations, those first where something happened last.
pub(crate) async fn list(service: &Service, viewer: &Viewer, page: &Page<Position>) -> Result<Slice<View>, Error> {
    Ok(store::list(&service.database, viewer.require()?.user_id, page).await?)
}

/// How many conversations the viewer has.
pub(crate) async fn count(service: &Service, viewer: &Viewer) -> Result<u64, Error> {
    Ok(store::count(&service.database, viewer.require()?.user_id).await?)
}

/// How many messages the viewer has not read, over all conversations that are not muted.
pub(crate) async fn count_unread(service: &Service, viewer: &Viewer) -> Result<i64, Error> {
    Ok(store::count_unread(&service.database, viewer.require()?.user_id, service.clock.now()).await?)
}

/// Who is in conversations that the caller may see.
pub(crate) async fn participants(
    service: &Service,
    conversations: &[Uuid],
) -> Result<HashMap<Uuid, Vec<participant::Model>>, Error> {
    Ok(store::participants(&service.database, conversations).await?)
}

/// The conversation `id`, in which the user may act; `field` is where its id stands in the mutation's arguments.
///
/// # Errors
/// `NOT_FOUND` for those who are not in it, `BLOCKED` in a direct conversation that a block hides.
pub(crate) async fn access(
    database: &impl ConnectionTrait,
    user: Uuid,
    id: Option<Uuid>,
    field: &[&str],
) -> Result<View, Error> {
    let view = match id {
        Some(id) => store::find(database, (user, id)).await?,
        None => None,
    };
    let view = view.ok_or_else(|| no_such_conversation(field))?;
    if let (Some(low), Some(high)) = (view.conversation.low_id, view.conversation.high_id)
        && block::between(database, low, high).await?
    {
        return Err(blocked(field));
    }
    Ok(view)
}

fn no_such_conversation(field: &[&str]) -> Error {
    UserError::at(UserErrorCode::NotFound, field, "you have no such conversation").into()
}

fn blocked(field: &[&str]) -> Error {
    UserError::at(UserErrorCode::Blocked, field, "one of you blocks the other").into()
}

/// The direct conversation of two people, which is begun if there is none. `pair::begin` has begun the transaction.
pub(crate) async fn direct(
    service: &Service,
    transaction: &DatabaseTransaction,
    sender: Uuid,
    recipient: Uuid,
    field: &[&str],
) -> Result<Model, Error> {
    if block::between(transaction, sender, recipient).await? {
        return Err(blocked(field));
    }
    let pair = Pair::of(sender, recipient);
    if let Some(known) = store::find_direct(transaction, pair).await? {
        return Ok(known);
    }
    check_quota(service, transaction, sender).await?;
    let new = NewConversation {
        id: ids::new(),
        kind: Kind::Direct,
        title: None,
        creator_id: sender,
        pair: Some(pair),
        participants: vec![sender, recipient],
        now: service.clock.now(),
    };
    store::insert(transaction, new).await?;
    store::find_direct(transaction, pair).await?.ok_or_else(|| no_such_conversation(field))
}

async fn check_quota(service: &Service, transaction: &DatabaseTransaction, creator: Uuid) -> Result<(), Error> {
    let since = service.clock.now() - Duration::hours(24);
    if store::count_created(transaction, creator, since).await? >= service.config.conversations.max_created_per_day {
        return Err(Error::LimitExceeded("you have begun as many conversations as you may within 24 hours"));
    }
    Ok(())
}

/// A group to be made.
#[derive(Debug, Serialize)]
pub(crate) struct NewGroup {
    /// Whom the creator has chosen; what was no user's id is `None`.
    pub(crate) participants: BTreeSet<Option<Uuid>>,
    pub(crate) title: Option<String>,
    #[serde(skip)]
    pub(crate) idempotency_key: Option<String>,
}

/// Makes a group of the viewer and others; once for one idempotency key.
pub(crate) async fn create(service: &Service, viewer: &Viewer, new: NewGroup) -> Result<View, Error> {
    let creator = viewer.require()?.user_id;
    let title = parse_title(new.title.as_deref())?;
    let (id, now) = (ids::new(), service.clock.now());
    let others = others(service, creator, &new)?;
    let transaction = database::begin(&service.database).await?;
    if let Some(key) = &new.idempotency_key {
        idempotency::check_key(key)?;
        let scope = format!("{creator}:conversationCreate");
        match idempotency::claim(&transaction, &scope, key, &new, id, now).await? {
            Claim::Fresh => {}
            Claim::Replay(known) => return access(&transaction, creator, Some(known), idempotency::FIELD).await,
            Claim::Reused => return Err(KeyError::Reused.into()),
        }
    }
    person::hold(&transaction, creator, &others).await.map_err(|error| at(error, PARTICIPANTS))?;
    if !block::among(&transaction, creator, &others).await?.is_empty() {
        return Err(blocked(PARTICIPANTS));
    }
    check_quota(service, &transaction, creator).await?;
    let participants = [vec![creator], others].concat();
    let told = participants.clone();
    let new = NewConversation { id, kind: Kind::Group, title, creator_id: creator, pair: None, participants, now };
    store::insert(&transaction, new).await?;
    let view = access(&transaction, creator, Some(id), ID).await?;
    stream::append(&transaction, &told, now, Change::Group { conversation: id }).await?;
    transaction.commit().await?;
    stream::announce(service, &told);
    Ok(view)
}

/// Whom a group is made with.
fn others(service: &Service, creator: Uuid, new: &NewGroup) -> Result<Vec<Uuid>, Error> {
    let refused = |code, message: &str| Err(UserError::at(code, PARTICIPANTS, message).into());
    let Some(people) = new.participants.iter().copied().collect::<Option<Vec<_>>>() else {
        return refused(UserErrorCode::NotFound, "there is no such person");
    };
    let others: Vec<_> = people.into_iter().filter(|person| *person != creator).collect();
    let most = service.config.conversations.max_participants;
    match others.len() {
        0 => refused(UserErrorCode::Blank, "a group needs somebody else"),
        number if number >= most => {
            refused(UserErrorCode::LimitExceeded, &format!("a group has at most {most} people, with you"))
        }
        _ => Ok(others),
    }
}

/// The same refusal, if it is that there is no such person, as one of the argument `field`.
pub(crate) fn at(error: Error, field: &[&str]) -> Error {
    match error {
        Error::NoSuchPerson => UserError::at(UserErrorCode::NotFound, field, error.to_string()).into(),
        Error::Oneself => UserError::at(UserErrorCode::CannotTargetSelf, field, error.to_string()).into(),
        other => other,
    }
}

/// Marks all up to a message as read. What has been read stays so: an earlier message changes nothing.
///
/// In conversations of more than [`MAX_INTIMATE`] people only the reader's own devices are told.
pub(crate) async fn mark_read(
    service: &Service,
    viewer: &Viewer,
    id: Option<Uuid>,
    up_to: Option<Uuid>,
) -> Result<View, Error> {
    let (reader, now) = (viewer.require()?.user_id, service.clock.now());
    let transaction = database::begin(&service.database).await?;
    let mut view = access(&transaction, reader, id, ID).await?;
    let id = view.conversation.id;
    let message = match up_to {
        Some(up_to) => message::store::find_in(&transaction, id, up_to).await?,
        None => None,
    };
    let no_such_message =
        || UserError::at(UserErrorCode::NotFound, &["upToMessageId"], "there is no such message in it");
    let message = message.ok_or_else(no_such_message)?;
    view.own = store::hold_own(&transaction, (reader, id)).await?.ok_or_else(|| no_such_conversation(ID))?;
    if view.own.last_read_sequence >= message.sequence {
        return Ok(view);
    }
    view.own = store::mark_read(&transaction, (reader, id), message.id, message.sequence, now)
        .await?
        .ok_or_else(|| no_such_conversation(ID))?;
    let participants = store::participant_ids(&transaction, id).await?;
    let told = if participants.len() > MAX_INTIMATE { vec![reader] } else { participants };
    stream::append(&transaction, &told, now, Change::Read { conversation: id, reader, up_to: message.id }).await?;
    let event = ConversationRead {
        conversation_id: id,
        reader_id: reader,
        up_to_message_id: message.id,
        unread_count: view.own.unread_count,
    };
    outbox::write(&transaction, now, event).await?;
    transaction.commit().await?;
    service.outbox.wake();
    stream::announce(service, &told);
    Ok(view)
}

/// Mutes a conversation for the viewer until then, for ever by `None`. A time that is over unmutes it.
pub(crate) async fn mute(
    service: &Service,
    viewer: &Viewer,
    id: Option<Uuid>,
    until: Option<DateTime<Utc>>,
) -> Result<View, Error> {
    let user = viewer.require()?.user_id;
    let until = Some(until.unwrap_or(FOR_EVER)).filter(|until| *until > service.clock.now());
    let transaction = database::begin(&service.database).await?;
    let mut view = access(&transaction, user, id, ID).await?;
    let own = store::mute(&transaction, (user, view.conversation.id), until).await?;
    view.own = own.ok_or_else(|| no_such_conversation(ID))?;
    transaction.commit().await?;
    Ok(view)
}

/// Takes the viewer out of a group, with whatever is unread there. The others are told, and keep what the viewer wrote; a
/// group that nobody is in any more is deleted. The result is the group as it is then, and the place that the viewer had.
///
/// # Errors
/// `INVALID_STATE` for a direct conversation.
pub(crate) async fn leave(service: &Service, viewer: &Viewer, id: Option<Uuid>) -> Result<View, Error> {
    let (user, now) = (viewer.require()?.user_id, service.clock.now());
    let transaction = database::begin(&service.database).await?;
    let View { conversation: Model { id, kind, .. }, .. } = access(&transaction, user, id, ID).await?;
    if kind == Kind::Direct {
        let message = "a direct conversation cannot be left: mute it, or block the other";
        return Err(UserError::at(UserErrorCode::InvalidState, ID, message).into());
    }
    let conversation = store::lock(&transaction, id).await?.ok_or_else(|| no_such_conversation(ID))?;
    let own = store::leave(&transaction, (user, id)).await?.ok_or_else(|| no_such_conversation(ID))?;
    let left = store::participant_ids(&transaction, id).await?;
    if left.is_empty() {
        store::delete_empty(&transaction, &[id]).await?;
    } else {
        stream::append(&transaction, &left, now, Change::Group { conversation: id }).await?;
    }
    if let (Some(up_to_message_id), 1..) = (conversation.last_message_id, own.unread_count) {
        // Nothing there waits for the reader any more.
        let event = ConversationRead { conversation_id: id, reader_id: user, up_to_message_id, unread_count: 0 };
        outbox::write(&transaction, now, event).await?;
    }
    transaction.commit().await?;
    service.outbox.wake();
    stream::announce(service, &left);
    typing::whisper(service, id, user, false)?;
    Ok(View { conversation, own: participant::Model { unread_count: 0, ..own } })
}

/// The last second that databases keep.
const FOR_EVER: DateTime<Utc> = match DateTime::from_timestamp(253_402_300_799, 0) {
    Some(time) => time,
    None => DateTime::<Utc>::MAX_UTC,
};

/// Erases what a user has written and where they take part, within the transaction of their account's end.
pub(crate) async fn erase(
    transaction: &DatabaseTransaction,
    user: Uuid,
    now: DateTime<Utc>,
) -> Result<(), hansa_kit::Error> {
    let conversations = store::lock_all(transaction, user).await?;
    message::store::erase(transaction, user, now).await?;
    store::erase(transaction, user, &conversations).await?;
    hansa_kit::streams::erase(transaction, user).await
}
