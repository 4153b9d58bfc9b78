//! Traces: what caused what, over services and the event bus (W3C Trace Context, <https://www.w3.org/TR/trace-context/>).
//!
//! Spans with the target [`TARGET`] make up traces. They are of level trace, so that they cost nothing and stand in no log
//! unless an exporter asks for them.

use opentelemetry::{
    Context,
    propagation::{Extractor, TextMapPropagator},
    trace::TraceContextExt,
};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use std::collections::HashMap;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The target of spans that are exported.
pub const TARGET: &str = "otel";

const TRACEPARENT: &str = "traceparent";

/// Makes `span`, which is new, a part of the trace that a request belongs to by its headers.
pub fn follow_request(span: &Span, headers: &http::HeaderMap) {
    follow(span, &HeaderExtractor(headers));
}

/// Makes `span`, which is new, a part of the trace that an event belongs to by its `traceparent`.
pub fn follow_event(span: &Span, traceparent: Option<&str>) {
    if let Some(traceparent) = traceparent {
        follow(span, &HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]));
    }
}

/// The `traceparent` of what is done now; `None` when it belongs to no trace.
pub fn traceparent() -> Option<String> {
    let context = Context::current();
    if !context.has_active_span() {
        return None;
    }
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&context, &mut carrier);
    carrier.remove(TRACEPARENT)
}

fn follow(span: &Span, carrier: &dyn Extractor) {
    if span.is_disabled() {
        return;
    }
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), carrier);
    if context.has_active_span() {
        // It fails where nothing is exported.
        let _ = span.set_parent(context);
    }
}
