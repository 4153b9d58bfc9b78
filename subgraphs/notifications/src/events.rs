//! What notifications consume.

use crate::{
    Service,
    domain::{Kind, NewNotification},
    service,
    texts::{self, Language},
};
use futures::FutureExt;
use hansa_kit::consumer::{self, AfterCommit, AnyEvent, Handler, HandlerError};
use hansa_schema::{
    Event,
    users::{self, AccountRegistered, UserDeleted},
};
use sea_orm::DatabaseTransaction;

/// The topics that notifications read.
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
            let AccountRegistered { user_id, display_name, locale, .. } = serde_json::from_value(event.data)?;
            let text = texts::welcome(Language::of(&locale), &display_name);
            let new = NewNotification { recipient_id: user_id, kind: Kind::Welcome, text, actor_id: None };
            service::notify(transaction, service.clock.now(), new).await?;
            Ok(Some(Box::new(move || service.announce(user_id))))
        }
        UserDeleted::TYPE => {
            let UserDeleted { user_id } = serde_json::from_value(event.data)?;
            service::erase(transaction, user_id).await?;
            Ok(Some(Box::new(move || service.announce(user_id))))
        }
        _ => Ok(None),
    }
}
