//! What can be done with posts: each change and its event in one transaction.

use crate::{
    Error,
    domain::Body,
    entity::post::Model,
    store::{self, Expected},
};
use chrono::{DateTime, Utc};
use hansa_kit::{
    Clock, database,
    idempotency::{self, Claim},
    ids,
    outbox::{self, Outbox},
    viewer::Identity,
};
use hansa_schema::posts::{PostCreated, PostDeleted, PostUpdated};
use sea_orm::{DatabaseConnection, DatabaseTransaction};
use serde::Serialize;
use uuid::Uuid;

/// What posts work with.
#[derive(Clone, Debug)]
pub struct Service {
    pub(crate) database: DatabaseConnection,
    pub(crate) clock: Clock,
    pub(crate) outbox: Outbox,
}

impl Service {
    /// The service on its opened and migrated database.
    pub fn new(database: DatabaseConnection, clock: Clock) -> Self {
        Self { database, clock, outbox: Outbox::default() }
    }
}

/// A post to be made.
#[derive(Debug, Serialize)]
pub(crate) struct NewPost {
    pub(crate) body: String,
    #[serde(skip)]
    pub(crate) idempotency_key: Option<String>,
}

/// Publishes a post; once for one idempotency key.
pub(crate) async fn create(service: &Service, author: &Identity, new: NewPost) -> Result<Model, Error> {
    let body = Body::parse(&new.body)?;
    let (id, now) = (ids::new(), service.clock.now());
    let transaction = database::begin(&service.database).await?;
    if let Some(key) = &new.idempotency_key {
        match claim(&transaction, author, key, &new, id, now).await? {
            Claim::Fresh => {}
            Claim::Replay(known) => return store::find(&transaction, known).await?.ok_or(Error::KeySpent),
            Claim::Reused => return Err(Error::KeyReused),
        }
    }
    let post = store::insert(&transaction, id, author.user_id, &body, now).await?;
    outbox::write(&transaction, now, PostCreated { post_id: id, author_id: author.user_id }).await?;
    transaction.commit().await?;
    service.outbox.wake();
    Ok(post)
}

async fn claim(
    transaction: &DatabaseTransaction,
    author: &Identity,
    key: &str,
    new: &NewPost,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<Claim, Error> {
    if key.is_empty() || key.chars().count() > idempotency::MAX_KEY_LENGTH || key.contains('\0') {
        return Err(Error::KeyInvalid);
    }
    let scope = format!("{}:postCreate", author.user_id);
    Ok(idempotency::claim(transaction, &scope, key, new, id, now).await?)
}

/// Gives one's own post another text, if it is as `expected`.
pub(crate) async fn update(
    service: &Service,
    author: &Identity,
    id: Uuid,
    body: &str,
    expected: Expected,
) -> Result<Model, Error> {
    let body = Body::parse(body)?;
    let now = service.clock.now();
    let transaction = database::begin(&service.database).await?;
    let Some(post) = store::update_body(&transaction, id, author.user_id, &body, expected, now).await? else {
        return Err(why_not(&transaction, author, id).await?);
    };
    outbox::write(&transaction, now, PostUpdated { post_id: id, author_id: author.user_id }).await?;
    transaction.commit().await?;
    service.outbox.wake();
    Ok(post)
}

/// Deletes one's own post.
pub(crate) async fn delete(service: &Service, author: &Identity, id: Uuid) -> Result<(), Error> {
    let transaction = database::begin(&service.database).await?;
    if !store::delete(&transaction, id, author.user_id).await? {
        return Err(why_not(&transaction, author, id).await?);
    }
    let event = PostDeleted { post_id: id, author_id: author.user_id };
    outbox::write(&transaction, service.clock.now(), event).await?;
    transaction.commit().await?;
    service.outbox.wake();
    Ok(())
}

/// Why a conditional change of the post found nothing to change.
async fn why_not(transaction: &DatabaseTransaction, author: &Identity, id: Uuid) -> Result<Error, Error> {
    Ok(match store::find(transaction, id).await? {
        None => Error::NotFound,
        Some(post) if post.author_id != author.user_id => Error::NotAuthor,
        Some(_) => Error::Stale,
    })
}

/// Deletes all posts of an author whose account is gone, within the transaction of that event.
pub(crate) async fn delete_of_author(
    transaction: &DatabaseTransaction,
    author_id: Uuid,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    loop {
        let deleted = store::delete_some(transaction, author_id).await?;
        if deleted.is_empty() {
            return Ok(());
        }
        for post_id in deleted {
            outbox::write(transaction, now, PostDeleted { post_id, author_id }).await?;
        }
    }
}
