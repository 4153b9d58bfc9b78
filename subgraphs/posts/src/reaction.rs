//! Reactions: what readers think of a post, in one emoji.

use crate::{
    Error, Service,
    domain::{Emoji, Reader, Status},
    entity::{
        post,
        reaction::{ActiveModel, Column, Entity},
    },
    store,
};
use hansa_kit::{Viewer, database};
use sea_orm::{
    ActiveValue::Set,
    ConnectionTrait, DatabaseTransaction, QueryOrder, QuerySelect,
    entity::prelude::*,
    sea_query::{CaseStatement, Expr, ExprTrait, Func, OnConflict},
};
use std::collections::HashMap;

/// Most different emoji that readers may have put to one post.
pub(crate) const MAX_EMOJI: u64 = 20;

/// How many have reacted to a post with one emoji, and whether whoever asks is among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) emoji: String,
    pub(crate) count: i64,
    pub(crate) is_own: bool,
}

/// Puts the viewer's reaction to a published post that they may see; nothing changes when it is there.
pub(crate) async fn add(
    service: &Service,
    viewer: &Viewer,
    post_id: Option<Uuid>,
    emoji: &str,
) -> Result<post::Model, Error> {
    let user_id = viewer.require()?.user_id;
    let emoji = Emoji::parse(emoji).ok_or(Error::Emoji)?.as_str();
    let transaction = database::begin(&service.database).await?;
    let post = find_post(&transaction, user_id, post_id).await?;
    let of_post = || Entity::find().filter(Column::PostId.eq(post.id));
    if of_post().filter(Column::Emoji.eq(emoji)).one(&transaction).await?.is_none() {
        // With the post locked nobody else brings another new one meanwhile.
        store::find_for_change(&transaction, post.id).await?.ok_or(Error::NotFound)?;
        let known = of_post().select_only().column(Column::Emoji).distinct().count(&transaction).await?;
        if known >= MAX_EMOJI {
            return Err(Error::TooManyEmoji);
        }
    }
    let reaction = ActiveModel {
        post_id: Set(post.id),
        emoji: Set(emoji.to_owned()),
        user_id: Set(user_id),
        created_at: Set(service.clock.now()),
    };
    let known = OnConflict::new().do_nothing().to_owned();
    Entity::insert(reaction).on_conflict(known).exec_without_returning(&transaction).await?;
    transaction.commit().await?;
    Ok(post)
}

/// Takes the viewer's reaction to a published post that they may see away; nothing changes when there is none.
pub(crate) async fn remove(
    service: &Service,
    viewer: &Viewer,
    post_id: Option<Uuid>,
    emoji: &str,
) -> Result<post::Model, Error> {
    let user_id = viewer.require()?.user_id;
    let emoji = Emoji::parse(emoji).ok_or(Error::Emoji)?.as_str();
    let transaction = database::begin(&service.database).await?;
    let post = find_post(&transaction, user_id, post_id).await?;
    Entity::delete_by_id((post.id, emoji.to_owned(), user_id)).exec(&transaction).await?;
    transaction.commit().await?;
    Ok(post)
}

async fn find_post(transaction: &DatabaseTransaction, user: Uuid, id: Option<Uuid>) -> Result<post::Model, Error> {
    let post = store::find(transaction, Some(user), id.ok_or(Error::NotFound)?).await?;
    post.filter(|post| post.status == Status::Published).ok_or(Error::NotFound)
}

/// The reactions to each of `posts`, which `reader` may see: the most frequent first.
pub(crate) async fn of_posts(
    service: &Service,
    reader: Reader,
    posts: &[Uuid],
) -> Result<HashMap<Uuid, Vec<Summary>>, Error> {
    let is_own = Expr::col(Column::UserId).eq(reader.unwrap_or_default());
    let own = CaseStatement::new().case(is_own, 1).finally(0);
    let rows: Vec<(Uuid, String, i64, i32)> = Entity::find()
        .select_only()
        .column(Column::PostId)
        .column(Column::Emoji)
        .column_as(Column::UserId.count(), "reactions")
        .column_as(Expr::expr(Func::max(own)), "own")
        .filter(Column::PostId.is_in(posts.iter().copied()))
        .group_by(Column::PostId)
        .group_by(Column::Emoji)
        .order_by_desc(Column::UserId.count())
        .order_by_asc(Column::CreatedAt.min())
        .order_by_asc(Column::Emoji)
        .into_tuple()
        .all(&service.database)
        .await?;
    let mut found: HashMap<Uuid, Vec<Summary>> = HashMap::new();
    for (post, emoji, count, own) in rows {
        found.entry(post).or_default().push(Summary { emoji, count, is_own: own == 1 });
    }
    Ok(found)
}

/// Takes all reactions of a user away, whose account is gone.
pub(crate) async fn erase(transaction: &impl ConnectionTrait, user: Uuid) -> Result<(), hansa_kit::Error> {
    Entity::delete_many().filter(Column::UserId.eq(user)).exec(transaction).await?;
    Ok(())
}
