//! What notifications consume.

use crate::{
    Service,
    domain::{Kind, NewMessage, NewNotification, Subject, Text},
    person, service, store,
    texts::{self, Language},
};
use chrono::{DateTime, Utc};
use futures::FutureExt;
use hansa_kit::consumer::{self, AfterCommit, AnyEvent, Handler, HandlerError};
use hansa_schema::{
    Event,
    social::{
        self, BlockCreated, ConversationRead, FollowCreated, FollowDeleted, FriendshipAccepted, FriendshipEnded,
        FriendshipRequested, MessageSent,
    },
    users::{self, AccountRegistered, UserDeleted, UserUpdated},
};
use sea_orm::DatabaseTransaction;
use std::collections::HashMap;
use uuid::Uuid;

/// The topics that notifications read.
pub(crate) const TOPICS: &[&str] = &[users::TOPIC, social::TOPIC];

/// Handles the events of [`TOPICS`].
pub(crate) fn handler(service: Service) -> impl Handler + 'static {
    consumer::handler(move |transaction, event| handle(service.clone(), transaction, event).boxed())
}

/// Takes an event's effect; afterwards all whose notifications have changed are told.
async fn handle(
    service: Service,
    transaction: &DatabaseTransaction,
    event: AnyEvent,
) -> Result<Option<AfterCommit>, HandlerError> {
    let now = service.clock.now();
    let told = match event.r#type.as_str() {
        AccountRegistered::TYPE => registered(transaction, now, serde_json::from_value(event.data)?).await?,
        UserUpdated::TYPE => {
            let UserUpdated { user_id, display_name, locale, .. } = serde_json::from_value(event.data)?;
            person::remember(transaction, user_id, display_name, locale).await?;
            Vec::new()
        }
        UserDeleted::TYPE => deleted(transaction, now, serde_json::from_value(event.data)?).await?,
        FriendshipRequested::TYPE => requested(transaction, now, serde_json::from_value(event.data)?).await?,
        FriendshipAccepted::TYPE => accepted(transaction, now, serde_json::from_value(event.data)?).await?,
        FriendshipEnded::TYPE => {
            let FriendshipEnded { friendship_id, .. } = serde_json::from_value(event.data)?;
            let request = store::about(Kind::FriendshipRequested, Subject::Friendship(friendship_id));
            service::withdraw(transaction, now, request).await?
        }
        FollowCreated::TYPE => {
            let FollowCreated { follower_id, followee_id } = serde_json::from_value(event.data)?;
            let followed = News { actor: follower_id, kind: Kind::Followed, subject: Subject::User(follower_id) };
            tell(transaction, now, followee_id, followed, texts::followed).await?
        }
        FollowDeleted::TYPE => {
            let FollowDeleted { follower_id, followee_id } = serde_json::from_value(event.data)?;
            let followed = store::about(Kind::Followed, Subject::User(follower_id)).add(store::is_to(followee_id));
            service::withdraw(transaction, now, followed).await?
        }
        BlockCreated::TYPE => {
            let BlockCreated { blocker_id, blocked_id } = serde_json::from_value(event.data)?;
            let mut told =
                service::withdraw(transaction, now, store::by(blocker_id).add(store::is_to(blocked_id))).await?;
            told.extend(
                service::withdraw(transaction, now, store::by(blocked_id).add(store::is_to(blocker_id))).await?,
            );
            told
        }
        MessageSent::TYPE => sent(transaction, now, serde_json::from_value(event.data)?).await?,
        ConversationRead::TYPE => {
            let ConversationRead { conversation_id, reader_id, unread_count, .. } = serde_json::from_value(event.data)?;
            service::read_conversation(transaction, now, reader_id, conversation_id, unread_count).await?
        }
        _ => return Ok(None),
    };
    Ok(Some(Box::new(move || told.into_iter().for_each(|recipient| service.announce(recipient)))))
}

async fn registered(
    transaction: &DatabaseTransaction,
    now: DateTime<Utc>,
    AccountRegistered { user_id, display_name, locale, .. }: AccountRegistered,
) -> Result<Vec<Uuid>, hansa_kit::Error> {
    let text = texts::welcome(Language::of(&locale), &display_name);
    person::remember(transaction, user_id, display_name, locale).await?;
    let new = NewNotification { recipient_id: user_id, kind: Kind::Welcome, text, actor_id: None, subject: None };
    service::notify(transaction, now, new).await?;
    Ok(vec![user_id])
}

