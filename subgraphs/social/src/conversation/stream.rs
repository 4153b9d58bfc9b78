//! The durable stream of what happens in somebody's conversations.

use super::{domain::Change, service as conversations};
use crate::{Error, Service, presence};
use chrono::{DateTime, Utc};
use futures::{Stream, StreamExt};
use hansa_kit::{
    Viewer,
    codes::{Code, Denied},
    signals::Signal,
    streams::{self, Item, StreamGap},
};
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

/// The name of the durable stream.
const STREAM: &str = "conversations";

/// What a subscriber is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Occurrence {
    /// Something happened.
    Change { cursor: String, occurred_at: DateTime<Utc>, change: Change },
    /// What happened is not kept any more.
    Gap(StreamGap),
}

/// Tells participants of a change, within its transaction. Afterwards comes [`announce`].
pub(crate) async fn append(
    transaction: &DatabaseTransaction,
    participants: &[Uuid],
    now: DateTime<Utc>,
    change: Change,
) -> Result<(), hansa_kit::Error> {
    streams::append_all(transaction, STREAM, participants, now, &change).await
}

/// Wakes the participants' subscribers; to be called after the commit.
pub(crate) fn announce(service: &Service, participants: &[Uuid]) {
    for viewer in participants {
        service.signals.send(Signal::News { stream: STREAM.to_owned(), viewer: *viewer });
    }
}

/// What happens in the viewer's conversations, or in one of them, behind the cursor `after` or from now on. The viewer is
/// online as long as the stream lives. What happened where they may not see it any more is left out.
pub(crate) async fn watch(
    service: &Service,
    viewer: &Viewer,
    conversation: Option<Option<Uuid>>,
    after: Option<i64>,
) -> Result<impl Stream<Item = Result<Occurrence, Error>> + Send + use<>, Error> {
    let user = viewer.require()?.user_id;
    let only = match conversation {
        None => None,
        Some(id) => Some(watched(service, user, id).await?),
    };
    let attendance = presence::service::attend(service, user).await?;
    let service = service.clone();
    Ok(async_stream::try_stream! {
        let _attendance = attendance;
        let Service { database, signals, clock, .. } = service.clone();
        let mut items = std::pin::pin!(streams::subscribe(database, signals, clock, STREAM, user, after));
        while let Some(item) = items.next().await {
            let (cursor, occurred_at, payload) = match item? {
                Item::Gap(gap) => {
                    yield Occurrence::Gap(gap);
                    continue;
                }
                Item::Event { cursor, occurred_at, payload } => (cursor, occurred_at, payload),
            };
            let change: Change = serde_json::from_str(&payload).map_err(hansa_kit::Error::from)?;
            let is_wanted = only.is_none_or(|only| change.conversation() == only);
            if is_wanted && is_visible(&service, user, change.conversation()).await? {
                yield Occurrence::Change { cursor, occurred_at, change };
            }
        }
    })
}

/// The conversation that the user may watch.
pub(super) async fn watched(service: &Service, user: Uuid, id: Option<Uuid>) -> Result<Uuid, Error> {
    match id {
        Some(id) if is_visible(service, user, id).await? => Ok(id),
        _ => Err(Denied::new(Code::Forbidden, "you have no such conversation").into()),
    }
}

pub(super) async fn is_visible(service: &Service, user: Uuid, conversation: Uuid) -> Result<bool, Error> {
    Ok(!conversations::find_many(service, &[(user, conversation)]).await?.is_empty())
}
