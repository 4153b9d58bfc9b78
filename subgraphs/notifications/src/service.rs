//! What can be done with notifications: each change and its entry in the recipient's stream in one transaction.

use crate::{
    Error,
    domain::{Change, Filter, NewNotification},
    entity::notification::Model,
    store,
};
use chrono::{DateTime, Utc};
use futures::{Stream, StreamExt};
use hansa_kit::{
    Clock, database, ids,
    signals::{Signal, Signals},
    streams::{self, Item, StreamGap},
    viewer::Identity,
};
use sea_orm::{DatabaseConnection, DatabaseTransaction};
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
) -> Result<(), Error> {
    let (id, recipient) = (ids::new(), new.recipient_id);
    store::insert(transaction, id, new, now).await?;
    append(transaction, recipient, now, Change::Received { id }).await
}

async fn append(
    transaction: &DatabaseTransaction,
    recipient: Uuid,
    now: DateTime<Utc>,
    change: Change,
) -> Result<(), Error> {
    Ok(streams::append(transaction, STREAM, recipient, now, &change).await?)
}

/// Erases all that is kept of a user, within the transaction of their account's end.
pub(crate) async fn erase(transaction: &DatabaseTransaction, user: Uuid) -> Result<(), Error> {
    store::delete_all(transaction, user).await?;
    Ok(streams::erase(transaction, user).await?)
}

/// Marks one's notification as read or unread. When it is so already, or `is_read` says nothing, nothing changes.
pub(crate) async fn update(
    service: &Service,
    viewer: &Identity,
    id: Uuid,
    is_read: Option<bool>,
) -> Result<Model, Error> {
    let (recipient, now) = (viewer.user_id, service.clock.now());
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
pub(crate) async fn mark_all_read(service: &Service, viewer: &Identity, filter: &Filter) -> Result<u64, Error> {
    let (recipient, now) = (viewer.user_id, service.clock.now());
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
pub(crate) async fn delete(service: &Service, viewer: &Identity, id: Uuid) -> Result<(), Error> {
    let recipient = viewer.user_id;
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
    viewer: &Identity,
    after: Option<i64>,
) -> impl Stream<Item = Result<Occurrence, Error>> + Send + use<> {
    let Service { database, signals, clock } = service.clone();
    streams::subscribe(database, signals, clock, STREAM, viewer.user_id, after).map(|item| match item? {
        Item::Event { cursor, occurred_at, payload } => {
            let change = serde_json::from_str(&payload).map_err(hansa_kit::Error::from)?;
            Ok(Occurrence::Change { cursor, occurred_at, change })
        }
        Item::Gap(gap) => Ok(Occurrence::Gap(gap)),
    })
}

/// What a subscriber is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Occurrence {
    /// Something happened.
    Change { cursor: String, occurred_at: DateTime<Utc>, change: Change },
    /// What happened is not kept any more.
    Gap(StreamGap),
}
