//! Who may know that somebody is online: they themselves, their friends, and those whom they have written to in a direct
//! conversation. A first message does not tell its sender whether it finds anybody.

use super::{ABSENT, store};
use crate::{Error, Service, conversation};
use chrono::{DateTime, Utc};
use dashmap::DashMap;
use futures::{Stream, StreamExt, stream::SelectAll};
use hansa_kit::{
    Viewer,
    codes::{Code, Denied},
    signals::Signal,
};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};
use uuid::Uuid;

/// What a change of presence is whispered as; there is no payload.
const TOPIC: &str = "presence";
/// How many people one subscription may watch.
pub(crate) const MAX_WATCHED: usize = 100;

/// Whose presence is asked for, and who asks: `(viewer, user)`.
pub(crate) type Seen = (Uuid, Uuid);

/// Whether somebody is online.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Presence {
    pub(crate) is_online: bool,
    pub(crate) last_seen_at: Option<DateTime<Utc>>,
}

/// Who listens to this replica, and how many times.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listeners(Arc<DashMap<Uuid, usize>>);

/// Somebody listens, until this is dropped.
#[derive(Debug)]
pub(crate) struct Attendance {
    listeners: Listeners,
    user: Uuid,
}

impl Attendance {
    fn begin(listeners: Listeners, user: Uuid) -> Self {
        *listeners.0.entry(user).or_default() += 1;
        Self { listeners, user }
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        if let Some(mut times) = self.listeners.0.get_mut(&self.user) {
            *times -= 1;
        }
        self.listeners.0.remove_if(&self.user, |_, times| *times == 0);
    }
}

/// Notes that somebody listens, who is online from now on.
pub(crate) async fn attend(service: &Service, user: Uuid) -> Result<Attendance, Error> {
    let attendance = Attendance::begin(service.listeners.clone(), user);
    let arrived = store::see(&service.database, &[user], service.clock.now()).await?;
    tell(service, &arrived);
    Ok(attendance)
}

/// Sees those who listen to this replica, and finds who is offline by now. Each replica does so every `BEAT`.
///
/// # Errors
/// When the database fails.
pub async fn beat(service: &Service) -> Result<(), hansa_kit::Error> {
    let now = service.clock.now();
    let listeners: Vec<_> = service.listeners.0.iter().map(|entry| *entry.key()).collect();
    let arrived = store::see(&service.database, &listeners, now).await?;
    let gone = store::miss(&service.database, now - ABSENT).await?;
    tell(service, &arrived);
    tell(service, &gone);
    Ok(())
}

fn tell(service: &Service, changed: &[Uuid]) {
    for subject in changed {
        let signal = Signal::Whisper { topic: TOPIC.to_owned(), subject: *subject, payload: serde_json::Value::Null };
        service.signals.send(signal);
    }
}

/// The presence of those of the users whose viewers may know it, by a constant number of statements.
pub(crate) async fn find_many(service: &Service, wanted: &[Seen]) -> Result<HashMap<Seen, Presence>, Error> {
    let database = &service.database;
    let mut known: BTreeSet<Seen> = wanted.iter().copied().filter(|(viewer, user)| viewer == user).collect();
    known.extend(conversation::store::correspondents(database, wanted).await?);
    known.extend(store::friends(database, wanted).await?);
    let users: Vec<_> = wanted.iter().filter(|seen| known.contains(seen)).map(|(_, user)| *user).collect();
    let rows = store::find_many(database, &users).await?;
    let rows: HashMap<_, _> = rows.into_iter().map(|row| (row.user_id, row)).collect();
    let since = service.clock.now() - ABSENT;
    let presence = |user| {
        rows.get(user).map_or_else(Presence::default, |row| Presence {
            is_online: row.is_online && row.seen_at >= since,
            last_seen_at: Some(row.seen_at),
        })
    };
    let visible = wanted.iter().filter(|seen| known.contains(seen));
    Ok(visible.map(|seen| (*seen, presence(&seen.1))).collect())
}

/// Whether these people are online: first how it is, then each change. Those whose presence the viewer may not know are left
/// out. The viewer is online as long as the stream lives.
pub(crate) async fn watch(
    service: &Service,
    viewer: &Viewer,
    users: BTreeSet<Uuid>,
) -> Result<impl Stream<Item = Result<(Uuid, Presence), Error>> + Send + use<>, Error> {
    let viewer = viewer.require()?.user_id;
    if !(1..=MAX_WATCHED).contains(&users.len()) {
        return Err(Denied::new(Code::BadUserInput, format!("watch between 1 and {MAX_WATCHED} people")).into());
    }
    let mut changes: SelectAll<_> = users.iter().map(|user| changes(service, *user).boxed()).collect();
    let attendance = attend(service, viewer).await?;
    let service = service.clone();
    Ok(async_stream::try_stream! {
        let _attendance = attendance;
        let wanted: Vec<_> = users.iter().map(|user| (viewer, *user)).collect();
        let mut told = HashMap::new();
        for ((_, user), presence) in find_many(&service, &wanted).await? {
            told.insert(user, presence.is_online);
            yield (user, presence);
        }
        while let Some(user) = changes.next().await {
            let Some(presence) = find_many(&service, &[(viewer, user)]).await?.remove(&(viewer, user)) else {
                continue;
            };
            if told.insert(user, presence.is_online) != Some(presence.is_online) {
                yield (user, presence);
            }
        }
    })
}

/// A user's id, each time that their presence changes.
fn changes(service: &Service, user: Uuid) -> impl Stream<Item = Uuid> + Send + use<> {
    let whispers = service.signals.whispers(TOPIC, user);
    futures::stream::unfold(whispers, move |mut whispers| async move {
        whispers.next().await;
        Some((user, whispers))
    })
}
