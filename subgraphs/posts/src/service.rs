//! What can be done with posts, and who may do it: each change and its event in one transaction.
//!
//! Reads hand the store whoever reads: it finds what they may see, and nothing else.

use crate::{
    Error, NAME,
    domain::{Body, Filter, Reader, Sort, Stage, Status, Visibility},
    entity::post::Model,
    live::{self, News},
    people, reaction, revision, search,
    store::{self, AuthorPage},
};
use async_graphql::MaybeUndefined;
use chrono::{DateTime, Utc};
use hansa_kit::{
    Clock, Viewer, database,
    idempotency::{self, Claim, KeyError},
    ids,
    outbox::{self, Outbox},
    paging::{Page, Position, Slice},
    signals::Signals,
    viewer::Identity,
};
use hansa_schema::posts::{PostDeleted, PostPublished, PostUpdated};
use sea_orm::{DatabaseConnection, DatabaseTransaction};
use serde::Serialize;
use std::{collections::HashMap, slice};
use uuid::Uuid;

/// How long after an account's end it is looked for what came in between.
const ERASE_AGAIN: chrono::Duration = chrono::Duration::hours(3);

/// What posts work with.
#[derive(Clone, Debug)]
pub struct Service {
    pub(crate) database: DatabaseConnection,
    pub(crate) signals: Signals,
    pub(crate) clock: Clock,
    pub(crate) outbox: Outbox,
}

