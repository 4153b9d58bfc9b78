//! What the mailer consumes: mail commands, each queued once.

use crate::{delivery, sender::Queued};
use futures::FutureExt;
use hansa_kit::{
    Clock,
    consumer::{AfterCommit, Handler, HandlerError},
};
use hansa_schema::{Event, mail::MailRequested};

/// Queues every command. Message-IDs end in `domain`.
pub(crate) fn handler(clock: Clock, domain: String, queued: Queued) -> impl Handler + 'static {
    hansa_kit::consumer::handler(move |transaction, event| {
        let (clock, domain, queued) = (clock.clone(), domain.clone(), queued.clone());
        async move {
            if event.r#type != MailRequested::TYPE {
                return Ok(None);
            }
            let command: MailRequested = serde_json::from_value(event.data)?;
            delivery::enqueue(transaction, event.id, &domain, &command, clock.now()).await.map_err(
                |error| match error {
                    crate::Error::Kit(error) => HandlerError::Retry(error),
                    error => HandlerError::Poison(error.to_string()),
                },
            )?;
            Ok(Some(Box::new(move || queued.wake()) as AfterCommit))
        }
        .boxed()
    })
}
