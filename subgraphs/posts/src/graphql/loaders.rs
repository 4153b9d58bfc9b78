//! Reads for many objects at once. A key says who reads, so that requests may share a batch.

use crate::{
    Service,
    domain::Reader,
    entity::{post::Model, revision},
    reaction::{self, Summary},
    revision::{self as revisions, RevisionPage},
    service,
    store::AuthorPage,
};
use async_graphql::dataloader::Loader;
use hansa_kit::{codes::Fault, paging::Slice};
use std::collections::HashMap;
use uuid::Uuid;

/// Reads posts by id, pages of many authors' posts and of many posts' revisions, their numbers, and reactions.
pub(super) struct Posts(pub(super) Service);

/// Asks for the post of this id, if the reader may see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PostId(pub(crate) Reader, pub(crate) Uuid);

/// Asks for the number of this author's posts that are listed to the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CountOf(pub(crate) Reader, pub(crate) Uuid);

/// Asks for the number of this post's revisions that the reader may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RevisionsOf(pub(crate) Reader, pub(crate) Uuid);

/// Asks for the reactions to this post, which the reader may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ReactionsTo(pub(crate) Reader, pub(crate) Uuid);

/// The ids that each reader asks for.
fn by_reader(keys: impl Iterator<Item = (Reader, Uuid)>) -> HashMap<Reader, Vec<Uuid>> {
    let mut of_readers: HashMap<Reader, Vec<Uuid>> = HashMap::new();
    for (reader, id) in keys {
        of_readers.entry(reader).or_default().push(id);
    }
    of_readers
}

impl Loader<PostId> for Posts {
    type Value = Model;
    type Error = Fault;

    async fn load(&self, keys: &[PostId]) -> Result<HashMap<PostId, Model>, Fault> {
        let mut found = HashMap::with_capacity(keys.len());
        for (reader, ids) in by_reader(keys.iter().map(|key| (key.0, key.1))) {
            let posts = service::find_many(&self.0, reader, &ids).await?;
            found.extend(posts.into_iter().map(|(id, post)| (PostId(reader, id), post)));
        }
        Ok(found)
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
        let mut found = HashMap::with_capacity(keys.len());
        for (reader, authors) in by_reader(keys.iter().map(|key| (key.0, key.1))) {
            let counts = service::count_of_authors(&self.0, reader, &authors).await?;
            found.extend(counts.into_iter().map(|(author, posts)| (CountOf(reader, author), posts)));
        }
        Ok(found)
    }
}

impl Loader<RevisionPage> for Posts {
    type Value = Slice<revision::Model>;
    type Error = Fault;

    async fn load(&self, keys: &[RevisionPage]) -> Result<HashMap<RevisionPage, Slice<revision::Model>>, Fault> {
        Ok(revisions::list_of_posts(&self.0, keys).await?)
    }
}

impl Loader<RevisionsOf> for Posts {
    type Value = u64;
    type Error = Fault;

    async fn load(&self, keys: &[RevisionsOf]) -> Result<HashMap<RevisionsOf, u64>, Fault> {
        let mut found = HashMap::with_capacity(keys.len());
        for (reader, posts) in by_reader(keys.iter().map(|key| (key.0, key.1))) {
            let counts = revisions::count_of_posts(&self.0, reader, &posts).await?;
            found.extend(counts.into_iter().map(|(post, count)| (RevisionsOf(reader, post), count)));
        }
        Ok(found)
    }
}

impl Loader<ReactionsTo> for Posts {
    type Value = Vec<Summary>;
    type Error = Fault;

    async fn load(&self, keys: &[ReactionsTo]) -> Result<HashMap<ReactionsTo, Vec<Summary>>, Fault> {
        let mut found = HashMap::with_capacity(keys.len());
        for (reader, posts) in by_reader(keys.iter().map(|key| (key.0, key.1))) {
            let reactions = reaction::of_posts(&self.0, reader, &posts).await?;
            found.extend(reactions.into_iter().map(|(post, summaries)| (ReactionsTo(reader, post), summaries)));
        }
        Ok(found)
    }
}
