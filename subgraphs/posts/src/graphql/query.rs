//! The queries.

use super::{
    loader,
    loaders::PostId,
    service,
    types::{Post, PostConnection, PostFilter, PostSort, post_connection},
};
use crate::{
    domain::{Filter, POST_PREFIX, Sort},
    service as posts,
};
use async_graphql::{Context, ID, Object, Result};
use hansa_kit::{
    Viewer, ids,
    paging::{Page, TotalCount},
};

/// Queries of posts.
#[derive(Debug, Default)]
pub struct Posts;

#[Object]
impl Posts {
    /// The post of this id; null when there is none that the caller may see.
    async fn post(&self, context: &Context<'_>, #[graphql(desc = "The post's id.")] id: ID) -> Result<Option<Post>> {
        find(context, &id).await
    }

    /// The published posts that the caller may see, newest first unless sorted otherwise.
    async fn posts(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which posts.")] filter: Option<PostFilter>,
        #[graphql(desc = "The order.")] sort: Option<PostSort>,
        #[graphql(desc = "How many at most, up to 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
    ) -> Result<Option<PostConnection>> {
        let page = Page::new(first, after)?;
        let filter = Filter::try_from(filter.unwrap_or_default())?;
        let sort = sort.map(Sort::from).unwrap_or_default();
        let (service, viewer) = (service(context), Viewer::in_context(context));
        let total = TotalCount::when_selected(context, posts::count(service, viewer, &filter)).await?;
        let slice = posts::list(service, viewer, &filter, sort, &page).await?;
        Ok(Some(post_connection(slice, sort, page.after.is_some(), total)))
    }
}

/// The post of a global id as the caller may see it, together with others that are asked for at the same time.
pub(super) async fn find(context: &Context<'_>, id: &ID) -> Result<Option<Post>> {
    let Some(id) = ids::decode(POST_PREFIX, id) else { return Ok(None) };
    let reader = Viewer::in_context(context).user_id();
    Ok(loader(context).load_one(PostId(reader, id)).await?.map(Post))
}
