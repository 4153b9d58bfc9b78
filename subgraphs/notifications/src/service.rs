//! What can be done with notifications, and who may do it: each change and its entry in the recipient's stream in one
//! transaction.
//!
//! A notification is its recipient's alone: nobody else reads or changes it, whatever their scopes. So everything here asks
//! for the viewer, and hands the store their id as that of the recipient.

use crate::{
    Error,
    domain::{Change, Filter, NewMessage, NewNotification},
    entity::notification::Model,
    store::{self, OwnId},
};
use chrono::{DateTime, Utc};
use futures::{Stream, StreamExt};
use hansa_kit::{
    Clock, Viewer,
    codes::Denied,
    database, ids,
    paging::{Page, Position, Slice},
    signals::{Signal, Signals},
    streams::{self, Item, StreamGap},
};
use sea_orm::{Condition, DatabaseConnection, DatabaseTransaction};
use std::collections::HashMap;
use uuid::Uuid;

/// The name of the durable stream.
const STREAM: &str = "notifications";

/// What notifications work with.
#[derive(Clone, Debug)]
pub struct Service {
    /// The service's own database, migrated.
    pub database: DatabaseConnection,
    /// Tells subscribers that there is news.
    pub signals: Signals,
    /// The time.
    pub clock: Clock,
}

impl Service {
    /// Wakes the recipient's subscribers; to be called after the commit.
    pub(crate) fn announce(&self, recipient: Uuid) {
        self.signals.send(Signal::News { stream: STREAM.to_owned(), viewer: recipient });
    }
}

/// Notifies somebody, within the transaction of what they are notified of. Afterwards comes [`Service::announce`].
pub(crate) async fn notify(
    transaction: &DatabaseTransaction,
    now: DateTime<Utc>,
    new: NewNotification,
) -> Result<(), hansa_kit::Error> {
    let (id, recipient) = (ids::new(), new.recipient_id);
    store::insert(transaction, id, new, now).await?;
    append(transaction, recipient, now, Change::Received { id }).await
}

async fn append(
    transaction: &DatabaseTransaction,
    recipient: Uuid,
    now: DateTime<Utc>,
    change: Change,
) -> Result<(), hansa_kit::Error> {
    streams::append(transaction, STREAM, recipient, now, &change).await
}

/// Takes away the notifications that match `which`, within the transaction of what they are no news after, and returns whose
/// they were. Afterwards comes [`Service::announce`].
pub(crate) async fn withdraw(
    transaction: &DatabaseTransaction,
    now: DateTime<Utc>,
    which: Condition,
) -> Result<Vec<Uuid>, hansa_kit::Error> {
    let mut recipients = Vec::new();
    loop {
        let withdrawn = store::delete_some(transaction, &which).await?;
        if withdrawn.is_empty() {
            return Ok(recipients);
        }
        for (recipient, id) in withdrawn {
            append(transaction, recipient, now, Change::Deleted { id }).await?;
            recipients.push(recipient);
        }
    }
}

/// Notifies recipients of a message, within the transaction of the event: who has an unread notification of the conversation
/// finds it counting one more. Gives what is to be told them by [`tell`].
pub(crate) async fn notify_of_message(
    transaction: &DatabaseTransaction,
    now: DateTime<Utc>,
    recipients: &[Uuid],
    new: &NewMessage,
) -> Result<Vec<(Uuid, Change)>, hansa_kit::Error> {
    let known = store::unread_of(transaction, new.conversation_id, recipients).await?;
    let ids: Vec<_> = known.values().map(|one| one.id).collect();
    if !ids.is_empty() {
        store::add_message(transaction, &ids, new, now).await?;
    }
    let others = recipients.iter().filter(|recipient| !known.contains_key(recipient));
    let others: Vec<_> = others.map(|recipient| (*recipient, ids::new())).collect();
    if !others.is_empty() {
        store::insert_message(transaction, &others, new, now).await?;
    }
    let changed = known.into_iter().map(|(recipient, one)| (recipient, Change::Changed { id: one.id }));
    Ok(changed.chain(others.into_iter().map(|(recipient, id)| (recipient, Change::Received { id }))).collect())
}

/// Appends a change to the stream of each of many recipients, and returns them. In the order of their ids: two events with
/// some recipients in common never wait for each other. Afterwards comes [`Service::announce`].
pub(crate) async fn tell(
    transaction: &DatabaseTransaction,
    now: DateTime<Utc>,
    mut changes: Vec<(Uuid, Change)>,
) -> Result<Vec<Uuid>, hansa_kit::Error> {
    changes.sort_unstable_by_key(|(recipient, _)| *recipient);
    for (recipient, change) in &changes {
        append(transaction, *recipient, now, *change).await?;
    }
    Ok(changes.into_iter().map(|(recipient, _)| recipient).collect())
}

/// Lets the recipient's notification of a conversation stand for the messages that are still unread: for none it is read.
/// Returns the recipient if anything changed. Afterwards comes [`Service::announce`].
pub(crate) async fn read_conversation(
    transaction: &DatabaseTransaction,
    now: DateTime<Utc>,
    recipient: Uuid,
    conversation: Uuid,
    unread: i64,
) -> Result<Vec<Uuid>, hansa_kit::Error> {
    let Some(unread) = i32::try_from(unread).ok().filter(|unread| *unread > 0) else {
        return settle(transaction, now, recipient, store::in_conversation(conversation)).await;
    };
    let known = store::unread_of(transaction, conversation, &[recipient]).await?.remove(&recipient);
    let Some(one) = known.filter(|one| one.count > unread) else { return Ok(Vec::new()) };
    store::set_count(transaction, one.id, unread).await?;
    tell(transaction, now, vec![(recipient, Change::Changed { id: one.id })]).await
}

