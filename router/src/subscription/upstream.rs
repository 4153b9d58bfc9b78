//! The results of one subscription over whatever streams of its subgraph they take: a stream ends with the token that it
//! was opened with, and breaks off with its subgraph.
//!
//! Nothing is lost and nothing comes twice: a durable stream is opened again behind the last event that came. Any other
//! stream is opened again only for a token that has been renewed, from then on; when it breaks off the client is told.

use super::Event;
use crate::error::GraphQLError;
use crate::execute::{Answer, Broken, Step};
use crate::gateway::Prepared;
use crate::request::{Caller, RequestContext};
use crate::{Gateway, auth};
use async_stream::stream;
use backon::{ExponentialBuilder, Retryable};
use futures::stream::{BoxStream, Peekable};
use futures::{Stream, StreamExt};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long before the end of its token a stream that has told no cursor gets a successor.
const OVERLAP: Duration = Duration::from_secs(60);

/// Streams are opened again no sooner after they were opened the last time: one may break off at every event.
const PAUSE: Duration = Duration::from_millis(250);

type Steps = Peekable<BoxStream<'static, Step>>;

/// The results of a subscription.
pub(super) fn events(gateway: Arc<Gateway>, prepared: Arc<Prepared>, mut caller: Caller) -> impl Stream<Item = Event> {
    stream! {
        let mut upstream = match Upstream::open(&gateway, prepared, &caller).await {
            Ok(upstream) => upstream,
            Err(error) => {
                yield Event::Errors(vec![error]);
                return;
            }
        };
        loop {
            let succession = upstream.succession(&caller);
            tokio::select! {
                step = upstream.steps.next() => match step {
                    Some(Step::Event(answer, cursor)) => {
                        upstream.moved(cursor);
                        // Subgraphs break their streams off with the session too; that is no failure to tell of.
                        if answer.has_data || !gateway.is_ending(caller.now().claims.as_deref()) {
                            yield Event::Next(answer.body);
                        }
                    }
                    Some(Step::Broken(broken)) => {
                        if let Err(error) = upstream.mend(&broken, &mut caller).await {
                            yield Event::Last(Answer::failed(&[error]).body);
                            return;
                        }
                    }
                    None => {
                        yield Event::End;
                        return;
                    }
                },
                () = caller.renewed() => {}
                () = due(succession) => upstream.succeed(&caller).await,
                // Holds what comes: once polled, the successor listens.
                () = listening(&mut upstream.successor) => {}
            }
        }
    }
}

/// The stream of the moment.
struct Upstream<'g> {
    gateway: &'g Gateway,
    prepared: Arc<Prepared>,
    steps: Steps,
    /// With whose token it was opened.
    opened_by: Arc<RequestContext>,
    /// Of the last event, or what the client gave, if the stream is durable.
    cursor: Option<String>,
    /// What takes over when the stream ends with its token before it has told a cursor: it listens already.
    successor: Option<(Steps, Arc<RequestContext>)>,
    /// When to try again to open a successor.
    next_attempt: Instant,
    /// When it was opened.
    opened_at: Instant,
}

impl<'g> Upstream<'g> {
    async fn open(gateway: &'g Gateway, prepared: Arc<Prepared>, caller: &Caller) -> Result<Self, GraphQLError> {
        let opened_by = caller.now();
        let steps = prepared.subscribe(caller).await?.peekable();
        let resumption = prepared.operation.resumption.as_ref();
        let cursor = resumption.and_then(|resumption| resumption.after(&prepared.variables)).map(str::to_owned);
        let now = Instant::now();
        Ok(Self { gateway, prepared, steps, opened_by, cursor, successor: None, next_attempt: now, opened_at: now })
    }

    /// Notes the place of an event; nobody has to listen in advance then.
    fn moved(&mut self, cursor: Option<String>) {
        if cursor.is_some() {
            (self.cursor, self.successor) = (cursor, None);
        }
    }

    fn is_durable(&self) -> bool {
        self.prepared.operation.resumption.is_some()
    }

    /// When a successor has to be opened, if at all: where there is a cursor, the end of the stream is soon enough.
    fn succession(&self, caller: &Caller) -> Option<Instant> {
        let is_renewed = !Arc::ptr_eq(&self.opened_by, &caller.now());
        let is_needed = is_renewed && self.is_durable() && self.cursor.is_none() && self.successor.is_none();
        let claims = self.opened_by.claims.as_deref().filter(|_| is_needed)?;
        let due = Instant::now() + auth::time_left(claims).saturating_sub(OVERLAP);
        Some(due.max(self.next_attempt))
    }

    async fn succeed(&mut self, caller: &Caller) {
        let opened_by = caller.now();
        match self.prepared.resume(caller, None, self.gateway.deadline()).await {
            Ok(steps) => self.successor = Some((steps.peekable(), opened_by)),
            Err(broken) => {
                tracing::debug!(%broken, "no stream for the renewed token yet");
                self.next_attempt = Instant::now() + Duration::from_secs(1);
            }
        }
    }

    /// Goes on in place of a stream that has broken off, or waits for the end that all streams of the session have.
    ///
    /// # Errors
    /// When the results cannot be gone on with.
    async fn mend(&mut self, broken: &Broken, caller: &mut Caller) -> Result<(), GraphQLError> {
        while self.gateway.is_ending(caller.now().claims.as_deref()) {
            tracing::debug!(%broken, "a stream ended with its session");
            caller.renewed().await;
        }
        let is_renewed = !Arc::ptr_eq(&self.opened_by, &caller.now());
        if self.cursor.is_some() || is_renewed && !self.is_durable() {
            let patience = Duration::from_millis(self.gateway.config.subscriptions.resume_ms);
            if !is_renewed {
                tracing::info!(%broken, "a stream broke off; going on behind its last event");
            }
            return self.reopen(broken, caller, patience).await;
        }
        match self.successor.take() {
            Some((steps, opened_by)) => {
                (self.steps, self.opened_by) = (steps, opened_by);
                Ok(())
            }
            None => Err(broken.report()),
        }
    }

    async fn reopen(&mut self, broken: &Broken, caller: &Caller, patience: Duration) -> Result<(), GraphQLError> {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(50))
            .with_max_delay(Duration::from_secs(2))
            .with_jitter()
            .without_max_times();
        tokio::time::sleep_until(self.opened_at + PAUSE).await;
        let attempt = || self.prepared.resume(caller, self.cursor.as_deref(), self.gateway.deadline());
        let opened = tokio::time::timeout(patience, attempt.retry(pauses)).await;
        // The last reason is as good as the first.
        let Ok(Ok(steps)) = opened else { return Err(broken.report()) };
        (self.steps, self.opened_by, self.successor) = (steps.peekable(), caller.now(), None);
        self.opened_at = Instant::now();
        Ok(())
    }
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn listening(successor: &mut Option<(Steps, Arc<RequestContext>)>) {
    if let Some((steps, _)) = successor {
        Pin::new(steps).peek().await;
    }
    std::future::pending().await
}
