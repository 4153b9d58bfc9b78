//! Revisions: the former texts of published posts.
//!
//! A text is shown to those who may see the post and could see it then: a post that was meant for friends when it said
//! something does not tell it to everybody once it is public.

use crate::{
    Error, Service,
    domain::Reader,
    entity::{
        post,
        revision::{ActiveModel, Column, Entity, Model},
    },
    store,
};
use hansa_kit::{
    filter::SortDirection,
    ids, pages,
    paging::{Position, Slice, keyset},
};
use sea_orm::{
    ActiveValue::Set,
    ConnectionTrait, JoinType, QueryOrder, QuerySelect, QueryTrait,
    entity::prelude::*,
    sea_query::{Expr, ExprTrait},
};
use std::collections::HashMap;

/// How many former texts of a post are kept.
const MAX_REVISIONS: u64 = 100;

/// A page of one post's revisions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RevisionPage {
    pub(crate) reader: Reader,
    pub(crate) post_id: Uuid,
    pub(crate) limit: u64,
    pub(crate) after: Option<Position>,
}

/// Keeps the text that `post`, which is published, is about to lose.
pub(crate) async fn keep(transaction: &impl ConnectionTrait, post: &post::Model) -> Result<(), hansa_kit::Error> {
    let revision = ActiveModel {
        id: Set(ids::new()),
        post_id: Set(post.id),
        body: Set(post.body.clone()),
        visibility: Set(post.visibility),
        edited_at: Set(post.edited_at.or(post.published_at).unwrap_or(post.created_at)),
    };
    Entity::insert(revision).exec_without_returning(transaction).await?;
    let of_post = || Entity::find().filter(Column::PostId.eq(post.id));
    let surplus: Option<Uuid> = of_post()
        .select_only()
        .column(Column::Id)
        .order_by_desc(Column::EditedAt)
        .order_by_desc(Column::Id)
        .offset(MAX_REVISIONS)
        .limit(1)
        .into_tuple()
        .one(transaction)
        .await?;
    if let Some(surplus) = surplus {
        Entity::delete_by_id(surplus).exec(transaction).await?;
    }
    Ok(())
}

/// Where a revision stands among those of its post.
pub(crate) fn position(revision: &Model) -> Position {
    Position { time: revision.edited_at, id: revision.id }
}

/// Many posts' revisions, newest first.
pub(crate) async fn list_of_posts(
    service: &Service,
    wanted: &[RevisionPage],
) -> Result<HashMap<RevisionPage, Slice<Model>>, Error> {
    let queries = wanted.iter().map(|page| {
        let revisions = visible_to(page.reader).filter(Column::PostId.eq(page.post_id));
        let order = [Column::EditedAt, Column::Id];
        keyset(revisions, &order, SortDirection::Desc, page.after.map(Into::into), page.limit).into_query()
    });
    let mut found = pages::read::<Model>(&service.database, queries.enumerate()).await?;
    let slices = wanted.iter().enumerate().map(|(n, page)| {
        let mut revisions = found.remove(&n).unwrap_or_default();
        revisions.sort_by_key(|revision| std::cmp::Reverse(position(revision)));
        (page.clone(), Slice::of(revisions, page.limit))
    });
    Ok(slices.collect())
}

/// How many revisions of each of `posts` `reader` may see; posts without are left out.
pub(crate) async fn count_of_posts(
    service: &Service,
    reader: Reader,
    posts: &[Uuid],
) -> Result<HashMap<Uuid, u64>, Error> {
    let counts: Vec<(Uuid, i64)> = visible_to(reader)
        .select_only()
        .column(Column::PostId)
        .column_as(Column::Id.count(), "revisions")
        .filter(Column::PostId.is_in(posts.iter().copied()))
        .group_by(Column::PostId)
        .into_tuple()
        .all(&service.database)
        .await?;
    Ok(counts.into_iter().map(|(post, count)| (post, u64::try_from(count).unwrap_or(0))).collect())
}

fn visible_to(reader: Reader) -> Select<Entity> {
    let of_post = Expr::col((post::Entity, post::Column::Id)).equals((Entity, Column::PostId));
    let mut revisions = Entity::find();
    QuerySelect::query(&mut revisions).join(JoinType::InnerJoin, post::Entity, of_post);
    revisions.filter(store::visible_to(reader)).filter(store::may_read(reader, Column::Visibility))
}
