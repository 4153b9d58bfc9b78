//! Many pages by one statement: a union of their queries, each of which reads no more than its page from the index.

use crate::Error;
use sea_orm::{
    ConnectionTrait, FromQueryResult,
    sea_query::{Asterisk, Expr, Query, SelectStatement, UnionType},
};
use std::collections::HashMap;

/// The rows of `queries`, each of which belongs to a page, by these pages. They are in no order: a union promises none.
///
/// # Errors
/// When the database fails.
pub async fn read<T: FromQueryResult>(
    database: &impl ConnectionTrait,
    queries: impl IntoIterator<Item = (usize, SelectStatement)>,
) -> Result<HashMap<usize, Vec<T>>, Error> {
    let mut found: HashMap<usize, Vec<T>> = HashMap::new();
    let members = queries.into_iter().map(|(page, query)| member(page, query));
    let union = members.reduce(|mut union, member| union.union(UnionType::All, member).to_owned());
    let Some(union) = union else { return Ok(found) };
    for row in database.query_all(&union).await? {
        let page: i64 = row.try_get("", "page")?;
        let rows = found.entry(usize::try_from(page).unwrap_or_default()).or_default();
        rows.push(T::from_query_result(&row, "")?);
    }
    Ok(found)
}

/// A query as a member of the union: wrapped, for members may not have an order or limit of their own on SQLite.
fn member(page: usize, query: SelectStatement) -> SelectStatement {
    Query::select()
        .expr_as(Expr::val(i64::try_from(page).unwrap_or_default()), "page")
        .column(Asterisk)
        .from_subquery(query, "rows")
        .to_owned()
}
