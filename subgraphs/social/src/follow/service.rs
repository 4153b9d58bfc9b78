//! What can be done with follows, and who may do it: each change and its event in one transaction.

use super::store;
use crate::{Error, Service, block, entity::follow::Model, pair};
use chrono::{DateTime, Utc};
use hansa_kit::{Viewer, outbox};
use hansa_schema::social::{FollowCreated, FollowDeleted};
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

/// Follows somebody; nothing changes when the viewer does so already.
pub(crate) async fn create(service: &Service, viewer: &Viewer, followee: Option<Uuid>) -> Result<Uuid, Error> {
    let follower = viewer.require()?.user_id;
    let followee = followee.ok_or(Error::NoSuchPerson)?;
    let transaction = pair::begin(service, follower, followee).await?;
    if block::between(&transaction, follower, followee).await? {
        return Err(Error::Blocked);
    }
    if store::exists(&transaction, follower, followee).await? {
        return Ok(followee);
    }
    if store::count(&transaction, follower).await? >= service.config.follows.max_following {
        return Err(Error::LimitExceeded("you follow as many people as you may"));
    }
    let now = service.clock.now();
    store::insert(&transaction, follower, followee, now).await?;
    outbox::write(&transaction, now, FollowCreated { follower_id: follower, followee_id: followee }).await?;
    transaction.commit().await?;
    service.outbox.wake();
    Ok(followee)
}

/// Follows somebody no more; nothing changes when the viewer does not.
pub(crate) async fn delete(service: &Service, viewer: &Viewer, followee: Option<Uuid>) -> Result<Uuid, Error> {
    let follower = viewer.require()?.user_id;
    let followee = followee.ok_or(Error::NoSuchPerson)?;
    let transaction = pair::begin(service, follower, followee).await?;
    if end(&transaction, follower, followee, service.clock.now()).await? {
        transaction.commit().await?;
        service.outbox.wake();
    }
    Ok(followee)
}

/// Ends a follow, within the transaction of what ends it; false when there is none.
pub(crate) async fn end(
    transaction: &DatabaseTransaction,
    follower: Uuid,
    followee: Uuid,
    now: DateTime<Utc>,
) -> Result<bool, hansa_kit::Error> {
    let ended = store::delete(transaction, follower, followee).await?;
    if ended {
        let event = FollowDeleted { follower_id: follower, followee_id: followee };
        outbox::write(transaction, now, event).await?;
    }
    Ok(ended)
}

/// Ends all follows by and of somebody whose account is gone, within the transaction of that event.
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
            ended.into_iter().map(|Model { follower_id, followee_id, .. }| FollowDeleted { follower_id, followee_id });
        outbox::write_all(transaction, now, events).await?;
    }
}
