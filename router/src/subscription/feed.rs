//! Upstream streams that several clients read: one for all with the same operation, variables and identity.
//!
//! Each client has a queue of its own. The feed goes at the pace of those who keep up: a client whose queue stays full
//! while others wait is let go with SLOW_CONSUMER, behind everything that was queued for it.

use super::{Event, Events, upstream};
use crate::Gateway;
use crate::error::{Code, GraphQLError};
use crate::gateway::Prepared;
use crate::http::internal;
use crate::operation::Operation;
use crate::request::{Caller, RequestContext};
use crate::telemetry::metrics;
use ::metrics::gauge;
use async_stream::stream;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use futures::StreamExt;
use futures::future::select_all;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

/// How long a full queue may hold the others up before its client is let go.
const GRACE: Duration = Duration::from_millis(250);

/// The feeds that run.
#[derive(Debug, Default)]
pub(crate) struct Feeds(DashMap<Key, Weak<Feed>>);

/// What makes two subscriptions the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    operation: ByAddress,
    variables: String,
    identity: Identity,
    /// What else of the caller's request travels on to subgraphs by configuration.
    forwarded: Vec<(HeaderName, HeaderValue)>,
}

/// A prepared operation, which is the same for the same document and rights as long as it is cached.
#[derive(Clone)]
struct ByAddress(Arc<Operation>);

/// Whom subgraphs take the caller for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Identity {
    Anonymous,
    /// Of a verified token: user, session, roles and scopes. Later tokens of the session say the same.
    Session {
        user: String,
        session: String,
        roles: Vec<String>,
        scope: String,
    },
    /// `Authorization`, where nobody verifies it.
    Unread(HeaderValue),
}

/// One upstream stream and its clients. It ends with the last of them.
#[derive(Debug)]
struct Feed {
    key: Key,
    members: Members,
    caller: watch::Sender<Arc<RequestContext>>,
    feeds: Arc<Feeds>,
    _task: AbortOnDropHandle<()>,
}

type Members = Arc<Mutex<Vec<Member>>>;

#[derive(Debug)]
struct Member {
    queue: mpsc::Sender<Event>,
    /// Whether the event of the moment still has to be queued.
    is_owed: bool,
    full_since: Option<Instant>,
    is_slow: Arc<AtomicBool>,
}

/// A client's end of a feed.
struct Membership {
    feed: Arc<Feed>,
    queue: mpsc::Receiver<Event>,
    is_slow: Arc<AtomicBool>,
}

impl Identity {
    pub(super) fn of(context: &RequestContext) -> Self {
        match (&context.claims, context.forward.get(header::AUTHORIZATION)) {
            (Some(claims), _) => Self::Session {
                user: claims.sub.clone(),
                session: claims.sid.clone(),
                roles: claims.roles.clone(),
                scope: claims.scope.clone(),
            },
            (None, Some(authorization)) => Self::Unread(authorization.clone()),
            (None, None) => Self::Anonymous,
        }
    }
}

/// The results of a subscription from a feed that may have other clients, from now on.
pub(super) fn events(gateway: Arc<Gateway>, prepared: Prepared, mut caller: Caller) -> Events {
    stream! {
        let mut membership = join(&gateway, prepared, &caller);
        loop {
            tokio::select! {
                event = membership.queue.recv() => match event {
                    Some(event) => {
                        let is_last = !matches!(event, Event::Next(_));
                        yield event;
                        if is_last {
                            return;
                        }
                    }
                    None if membership.is_slow.load(Ordering::Relaxed) => {
                        metrics::slow_client("feed");
                        let message = "events came faster than they were read";
                        yield Event::Errors(vec![GraphQLError::new(Code::SlowConsumer, message)]);
                        return;
                    }
                    None => {
                        yield Event::Errors(vec![internal()]);
                        return;
                    }
                },
                () = caller.renewed() => membership.feed.renew(caller.now()),
            }
        }
    }
    .boxed()
}