impl Service {
    /// The service on its opened and migrated database.
    pub fn new(database: DatabaseConnection, signals: Signals, clock: Clock) -> Self {
        Self { database, signals, clock, outbox: Outbox::new(NAME) }
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

/// A page of the viewer's drafts and scheduled posts.
pub(crate) async fn drafts(service: &Service, viewer: &Viewer, page: &Page<Position>) -> Result<Slice<Model>, Error> {
    Ok(store::drafts(&service.database, viewer.require()?.user_id, page).await?)
}

/// How many drafts and scheduled posts the viewer has.
pub(crate) async fn count_drafts(service: &Service, viewer: &Viewer) -> Result<u64, Error> {
    Ok(store::count_drafts(&service.database, viewer.require()?.user_id).await?)
}

/// A post to be made.
#[derive(Debug, Serialize)]
pub(crate) struct NewPost {
    pub(crate) body: String,
    pub(crate) visibility: Visibility,
    pub(crate) is_draft: bool,
    pub(crate) publish_at: Option<DateTime<Utc>>,
    #[serde(skip)]
    pub(crate) idempotency_key: Option<String>,
}

/// Makes a post of the viewer; once for one idempotency key.
pub(crate) async fn create(service: &Service, viewer: &Viewer, new: NewPost) -> Result<Model, Error> {
    let author = viewer.require()?;
    let body = Body::parse(&new.body)?;
    let (id, now) = (ids::new(), service.clock.now());
    let stage = Stage::of_new(new.is_draft, new.publish_at, now)?;
    let transaction = database::begin(&service.database).await?;
    if let Some(key) = &new.idempotency_key {
        match claim(&transaction, author, key, &new, id, now).await? {
            Claim::Fresh => {}
            Claim::Replay(known) => {
                return store::find(&transaction, Some(author.user_id), known).await?.ok_or(Error::KeySpent);
            }
            Claim::Reused => return Err(KeyError::Reused.into()),
        }
    }
    let mut post = Model {
        id,
        author_id: author.user_id,
        body: body.into_string(),
        created_at: now,
        edited_at: None,
        changed_at: now,
        status: Status::Draft,
        visibility: new.visibility,
        published_at: None,
        publish_at: None,
        hidden_reason: None,
    };
    post.enter(stage, now);
    let post = store::insert(&transaction, post).await?;
    search::index(&transaction, slice::from_ref(&post)).await?;
    if stage == Stage::Published {
        tell_published(&transaction, &post, now).await?;
    }
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

/// Tells everybody that a post is published, within the transaction of that.
pub(crate) async fn tell_published(
    transaction: &DatabaseTransaction,
    post: &Model,
    now: DateTime<Utc>,
) -> Result<(), hansa_kit::Error> {
    outbox::write(transaction, now, PostPublished { post_id: post.id, author_id: post.author_id }).await?;
    live::announce(transaction, post, News::Published, post.visibility, now).await
}

/// Which edit of a post a change builds on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Whichever.
    Any,
    /// The one of this time; `None` is a post that was never edited.
    EditedAt(Option<DateTime<Utc>>),
}

/// What is to be changed of a post; what is left out stays.
#[derive(Clone, Debug)]
pub(crate) struct Changes {
    pub(crate) body: Option<String>,
    pub(crate) visibility: Option<Visibility>,
    pub(crate) is_draft: Option<bool>,
    pub(crate) publish_at: MaybeUndefined<DateTime<Utc>>,
    pub(crate) expected: Expected,
}

/// Changes one's own post, if it is as expected.
pub(crate) async fn update(
    service: &Service,
    viewer: &Viewer,
    id: Option<Uuid>,
    changes: Changes,
) -> Result<Model, Error> {
    let author = viewer.require()?;
    let body = changes.body.as_deref().map(Body::parse).transpose()?;
    let now = service.clock.now();
    let transaction = database::begin(&service.database).await?;
    let before = find_own(&transaction, author, id).await?;
    if let Expected::EditedAt(time) = changes.expected
        && time != before.edited_at
    {
        return Err(Error::Stale);
    }
    let mut post = before.clone();
    if let Some(body) = body.filter(|body| body.as_str() != before.body) {
        if before.published_at.is_some() {
            revision::keep(&transaction, &before).await?;
        }
        post.body = body.into_string();
        post.edited_at = Some(now);
    }
    post.visibility = changes.visibility.unwrap_or(before.visibility);
    post.enter(before.stage().changed(changes.is_draft, changes.publish_at, now)?, now);
    if post == before {
        return Ok(before);
    }
    let post = store::update(&transaction, post).await?;
    if post.body != before.body {
        search::index(&transaction, slice::from_ref(&post)).await?;
    }
    tell_changed(&transaction, &before, &post, now).await?;
    transaction.commit().await?;
    service.outbox.wake();
    Ok(post)
}

/// Tells those whom it concerns how a post has changed; nobody as long as its author alone sees it.
async fn tell_changed(
    transaction: &DatabaseTransaction,
    before: &Model,
    post: &Model,
    now: DateTime<Utc>,
) -> Result<(), hansa_kit::Error> {
    if post.status != Status::Published {
        return Ok(());
    }
    if before.status != Status::Published {
        return tell_published(transaction, post, now).await;
    }
    outbox::write(transaction, now, PostUpdated { post_id: post.id, author_id: post.author_id }).await?;
    // Those who lose sight of it are told as well.
    live::announce(transaction, post, News::Changed, before.visibility.max(post.visibility), now).await
}

/// Deletes one's own post.
pub(crate) async fn delete(service: &Service, viewer: &Viewer, id: Option<Uuid>) -> Result<(), Error> {
    let (author, now) = (viewer.require()?, service.clock.now());
    let transaction = database::begin(&service.database).await?;
    let post = find_own(&transaction, author, id).await?;
    store::delete(&transaction, post.id).await?;
    if post.published_at.is_some() {
        outbox::write(&transaction, now, PostDeleted { post_id: post.id, author_id: post.author_id }).await?;
        live::announce(&transaction, &post, News::Changed, post.visibility, now).await?;
    }
    transaction.commit().await?;
    service.outbox.wake();
    Ok(())
}

/// The author's own post, which nobody else changes before the transaction ends. That there is a post of somebody else is
/// only told to those who may see it.
async fn find_own(transaction: &DatabaseTransaction, author: &Identity, id: Option<Uuid>) -> Result<Model, Error> {
    let post = store::find_for_change(transaction, id.ok_or(Error::NotFound)?).await?.ok_or(Error::NotFound)?;
    if post.author_id == author.user_id {
        return Ok(post);
    }
    let visible = store::find(transaction, Some(author.user_id), post.id).await?;
    Err(if visible.is_some() { Error::NotAuthor } else { Error::NotFound })
}

/// Erases all of a user whose account is gone, within the transaction of that event.
pub(crate) async fn erase(
    transaction: &DatabaseTransaction,
    user: Uuid,
    now: DateTime<Utc>,
) -> Result<(), hansa_kit::Error> {
    people::erase(transaction, user, now).await?;
    reaction::erase(transaction, user).await?;
    live::erase(transaction, user).await?;
    delete_of_author(transaction, user, now).await
}

/// Erases what came in between while somebody was erased: a request that had begun before, an event of another partition.
pub(crate) async fn erase_again(service: &Service) -> Result<(), hansa_kit::Error> {
    let now = service.clock.now();
    for user in people::erased_since(&service.database, now - ERASE_AGAIN).await? {
        let transaction = database::begin(&service.database).await?;
        erase(&transaction, user, now).await?;
        transaction.commit().await?;
    }
    Ok(())
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
