//! Moderation: what those with the scope `admin` or `staff` may do with posts of others.

use crate::{
    Error, Service,
    domain::{Reason, Status},
    entity::post::Model,
    live::{self, News},
    store,
};
use hansa_kit::{Viewer, database, outbox};
use hansa_schema::posts::{PostHidden, PostUnhidden};
use sea_orm::{DatabaseTransaction, entity::prelude::*};

const MODERATORS: &[&str] = &["admin", "staff"];

/// Takes a published post down: its author alone sees it from now on, and why.
pub(crate) async fn hide(service: &Service, viewer: &Viewer, id: Option<Uuid>, reason: &str) -> Result<Model, Error> {
    let moderator_id = viewer.require_any_scope(MODERATORS)?.user_id;
    let reason = Reason::parse(reason)?.into_string();
    let now = service.clock.now();
    let transaction = database::begin(&service.database).await?;
    let mut post = find(&transaction, id, Status::Published).await?;
    post.status = Status::Hidden;
    post.hidden_reason = Some(reason.clone());
    let post = store::update(&transaction, post).await?;
    let event = PostHidden { post_id: post.id, author_id: post.author_id, moderator_id, reason };
    outbox::write(&transaction, now, event).await?;
    live::announce(&transaction, &post, News::Changed, post.visibility, now).await?;
    transaction.commit().await?;
    service.outbox.wake();
    Ok(post)
}

/// Brings a post back that was taken down.
pub(crate) async fn unhide(service: &Service, viewer: &Viewer, id: Option<Uuid>) -> Result<Model, Error> {
    let moderator_id = viewer.require_any_scope(MODERATORS)?.user_id;
    let now = service.clock.now();
    let transaction = database::begin(&service.database).await?;
    let mut post = find(&transaction, id, Status::Hidden).await?;
    post.status = Status::Published;
    post.hidden_reason = None;
    let post = store::update(&transaction, post).await?;
    outbox::write(&transaction, now, PostUnhidden { post_id: post.id, author_id: post.author_id, moderator_id })
        .await?;
    live::announce(&transaction, &post, News::Changed, post.visibility, now).await?;
    transaction.commit().await?;
    service.outbox.wake();
    Ok(post)
}

/// A post that has been published, whoever may see it, if its status is `expected`. Of others moderators learn nothing.
async fn find(transaction: &DatabaseTransaction, id: Option<Uuid>, expected: Status) -> Result<Model, Error> {
    let post = store::find_for_change(transaction, id.ok_or(Error::NotFound)?).await?;
    let post = post.filter(|post| post.published_at.is_some()).ok_or(Error::NotFound)?;
    if post.status == expected { Ok(post) } else { Err(Error::Moderated) }
}
