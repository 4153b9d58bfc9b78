//! The HTTP/1.1 server. Connections are accepted in one place and dealt to [`Workers`]: a request is read, executed and
//! answered on one thread.

use crate::error::{Code, Error, GraphQLError};
use crate::http::client::Peer;
use crate::http::{self, Format, reply};
use crate::{Gateway, telemetry};
use ::http::Version;
use ::http::header::HOST;
use ::http::uri::Authority;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::future::ready;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// A worker's threads for what blocks: planning what was not asked before, looking up names.
const BLOCKING_THREADS: usize = 4;

/// Limits on connections.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The most connections at a time. Further ones wait, unaccepted, until others close.
    pub max_connections: usize,
    /// The largest head of a request, in bytes; at least 8192. A larger one, and one with more than a hundred headers, is
    /// refused with status 431. hyper does so while it parses, before there is a request, and leaves no place for a body.
    pub max_head_bytes: usize,
    /// How long a connection may take to send the head of a request, the first or the next, in milliseconds. Proxies
    /// commonly keep idle connections for 60 s; the side that sends should be the first to close.
    pub head_timeout_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { max_connections: 25_000, max_head_bytes: 64 << 10, head_timeout_ms: 75_000 }
    }
}

impl Config {
    /// Refuses values that cannot work.
    ///
    /// # Errors
    /// [`Error::Config`] names the field.
    pub fn validate(&self) -> Result<(), Error> {
        let refusal = |text: &str| Err(Error::Config(text.to_owned()));
        match self {
            Self { max_connections: 0, .. } => refusal("server.max_connections must be greater than 0"),
            Self { max_connections, .. } if *max_connections > Semaphore::MAX_PERMITS => {
                refusal("server.max_connections is too large")
            }
            Self { max_head_bytes: 0..8192, .. } => refusal("server.max_head_bytes must be at least 8192"),
            Self { head_timeout_ms: 0, .. } => refusal("server.head_timeout_ms must be greater than 0"),
            _ => Ok(()),
        }
    }
}

/// What a server answers with.
#[derive(Clone)]
pub struct Site {
    /// Answers `/graphql`.
    pub gateway: Option<Arc<Gateway>>,
    /// Answer everything else.
    pub routes: Router,
}

/// The runtimes that connections are dealt to.
#[derive(Debug)]
pub struct Workers {
    workers: Vec<Worker>,
    _stop: DropGuard,
}

#[derive(Clone, Debug)]
struct Worker {
    runtime: Handle,
    /// Held by each of its connections, and once by itself.
    connections: Arc<()>,
}

impl Workers {
    /// The runtime that calls this, for connections whose answers depend on what lives in it.
    pub fn current() -> Self {
        let worker = Worker { runtime: Handle::current(), connections: Arc::new(()) };
        Self { workers: vec![worker], _stop: CancellationToken::new().drop_guard() }
    }

    /// A thread with a runtime of its own for each core, until dropped. What a request does stays on its thread: nothing
    /// has to be woken on another core.
    ///
    /// # Errors
    /// When a thread cannot be had.
    pub fn per_core() -> std::io::Result<Self> {
        let stop = CancellationToken::new();
        let cores = std::thread::available_parallelism()?.get();
        let workers = (0..cores).map(|number| Worker::start(number, stop.clone())).collect::<Result<_, _>>()?;
        Ok(Self { workers, _stop: stop.drop_guard() })
    }

    /// The one with the fewest connections.
    fn idlest(&self) -> Option<&Worker> {
        self.workers.iter().min_by_key(|worker| Arc::strong_count(&worker.connections))
    }
}

impl Worker {
    fn start(number: usize, stop: CancellationToken) -> std::io::Result<Self> {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().max_blocking_threads(BLOCKING_THREADS).build()?;
        let handle = runtime.handle().clone();
        let thread = std::thread::Builder::new().name(format!("worker-{number}"));
        thread.spawn(move || runtime.block_on(stop.cancelled()))?;
        Ok(Self { runtime: handle, connections: Arc::new(()) })
    }
}

