//! What posts consume.

use crate::{Service, people, service};
use futures::FutureExt;
use hansa_kit::consumer::{self, AfterCommit, AnyEvent, Handler, HandlerError};
use hansa_schema::{
    Event,
    social::{self, BlockCreated, BlockDeleted, FollowCreated, FollowDeleted, FriendshipAccepted, FriendshipEnded},
    users::{self, UserDeleted},
};
use sea_orm::DatabaseTransaction;

/// The topics that posts read.
pub(crate) const TOPICS: &[&str] = &[users::TOPIC, social::TOPIC];

/// Handles the events of [`TOPICS`].
pub(crate) fn handler(service: Service) -> impl Handler + 'static {
    consumer::handler(move |transaction, event| handle(service.clone(), transaction, event).boxed())
}

async fn handle(
    service: Service,
    transaction: &DatabaseTransaction,
    event: AnyEvent,
) -> Result<Option<AfterCommit>, HandlerError> {
    match event.r#type.as_str() {
        UserDeleted::TYPE => {
            let UserDeleted { user_id } = serde_json::from_value(event.data)?;
            service::erase(transaction, user_id, service.clock.now()).await?;
            Ok(Some(Box::new(move || service.outbox.wake())))
        }
        _ => {
            relate(transaction, event).await?;
            Ok(None)
        }
    }
}

/// Remembers what happened between two people.
async fn relate(transaction: &DatabaseTransaction, event: AnyEvent) -> Result<(), HandlerError> {
    match event.r#type.as_str() {
        FollowCreated::TYPE => {
            let FollowCreated { follower_id, followee_id } = serde_json::from_value(event.data)?;
            people::follow(transaction, follower_id, followee_id).await?;
        }
        FollowDeleted::TYPE => {
            let FollowDeleted { follower_id, followee_id } = serde_json::from_value(event.data)?;
            people::unfollow(transaction, follower_id, followee_id).await?;
        }
        FriendshipAccepted::TYPE => {
            let FriendshipAccepted { requester_id, addressee_id, .. } = serde_json::from_value(event.data)?;
            people::befriend(transaction, requester_id, addressee_id).await?;
        }
        FriendshipEnded::TYPE => {
            let FriendshipEnded { requester_id, addressee_id, .. } = serde_json::from_value(event.data)?;
            people::part(transaction, requester_id, addressee_id).await?;
        }
        BlockCreated::TYPE => {
            let BlockCreated { blocker_id, blocked_id } = serde_json::from_value(event.data)?;
            people::block(transaction, blocker_id, blocked_id).await?;
        }
        BlockDeleted::TYPE => {
            let BlockDeleted { blocker_id, blocked_id } = serde_json::from_value(event.data)?;
            people::unblock(transaction, blocker_id, blocked_id).await?;
        }
        _ => {}
    }
    Ok(())
}
