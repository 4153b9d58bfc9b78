//! Traces (W3C Trace Context, <https://www.w3.org/TR/trace-context/>).
//!
//! Spans with the target [`TARGET`] make up traces. They are of level trace, so that they cost nothing and stand in no log
//! unless an exporter asks for them. Without an exporter the client's trace context travels on as it came.

use crate::transport::FetchError;
use axum::extract::Request;
use http::{HeaderMap, HeaderName, StatusCode};
use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{TraceContextExt, TraceId};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::{Span, field};
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The target of spans that are exported.
pub(crate) const TARGET: &str = "otel";
/// Where a request stands in a trace.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// What tracing systems add to that.
pub(crate) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The span of a request, and the trace that it is in, if any. What is wrong in its trace context is taken out of the
/// headers.
pub(super) fn serve(request: &mut Request) -> (Span, Option<TraceId>) {
    let given = accept(request.headers_mut());
    let span = tracing::trace_span!(
        target: TARGET,
        "request",
        otel.kind = "server",
        otel.name = format!("{} {}", super::method_label(request.method()), request.uri().path()),
        otel.status_code = field::Empty,
        "http.request.method" = super::method_label(request.method()),
        "http.route" = request.uri().path(),
        "url.path" = request.uri().path(),
        "http.response.status_code" = field::Empty,
    );
    if span.is_disabled() {
        return (span, given.as_ref().map(trace_id));
    }
    if let Some(given) = given {
        // It fails where nothing is exported.
        let _ = span.set_parent(given);
    }
    let context = span.context();
    let id = context.has_active_span().then(|| trace_id(&context));
    (span, id)
}

/// Notes how the request was answered.
pub(super) fn answered(span: &Span, status: StatusCode) {
    span.record("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}

/// The span of one fetch from a subgraph, attempts and all.
pub(crate) fn fetch(subgraph: &str) -> Span {
    tracing::trace_span!(
        target: TARGET,
        "fetch",
        otel.kind = "client",
        otel.name = format!("fetch {subgraph}"),
        otel.status_code = field::Empty,
        "http.request.method" = "POST",
        "peer.service" = subgraph,
        "error.type" = field::Empty,
    )
}

/// Notes in the current span why its fetch failed.
pub(crate) fn failed(error: &FetchError) {
    let span = Span::current();
    span.record("otel.status_code", "ERROR").record("error.type", error.kind());
}

fn trace_id(context: &Context) -> TraceId {
    context.span().span_context().trace_id()
}

/// The trace context of a request, if it has a valid one; the headers say the same in normal form then, and nothing
/// otherwise.
fn accept(headers: &mut HeaderMap) -> Option<Context> {
    let mut parents = headers.get_all(&TRACEPARENT).iter();
    let is_one = parents.next().is_some() && parents.next().is_none();
    let given =
        is_one.then(|| TraceContextPropagator::new().extract_with_context(&Context::new(), &HeaderExtractor(headers)));
    let given = given.filter(TraceContextExt::has_active_span);
    headers.remove(&TRACEPARENT);
    headers.remove(&TRACESTATE);
    if let Some(given) = &given {
        write(given, headers);
    }
    given
}

/// Says in the headers of a request to a subgraph which span it comes from, if that is exported.
pub(crate) fn inject(headers: &mut HeaderMap) {
    Context::map_current(|context| {
        if context.has_active_span() {
            write(context, headers);
        }
    });
}

fn write(context: &Context, headers: &mut HeaderMap) {
    TraceContextPropagator::new().inject_context(context, &mut HeaderInjector(headers));
    if headers.get(&TRACESTATE).is_some_and(|state| state.is_empty()) {
        headers.remove(&TRACESTATE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn accepted(lines: &[(&HeaderName, &'static str)]) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let is_accepted = accept(&mut headers).is_some();
        assert_eq!(is_accepted, headers.contains_key(&TRACEPARENT));
        headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
    }

    #[test]
    fn a_valid_trace_context_travels_on() {
        let parent = ("traceparent".to_owned(), PARENT.to_owned());
        assert_eq!(accepted(&[(&TRACEPARENT, PARENT)]), std::slice::from_ref(&parent));
        let state = ("tracestate".to_owned(), "a=1,b=2".to_owned());
        assert_eq!(accepted(&[(&TRACEPARENT, PARENT), (&TRACESTATE, "a=1,b=2")]), [parent.clone(), state]);
        assert_eq!(accepted(&[(&TRACEPARENT, PARENT), (&TRACESTATE, "no state")]), [parent]);
    }

    #[test]
    fn an_invalid_one_does_not() {
        assert!(accepted(&[(&TRACESTATE, "a=1")]).is_empty());
        assert!(accepted(&[(&TRACEPARENT, PARENT), (&TRACEPARENT, PARENT)]).is_empty());
        for parent in [
            "",
            "00-1",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        ] {
            assert!(accepted(&[(&TRACEPARENT, parent), (&TRACESTATE, "a=1")]).is_empty(), "{parent}");
        }
    }
}