/// Serves until shutdown, then until every answer under way is written. Sockets are not waited for: see
/// [`Gateway::drained`].
pub async fn serve(
    mut listener: TcpListener,
    site: Site,
    config: Config,
    workers: Arc<Workers>,
    shutdown: CancellationToken,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(Duration::from_millis(config.head_timeout_ms));
    http.max_buf_size(config.max_head_bytes);
    let service = Arc::new(Service { http, site, shutdown: shutdown.clone() });
    let places = Arc::new(Semaphore::new(config.max_connections));
    let connections = TaskTracker::new();
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await;
            (place, Listener::accept(&mut listener).await)
        };
        let Some((place, (stream, peer))) = shutdown.run_until_cancelled(next).await else { break };
        let Some(worker) = workers.idlest() else { break };
        let (service, counted) = (service.clone(), worker.connections.clone());
        let connection = async move {
            let _held = (place, counted);
            if let Err(error) = service.connection(stream, peer).await {
                tracing::debug!(error, "a connection ended early");
            }
        };
        connections.spawn_on(connection, &worker.runtime);
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// What all connections share.
struct Service {
    http: http1::Builder,
    site: Site,
    shutdown: CancellationToken,
}

impl Service {
    async fn connection(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        // From the runtime that accepted it to the one that serves it.
        let stream = TcpStream::from_std(stream.into_std()?)?;
        // Answers are written whole: waiting to fill a packet only delays them.
        stream.set_nodelay(true)?;
        let peer = Peer::new(peer);
        let respond = service_fn(|request| self.respond(request, &peer));
        let serving = self.http.serve_connection(TokioIo::new(stream), respond).with_upgrades();
        let mut serving = std::pin::pin!(serving);
        match self.shutdown.run_until_cancelled(serving.as_mut()).await {
            Some(served) => served?,
            None => {
                serving.as_mut().graceful_shutdown();
                serving.await?;
            }
        }
        Ok(())
    }

    async fn respond(&self, request: hyper::Request<Incoming>, peer: &Peer) -> Result<Response, Infallible> {
        let mut request = request.map(Body::new);
        if !has_host(&request) {
            return Ok(Box::pin(self.refuse(request)).await);
        }
        match &self.site.gateway {
            Some(gateway) if request.uri().path() == http::PATH => {
                Ok(http::respond(gateway, request, Some(peer)).await)
            }
            _ => {
                request.extensions_mut().insert(ConnectInfo(peer.socket));
                self.site.routes.clone().oneshot(request).await
            }
        }
    }

    /// Answers a request that says no host, or several.
    async fn refuse(&self, request: hyper::Request<Body>) -> Response {
        let error = GraphQLError::new(Code::BadRequest, "a request has exactly one Host header, with a valid value");
        let refusal = reply::errors(Format::Json, &[error]);
        match &self.site.gateway {
            Some(gateway) if request.uri().path() == http::PATH => {
                telemetry::observe(&gateway.meters, request, |_| ready(refusal)).await
            }
            _ => refusal,
        }
    }
}

