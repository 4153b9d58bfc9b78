//! What the mailer consumes: mail commands, each queued once, and the deletion of users.

use crate::{delivery, retention, sender::Queued};
use futures::FutureExt;
use hansa_kit::{
    Clock,
    consumer::{self, AfterCommit, AnyEvent, Handler, HandlerError},
};
use hansa_schema::{
    Event,
    mail::{self, MailRequested},
    users::{self, UserDeleted},
};
use sea_orm::DatabaseTransaction;

/// The topics that the mailer reads.
pub(crate) const TOPICS: &[&str] = &[mail::TOPIC, users::TOPIC];

/// Handles the events of [`TOPICS`]. Message-IDs end in `domain`.
pub(crate) fn handler(clock: Clock, domain: String, queued: Queued) -> impl Handler + 'static {
    consumer::handler(move |transaction, event| {
        handle(clock.clone(), domain.clone(), queued.clone(), transaction, event).boxed()
    })
}

async fn handle(
    clock: Clock,
    domain: String,
    queued: Queued,
    transaction: &DatabaseTransaction,
    event: AnyEvent,
) -> Result<Option<AfterCommit>, HandlerError> {
    let now = clock.now();
    match event.r#type.as_str() {
        MailRequested::TYPE => {
            let command: MailRequested = read(event.data)?;
            delivery::enqueue(transaction, event.id, &domain, &command, now).await?;
            retention::erase_if_deleted(transaction, command.recipient_id, now).await?;
            Ok(Some(Box::new(move || queued.wake())))
        }
        UserDeleted::TYPE => {
            let UserDeleted { user_id } = read(event.data)?;
            retention::delete_user(transaction, user_id, now).await?;
            Ok(None)
        }
        _ => Ok(None),
    }
}

/// An event's data. The parser's own words may quote it, and reasons are logged: the dead letter holds the whole.
fn read<T: serde::de::DeserializeOwned>(data: serde_json::Value) -> Result<T, HandlerError> {
    serde_json::from_value(data).map_err(|_| HandlerError::Poison("its data is not that of its type".into()))
}

impl From<crate::Error> for HandlerError {
    fn from(error: crate::Error) -> Self {
        match error {
            crate::Error::Kit(error) => Self::Retry(error),
            error => Self::Poison(error.to_string()),
        }
    }
}
