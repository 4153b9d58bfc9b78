//! Every query of posts.

use crate::{
    domain::{Body, Filter, Sort, SortField},
    entity::post::{ActiveModel, Column, Entity, Model},
};
use chrono::{DateTime, Utc};
use hansa_kit::{
    Error,
    filter::{DateTimeRange, SortDirection},
    paging::{Page, Position, Slice, keyset},
};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ConnectionTrait, FromQueryResult, QuerySelect, QueryTrait,
    entity::prelude::*,
    sea_query::{Alias, Asterisk, Expr, Query, SelectStatement, UnionType},
};
use std::collections::HashMap;

/// Posts that are read or deleted by one statement, at most.
const BATCH: u64 = 500;

/// A page of one author's posts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AuthorPage {
    pub(crate) author_id: Uuid,
    pub(crate) sort: Sort,
    pub(crate) limit: u64,
    pub(crate) after: Option<Position>,
}

impl Sort {
    fn column(self) -> Column {
        match self.field {
            SortField::CreatedAt => Column::CreatedAt,
            SortField::EditedAt => Column::ChangedAt,
        }
    }

    /// Where `post` stands in this order.
    pub(crate) fn position(self, post: &Model) -> Position {
        let time = match self.field {
            SortField::CreatedAt => post.created_at,
            SortField::EditedAt => post.changed_at,
        };
        Position { time, id: post.id }
    }
}

/// The post `id`.
pub(crate) async fn find(database: &impl ConnectionTrait, id: Uuid) -> Result<Option<Model>, Error> {
    Ok(Entity::find_by_id(id).one(database).await?)
}

/// Those of the posts `ids` that exist, by their ids.
pub(crate) async fn find_many(database: &impl ConnectionTrait, ids: &[Uuid]) -> Result<HashMap<Uuid, Model>, Error> {
    let posts = Entity::find().filter(Column::Id.is_in(ids.iter().copied())).all(database).await?;
    Ok(posts.into_iter().map(|post| (post.id, post)).collect())
}

/// A page of the posts that match `filter`.
pub(crate) async fn list(
    database: &impl ConnectionTrait,
    filter: &Filter,
    sort: Sort,
    page: &Page<Position>,
) -> Result<Slice<Model>, Error> {
    let posts = sorted(matching(filter), sort, page.after, page.limit).all(database).await?;
    Ok(Slice::of(posts, page.limit))
}

/// How many posts match `filter`.
pub(crate) async fn count(database: &impl ConnectionTrait, filter: &Filter) -> Result<u64, Error> {
    Ok(matching(filter).count(database).await?)
}

/// Many authors' pages, by one statement: a union of their queries, each of which reads no more than its page from the
/// index.
pub(crate) async fn list_of_authors(
    database: &impl ConnectionTrait,
    pages: &[AuthorPage],
) -> Result<HashMap<AuthorPage, Slice<Model>>, Error> {
    let branches = (0_i32..).zip(pages).map(|(branch, page)| {
        let filter = Filter { author_id: Some(page.author_id), ..Filter::default() };
        let posts = sorted(matching(&filter), page.sort, page.after, page.limit).into_query();
        // Wrapped, for members of a union may not have an order or limit of their own on SQLite.
        Query::select()
            .expr_as(Expr::val(branch), Alias::new("branch"))
            .column(Asterisk)
            .from_subquery(posts, Alias::new("page"))
            .to_owned()
    });
    let Some(union) = union_all(branches) else { return Ok(HashMap::new()) };
    let mut found: Vec<Vec<Model>> = vec![Vec::new(); pages.len()];
    for row in database.query_all(&union).await? {
        let branch: i32 = row.try_get("", "branch")?;
        if let Some(posts) = usize::try_from(branch).ok().and_then(|branch| found.get_mut(branch)) {
            posts.push(Model::from_query_result(&row, "")?);
        }
    }
    // A union promises no order.
    for (posts, page) in found.iter_mut().zip(pages) {
        posts.sort_by_key(|post| page.sort.position(post));
        if page.sort.direction == SortDirection::Desc {
            posts.reverse();
        }
    }
    Ok(pages.iter().zip(found).map(|(page, posts)| (page.clone(), Slice::of(posts, page.limit))).collect())
}

