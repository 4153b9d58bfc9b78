//! Reads for many objects at once. Results do not depend on who asks, so that requests may share a batch.

use crate::{
    entity::post::Model,
    store::{self, AuthorPage},
};
use async_graphql::dataloader::Loader;
use hansa_kit::{codes::Rejection, paging::Slice};
use sea_orm::DatabaseConnection;
use std::{collections::HashMap, sync::Arc};
use uuid::Uuid;

/// Reads posts by id, pages of many authors' posts, and their numbers.
pub struct Posts {
    database: DatabaseConnection,
}

impl Posts {
    pub(crate) fn new(database: DatabaseConnection) -> Self {
        Self { database }
    }
}

/// A fault, shared by all that waited for the batch.
#[derive(Clone, Debug)]
pub struct Fault(Arc<hansa_kit::Error>);

impl From<Fault> for async_graphql::Error {
    fn from(Fault(error): Fault) -> Self {
        Rejection::Fault(Box::new(error)).into()
    }
}

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
        let posts = store::find_many(&self.database, &ids).await.map_err(|error| Fault(Arc::new(error)))?;
        Ok(posts.into_iter().map(|(id, post)| (PostId(id), post)).collect())
    }
}

impl Loader<AuthorPage> for Posts {
    type Value = Slice<Model>;
    type Error = Fault;

    async fn load(&self, keys: &[AuthorPage]) -> Result<HashMap<AuthorPage, Slice<Model>>, Fault> {
        store::list_of_authors(&self.database, keys).await.map_err(|error| Fault(Arc::new(error)))
    }
}

impl Loader<CountOf> for Posts {
    type Value = u64;
    type Error = Fault;

    async fn load(&self, keys: &[CountOf]) -> Result<HashMap<CountOf, u64>, Fault> {
        let authors: Vec<_> = keys.iter().map(|key| key.0).collect();
        let counts = store::count_of_authors(&self.database, &authors).await.map_err(|error| Fault(Arc::new(error)))?;
        Ok(counts.into_iter().map(|(author, posts)| (CountOf(author), posts)).collect())
    }
}
