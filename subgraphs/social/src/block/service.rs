//! What can be done with blocks, and who may do it: each change and its events in one transaction.

use super::store;
use crate::{Error, Service, pair};
use hansa_kit::{Viewer, outbox};
use hansa_schema::social::{BlockCreated, BlockDeleted};
use uuid::Uuid;

/// Blocks somebody; nothing changes when the viewer does so already.
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
