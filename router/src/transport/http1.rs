//! HTTP/1.1 without a task for each connection: who waits for an answer drives the connection that it comes over, so that
//! nobody has to be woken on the way.

use super::FetchError;
use super::tls::Connector;
use super::wire::{Stream, chain, read};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, Ready, ready};
use futures::task::AtomicWaker;
use http::{Request, Uri};
use http_body::Body;
use http_body_util::Full;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::client::pool::cache;
use hyper_util::rt::TokioExecutor;
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use thread_local::ThreadLocal;
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};
use tower::Service;

/// Connections that were not used for so long are closed; at the latest when they were not for twice as long.
const IDLE: Duration = Duration::from_secs(30);

/// A connection keeps the room that its largest request took, in bytes; one that took more is not used again.
const MAX_KEPT: u64 = 1 << 20;

/// So many turns a line and who waits for it take at once, before others have theirs.
const AT_ONCE: usize = 4;

/// What is called a small body, in bytes.
const MAX_COPIED: usize = 4096;

/// A server. Each thread has connections of its own to it.
pub(super) struct Origin {
    connector: Connector,
    url: Uri,
    by_thread: ThreadLocal<Ask>,
}

/// Sends a request, whose answer may have so many bytes and must be there by then.
type Ask =
    Box<dyn Fn(Box<Request<Full<Bytes>>>, usize, Instant) -> BoxFuture<'static, Result<Bytes, FetchError>> + Send>;

/// Opens connections.
struct Open(Connector);

/// A place in the pool.
struct Pooled {
    /// Nothing while it is in use, and when it has been given up.
    line: Option<Box<Line>>,
    /// Whether it was used since idle ones were looked for.
    was_used: bool,
}

/// A connection, and what drives it.
struct Line {
    sender: SendRequest<Full<Bytes>>,
    driver: Driver,
}

struct Driver {
    connection: Connection<Stream, Full<Bytes>>,
    has_ended: bool,
    /// The time limit of the fetch at hand. It is put off for the next one, which costs less than a new one.
    clock: Pin<Box<Sleep>>,
    calls: Arc<Calls>,
    /// Calls by way of `calls`.
    waker: Waker,
}

/// Who is called when the connection can go on: the task that waits for it now, and nobody while that is at it.
#[derive(Default)]
struct Calls {
    task: AtomicWaker,
    is_at_it: AtomicBool,
    /// Whether somebody called meanwhile.
    missed: AtomicBool,
}

/// The connection was given up.
#[derive(Debug)]
struct Gone;

/// Why there is no answer.
enum Failure {
    /// The connection was closed before anything of the request was sent.
    Unsent(Box<Request<Full<Bytes>>>),
    Sent(FetchError),
}

impl Origin {
    /// The server that `url` names; whatever its path.
    pub(super) fn new(connector: Connector, url: Uri) -> Self {
        Self { connector, url, by_thread: ThreadLocal::new() }
    }

    /// Sends a request, which has its `Host` and whose URI is a path; gives its answer, as [`read`] does.
    pub(super) fn ask(
        &self,
        request: Box<Request<Full<Bytes>>>,
        limit: usize,
        deadline: Instant,
    ) -> BoxFuture<'static, Result<Bytes, FetchError>> {
        self.by_thread.get_or(|| ask(self.connector.clone(), self.url.clone()))(request, limit, deadline)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origin").field("url", &self.url).finish_non_exhaustive()
    }
}

/// A pool of connections, which no type has a name for.
fn ask(connector: Connector, url: Uri) -> Ask {
    let pool = cache::builder().executor(TokioExecutor::new()).build(Open(connector));
    let pool = Arc::new(Mutex::new(pool));
    let swept = Arc::downgrade(&pool);
    tokio::spawn(async move {
        while let Some(pool) = swept.upgrade() {
            locked(&pool).retain(Pooled::is_worth_it);
            drop(pool);
            tokio::time::sleep(IDLE).await;
        }
    });
    Box::new(move |mut request, limit, deadline| {
        let (pool, url) = (pool.clone(), url.clone());
        let asking = async move {
            loop {
                let checkout = locked(&pool).call(url.clone());
                let checkout = timeout_at(deadline, checkout).await.map_err(|_| FetchError::Timeout)?;
                let mut pooled = checkout.map_err(|error| FetchError::Connect(chain(&*error)))?;
                if poll_fn(|cx| pooled.poll_ready(cx)).await.is_err() {
                    continue;
                }
                let Some(line) = pooled.inner_mut().line.take() else { continue };
                // A line that is dropped on the way, because nobody waits any more, is closed.
                match line.exchange(request, limit, deadline).await {
                    Ok((answer, line)) => {
                        *pooled.inner_mut() = Pooled { line, was_used: true };
                        return answer;
                    }
                    Err(Failure::Sent(error)) => return Err(error),
                    Err(Failure::Unsent(unsent)) => request = unsent,
                }
            }
        };
        asking.boxed()
    })
}

