//! Full-text search.

use super::{
    service,
    types::{Post, PostFilter},
};
use crate::{
    Error,
    domain::Filter,
    search::{self, Found, Query, Rank},
};
use async_graphql::{
    Context, Object, OutputType, Result,
    connection::{Connection, ConnectionNameType, Edge, EdgeNameType, OpaqueCursor},
};
use hansa_kit::{
    Viewer,
    paging::{Page, TotalCount},
};
use std::sync::Arc;

/// The search of posts.
#[derive(Debug, Default)]
pub struct Search;

#[Object]
impl Search {
    /// Published posts that the caller may see, by their text, the best matches first: those with all words of the query,
    /// in any of their Russian or English forms. The latest 1000 that match are found; `totalCount` counts no further.
    async fn post_search(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Words, `\"phrases\"`, and `-` before either for what posts may not have: at most 256 \
                          characters and 32 words. It is refused only when it is longer or wants no word.")]
        query: String,
        #[graphql(desc = "Which posts.")] filter: Option<PostFilter>,
        #[graphql(desc = "How many at most, up to 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
    ) -> Result<Option<PostSearchConnection>> {
        let page = Page::new(first, after)?;
        let filter = Filter::try_from(filter.unwrap_or_default())?;
        let query = Query::parse(&query).map_err(Error::from)?;
        let found = search::page(service(context), Viewer::in_context(context), &query, &filter, &page).await?;
        Ok(Some(connection(found, page.after.is_some(), query)))
    }
}

/// A page of posts that were found.
pub(crate) type PostSearchConnection =
    Connection<OpaqueCursor<Rank>, Post, TotalCount, Match, PostSearchName, PostSearchName>;

/// How the types of the page are called.
pub(crate) struct PostSearchName;

impl ConnectionNameType for PostSearchName {
    fn type_name<T: OutputType>() -> String {
        "PostSearchConnection".into()
    }
}

impl EdgeNameType for PostSearchName {
    fn type_name<T: OutputType>() -> String {
        "PostSearchEdge".into()
    }
}

/// How a post matches.
pub(crate) struct Match {
    rank: Rank,
    body: String,
    query: Arc<Query>,
}

#[Object(name = "PostSearchMatch", visible = false)]
impl Match {
    /// How well it matches: greater is better. It depends on the post and the query alone.
    async fn score(&self) -> f64 {
        self.rank.score()
    }

    /// Up to three parts of the text that match, in CommonMark: `**` stands around the words that match, and all punctuation
    /// of the text itself is escaped, so that it formats nothing and is no HTML. `…` stands for text left out.
    async fn highlights(&self) -> Vec<String> {
        search::highlights(&self.body, &self.query)
    }
}

fn connection(found: Found, has_previous: bool, query: Query) -> PostSearchConnection {
    let query = Arc::new(query);
    let total = TotalCount { total_count: Some(i32::try_from(found.total).unwrap_or(i32::MAX)) };
    let mut connection = Connection::with_additional_fields(has_previous, found.posts.has_next, total);
    connection.edges.extend(found.posts.items.into_iter().map(|(rank, post)| {
        let found = Match { rank, body: post.body.clone(), query: query.clone() };
        Edge::with_additional_fields(OpaqueCursor(rank), Post(post), found)
    }));
    connection
}
