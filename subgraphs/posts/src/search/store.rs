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
    ConnectionTrait, DbBackend, FromQueryResult, QuerySelect,
    entity::prelude::*,
    sea_query::{
        Expr, ExprTrait, Func, LockType, OnConflict, Order, Query as Sql, extension::postgres::PgBinOper,
        extension::sqlite::SqliteBinOper,
    },
};
use std::collections::BTreeSet;

/// Most posts that are found and ranked: the latest ones that match.
const WINDOW: u64 = 1000;

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

/// Puts a post into the index, or anew once its text has changed. Who may find it is not in the index but read from the
/// post. The post's deletion takes it out.
pub(crate) async fn index(transaction: &impl ConnectionTrait, post: &post::Model) -> Result<(), Error> {
    let stems: Vec<String> = words(&post.body).map(|word| word.stem).collect();
    let lexemes = Vec::from_iter(lexemes(post.author_id, &stems)).join(" ");
    let is_postgres = transaction.get_database_backend() == DbBackend::Postgres;
    let mut columns = vec![PostSearch::PostId, PostSearch::Version, PostSearch::Stems];
    let mut values = vec![Expr::val(post.id), Expr::val(VERSION), Expr::val(stems.join(" "))];
    if is_postgres {
        columns.push(PostSearch::Lexemes);
        let list = Func::cust("string_to_array").arg(lexemes.as_str()).arg(" ");
        values.push(Func::cust("array_to_tsvector").arg(list).into());
    }
    let mut insert =
        Sql::insert().into_table(PostSearch::Table).columns(columns.clone()).values_panic(values).to_owned();
    insert
        .on_conflict(OnConflict::column(PostSearch::PostId).update_columns(columns).to_owned())
        .returning_col(PostSearch::Seq);
    let entry = transaction.query_one(&insert).await?;
    if !is_postgres {
        let seq: i64 = entry.ok_or_else(|| DbErr::RecordNotInserted)?.try_get("", "seq")?;
        let insert = Sql::insert()
            .replace()
            .into_table(PostLexeme::Table)
            .columns([PostLexeme::Rowid, PostLexeme::Lexemes])
            .values_panic([seq.into(), lexemes.into()])
            .to_owned();
        transaction.execute(&insert).await?;
    }
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

/// The latest posts that may match `query`, do match `filter` and are listed to `reader`, [`WINDOW`] of them at most.
pub(super) async fn candidates(
    database: &impl ConnectionTrait,
    reader: Reader,
    query: &Query,
    filter: &Filter,
) -> Result<Vec<Candidate>, Error> {
    let mut required = query.required();
    required.extend(filter.author_id.map(of_author));
    let is_same = Expr::col(post::Column::Id.as_column_ref()).equals((PostSearch::Table, PostSearch::PostId));
    let mut select = Sql::select();
    select
        .column(post::Column::Id.as_column_ref())
        .column((PostSearch::Table, PostSearch::Stems))
        .and_where(is_same)
        .cond_where(store::condition(reader, filter))
        .limit(WINDOW);
    if database.get_database_backend() == DbBackend::Postgres {
        let lexemes = Expr::col((PostSearch::Table, PostSearch::Lexemes));
        let wanted = Expr::val(tsquery(&required, &query.forbidden())).cast_as("tsquery");
        select
            .from(PostSearch::Table)
            .cross_join(post::Entity)
            .and_where(lexemes.binary(PgBinOper::Matches, wanted))
            .order_by((PostSearch::Table, PostSearch::Seq), Order::Desc);
    } else {
        let lexemes = Expr::col((PostLexeme::Table, PostLexeme::All));
        let rowid = (PostLexeme::Table, PostLexeme::Rowid);
        // SQLite takes cross joins in the order in which they are written: from the index, newest first, to the posts.
        select
            .from(PostLexeme::Table)
            .cross_join(PostSearch::Table)
            .cross_join(post::Entity)
            .and_where(lexemes.binary(SqliteBinOper::Match, fts5(&required, &query.forbidden())))
            .and_where(Expr::col((PostSearch::Table, PostSearch::Seq)).equals(rowid))
            .order_by(rowid, Order::Desc);
    }
    Ok(Candidate::find_by_statement(database.get_database_backend().build(&select)).all(database).await?)
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

/// The next posts, by the order of their creation, that are not in the index as it is made today; locked against changes of
/// their text.
pub(super) async fn missing(
    transaction: &impl ConnectionTrait,
    after: Option<Position>,
    limit: u64,
) -> Result<Vec<post::Model>, Error> {
    let indexed = Sql::select()
        .expr(Expr::val(1))
        .from(PostSearch::Table)
        .and_where(Expr::col((PostSearch::Table, PostSearch::PostId)).equals(post::Column::Id.as_column_ref()))
        .and_where(Expr::col((PostSearch::Table, PostSearch::Version)).gte(VERSION))
        .to_owned();
    let missing = post::Entity::find().filter(Expr::exists(indexed).not());
    let order = [post::Column::CreatedAt, post::Column::Id];
    let missing = keyset(missing, &order, SortDirection::Asc, after.map(Into::into), limit);
    Ok(missing.lock(LockType::Share).all(transaction).await?)
}