/// Whether it is clear which host a request is meant for (RFC 9112, section 3.2). Proxies and caches go by that: two that
/// read it differently can be played off against each other.
fn has_host<B>(request: &hyper::Request<B>) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => {
            let is_authority = |host| Authority::try_from(host).is_ok_and(|host| !host.as_str().contains('@'));
            host.is_empty() || is_authority(host.as_bytes())
        }
        (None, _) => request.version() < Version::HTTP_11,
        (Some(_), Some(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::task::JoinHandle;

    const DEADLINE: Duration = Duration::from_secs(30);

    async fn start(config: Config, workers: Workers) -> (SocketAddr, CancellationToken, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let peer = get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() });
        let thread = get(|| async { std::thread::current().name().unwrap_or_default().to_owned() });
        let routes = Router::new().route("/peer", peer).route("/thread", thread);
        let shutdown = CancellationToken::new();
        let site = Site { gateway: None, routes };
        let server = tokio::spawn(serve(listener, site, config, Arc::new(workers), shutdown.clone()));
        (address, shutdown, server)
    }

    /// Sends `request` and reads until the server closes.
    async fn talk(address: SocketAddr, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer)).await.expect("it was left open").unwrap();
        String::from_utf8(answer).unwrap()
    }

    /// Sends a request and reads the beginning of its answer; the connection stays open.
    async fn ask(address: SocketAddr, path: &str) -> (TcpStream, String) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = vec![0; 1024];
        let length = tokio::time::timeout(DEADLINE, stream.read(&mut answer)).await.expect("no answer").unwrap();
        answer.truncate(length);
        (stream, String::from_utf8(answer).unwrap())
    }

    #[tokio::test]
    async fn who_sends_no_whole_head_is_cut_off() {
        let config = Config { head_timeout_ms: 100, ..Config::default() };
        let (address, _shutdown, _server) = start(config, Workers::current()).await;
        for head in ["", "GET /peer HTTP/1.1\r\nhost: a\r\n"] {
            assert!(!talk(address, head.as_bytes()).await.contains("200 OK"));
        }
        let answer = talk(address, b"GET /peer HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("127.0.0.1:"), "{answer}");
    }

    #[tokio::test]
    async fn a_head_that_is_too_large_is_refused() {
        let config = Config { max_head_bytes: 8192, ..Config::default() };
        let (address, _shutdown, _server) = start(config, Workers::current()).await;
        let mut head = b"GET /peer HTTP/1.1\r\nx: ".to_vec();
        head.resize(8192, b'a');
        let answer = talk(address, &head).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }

    #[tokio::test]
    async fn a_request_has_one_host() {
        let (address, _shutdown, _server) = start(Config::default(), Workers::current()).await;
        for (head, is_right) in [
            ("HTTP/1.1\r\nhost: a", true),
            ("HTTP/1.1\r\nhost: [::1]:4000", true),
            ("HTTP/1.1\r\nhost:", true),
            ("HTTP/1.0\r\naccept: */*", true),
            ("HTTP/1.1\r\naccept: */*", false),
            ("HTTP/1.1\r\nhost: a\r\nhost: a", false),
            ("HTTP/1.0\r\nhost: a\r\nhost: b", false),
            ("HTTP/1.1\r\nhost: a b", false),
            ("HTTP/1.1\r\nhost: a/b", false),
            ("HTTP/1.1\r\nhost: me@a", false),
        ] {
            let answer = talk(address, format!("GET /peer {head}\r\nconnection: close\r\n\r\n").as_bytes()).await;
            assert_eq!(answer.contains(" 200 OK"), is_right, "{head}: {answer}");
            assert_eq!(answer.contains(" 400 ") && answer.contains("\"BAD_REQUEST\""), !is_right, "{head}: {answer}");
        }
    }

    #[tokio::test]
    async fn connections_are_bounded() {
        let config = Config { max_connections: 1, ..Config::default() };
        let (address, _shutdown, _server) = start(config, Workers::current()).await;
        let (first, _) = ask(address, "/peer").await;
        let (mut second, mut byte) = (TcpStream::connect(address).await.unwrap(), [0]);
        second.write_all(b"GET /peer HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        assert!(second.try_read(&mut byte).is_err(), "it was served beyond the limit");
        drop(first);
        assert_eq!(tokio::time::timeout(DEADLINE, second.read(&mut byte)).await.expect("no answer").unwrap(), 1);
    }

    #[tokio::test]
    async fn each_core_serves() {
        let (address, shutdown, server) = start(Config::default(), Workers::per_core().unwrap()).await;
        let cores = std::thread::available_parallelism().unwrap().get();
        let mut open = Vec::new();
        let mut threads = std::collections::BTreeSet::new();
        for _ in 0..cores {
            let (stream, answer) = ask(address, "/thread").await;
            open.push(stream);
            threads.insert(answer.lines().last().unwrap().to_owned());
        }
        assert_eq!(threads.len(), cores, "{threads:?}");
        shutdown.cancel();
        tokio::time::timeout(DEADLINE, server).await.expect("it did not end").unwrap();
    }

    #[tokio::test]
    async fn idle_connections_do_not_hold_up_the_shutdown() {
        let (address, shutdown, server) = start(Config::default(), Workers::current()).await;
        let (_stream, answer) = ask(address, "/peer").await;
        assert!(answer.contains("200 OK"));
        shutdown.cancel();
        tokio::time::timeout(DEADLINE, server).await.expect("it did not end").unwrap();
    }
}
