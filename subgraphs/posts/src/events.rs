//! What posts consume.

use crate::{Service, service};
use futures::FutureExt;
use hansa_kit::consumer::{self, AfterCommit, AnyEvent, Handler, HandlerError};
use hansa_schema::{
    Event,
    users::{self, UserDeleted},
};
use sea_orm::DatabaseTransaction;

/// The topics that posts read.
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
        UserDeleted::TYPE => {
            let UserDeleted { user_id } = serde_json::from_value(event.data)?;
            service::delete_of_author(transaction, user_id, service.clock.now()).await?;
            Ok(Some(Box::new(move || service.outbox.wake())))
        }
        _ => Ok(None),
    }
}