fn join(gateway: &Arc<Gateway>, prepared: Prepared, caller: &Caller) -> Membership {
    let context = caller.now();
    let key = Key {
        operation: ByAddress(prepared.operation.clone()),
        variables: serde_json::to_string(prepared.variables.as_map()).unwrap_or_default(),
        identity: Identity::of(&context),
        forwarded: forwarded(&gateway.forwarded, &context.forward),
    };
    let (sender, queue) = mpsc::channel(gateway.config.limits.streams.max_queue);
    let is_slow = Arc::new(AtomicBool::new(false));
    let member = Member { queue: sender, is_owed: false, full_since: None, is_slow: is_slow.clone() };
    let feed = match gateway.feeds.0.entry(key.clone()) {
        Entry::Occupied(mut entry) => match entry.get().upgrade() {
            Some(feed) => {
                feed.enter(member);
                feed
            }
            None => {
                let feed = Feed::open(gateway, key, prepared, context.clone(), member);
                entry.insert(Arc::downgrade(&feed));
                feed
            }
        },
        Entry::Vacant(entry) => {
            let feed = Feed::open(gateway, key, prepared, context.clone(), member);
            entry.insert(Arc::downgrade(&feed));
            feed
        }
    };
    feed.renew(context);
    Membership { feed, queue, is_slow }
}

fn forwarded(names: &[HeaderName], headers: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    let of = |name: &HeaderName| headers.get_all(name).iter().map(|value| (name.clone(), value.clone())).collect();
    names.iter().flat_map::<Vec<_>, _>(of).collect()
}

impl Feed {
    fn open(
        gateway: &Arc<Gateway>,
        key: Key,
        prepared: Prepared,
        context: Arc<RequestContext>,
        first: Member,
    ) -> Arc<Self> {
        let members = Members::new(Mutex::new(vec![first]));
        let (sender, caller) = watch::channel(context);
        gauge!(metrics::FEEDS).increment(1);
        let events = upstream::events(gateway.clone(), prepared.into(), Caller::renewable(caller));
        let run = run(super::unpanicking(events), members.clone(), gateway.feeds.clone(), key.clone());
        let task = AbortOnDropHandle::new(tokio::spawn(run.in_current_span()));
        Arc::new(Self { key, members, caller: sender, feeds: gateway.feeds.clone(), _task: task })
    }

    fn enter(&self, member: Member) {
        let mut members = lock(&self.members);
        members.retain(|member| !member.queue.is_closed());
        members.push(member);
    }

    /// Takes the token that lives longest.
    fn renew(&self, context: Arc<RequestContext>) {
        let expiry = |context: &RequestContext| context.claims.as_ref().map(|claims| claims.exp);
        self.caller.send_if_modified(|current| {
            let is_later = expiry(&context) > expiry(current);
            if is_later {
                *current = context;
            }
            is_later
        });
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        gauge!(metrics::FEEDS).decrement(1);
        self.feeds.0.remove_if(&self.key, |_, feed| feed.strong_count() == 0);
    }
}

/// Passes events on until the last one. Then nobody can enter any more, and whoever has is told of the end.
async fn run(mut events: Events, members: Members, feeds: Arc<Feeds>, key: Key) {
    loop {
        let event = events.next().await.unwrap_or(Event::End);
        if matches!(event, Event::Next(_)) {
            distribute(&members, &event).await;
        } else {
            feeds.0.remove(&key);
            return distribute(&members, &event).await;
        }
    }
}

/// Queues an event for every member.
async fn distribute(members: &Members, event: &Event) {
    lock(members).iter_mut().for_each(|member| member.is_owed = true);
    loop {
        let full = offer(&mut lock(members), event);
        let Some(since) = full.iter().map(|(since, _)| *since).min() else { return };
        let room = select_all(full.iter().map(|(_, queue)| Box::pin(queue.reserve())));
        let _ = tokio::time::timeout_at((since + GRACE).max(Instant::now() + GRACE / 10), room).await;
    }
}

/// Queues an event for whom it is owed; lets go who has held the others up for too long. Gives those whose queues are
/// full, and since when.
fn offer(members: &mut Vec<Member>, event: &Event) -> Vec<(Instant, mpsc::Sender<Event>)> {
    members.retain(|member| !member.queue.is_closed());
    // Who is alone holds nobody up.
    let is_alone = members.len() == 1;
    members.retain_mut(|member| member.offer(event, is_alone));
    let owed = members.iter().filter(|member| member.is_owed);
    owed.filter_map(|member| Some((member.full_since?, member.queue.clone()))).collect()
}

