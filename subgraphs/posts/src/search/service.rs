//! Searching, and indexing what was written before there was an index.

use super::{
    query::Query,
    rank::{Judge, Rank},
    store::{self, index},
};
use crate::{Error, Service, domain::Filter, entity::post::Model, store as posts};
use hansa_kit::{
    Viewer, database,
    paging::{Page, Slice},
};
use std::cmp::Reverse;

/// Posts that are indexed in one transaction.
const BATCH: u64 = 500;

/// A page of what was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) posts: Slice<(Rank, Model)>,
    /// On all pages; no more than [`store::WINDOW`].
    pub(crate) total: usize,
}

/// A page of the posts that match, as the viewer may see them, by their [`Rank`].
pub(crate) async fn page(
    service: &Service,
    viewer: &Viewer,
    query: &Query,
    filter: &Filter,
    page: &Page<Rank>,
) -> Result<Found, Error> {
    let judge = Judge::new(query);
    let candidates = store::candidates(&service.database, viewer.user_id(), query, filter).await?;
    let mut ranks: Vec<Rank> = candidates
        .iter()
        .filter_map(|candidate| Some(Rank { score: judge.score(&candidate.stems)?, id: candidate.id }))
        .collect();
    let total = ranks.len();
    ranks.retain(|rank| page.after.is_none_or(|after| *rank < after));
    ranks.sort_unstable_by_key(|rank| Reverse(*rank));
    let Slice { items: ranks, has_next } = Slice::of(ranks, page.limit);
    let ids: Vec<_> = ranks.iter().map(|rank| rank.id).collect();
    let mut posts = posts::find_many(&service.database, viewer.user_id(), &ids).await?;
    let items = ranks.into_iter().filter_map(|rank| Some((rank, posts.remove(&rank.id)?))).collect();
    Ok(Found { posts: Slice { items, has_next }, total })
}

/// Indexes posts that are not in the index as it is made today, the oldest first, until none is left. Several replicas may do
/// so at once.
pub(crate) async fn backfill(service: &Service) -> Result<(), hansa_kit::Error> {
    let (mut after, mut count) = (None, 0);
    loop {
        let posts = store::survey(&service.database, after, BATCH).await?;
        let Some((last, _)) = posts.last() else { break };
        after = Some(*last);
        let missing: Vec<_> = posts.iter().filter(|(_, is_indexed)| !is_indexed).map(|(place, _)| place.id).collect();
        if !missing.is_empty() {
            let transaction = database::begin(&service.database).await?;
            let posts = store::lock(&transaction, missing).await?;
            index(&transaction, &posts).await?;
            transaction.commit().await?;
            count += posts.len();
        }
    }
    if count > 0 {
        tracing::info!(count, "posts were put into the index of the search");
    }
    Ok(())
}
