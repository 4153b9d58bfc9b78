//! The index, and what is found in it.
//!
//! The table `post_search` numbers the posts in the order in which they came and keeps their stems. A post's lexemes are its stems,
//! the pairs of stems that follow each other, and its author: on Postgres in a `tsvector`, without positions, under a GIN
//! index; on SQLite in the FTS5 table `post_lexeme`, which keeps the index alone. Lexemes are letters, digits and `_`, so
//! that nothing of a caller's query can be syntax.

use super::{
    query::Query,
    words::{VERSION, pair, words},
};
use crate::{
    domain::{Filter, Reader},
    entity::post,
    store,
};
use hansa_kit::{
    Error,
    filter::SortDirection,
    paging::{Position, keyset},
};
use sea_orm::{
    ConnectionTrait, DbBackend, FromQueryResult, QueryOrder, QuerySelect, TransactionTrait,
    entity::prelude::*,
    sea_query::{
        Expr, ExprTrait, Func, LockType, OnConflict, Order, Query as Sql, SelectStatement,
        extension::postgres::PgBinOper, extension::sqlite::SqliteBinOper,
    },
};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Most posts that are found and ranked: the latest ones that match.
const WINDOW: u64 = 1000;
/// Most posts with the words of a query that are looked at, whether for the caller or not: the latest ones.
const REACH: u64 = 10_000;

/// What posts are in the index by.
#[derive(Clone, Copy, Debug, DeriveIden)]
enum PostSearch {
    Table,
    /// Posts that came later have a greater number.
    Seq,
    PostId,
    /// The version of the words that it was indexed by.
    Version,
    /// Of the words in their order, apart by spaces.
    Stems,
    /// On Postgres alone.
    Lexemes,
}

/// The entries that match, as a part of a query.
#[derive(Clone, Copy, Debug, DeriveIden)]
enum Matching {
    Table,
}

/// SQLite's index.
#[derive(Clone, Copy, Debug, DeriveIden)]
enum PostLexeme {
    Table,
    Rowid,
    Lexemes,
    /// The column that stands for the table in a match.
    #[sea_orm(iden = "post_lexeme")]
    All,
}

/// Puts posts into the index, or anew once their text has changed. Who may find a post is not in the index but read from
/// the post, and the post's deletion takes it out.
pub(crate) async fn index(transaction: &impl ConnectionTrait, posts: &[post::Model]) -> Result<(), Error> {
    if posts.is_empty() {
        return Ok(());
    }
    let is_postgres = transaction.get_database_backend() == DbBackend::Postgres;
    let mut columns = vec![PostSearch::PostId, PostSearch::Version, PostSearch::Stems];
    if is_postgres {
        columns.push(PostSearch::Lexemes);
    }
    let mut insert = Sql::insert().into_table(PostSearch::Table).columns(columns.clone()).to_owned();
    let mut lexemes_of = HashMap::with_capacity(posts.len());
    for post in posts {
        let stems: Vec<String> = words(&post.body).map(|word| word.stem).collect();
        let lexemes = Vec::from_iter(lexemes(post.author_id, &stems)).join(" ");
        let mut values = vec![Expr::val(post.id), Expr::val(VERSION), Expr::val(stems.join(" "))];
        if is_postgres {
            let list = Func::cust("string_to_array").arg(lexemes).arg(" ");
            values.push(Func::cust("array_to_tsvector").arg(list).into());
        } else {
            lexemes_of.insert(post.id, lexemes);
        }
        insert.values_panic(values); // panics only if there were more values than columns
    }
    insert.on_conflict(OnConflict::column(PostSearch::PostId).update_columns(columns).to_owned());
    if is_postgres {
        transaction.execute(&insert).await?;
        return Ok(());
    }
    insert.returning(Sql::returning().columns([PostSearch::PostId, PostSearch::Seq]));
    let mut insert_lexemes = Sql::insert().replace().into_table(PostLexeme::Table).to_owned();
    insert_lexemes.columns([PostLexeme::Rowid, PostLexeme::Lexemes]);
    for entry in transaction.query_all(&insert).await? {
        let (post_id, seq): (Uuid, i64) = (entry.try_get("", "post_id")?, entry.try_get("", "seq")?);
        insert_lexemes.values_panic([seq.into(), lexemes_of.remove(&post_id).into()]);
    }
    transaction.execute(&insert_lexemes).await?;
    Ok(())
}

fn lexemes(author_id: Uuid, stems: &[String]) -> BTreeSet<String> {
    let pairs = stems.windows(2).map(|stems| pair(&stems[0], &stems[1]));
    pairs.chain(stems.iter().cloned()).chain([of_author(author_id)]).collect()
}

/// What an author's posts are found by; no stem begins so.
fn of_author(author_id: Uuid) -> String {
    format!("_{}", author_id.simple())
}

/// A post that may match.
#[derive(Debug, FromQueryResult)]
pub(super) struct Candidate {
    pub(super) id: Uuid,
    pub(super) stems: String,
}

