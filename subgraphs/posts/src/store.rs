//! Every query of posts. Whoever reads sees what [`visible_to`] lets them see.

use crate::{
    domain::{Body, Filter, Reader, Sort, SortField, Status, Visibility},
    entity::post::{ActiveModel, Column, Entity, Model},
    people,
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
    sea_query::{Alias, Asterisk, Condition, Expr, ExprTrait, Query, SelectStatement, UnionType},
};
use std::collections::HashMap;

/// Posts that are read or deleted by one statement, at most.
const BATCH: u64 = 500;

/// A page of one author's posts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AuthorPage {
    pub(crate) reader: Reader,
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
            SortField::PublishedAt => Column::PublishedAt,
        }
    }

    /// Where `post` stands in this order.
    pub(crate) fn position(self, post: &Model) -> Position {
        let time = match self.field {
            SortField::CreatedAt => post.created_at,
            SortField::EditedAt => post.changed_at,
            SortField::PublishedAt => post.published_at.unwrap_or(post.created_at),
        };
        Position { time, id: post.id }
    }
}

/// Which posts `reader` may see: their own, whatever their status, and the published ones of others that the visibility
/// opens to them. For any query with the table `post`.
pub(crate) fn visible_to(reader: Reader) -> Condition {
    let is_published = Column::Status.eq(Status::Published);
    let Some(reader) = reader else {
        return Condition::all().add(is_published).add(Column::Visibility.eq(Visibility::Public));
    };
    let open = Condition::all()
        .add(is_published)
        .add(people::no_block(reader, Column::AuthorId))
        .add(is_audience(reader, Column::Visibility));
    Condition::any().add(Column::AuthorId.eq(reader)).add(open)
}

/// That `reader` is among those for whom the visibility in this column is meant, beside the author of the post.
fn is_audience(reader: Uuid, visibility: impl ColumnTrait) -> Condition {
    let is_friend = || people::is_friend(reader, Column::AuthorId);
    let follows = people::follows(reader, Column::AuthorId);
    Condition::any()
        .add(visibility.eq(Visibility::Public))
        .add(visibility.eq(Visibility::Followers).and(follows.or(is_friend())))
        .add(visibility.eq(Visibility::Friends).and(is_friend()))
}

/// Which posts are listed to `reader`: those that they may see and that have been published.
pub(crate) fn listed_to(reader: Reader) -> Condition {
    Condition::all().add(Column::PublishedAt.is_not_null()).add(visible_to(reader))
}

/// The post `id`, whoever may see it.
pub(crate) async fn find(database: &impl ConnectionTrait, id: Uuid) -> Result<Option<Model>, Error> {
    Ok(Entity::find_by_id(id).one(database).await?)
}

/// Those of the posts `ids` that `reader` may see, by their ids.
pub(crate) async fn find_many(
    database: &impl ConnectionTrait,
    reader: Reader,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Model>, Error> {
    let posts = Entity::find().filter(Column::Id.is_in(ids.iter().copied())).filter(visible_to(reader));
    Ok(posts.all(database).await?.into_iter().map(|post| (post.id, post)).collect())
}

/// A page of the posts listed to `reader` that match `filter`.
pub(crate) async fn list(
    database: &impl ConnectionTrait,
    reader: Reader,
    filter: &Filter,
    sort: Sort,
    page: &Page<Position>,
) -> Result<Slice<Model>, Error> {
    let posts = sorted(matching(reader, filter), sort, page.after, page.limit).all(database).await?;
    Ok(Slice::of(posts, page.limit))
}

/// How many posts listed to `reader` match `filter`.
pub(crate) async fn count(database: &impl ConnectionTrait, reader: Reader, filter: &Filter) -> Result<u64, Error> {
    Ok(matching(reader, filter).count(database).await?)
}

/// Many authors' pages, by one statement: a union of their queries, each of which reads no more than its page from the
/// index.
pub(crate) async fn list_of_authors(
    database: &impl ConnectionTrait,
    pages: &[AuthorPage],
) -> Result<HashMap<AuthorPage, Slice<Model>>, Error> {
    let branches = (0_i32..).zip(pages).map(|(branch, page)| {
        let filter = Filter { author_id: Some(page.author_id), ..Filter::default() };
        let posts = sorted(matching(page.reader, &filter), page.sort, page.after, page.limit).into_query();
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

/// How many posts of each of `authors` are listed to `reader`; those without are left out.
pub(crate) async fn count_of_authors(
    database: &impl ConnectionTrait,
    reader: Reader,
    authors: &[Uuid],
) -> Result<HashMap<Uuid, u64>, Error> {
    let counts: Vec<(Uuid, i64)> = Entity::find()
        .select_only()
        .column(Column::AuthorId)
        .column_as(Column::Id.count(), "posts")
        .filter(Column::AuthorId.is_in(authors.iter().copied()))
        .filter(listed_to(reader))
        .group_by(Column::AuthorId)
        .into_tuple()
        .all(database)
        .await?;
    Ok(counts.into_iter().map(|(author, posts)| (author, u64::try_from(posts).unwrap_or(0))).collect())
}

fn matching(reader: Reader, filter: &Filter) -> Select<Entity> {
    Entity::find().filter(condition(reader, filter))
}

/// Which posts are listed to `reader` and match `filter`. For any query with the table `post`.
pub(crate) fn condition(reader: Reader, filter: &Filter) -> Condition {
    let DateTimeRange { from, to } = filter.created_at;
    listed_to(reader)
        .add_option(filter.visibility.map(|visibility| Column::Visibility.eq(visibility)))
        .add_option(filter.author_id.map(|author| Column::AuthorId.eq(author)))
        .add_option(from.map(|from| Column::CreatedAt.gte(from)))
        .add_option(to.map(|to| Column::CreatedAt.lt(to)))
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
    visibility: Visibility,
    now: DateTime<Utc>,
) -> Result<Model, Error> {
    let post = ActiveModel {
        id: Set(id),
        author_id: Set(author_id),
        body: Set(body.as_str().to_owned()),
        created_at: Set(now),
        edited_at: Set(None),
        changed_at: NotSet,
        status: Set(Status::Published),
        visibility: Set(visibility),
        published_at: Set(Some(now)),
        publish_at: Set(None),
        hidden_reason: Set(None),
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
