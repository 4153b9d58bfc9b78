//! The subscriptions.

use super::{service, types::Post};
use crate::{
    domain::POST_PREFIX,
    live::{self, Occurrence},
};
use async_graphql::{Context, ID, Interface, Result, SimpleObject, Union};
use chrono::{DateTime, Utc};
use futures::{Stream, StreamExt};
use hansa_kit::{
    Viewer, ids,
    streams::{self, StreamGap},
};

/// The root of subscriptions.
#[derive(Debug)]
pub struct Subscription;

/// All that can be listened to.
#[async_graphql::Subscription]
impl Subscription {
    /// What happens to the posts of those whom the caller follows or is friends with, each event once, those of one author
    /// in order. Needs a signed-in caller.
    ///
    /// Events are kept for 7 days, and 10 000 of them: after a disconnection go on behind the `cursor` that came last.
    async fn feed_events(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Only events behind this cursor; without it those from now on.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Result<FeedEvent>> + use<>> {
        let after = streams::parse_cursor(after.as_deref())?;
        let occurrences = live::watch(service(context), Viewer::in_context(context), after).await?;
        Ok(occurrences.map(|occurrence| Ok(occurrence?.into())))
    }
}

/// An event of a durable stream.
#[derive(Interface)]
#[graphql(
    field(name = "cursor", ty = "&String", desc = "Its place in the stream: pass it as `after` to go on behind it."),
    field(name = "occurred_at", ty = "&DateTime<Utc>", desc = "When it happened.")
)]
pub enum StreamEvent {
    /// A post was published.
    PostPublished(PostPublished),
    /// A post changed or is gone.
    PostChanged(PostChanged),
    /// Events are missing.
    StreamGap(StreamGap),
}

/// What happens to the posts of a feed.
#[derive(Clone, Debug, Union)]
pub enum FeedEvent {
    /// A post was published.
    PostPublished(PostPublished),
    /// A post changed or is gone.
    PostChanged(PostChanged),
    /// Events are missing.
    StreamGap(StreamGap),
}

/// A post was published.
#[derive(Clone, Debug, SimpleObject)]
pub struct PostPublished {
    /// Its place in the stream: pass it as `after` to go on behind it.
    cursor: String,
    /// When it happened.
    occurred_at: DateTime<Utc>,
    /// The post as it is now.
    post: Option<Post>,
}

/// A post changed, or is gone: deleted, hidden, or not meant for the caller any more.
#[derive(Clone, Debug, SimpleObject)]
pub struct PostChanged {
    /// Its place in the stream: pass it as `after` to go on behind it.
    cursor: String,
    /// When it happened.
    occurred_at: DateTime<Utc>,
    /// The post as it is now; null when it is gone.
    post: Option<Post>,
    /// The id that the post had; null when it is not gone.
    deleted_post_id: Option<ID>,
}

impl From<Occurrence> for FeedEvent {
    fn from(occurrence: Occurrence) -> Self {
        match occurrence {
            Occurrence::Gap(gap) => Self::StreamGap(gap),
            Occurrence::Published { cursor, occurred_at, post } => {
                Self::PostPublished(PostPublished { cursor, occurred_at, post: Some(Post(post)) })
            }
            Occurrence::Changed { cursor, occurred_at, post } => {
                let (post, deleted_post_id) = match post {
                    Ok(post) => (Some(Post(post)), None),
                    Err(id) => (None, Some(ids::encode(POST_PREFIX, id))),
                };
                Self::PostChanged(PostChanged { cursor, occurred_at, post, deleted_post_id })
            }
        }
    }
}
