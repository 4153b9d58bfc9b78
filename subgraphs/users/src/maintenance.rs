//! What every replica does from time to time. Each step may run twice at once.

use crate::{Error, Service, keys, session};
use hansa_kit::idempotency;

/// Rotates signing keys and forgets what has expired.
///
/// # Errors
/// When the database fails; the next round may do better.
pub async fn maintain(service: &Service) -> Result<(), Error> {
    let (database, now) = (&service.database, service.clock.now());
    keys::rotate(database, now).await?;
    // A refresh token that was used longer ago than it would have lived is refused anyway.
    session::store::prune(database, now - service.refresh_token_lifetime(), now).await?;
    Ok(idempotency::prune(database, now).await?)
}