fn locked<T>(pool: &Mutex<T>) -> MutexGuard<'_, T> {
    pool.lock().unwrap_or_else(PoisonError::into_inner)
}

impl From<TrySendError<Request<Full<Bytes>>>> for Failure {
    fn from(mut error: TrySendError<Request<Full<Bytes>>>) -> Self {
        match error.take_message() {
            Some(request) => Self::Unsent(Box::new(request)),
            None => Self::Sent(FetchError::Broken(chain(error.error()))),
        }
    }
}

impl Line {
    /// Sends a request and reads its answer. Gives the line back if it can be used again.
    async fn exchange(
        mut self: Box<Self>,
        request: Box<Request<Full<Bytes>>>,
        limit: usize,
        deadline: Instant,
    ) -> Result<(Result<Bytes, FetchError>, Option<Box<Self>>), Failure> {
        let is_large = request.body().size_hint().lower() > MAX_KEPT;
        let Self { sender, driver } = &mut *self;
        driver.clock.as_mut().reset(deadline);
        let response = {
            let sending = pin!(sender.try_send_request(*request));
            driver.drive(sending).await.map_err(Failure::Sent)??
        };
        let answer = {
            let reading = pin!(read(response, limit));
            driver.drive(reading).await.map_err(Failure::Sent)?.map(released)
        };
        if !sender.is_ready() {
            // It finds out that the answer is complete.
            driver.go_on();
        }
        driver.calls.task.take();
        let is_kept = sender.is_ready() && !is_large;
        Ok((answer, is_kept.then_some(self)))
    }
}

/// Small bodies are copied: they would keep the room that the connection reads into from being used again.
fn released(body: Bytes) -> Bytes {
    if body.len() <= MAX_COPIED { Bytes::copy_from_slice(&body) } else { body }
}

impl Driver {
    /// Has the connection do what it can do now.
    fn go_on(&mut self) {
        let mut context = Context::from_waker(&self.waker);
        self.has_ended = self.has_ended || self.connection.poll_unpin(&mut context).is_ready();
    }

    /// Does what waits for the connection, unless the time is over before.
    fn drive<T>(&mut self, mut work: Pin<&mut impl Future<Output = T>>) -> impl Future<Output = Result<T, FetchError>> {
        poll_fn(move |cx| {
            let Self { connection, has_ended, clock, calls, waker } = self;
            calls.task.register(cx.waker());
            calls.is_at_it.store(true, Ordering::SeqCst);
            let (mut outcome, mut inner) = (Poll::Pending, Context::from_waker(waker));
            for _ in 0..AT_ONCE {
                calls.missed.store(false, Ordering::SeqCst);
                outcome = work.as_mut().poll(&mut inner).map(Ok);
                if outcome.is_ready() {
                    break;
                }
                *has_ended = *has_ended || connection.poll_unpin(&mut inner).is_ready();
                if !calls.missed.load(Ordering::SeqCst) {
                    break;
                }
            }
            if outcome.is_pending() && clock.as_mut().poll(&mut inner).is_ready() {
                outcome = Poll::Ready(Err(FetchError::Timeout));
            }
            calls.is_at_it.store(false, Ordering::SeqCst);
            if outcome.is_pending() && calls.missed.load(Ordering::SeqCst) {
                cx.waker().wake_by_ref();
            }
            outcome
        })
    }
}

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.missed.store(true, Ordering::SeqCst);
        if !self.is_at_it.load(Ordering::SeqCst) {
            self.task.wake();
        }
    }
}

impl Service<Uri> for Open {
    type Response = Pooled;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = BoxFuture<'static, Result<Pooled, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        let opening = self.0.call(url);
        Box::pin(async {
            // Requests are small: to write one piece costs less than to write two.
            let (sender, connection) = Builder::new().writev(false).handshake(opening.await?).await?;
            let calls = Arc::<Calls>::default();
            let waker = Waker::from(calls.clone());
            let clock = Box::pin(sleep_until(Instant::now()));
            let driver = Driver { connection, has_ended: false, clock, calls, waker };
            Ok(Pooled { line: Some(Box::new(Line { sender, driver })), was_used: true })
        })
    }
}

impl Pooled {
    /// Whether it is open, and was used since this was asked last.
    fn is_worth_it(&mut self) -> bool {
        let is_open = self.line.as_mut().is_some_and(|line| {
            line.driver.go_on();
            !line.driver.has_ended
        });
        is_open && std::mem::take(&mut self.was_used)
    }
}

/// For the pool to know what was given up.
impl Service<()> for Pooled {
    type Response = ();
    type Error = Gone;
    type Future = Ready<Result<(), Gone>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        Poll::Ready(self.line.as_ref().map(drop).ok_or(Gone))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(()))
    }
}