/// Marks the recipient's notifications that match `which` as read, within the transaction of what settles them, and returns
/// the recipient if there were any. Afterwards comes [`Service::announce`].
pub(crate) async fn settle(
    transaction: &DatabaseTransaction,
    now: DateTime<Utc>,
    recipient: Uuid,
    which: Condition,
) -> Result<Vec<Uuid>, hansa_kit::Error> {
    if store::set_read(transaction, recipient, which, Some(now)).await? == 0 {
        return Ok(Vec::new());
    }
    append(transaction, recipient, now, Change::ManyChanged).await?;
    Ok(vec![recipient])
}

/// Erases all that is kept of a user, within the transaction of their account's end.
pub(crate) async fn erase(transaction: &DatabaseTransaction, user: Uuid) -> Result<(), hansa_kit::Error> {
    store::delete_all(transaction, user).await?;
    streams::erase(transaction, user).await
}

/// Whether the viewer may read the notifications of `recipient`.
pub(crate) fn may_read(viewer: &Viewer, recipient: Uuid) -> bool {
    viewer.is(recipient)
}

/// What a notification is read by: its id, if it is one, and the viewer as who must be its recipient.
pub(crate) fn own(viewer: &Viewer, id: Option<Uuid>) -> Result<Option<OwnId>, Denied> {
    let recipient = viewer.require()?.user_id;
    Ok(id.map(|id| (recipient, id)))
}

/// Those of `ids`, which [`own`] has made, that exist.
pub(crate) async fn find_many(service: &Service, ids: &[OwnId]) -> Result<HashMap<OwnId, Model>, Error> {
    Ok(store::find_many(&service.database, ids).await?)
}

/// A page of the viewer's notifications that match `filter`, newest first.
pub(crate) async fn list(
    service: &Service,
    viewer: &Viewer,
    filter: &Filter,
    page: &Page<Position>,
) -> Result<Slice<Model>, Error> {
    Ok(store::list(&service.database, viewer.require()?.user_id, filter, page).await?)
}

/// How many of the viewer's notifications match `filter`.
pub(crate) async fn count(service: &Service, viewer: &Viewer, filter: &Filter) -> Result<u64, Error> {
    Ok(store::count(&service.database, viewer.require()?.user_id, filter).await?)
}

/// Marks one's notification as read or unread. When it is so already, or `is_read` says nothing, nothing changes.
pub(crate) async fn update(
    service: &Service,
    viewer: &Viewer,
    id: Option<Uuid>,
    is_read: Option<bool>,
) -> Result<Model, Error> {
    let (recipient, now) = (viewer.require()?.user_id, service.clock.now());
    let id = id.ok_or(Error::NotFound)?;
    let transaction = database::begin(&service.database).await?;
    let is_changed = match is_read {
        Some(is_read) => store::set_read(&transaction, recipient, store::is(id), is_read.then_some(now)).await? > 0,
        None => false,
    };
    let notification = store::find(&transaction, recipient, id).await?.ok_or(Error::NotFound)?;
    if is_changed {
        append(&transaction, recipient, now, Change::Changed { id }).await?;
        transaction.commit().await?;
        service.announce(recipient);
    }
    Ok(notification)
}

/// Marks those of one's notifications that match `filter` as read, and returns how many were not.
pub(crate) async fn mark_all_read(service: &Service, viewer: &Viewer, filter: &Filter) -> Result<u64, Error> {
    let (recipient, now) = (viewer.require()?.user_id, service.clock.now());
    let transaction = database::begin(&service.database).await?;
    let changed = store::set_read(&transaction, recipient, store::matching(filter), Some(now)).await?;
    if changed > 0 {
        append(&transaction, recipient, now, Change::ManyChanged).await?;
        transaction.commit().await?;
        service.announce(recipient);
    }
    Ok(changed)
}

/// Deletes one's notification.
pub(crate) async fn delete(service: &Service, viewer: &Viewer, id: Option<Uuid>) -> Result<(), Error> {
    let recipient = viewer.require()?.user_id;
    let id = id.ok_or(Error::NotFound)?;
    let transaction = database::begin(&service.database).await?;
    if !store::delete(&transaction, recipient, id).await? {
        return Err(Error::NotFound);
    }
    append(&transaction, recipient, service.clock.now(), Change::Deleted { id }).await?;
    transaction.commit().await?;
    service.announce(recipient);
    Ok(())
}

/// What happens to one's notifications, behind the cursor `after` or from now on.
pub(crate) fn watch(
    service: &Service,
    viewer: &Viewer,
    after: Option<i64>,
) -> Result<impl Stream<Item = Result<Occurrence, Error>> + Send + use<>, Error> {
    let recipient = viewer.require()?.user_id;
    let Service { database, signals, clock } = service.clone();
    Ok(streams::subscribe(database, signals, clock, STREAM, recipient, after).map(|item| match item? {
        Item::Event { cursor, occurred_at, payload } => {
            let change = serde_json::from_str(&payload).map_err(hansa_kit::Error::from)?;
            Ok(Occurrence::Change { cursor, occurred_at, change })
        }
        Item::Gap(gap) => Ok(Occurrence::Gap(gap)),
    }))
}

/// What a subscriber is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Occurrence {
    /// Something happened.
    Change { cursor: String, occurred_at: DateTime<Utc>, change: Change },
    /// What happened is not kept any more.
    Gap(StreamGap),
}
