//! What can be done with blocks, and who may do it: each change and its events in one transaction.

use super::store;
use crate::{Error, Service, entity::block::Model, follow, friendship, pair};
use chrono::{DateTime, Utc};
use hansa_kit::{Viewer, outbox};
use hansa_schema::social::{BlockCreated, BlockDeleted};
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

/// Blocks somebody, and ends all that is between the two; nothing changes when the viewer does so already.
pub(crate) async fn create(service: &Service, viewer: &Viewer, blocked: Option<Uuid>) -> Result<Uuid, Error> {
    let blocker = viewer.require()?.user_id;
    let blocked = blocked.ok_or(Error::NoSuchPerson)?;
    let transaction = pair::begin(service, blocker, blocked).await?;
    if store::exists(&transaction, blocker, blocked).await? {
        return Ok(blocked);
    }
    if store::count(&transaction, blocker).await? >= service.config.blocks.max_blocked {
        return Err(Error::LimitExceeded("you block as many people as you may"));
    }
    let now = service.clock.now();
    friendship::service::sever(&transaction, blocker, blocked, now).await?;
    follow::service::end(&transaction, blocker, blocked, now).await?;
    follow::service::end(&transaction, blocked, blocker, now).await?;
    store::insert(&transaction, blocker, blocked, now).await?;
    outbox::write(&transaction, now, BlockCreated { blocker_id: blocker, blocked_id: blocked }).await?;
    transaction.commit().await?;
    service.outbox.wake();
    Ok(blocked)
}

/// Blocks somebody no more; nothing changes when the viewer does not.
pub(crate) async fn delete(service: &Service, viewer: &Viewer, blocked: Option<Uuid>) -> Result<Uuid, Error> {
    let blocker = viewer.require()?.user_id;
    let blocked = blocked.ok_or(Error::NoSuchPerson)?;
    let transaction = pair::begin(service, blocker, blocked).await?;
    if store::delete(&transaction, blocker, blocked).await? {
        let event = BlockDeleted { blocker_id: blocker, blocked_id: blocked };
        outbox::write(&transaction, service.clock.now(), event).await?;
        transaction.commit().await?;
        service.outbox.wake();
    }
    Ok(blocked)
}

/// Ends all blocks by and of somebody whose account is gone, within the transaction of that event.
pub(crate) async fn erase(
    transaction: &DatabaseTransaction,
    person: Uuid,
    now: DateTime<Utc>,
) -> Result<(), hansa_kit::Error> {
    loop {
        let ended = store::delete_some(transaction, person).await?;
        if ended.is_empty() {
            return Ok(());
        }
        let events =
            ended.into_iter().map(|Model { blocker_id, blocked_id, .. }| BlockDeleted { blocker_id, blocked_id });
        outbox::write_all(transaction, now, events).await?;
    }
}