fn union_all(members: impl Iterator<Item = SelectStatement>) -> Option<SelectStatement> {
    members.reduce(|mut union, member| union.union(UnionType::All, member).to_owned())
}

/// How many posts each of `authors` has; those without are left out.
pub(crate) async fn count_of_authors(
    database: &impl ConnectionTrait,
    authors: &[Uuid],
) -> Result<HashMap<Uuid, u64>, Error> {
    let counts: Vec<(Uuid, i64)> = Entity::find()
        .select_only()
        .column(Column::AuthorId)
        .column_as(Column::Id.count(), "posts")
        .filter(Column::AuthorId.is_in(authors.iter().copied()))
        .group_by(Column::AuthorId)
        .into_tuple()
        .all(database)
        .await?;
    Ok(counts.into_iter().map(|(author, posts)| (author, u64::try_from(posts).unwrap_or(0))).collect())
}

fn matching(filter: &Filter) -> Select<Entity> {
    let DateTimeRange { from, to } = filter.created_at;
    Entity::find()
        .apply_if(filter.author_id, |posts, author| posts.filter(Column::AuthorId.eq(author)))
        .apply_if(from, |posts, from| posts.filter(Column::CreatedAt.gte(from)))
        .apply_if(to, |posts, to| posts.filter(Column::CreatedAt.lt(to)))
}

fn sorted(posts: Select<Entity>, sort: Sort, after: Option<Position>, limit: u64) -> Select<Entity> {
    keyset(posts, &[sort.column(), Column::Id], sort.direction, after.map(Into::into), limit)
}

/// Adds a post.
pub(crate) async fn insert(
    transaction: &impl ConnectionTrait,
    id: Uuid,
    author_id: Uuid,
    body: &Body,
    now: DateTime<Utc>,
) -> Result<Model, Error> {
    let post = ActiveModel {
        id: Set(id),
        author_id: Set(author_id),
        body: Set(body.as_str().to_owned()),
        created_at: Set(now),
        edited_at: Set(None),
        changed_at: NotSet,
    };
    Ok(Entity::insert(post).exec_with_returning(transaction).await?)
}

/// Which edit of a post a change builds on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Whichever.
    Any,
    /// The one of this time; `None` is a post that was never edited.
    EditedAt(Option<DateTime<Utc>>),
}

/// Gives the author's post another text if it is as `expected`; `None` when there is no such post.
pub(crate) async fn update_body(
    transaction: &impl ConnectionTrait,
    id: Uuid,
    author_id: Uuid,
    body: &Body,
    expected: Expected,
    now: DateTime<Utc>,
) -> Result<Option<Model>, Error> {
    let update = Entity::update_many()
        .col_expr(Column::Body, Expr::val(body.as_str()))
        .col_expr(Column::EditedAt, Expr::val(now))
        .filter(Column::Id.eq(id))
        .filter(Column::AuthorId.eq(author_id));
    let update = match expected {
        Expected::Any => update,
        Expected::EditedAt(None) => update.filter(Column::EditedAt.is_null()),
        Expected::EditedAt(Some(time)) => update.filter(Column::EditedAt.eq(time)),
    };
    Ok(update.exec_with_returning(transaction).await?.pop())
}

/// Deletes the author's post; false when there is no such post.
pub(crate) async fn delete(transaction: &impl ConnectionTrait, id: Uuid, author_id: Uuid) -> Result<bool, Error> {
    let deleted = Entity::delete_many()
        .filter(Column::Id.eq(id))
        .filter(Column::AuthorId.eq(author_id))
        .exec(transaction)
        .await?;
    Ok(deleted.rows_affected > 0)
}

/// Deletes some of the author's posts and returns which; none when none is left.
pub(crate) async fn delete_some(transaction: &impl ConnectionTrait, author_id: Uuid) -> Result<Vec<Uuid>, Error> {
    let ids: Vec<Uuid> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::AuthorId.eq(author_id))
        .limit(BATCH)
        .into_tuple()
        .all(transaction)
        .await?;
    if !ids.is_empty() {
        Entity::delete_many().filter(Column::Id.is_in(ids.iter().copied())).exec(transaction).await?;
    }
    Ok(ids)
}
