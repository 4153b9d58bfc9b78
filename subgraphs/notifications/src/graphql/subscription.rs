//! The subscriptions.

use super::{
    service,
    types::{NotificationChanged, NotificationEvent, NotificationReceived},
};
use crate::{
    domain::{Change, NOTIFICATION_PREFIX},
    service::{self as notifications, Occurrence},
};
use async_graphql::{Context, Result};
use futures::{Stream, StreamExt};
use hansa_kit::{Viewer, ids, streams};

/// The root of subscriptions.
#[derive(Debug)]
pub struct Subscription;

/// All that can be listened to.
#[async_graphql::Subscription]
impl Subscription {
    /// What happens to one's notifications, each event once and in order. Needs a signed-in caller.
    ///
    /// Events are kept for 7 days, and 10 000 of them: after a disconnection go on behind the `cursor` that came last.
    async fn notification_events(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Only events behind this cursor; without it those from now on.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Result<NotificationEvent>> + use<>> {
        let after = streams::parse_cursor(after.as_deref())?;
        let occurrences = notifications::watch(service(context), Viewer::in_context(context), after)?;
        Ok(occurrences.map(|occurrence| Ok(occurrence?.into())))
    }
}

impl From<Occurrence> for NotificationEvent {
    fn from(occurrence: Occurrence) -> Self {
        let (cursor, occurred_at, change) = match occurrence {
            Occurrence::Gap(gap) => return Self::StreamGap(gap),
            Occurrence::Change { cursor, occurred_at, change } => (cursor, occurred_at, change),
        };
        let (changed, deleted) = match change {
            Change::Received { id } => {
                return Self::NotificationReceived(NotificationReceived { cursor, occurred_at, id });
            }
            Change::Changed { id } => (Some(id), None),
            Change::Deleted { id } => (None, Some(ids::encode(NOTIFICATION_PREFIX, id))),
            Change::ManyChanged => (None, None),
        };
        let deleted_notification_id = deleted;
        Self::NotificationChanged(NotificationChanged { cursor, occurred_at, changed, deleted_notification_id })
    }
}
