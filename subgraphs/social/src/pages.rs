//! Many pages by one statement: a union of their queries, each of which reads no more than its page from the index.

use hansa_kit::Error;
use sea_orm::{
    ConnectionTrait, FromQueryResult,
    sea_query::{Alias, Asterisk, Expr, Query, SelectStatement, UnionType},
};

/// The rows of each of `queries`, in the order of the queries. Within one they are in no order: a union promises none.
pub(crate) async fn read<T: FromQueryResult>(
    database: &impl ConnectionTrait,
    queries: impl IntoIterator<Item = SelectStatement>,
) -> Result<Vec<Vec<T>>, Error> {
    let members: Vec<_> = (0_i32..).zip(queries).map(|(branch, query)| member(branch, query)).collect();
    let mut found: Vec<Vec<T>> = members.iter().map(|_| Vec::new()).collect();
    let union = members.into_iter().reduce(|mut union, member| union.union(UnionType::All, member).to_owned());
    let Some(union) = union else { return Ok(found) };
    for row in database.query_all(&union).await? {
        let branch: i32 = row.try_get("", "branch")?;
        if let Some(rows) = usize::try_from(branch).ok().and_then(|branch| found.get_mut(branch)) {
            rows.push(T::from_query_result(&row, "")?);
        }
    }
    Ok(found)
}

/// A query as a member of the union: wrapped, for members may not have an order or limit of their own on SQLite.
fn member(branch: i32, query: SelectStatement) -> SelectStatement {
    Query::select()
        .expr_as(Expr::val(branch), Alias::new("branch"))
        .column(Asterisk)
        .from_subquery(query, Alias::new("page"))
        .to_owned()
}
