//! What can be done with posts, and who may do it: each change and its event in one transaction.
//!
//! Reads hand the store whoever reads: it finds what they may see, and nothing else.

use crate::{
    Error, NAME,
    domain::{Body, Filter, Reader, Sort, Visibility},
    entity::post::Model,
    people, search,
    store::{self, AuthorPage, Expected},
};
use chrono::{DateTime, Utc};
use hansa_kit::{
    Clock, Viewer, database,
    idempotency::{self, Claim, KeyError},
    ids,
    outbox::{self, Outbox},
    paging::{Page, Position, Slice},
    viewer::Identity,
};
use hansa_schema::posts::{PostCreated, PostDeleted, PostUpdated};
use sea_orm::{DatabaseConnection, DatabaseTransaction};
use serde::Serialize;
use std::collections::HashMap;
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
        Self { database, clock, outbox: Outbox::new(NAME) }
    }
}

/// Those of the posts `ids` that `reader` may see, by their ids.
pub(crate) async fn find_many(service: &Service, reader: Reader, ids: &[Uuid]) -> Result<HashMap<Uuid, Model>, Error> {
    Ok(store::find_many(&service.database, reader, ids).await?)
}

/// A page of the posts that match `filter`, as the viewer may see them.
pub(crate) async fn list(
    service: &Service,
    viewer: &Viewer,
    filter: &Filter,
    sort: Sort,
    page: &Page<Position>,
) -> Result<Slice<Model>, Error> {
    Ok(store::list(&service.database, viewer.user_id(), filter, sort, page).await?)
}

/// How many posts match `filter`, as the viewer may see them.
pub(crate) async fn count(service: &Service, viewer: &Viewer, filter: &Filter) -> Result<u64, Error> {
    Ok(store::count(&service.database, viewer.user_id(), filter).await?)
}

/// Many authors' pages.
pub(crate) async fn list_of_authors(
    service: &Service,
    pages: &[AuthorPage],
) -> Result<HashMap<AuthorPage, Slice<Model>>, Error> {
    Ok(store::list_of_authors(&service.database, pages).await?)
}

/// How many posts of each of `authors` are listed to `reader`; those without are left out.
pub(crate) async fn count_of_authors(
    service: &Service,
    reader: Reader,
    authors: &[Uuid],
) -> Result<HashMap<Uuid, u64>, Error> {
    Ok(store::count_of_authors(&service.database, reader, authors).await?)
}

/// A post to be made.
#[derive(Debug, Serialize)]
pub(crate) struct NewPost {
    pub(crate) body: String,
    pub(crate) visibility: Visibility,
    #[serde(skip)]
    pub(crate) idempotency_key: Option<String>,
}

/// Publishes a post of the viewer; once for one idempotency key.
pub(crate) async fn create(service: &Service, viewer: &Viewer, new: NewPost) -> Result<Model, Error> {
    let author = viewer.require()?;
    let body = Body::parse(&new.body)?;
    let (id, now) = (ids::new(), service.clock.now());
    let transaction = database::begin(&service.database).await?;
    if let Some(key) = &new.idempotency_key {
        match claim(&transaction, author, key, &new, id, now).await? {
            Claim::Fresh => {}
            Claim::Replay(known) => return store::find(&transaction, known).await?.ok_or(Error::KeySpent),
            Claim::Reused => return Err(KeyError::Reused.into()),
        }
    }
    let post = store::insert(&transaction, id, author.user_id, &body, new.visibility, now).await?;
    search::index(&transaction, &post).await?;
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
    idempotency::check_key(key)?;
    let scope = format!("{}:postCreate", author.user_id);
    Ok(idempotency::claim(transaction, &scope, key, new, id, now).await?)
}

/// Gives one's own post another text, if it is as `expected`.
pub(crate) async fn update(
    service: &Service,
    viewer: &Viewer,
    id: Option<Uuid>,
    body: &str,
    expected: Expected,
) -> Result<Model, Error> {
    let author = viewer.require()?;
    let id = id.ok_or(Error::NotFound)?;
    let body = Body::parse(body)?;
    let now = service.clock.now();
    let transaction = database::begin(&service.database).await?;
    let Some(post) = store::update_body(&transaction, id, author.user_id, &body, expected, now).await? else {
        return Err(why_not(&transaction, author, id).await?);
    };
    search::index(&transaction, &post).await?;
    outbox::write(&transaction, now, PostUpdated { post_id: id, author_id: author.user_id }).await?;
    transaction.commit().await?;
    service.outbox.wake();
    Ok(post)
}

/// Deletes one's own post.
pub(crate) async fn delete(service: &Service, viewer: &Viewer, id: Option<Uuid>) -> Result<(), Error> {
    let author = viewer.require()?;
    let id = id.ok_or(Error::NotFound)?;
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

/// Erases all of a user whose account is gone, within the transaction of that event.
pub(crate) async fn erase(
    transaction: &DatabaseTransaction,
    user: Uuid,
    now: DateTime<Utc>,
) -> Result<(), hansa_kit::Error> {
    people::erase(transaction, user, now).await?;
    delete_of_author(transaction, user, now).await
}

async fn delete_of_author(
    transaction: &DatabaseTransaction,
    author_id: Uuid,
    now: DateTime<Utc>,
) -> Result<(), hansa_kit::Error> {
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