impl Member {
    /// Whether it stays.
    fn offer(&mut self, event: &Event, is_alone: bool) -> bool {
        if !self.is_owed {
            return true;
        }
        match self.queue.try_send(event.clone()) {
            Ok(()) => {
                self.is_owed = false;
                if self.queue.capacity() > self.queue.max_capacity() / 2 {
                    self.full_since = None;
                }
                true
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(_)) => {
                let since = *self.full_since.get_or_insert_with(Instant::now);
                let is_slow = !is_alone && since.elapsed() >= GRACE;
                self.is_slow.store(is_slow, Ordering::Relaxed);
                !is_slow
            }
        }
    }
}

fn lock(members: &Members) -> MutexGuard<'_, Vec<Member>> {
    members.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PartialEq for ByAddress {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for ByAddress {}

impl Hash for ByAddress {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

impl std::fmt::Debug for ByAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Operation").field(&self.0.name).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn member(members: &Members) -> (mpsc::Receiver<Event>, Arc<AtomicBool>) {
        let (sender, queue) = mpsc::channel(4);
        let is_slow = Arc::new(AtomicBool::new(false));
        lock(members).push(Member { queue: sender, is_owed: false, full_since: None, is_slow: is_slow.clone() });
        (queue, is_slow)
    }

    fn event(number: u8) -> Event {
        Event::Next(Bytes::copy_from_slice(&[number]))
    }

    fn drain(queue: &mut mpsc::Receiver<Event>) -> Vec<u8> {
        let mut numbers = Vec::new();
        while let Ok(Event::Next(number)) = queue.try_recv() {
            numbers.push(number[0]);
        }
        numbers
    }

    #[tokio::test(start_paused = true)]
    async fn who_stalls_is_let_go_behind_what_was_queued() {
        let members = Members::default();
        let (mut stalled, is_slow) = member(&members);
        let (mut fast, is_fast_slow) = member(&members);
        let reading = async {
            let mut read = Vec::new();
            while read.len() < 20 {
                match fast.recv().await {
                    Some(Event::Next(number)) => read.push(number[0]),
                    other => panic!("{other:?}"),
                }
            }
            read
        };
        let writing = async {
            for number in 0..20 {
                distribute(&members, &event(number)).await;
            }
        };
        let begun = Instant::now();
        let (read, ()) = tokio::join!(reading, writing);
        assert_eq!(read, (0..20).collect::<Vec<_>>());
        assert!(begun.elapsed() < GRACE * 2);
        assert_eq!(drain(&mut stalled), [0, 1, 2, 3]);
        assert!(stalled.recv().await.is_none());
        assert!(is_slow.load(Ordering::Relaxed) && !is_fast_slow.load(Ordering::Relaxed));
        assert_eq!(lock(&members).len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_alone_is_waited_for() {
        let members = Members::default();
        let (mut queue, is_slow) = member(&members);
        let mut read = Vec::new();
        let reading = async {
            for _ in 0..5 {
                tokio::time::sleep(GRACE * 8).await;
                read.extend(drain(&mut queue));
            }
        };
        let writing = async {
            for number in 0..20 {
                distribute(&members, &event(number)).await;
            }
        };
        tokio::join!(reading, writing);
        assert_eq!(read, (0..20).collect::<Vec<_>>());
        assert!(!is_slow.load(Ordering::Relaxed));
    }

    #[tokio::test]
    async fn who_comes_later_begins_with_the_next_event() {
        let members = Members::default();
        let (mut first, _) = member(&members);
        distribute(&members, &event(1)).await;
        let (mut second, _) = member(&members);
        distribute(&members, &event(2)).await;
        assert_eq!((drain(&mut first), drain(&mut second)), (vec![1, 2], vec![2]));
        drop(first);
        distribute(&members, &event(3)).await;
        assert_eq!(lock(&members).len(), 1);
    }
}
