//! Every query of posts. Whoever reads sees what [`visible_to`] lets them see.

use crate::{
    domain::{Filter, Reader, Sort, SortField, Status, Visibility},
    entity::post::{ActiveModel, Column, Entity, Model},
    people,
};
use chrono::{DateTime, Utc};
use hansa_kit::{
    Error,
    filter::{DateTimeRange, SortDirection},
    pages,
    paging::{Page, Position, Slice, keyset},
};
use sea_orm::{
    ActiveValue::NotSet,
    ConnectionTrait, IntoActiveModel, Iterable, QueryOrder, QuerySelect, QueryTrait,
    entity::prelude::*,
    sea_query::{Condition, Expr, ExprTrait},
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
    let open = Condition::all().add(Column::Status.eq(Status::Published)).add(is_audience(reader, Column::Visibility));
    let Some(reader) = reader else { return open };
    Condition::any().add(Column::AuthorId.eq(reader)).add(open.add(people::no_block(reader, Column::AuthorId)))
}

/// That `reader` is the author of the post or among those for whom the visibility in this column is meant.
pub(crate) fn may_read(reader: Reader, visibility: impl ColumnTrait) -> Condition {
    is_audience(reader, visibility).add_option(reader.map(|reader| Column::AuthorId.eq(reader)))
}

