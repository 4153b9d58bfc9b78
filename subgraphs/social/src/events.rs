//! What social consumes.

use crate::{Service, block, conversation, follow, friendship, person, presence};
use futures::FutureExt;
use hansa_kit::consumer::{self, AfterCommit, AnyEvent, Handler, HandlerError};
use hansa_schema::{
    Event,
    users::{self, AccountRegistered, UserDeleted},
};
use sea_orm::DatabaseTransaction;

/// The topics that social reads.
pub(crate) const TOPICS: &[&str] = &[users::TOPIC];

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
        AccountRegistered::TYPE => {
            let AccountRegistered { user_id, .. } = serde_json::from_value(event.data)?;
            person::remember(transaction, user_id).await?;
            Ok(None)
        }
        UserDeleted::TYPE => {
            let UserDeleted { user_id } = serde_json::from_value(event.data)?;
            let now = service.clock.now();
            person::forget(transaction, user_id, now).await?;
            friendship::service::erase(transaction, user_id, now).await?;
            follow::service::erase(transaction, user_id, now).await?;
            block::service::erase(transaction, user_id, now).await?;
            conversation::service::erase(transaction, user_id, now).await?;
            presence::store::erase(transaction, user_id).await?;
            Ok(Some(Box::new(move || service.outbox.wake())))
        }
        _ => Ok(None),
    }
}
