//! Reads for many objects at once. Results do not depend on who asks, so that requests may share a batch.

use crate::{Service, entity::post::Model, service, store::AuthorPage};
use async_graphql::dataloader::Loader;
use hansa_kit::{codes::Fault, paging::Slice};
use std::collections::HashMap;
use uuid::Uuid;

/// Reads posts by id, pages of many authors' posts, and their numbers.
pub(super) struct Posts(pub(super) Service);

/// Asks for the post of this id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PostId(pub(crate) Uuid);

/// Asks for the number of this author's posts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CountOf(pub(crate) Uuid);

impl Loader<PostId> for Posts {
    type Value = Model;
    type Error = Fault;

    async fn load(&self, keys: &[PostId]) -> Result<HashMap<PostId, Model>, Fault> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let posts = service::find_many(&self.0, &ids).await?;
        Ok(posts.into_iter().map(|(id, post)| (PostId(id), post)).collect())
    }
}

impl Loader<AuthorPage> for Posts {
    type Value = Slice<Model>;
    type Error = Fault;

    async fn load(&self, keys: &[AuthorPage]) -> Result<HashMap<AuthorPage, Slice<Model>>, Fault> {
        Ok(service::list_of_authors(&self.0, keys).await?)
    }
}

impl Loader<CountOf> for Posts {
    type Value = u64;
    type Error = Fault;

    async fn load(&self, keys: &[CountOf]) -> Result<HashMap<CountOf, u64>, Fault> {
        let authors: Vec<_> = keys.iter().map(|key| key.0).collect();
        let counts = service::count_of_authors(&self.0, &authors).await?;
        Ok(counts.into_iter().map(|(author, posts)| (CountOf(author), posts)).collect())
    }
}
