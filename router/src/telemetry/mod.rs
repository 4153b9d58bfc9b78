//! What the router tells of itself: a log line per request and per slow operation, metrics, and traces. Nothing personal is
//! recorded.

pub(crate) mod metrics;
pub(crate) mod slow;
pub(crate) mod trace;

pub use metrics::describe;
pub use slow::Config;

use ::metrics::{Gauge, Histogram, SharedString, gauge, histogram};
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use std::time::{Instant, SystemTime};
use tracing::{Instrument, Span, field};
use uuid::Uuid;
use uuid::fmt::Hyphenated;

/// The header that names a request, from the client or made here; it is answered and sent on to subgraphs.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const MAX_REQUEST_ID: usize = 128;
const NO_ID: HeaderValue = HeaderValue::from_static("-");
/// Logged for a client that went away before it was answered.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// What a response's log line says of the operation; found in its extensions.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// `query`, `mutation`, `subscription`; empty when it is not known.
    pub kind: &'static str,
    /// The operation's name in the document.
    pub name: Option<String>,
    /// The code of the first error.
    pub code: Option<String>,
}

/// The metrics that almost every request is recorded in, looked up once.
#[derive(Debug)]
pub(crate) struct Meters {
    active: Gauge,
    /// Of POST requests to [`crate::http::PATH`] that were answered with status 200.
    answered: Histogram,
}

impl Meters {
    pub(crate) fn new() -> Self {
        Self { active: gauge!(metrics::ACTIVE_REQUESTS), answered: duration("POST", crate::http::PATH.into(), 200) }
    }
}

fn duration(method: &'static str, path: SharedString, status: u16) -> Histogram {
    histogram!(
        metrics::REQUEST_DURATION,
        "http.request.method" => method,
        "http.route" => path,
        "http.response.status_code" => status.to_string(),
    )
}

/// Names the request, has it answered, measures that and writes its log line.
pub(crate) async fn observe<F>(meters: &Meters, mut request: Request, answer: impl FnOnce(Request) -> F) -> Response
where
    F: Future<Output = Response>,
{
    let id = request_id(request.headers());
    request.headers_mut().insert(REQUEST_ID, id.clone());
    // What comes every few seconds would fill the traces with nothing.
    let is_probe = PROBES.contains(&request.uri().path());
    let (server, trace) = if is_probe { (Span::none(), None) } else { trace::serve(&mut request) };
    let span = tracing::info_span!("request", id = id.to_str().unwrap_or_default(), trace = field::Empty);
    if let Some(trace) = trace {
        span.record("trace", field::display(trace));
    }
    let traced = server.clone();
    async move {
        let mut exchange = Exchange::begin(meters, request.method().clone(), request.uri().path().to_owned());
        let mut response = answer(request).await;
        exchange.status = response.status().as_u16();
        trace::answered(&server, response.status());
        exchange.summary = response.extensions_mut().remove().unwrap_or_default();
        response.headers_mut().insert(REQUEST_ID, id);
        response
    }
    .instrument(traced)
    .instrument(span)
    .await
}

/// The client's own id when it is a harmless token, else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let is_harmless = |id: &&HeaderValue| {
        let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
        (1..=MAX_REQUEST_ID).contains(&id.len()) && id.as_bytes().iter().all(is_token)
    };
    let given = headers.get(REQUEST_ID).filter(is_harmless).cloned();
    given.or_else(|| HeaderValue::from_str(made_id().encode_lower(&mut Uuid::encode_buffer())).ok()).unwrap_or(NO_ID)
}

/// A UUID of version 7. It is no secret, but costs no system call.
fn made_id() -> Hyphenated {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let milliseconds = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    uuid::Builder::from_unix_timestamp_millis(milliseconds, &rand::random()).into_uuid().hyphenated()
}

/// One request and its answer. Recorded when dropped, so that a client that goes away is recorded too.
struct Exchange<'m> {
    meters: &'m Meters,
    method: Method,
    path: String,
    begun: Instant,
    status: u16,
    summary: Summary,
}

impl<'m> Exchange<'m> {
    fn begin(meters: &'m Meters, method: Method, path: String) -> Self {
        meters.active.increment(1);
        let (begun, summary) = (Instant::now(), Summary::default());
        Self { meters, method, path, begun, status: CLIENT_CLOSED_REQUEST, summary }
    }
}

impl Drop for Exchange<'_> {
    fn drop(&mut self) {
        let duration = self.begun.elapsed();
        let method = method_label(&self.method);
        self.meters.active.decrement(1);
        match (method, self.path.as_str(), self.status) {
            ("POST", crate::http::PATH, 200) => self.meters.answered.record(duration.as_secs_f64()),
            (_, path, status) => self::duration(method, path.to_owned().into(), status).record(duration.as_secs_f64()),
        }
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let Summary { kind, name, code } = &self.summary;
        if let Some(code) = code {
            metrics::refused(code);
        }
        if PROBES.contains(&self.path.as_ref()) && self.status < 400 {
            // They come every few seconds and say nothing.
            tracing::debug!(target: "access", method, path = self.path, status = self.status, microseconds);
            return;
        }
        tracing::info!(
            target: "access",
            method, path = self.path, status = self.status, microseconds,
            operation = kind, name = name.as_deref(), code = code.as_deref(),
        );
    }
}

/// What orchestrators ask.
const PROBES: [&str; 2] = ["/health", "/ready"];

/// A client may invent methods; metrics must not grow with them.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::OPTIONS => "OPTIONS",
        Method::HEAD => "HEAD",
        Method::CONNECT => "CONNECT",
        _ => "_OTHER",
    }
}
