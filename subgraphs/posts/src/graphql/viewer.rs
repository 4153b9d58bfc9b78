//! What posts keep for the signed-in user alone.

use super::{
    service,
    types::{PostConnection, post_connection},
};
use crate::{feed, service as posts, store};
use async_graphql::{Context, ID, Object, Result};
use hansa_kit::{
    Viewer, ids,
    paging::{Page, TotalCount},
    viewer::USER_PREFIX,
};
use uuid::Uuid;

/// The caller's private data. Its fields are those of the viewer of the request, who is the one of this id.
#[derive(Clone, Copy, Debug)]
pub struct ViewerFields {
    pub(crate) id: Uuid,
}

#[Object(name = "Viewer")]
impl ViewerFields {
    /// The caller's user id.
    async fn id(&self) -> ID {
        ids::encode(USER_PREFIX, self.id)
    }

    /// What those have published whom the caller follows or is friends with, last published first. It is not counted:
    /// `totalCount` is null.
    async fn feed(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "How many at most, up to 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
    ) -> Result<Option<PostConnection>> {
        let page = Page::new(first, after)?;
        let slice = feed::list(service(context), Viewer::in_context(context), &page).await?;
        Ok(Some(post_connection(slice, feed::ORDER, page.after.is_some(), TotalCount::default())))
    }

    /// The caller's drafts and scheduled posts, last edited first.
    async fn drafts(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "How many at most, up to 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
    ) -> Result<Option<PostConnection>> {
        let page = Page::new(first, after)?;
        let (service, viewer) = (service(context), Viewer::in_context(context));
        let total = TotalCount::when_selected(context, posts::count_drafts(service, viewer)).await?;
        let slice = posts::drafts(service, viewer, &page).await?;
        Ok(Some(post_connection(slice, store::DRAFTS, page.after.is_some(), total)))
    }
}