/// That `reader` is among those for whom the visibility in this column is meant. A union, to which more may be added.
fn is_audience(reader: Reader, visibility: impl ColumnTrait) -> Condition {
    let Some(reader) = reader else { return Condition::any().add(visibility.eq(Visibility::Public)) };
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

/// Which posts of one author are listed to somebody who may see those of the visibility `narrowest`, and all of their own.
fn open_down_to(narrowest: Option<Visibility>) -> Condition {
    let published = Condition::all().add(Column::PublishedAt.is_not_null());
    match narrowest {
        Some(Visibility::Private) => published,
        Some(narrowest) => published
            .add(Column::Status.eq(Status::Published))
            .add(Column::Visibility.is_in(Visibility::iter().filter(|visibility| *visibility >= narrowest))),
        None => published.add(Expr::val(1).eq(0)),
    }
}

/// The post `id`, whoever may see it; nobody else changes it before the transaction ends.
pub(crate) async fn find_for_change(transaction: &impl ConnectionTrait, id: Uuid) -> Result<Option<Model>, Error> {
    // SQLite has no such locks and needs none: one transaction writes at a time.
    Ok(Entity::find_by_id(id).lock_exclusive().one(transaction).await?)
}

/// The post `id`, if `reader` may see it.
pub(crate) async fn find(database: &impl ConnectionTrait, reader: Reader, id: Uuid) -> Result<Option<Model>, Error> {
    Ok(Entity::find_by_id(id).filter(visible_to(reader)).one(database).await?)
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

/// Many authors' pages, by one statement, and another for what each signed-in reader may see of the authors.
pub(crate) async fn list_of_authors(
    database: &impl ConnectionTrait,
    wanted: &[AuthorPage],
) -> Result<HashMap<AuthorPage, Slice<Model>>, Error> {
    let mut narrowest: HashMap<Reader, HashMap<Uuid, Visibility>> = HashMap::new();
    for page in wanted {
        narrowest.entry(page.reader).or_default().insert(page.author_id, Visibility::Public);
    }
    for (reader, of_authors) in &mut narrowest {
        if let Some(reader) = *reader {
            let authors: Vec<_> = of_authors.keys().copied().collect();
            *of_authors = people::narrowest_visible(database, reader, &authors).await?;
        }
    }
    let queries = wanted.iter().map(|page| {
        let narrowest = narrowest.get(&page.reader).and_then(|of_authors| of_authors.get(&page.author_id));
        let posts = Entity::find().filter(Column::AuthorId.eq(page.author_id)).filter(open_down_to(narrowest.copied()));
        sorted(posts, page.sort, page.after, page.limit).into_query()
    });
    let mut found = pages::read::<Model>(database, queries.enumerate()).await?;
    let slices = wanted.iter().enumerate().map(|(n, page)| {
        let mut posts = found.remove(&n).unwrap_or_default();
        posts.sort_by_key(|post| page.sort.position(post));
        if page.sort.direction == SortDirection::Desc {
            posts.reverse();
        }
        (page.clone(), Slice::of(posts, page.limit))
    });
    Ok(slices.collect())
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

/// `posts` in this order, those behind `after`, and one more than `limit`.
pub(crate) fn sorted(posts: Select<Entity>, sort: Sort, after: Option<Position>, limit: u64) -> Select<Entity> {
    keyset(posts, &[sort.column(), Column::Id], sort.direction, after.map(Into::into), limit)
}

/// Adds a post.
pub(crate) async fn insert(transaction: &impl ConnectionTrait, post: Model) -> Result<Model, Error> {
    Ok(Entity::insert(all_of(post)).exec_with_returning(transaction).await?)
}

/// Writes what has changed of a post that [`find_for_change`] has found.
pub(crate) async fn update(transaction: &impl ConnectionTrait, post: Model) -> Result<Model, Error> {
    Ok(Entity::update(all_of(post)).exec(transaction).await?)
}

/// Everything but what the database generates.
fn all_of(post: Model) -> ActiveModel {
    ActiveModel { changed_at: NotSet, ..post.into_active_model().reset_all() }
}

/// Deletes a post, with its revisions and reactions.
pub(crate) async fn delete(transaction: &impl ConnectionTrait, id: Uuid) -> Result<(), Error> {
    Entity::delete_by_id(id).exec(transaction).await?;
    Ok(())
}

/// Which posts were to be published by `now`, first those that were to be first; at most `limit` of them.
pub(crate) async fn due(database: &impl ConnectionTrait, now: DateTime<Utc>, limit: u64) -> Result<Vec<Uuid>, Error> {
    let due = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::PublishAt.lte(now))
        .order_by_asc(Column::PublishAt)
        .order_by_asc(Column::Id)
        .limit(limit);
    Ok(due.into_tuple().all(database).await?)
}

/// Publishes the post `id` as of the time that it is scheduled for; `None` when that is not to be done by `now`, or is done.
pub(crate) async fn publish_if_due(
    transaction: &impl ConnectionTrait,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<Option<Model>, Error> {
    let published = Entity::update_many()
        .col_expr(Column::Status, Expr::val(Status::Published))
        .col_expr(Column::PublishedAt, Expr::col(Column::PublishAt))
        .col_expr(Column::PublishAt, Expr::val(None::<DateTime<Utc>>))
        .filter(Column::Id.eq(id))
        .filter(Column::PublishAt.lte(now))
        .exec_with_returning(transaction)
        .await?;
    Ok(published.into_iter().next())
}

/// A page of the author's drafts and scheduled posts, last edited first.
pub(crate) async fn drafts(
    database: &impl ConnectionTrait,
    author: Uuid,
    page: &Page<Position>,
) -> Result<Slice<Model>, Error> {
    let posts = sorted(drafts_of(author), DRAFTS, page.after, page.limit).all(database).await?;
    Ok(Slice::of(posts, page.limit))
}

/// The order of drafts.
pub(crate) const DRAFTS: Sort = Sort { field: SortField::EditedAt, direction: SortDirection::Desc };

/// How many drafts and scheduled posts the author has.
pub(crate) async fn count_drafts(database: &impl ConnectionTrait, author: Uuid) -> Result<u64, Error> {
    Ok(drafts_of(author).count(database).await?)
}

fn drafts_of(author: Uuid) -> Select<Entity> {
    Entity::find().filter(Column::AuthorId.eq(author)).filter(Column::PublishedAt.is_null())
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
