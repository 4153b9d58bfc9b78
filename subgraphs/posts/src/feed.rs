//! The feed: what those have published whom somebody follows or is friends with, newest first.
//!
//! It is read, not written: a post is one row, however many follow its author, and what its visibility, a block or an
//! unfollow changes, changes at once. There are two ways to a page. Who follows many finds it among the newest posts of all.
//! Otherwise each author's newest post says who can be on the page, and the page is merged of theirs; the cost is an
//! index probe for each author.

use crate::{
    Error, Service,
    domain::{Sort, SortField},
    entity::{
        follow,
        post::{Column, Entity, Model},
    },
    people,
    store::{self, AuthorPage},
};
use hansa_kit::{
    Viewer,
    filter::SortDirection,
    paging::{Page, Position, Slice},
};
use sea_orm::{
    ConnectionTrait, FromQueryResult, JoinType, Order, QuerySelect, QueryTrait,
    entity::prelude::*,
    sea_query::{Alias, Asterisk, Condition, Expr, ExprTrait, Query, SubQueryStatement, UnionType},
};

/// The order of feeds.
pub(crate) const ORDER: Sort = Sort { field: SortField::PublishedAt, direction: SortDirection::Desc };
/// Who follows more than these finds the page among the newest posts of all, if it is there.
const FEW: u64 = 300;
/// How many of the newest posts of all are looked through.
const WINDOW: u64 = 5_000;

/// A page of the viewer's feed.
pub(crate) async fn list(service: &Service, viewer: &Viewer, page: &Page<Position>) -> Result<Slice<Model>, Error> {
    let (reader, database) = (viewer.require()?.user_id, &service.database);
    if people::count_followed(database, reader, FEW + 1).await? > FEW {
        let posts = among_newest(database, reader, page).await?;
        if posts.len() as u64 > page.limit {
            return Ok(Slice::of(posts, page.limit));
        }
    }
    let authors = newest_authors(database, reader, page).await?;
    let of_author =
        |author_id| AuthorPage { reader: Some(reader), author_id, sort: ORDER, limit: page.limit, after: page.after };
    let pages: Vec<_> = authors.into_iter().map(of_author).collect();
    let (mut posts, mut has_next) = (Vec::new(), false);
    for slice in store::list_of_authors(database, &pages).await?.into_values() {
        posts.extend(slice.items);
        has_next |= slice.has_next;
    }
    posts.sort_by_key(|post| std::cmp::Reverse(ORDER.position(post)));
    let merged = Slice::of(posts, page.limit);
    Ok(Slice { has_next: has_next || merged.has_next, ..merged })
}

/// Those of the newest posts of all that are in the reader's feed: a page and one more, if they are that many.
async fn among_newest(
    database: &impl ConnectionTrait,
    reader: Uuid,
    page: &Page<Position>,
) -> Result<Vec<Model>, hansa_kit::Error> {
    let published = Entity::find().filter(Column::PublishedAt.is_not_null());
    let newest = store::sorted(published, ORDER, page.after, WINDOW).into_query();
    let is_followed = Condition::any()
        .add(people::follows(reader, Column::AuthorId))
        .add(people::is_friend(reader, Column::AuthorId));
    let query = Query::select()
        .column(Asterisk)
        .from_subquery(newest, Entity)
        .cond_where(is_followed)
        .cond_where(store::visible_to(Some(reader)))
        .order_by((Entity, Column::PublishedAt), Order::Desc)
        .order_by((Entity, Column::Id), Order::Desc)
        .limit(page.limit + 1)
        .to_owned();
    let rows = database.query_all(&query).await?;
    Ok(rows.iter().map(|row| Model::from_query_result(row, "")).collect::<Result<_, _>>()?)
}

/// Whose posts the page is made of: the authors of the newest posts, of each of whom only the newest is looked at. It takes
/// no more of them than posts are on a page and one, for each has one at least.
async fn newest_authors(
    database: &impl ConnectionTrait,
    reader: Uuid,
    page: &Page<Position>,
) -> Result<Vec<Uuid>, hansa_kit::Error> {
    let (author, id, newest) = (Alias::new("author"), Alias::new("id"), Alias::new("newest"));
    let authors = Query::select()
        .expr_as(Expr::col((follow::Entity, follow::Column::FolloweeId)), id.clone())
        .from(follow::Entity)
        .and_where(follow::Column::FollowerId.eq(reader))
        .union(UnionType::Distinct, people::friends_of(reader))
        .to_owned();
    let listed = Entity::find().filter(store::listed_to(Some(reader)));
    let of_author = Expr::col((Entity, Column::AuthorId)).equals((author.clone(), id));
    let newest_of_author =
        store::sorted(listed, ORDER, page.after, 0).filter(of_author).select_only().column(Column::Id).into_query();
    let newest_of_all = Query::select()
        .expr_as(SubQueryStatement::SelectStatement(newest_of_author), newest.clone())
        .from_subquery(authors, author)
        // Without a limit Postgres joins by a hash of all posts, as though the few were many.
        .limit(i32::MAX.unsigned_abs().into())
        .to_owned();
    let is_newest = Expr::col((Entity, Column::Id)).equals((newest.clone(), newest.clone()));
    let query = Query::select()
        .column((Entity, Column::AuthorId))
        .from_subquery(newest_of_all, newest)
        .join(JoinType::InnerJoin, Entity, is_newest)
        .order_by((Entity, Column::PublishedAt), Order::Desc)
        .order_by((Entity, Column::Id), Order::Desc)
        .limit(page.limit + 1)
        .to_owned();
    let rows = database.query_all(&query).await?;
    Ok(rows.iter().map(|row| row.try_get("", "author_id")).collect::<Result<_, _>>()?)
}
