//! Scheduled publication: what was to be published by now is, in its order and once, whichever replica does it.

use crate::{Service, service, store};
use hansa_kit::{Error, database};
use std::time::Duration;

/// How often it is looked for what is due: no post is published later than this, but for the work itself.
pub(crate) const EVERY: Duration = Duration::from_secs(1);
/// Most posts that one transaction publishes.
const BATCH: u64 = 100;

/// Publishes every post that is due.
pub(crate) async fn publish_due(service: Service) -> Result<(), Error> {
    while publish_batch(&service).await? == BATCH {}
    Ok(())
}

async fn publish_batch(service: &Service) -> Result<u64, Error> {
    let now = service.clock.now();
    let due = store::due(&service.database, now, BATCH).await?;
    if due.is_empty() {
        return Ok(0);
    }
    let transaction = database::begin(&service.database).await?;
    for id in &due {
        // Another replica, or the author, may have been quicker.
        if let Some(post) = store::publish_if_due(&transaction, *id, now).await? {
            service::tell_published(&transaction, &post, now).await?;
        }
    }
    transaction.commit().await?;
    service.outbox.wake();
    Ok(due.len() as u64)
}