/// Nobody is told any more of who is gone, whose name is in the texts.
async fn deleted(
    transaction: &DatabaseTransaction,
    now: DateTime<Utc>,
    UserDeleted { user_id }: UserDeleted,
) -> Result<Vec<Uuid>, hansa_kit::Error> {
    person::forget(transaction, user_id, now).await?;
    service::erase(transaction, user_id).await?;
    let mut told = service::withdraw(transaction, now, store::by(user_id)).await?;
    told.push(user_id);
    Ok(told)
}

async fn requested(
    transaction: &DatabaseTransaction,
    now: DateTime<Utc>,
    FriendshipRequested { friendship_id, requester_id, addressee_id }: FriendshipRequested,
) -> Result<Vec<Uuid>, hansa_kit::Error> {
    let subject = Subject::Friendship(friendship_id);
    let asked = News { actor: requester_id, kind: Kind::FriendshipRequested, subject };
    tell(transaction, now, addressee_id, asked, texts::friendship_requested).await
}

/// Who asked is told; to who accepted the request is no news any more.
async fn accepted(
    transaction: &DatabaseTransaction,
    now: DateTime<Utc>,
    FriendshipAccepted { friendship_id, requester_id, addressee_id }: FriendshipAccepted,
) -> Result<Vec<Uuid>, hansa_kit::Error> {
    let subject = Subject::Friendship(friendship_id);
    let request = store::about(Kind::FriendshipRequested, subject);
    let mut told = service::settle(transaction, now, addressee_id, request).await?;
    let accepted = News { actor: addressee_id, kind: Kind::FriendshipAccepted, subject };
    told.extend(tell(transaction, now, requester_id, accepted, texts::friendship_accepted).await?);
    Ok(told)
}

/// All whom the conversation is not muted for are told, each in their language.
async fn sent(
    transaction: &DatabaseTransaction,
    now: DateTime<Utc>,
    MessageSent { message_id, conversation_id, sender_id, notify_ids, .. }: MessageSent,
) -> Result<Vec<Uuid>, hansa_kit::Error> {
    let people = person::find_many(transaction, &[&notify_ids[..], &[sender_id]].concat()).await?;
    let people: HashMap<_, _> = people.into_iter().map(|person| (person.id, person)).collect();
    let is_gone = |id: &Uuid| people.get(id).is_some_and(|person| person.deleted_at.is_some());
    if is_gone(&sender_id) {
        return Ok(Vec::new());
    }
    let language = |id: &Uuid| people.get(id).map_or(Language::English, |person| Language::of(&person.locale));
    let mut changes = Vec::new();
    for spoken in [Language::English, Language::Russian] {
        let recipients = notify_ids.iter().filter(|id| !is_gone(id) && language(id) == spoken);
        let recipients: Vec<_> = recipients.copied().collect();
        if recipients.is_empty() {
            continue;
        }
        let name = people.get(&sender_id).map_or_else(|| texts::somebody(spoken), |person| &person.display_name);
        let text = texts::message_received(spoken, name);
        let new = NewMessage { conversation_id, message_id, sender_id, text };
        changes.extend(service::notify_of_message(transaction, now, &recipients, &new).await?);
    }
    service::tell(transaction, now, changes).await
}

/// What somebody did that somebody else is told of.
struct News {
    actor: Uuid,
    kind: Kind,
    subject: Subject,
}

/// Tells `recipient`, in their language, and returns who was told: nobody when one of the two is gone. The topics of users
/// and social are not in step: of somebody who has only just registered no name may be known yet.
async fn tell(
    transaction: &DatabaseTransaction,
    now: DateTime<Utc>,
    recipient: Uuid,
    News { actor, kind, subject }: News,
    words: fn(Language, &str) -> Text,
) -> Result<Vec<Uuid>, hansa_kit::Error> {
    let people = person::find_many(transaction, &[actor, recipient]).await?;
    if people.iter().any(|person| person.deleted_at.is_some()) {
        return Ok(Vec::new());
    }
    let find = |id| people.iter().find(|person| person.id == id);
    let language = find(recipient).map_or(Language::English, |person| Language::of(&person.locale));
    let name = find(actor).map_or_else(|| texts::somebody(language), |person| &person.display_name);
    let text = words(language, name);
    let new = NewNotification { recipient_id: recipient, kind, text, actor_id: Some(actor), subject: Some(subject) };
    service::notify(transaction, now, new).await?;
    Ok(vec![recipient])
}