/// Of the latest posts that may match `query`, [`REACH`] at most, the latest that do match `filter` and are listed to
/// `reader`, [`WINDOW`] at most.
pub(super) async fn candidates(
    database: &DatabaseConnection,
    reader: Reader,
    query: &Query,
    filter: &Filter,
) -> Result<Vec<Candidate>, Error> {
    let mut required = query.required();
    required.extend(filter.author_id.map(of_author));
    let mut select = Sql::select();
    select
        .column(post::Column::Id.as_column_ref())
        .column((Matching::Table, PostSearch::Stems))
        .and_where(Expr::col(post::Column::Id.as_column_ref()).equals((Matching::Table, PostSearch::PostId)))
        .cond_where(store::condition(reader, filter))
        .limit(WINDOW);
    let backend = database.get_database_backend();
    if backend == DbBackend::Postgres {
        select
            .from_subquery(matching_vector(&tsquery(&required, &query.forbidden())), Matching::Table)
            .cross_join(post::Entity)
            .order_by((Matching::Table, PostSearch::Seq), Order::Desc);
        // Whether to go by the index or from the latest post back depends on how frequent the words are: one plan for all
        // words, which the server would settle on, reads all posts for a rare one.
        let transaction = database.begin().await?;
        transaction.execute_unprepared("SET LOCAL plan_cache_mode = force_custom_plan").await?;
        let found = Candidate::find_by_statement(backend.build(&select)).all(&transaction).await?;
        transaction.commit().await?;
        Ok(found)
    } else {
        // SQLite takes cross joins as they are written, and so in the order of the first. To sort what is sorted, it would
        // read all of it.
        select
            .from_subquery(matching_table(&fts5(&required, &query.forbidden())), Matching::Table)
            .cross_join(post::Entity);
        Ok(Candidate::find_by_statement(backend.build(&select)).all(database).await?)
    }
}

/// The latest entries that a query of Postgres finds.
fn matching_vector(query: &str) -> SelectStatement {
    let lexemes = Expr::col((PostSearch::Table, PostSearch::Lexemes));
    Sql::select()
        .columns([PostSearch::Seq, PostSearch::PostId, PostSearch::Stems])
        .from(PostSearch::Table)
        .and_where(lexemes.binary(PgBinOper::Matches, Expr::val(query).cast_as("tsquery")))
        .order_by(PostSearch::Seq, Order::Desc)
        .limit(REACH)
        .to_owned()
}

/// The latest entries that a query of FTS5 finds.
fn matching_table(query: &str) -> SelectStatement {
    let rowid = (PostLexeme::Table, PostLexeme::Rowid);
    let lexemes = Expr::col((PostLexeme::Table, PostLexeme::All));
    Sql::select()
        .columns([PostSearch::Seq, PostSearch::PostId, PostSearch::Stems])
        .from(PostLexeme::Table)
        .cross_join(PostSearch::Table)
        .and_where(lexemes.binary(SqliteBinOper::Match, query))
        .and_where(Expr::col((PostSearch::Table, PostSearch::Seq)).equals(rowid))
        .order_by(rowid, Order::Desc)
        .limit(REACH)
        .to_owned()
}

/// <https://www.postgresql.org/docs/current/datatype-textsearch.html#DATATYPE-TSQUERY>
fn tsquery(required: &BTreeSet<String>, forbidden: &BTreeSet<String>) -> String {
    let required = required.iter().map(|lexeme| format!("'{lexeme}'"));
    let forbidden = forbidden.iter().map(|lexeme| format!("!'{lexeme}'"));
    Vec::from_iter(required.chain(forbidden)).join(" & ")
}

/// <https://www.sqlite.org/fts5.html#full_text_query_syntax>
fn fts5(required: &BTreeSet<String>, forbidden: &BTreeSet<String>) -> String {
    let any = |lexemes: &BTreeSet<String>, operator| {
        Vec::from_iter(lexemes.iter().map(|lexeme| format!("\"{lexeme}\""))).join(operator)
    };
    match (any(required, " AND "), any(forbidden, " OR ")) {
        (required, forbidden) if forbidden.is_empty() => required,
        (required, forbidden) => format!("({required}) NOT ({forbidden})"),
    }
}

/// The next posts by the order of their creation, at most `limit`: where they stand, and whether they are in the index as it
/// is made today.
pub(super) async fn survey(
    database: &impl ConnectionTrait,
    after: Option<Position>,
    limit: u64,
) -> Result<Vec<(Position, bool)>, Error> {
    let order = [post::Column::CreatedAt, post::Column::Id];
    let posts = keyset(post::Entity::find(), &order, SortDirection::Asc, after.map(Into::into), limit);
    let posts: Vec<(DateTimeUtc, Uuid)> = posts.select_only().columns(order).into_tuple().all(database).await?;
    let indexed = Sql::select()
        .column(PostSearch::PostId)
        .from(PostSearch::Table)
        .and_where(Expr::col(PostSearch::PostId).is_in(posts.iter().map(|(_, id)| *id)))
        .and_where(Expr::col(PostSearch::Version).gte(VERSION))
        .to_owned();
    let indexed = database.query_all(&indexed).await?;
    let indexed: HashSet<Uuid> = indexed.iter().map(|entry| entry.try_get("", "post_id")).collect::<Result<_, _>>()?;
    Ok(posts.into_iter().map(|(time, id)| (Position { time, id }, indexed.contains(&id))).collect())
}

/// Those of the posts `ids` that are there, locked against changes of their text.
pub(super) async fn lock(transaction: &impl ConnectionTrait, ids: Vec<Uuid>) -> Result<Vec<post::Model>, Error> {
    let posts = post::Entity::find().filter(post::Column::Id.is_in(ids));
    Ok(posts.order_by_asc(post::Column::CreatedAt).lock(LockType::Share).all(transaction).await?)
}
