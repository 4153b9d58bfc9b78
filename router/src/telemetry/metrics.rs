//! The router's metrics, through the `metrics` facade. Names follow the OpenTelemetry semantic conventions where those have
//! one; an exporter turns dots into what it needs. Every label has few values: none is a client's to choose.

use metrics::{
    Histogram, SharedString, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use std::time::Instant;

pub(crate) const REQUEST_DURATION: &str = "http.server.request.duration";
pub(crate) const ACTIVE_REQUESTS: &str = "http.server.active_requests";
const OPERATION_DURATION: &str = "graphql.server.operation.duration";
const REFUSALS: &str = "hansa.router.refusals";
pub(crate) const FETCH_DURATION: &str = "hansa.router.fetch.duration";
pub(crate) const FETCH_RETRIES: &str = "hansa.router.fetch.retries";
pub(crate) const BREAKER: &str = "hansa.router.breaker.state";
pub(crate) const RATE_BREAKER: &str = "hansa.router.rate.breaker.state";
pub(crate) const RATE_FALLBACKS: &str = "hansa.router.rate.fallbacks";
pub(crate) const PLAN_CACHE_REQUESTS: &str = "hansa.router.plan_cache.requests";
pub(crate) const PLAN_CACHE_ENTRIES: &str = "hansa.router.plan_cache.entries";
pub(crate) const SUPERGRAPH_SWAPS: &str = "hansa.router.supergraph.swaps";
pub(crate) const SUPERGRAPH_UP_TO_DATE: &str = "hansa.router.supergraph.up_to_date";
pub(crate) const STREAMS: &str = "hansa.router.streams";
pub(crate) const FEEDS: &str = "hansa.router.feeds";
const SLOW_CLIENTS: &str = "hansa.router.slow_clients";

/// Says in which unit each metric is and what it means. Exporters that put units into names need to know before anything
/// is recorded: call this when a recorder has been installed.
pub fn describe() {
    describe_histogram!(REQUEST_DURATION, Unit::Seconds, "How long HTTP requests took to be answered.");
    describe_gauge!(ACTIVE_REQUESTS, "HTTP requests that are being answered.");
    describe_histogram!(
        OPERATION_DURATION,
        Unit::Seconds,
        "How long GraphQL operations took, from their preparation to their answer; of subscriptions the start. The outcome \
         is ok, partial (data and errors), failed (no data) or the code of the error that kept it from running."
    );
    describe_counter!(REFUSALS, "Requests and sockets that were refused, by the code that the client got.");
    describe_histogram!(
        FETCH_DURATION,
        Unit::Seconds,
        "How long fetches from subgraphs took, retries included. The outcome is ok or what went wrong."
    );
    describe_counter!(FETCH_RETRIES, "Fetches from subgraphs that were tried again.");
    describe_gauge!(BREAKER, "The circuit breaker of a subgraph: 0 closed, 1 half open, 2 open.");
    describe_gauge!(RATE_BREAKER, "The circuit breaker of the Redis that counts rates: 0 closed, 1 half open, 2 open.");
    describe_counter!(RATE_FALLBACKS, "Operations that were counted by one replica alone, for Redis did not answer.");
    describe_counter!(PLAN_CACHE_REQUESTS, "Operations that were found prepared (hit) or not (miss).");
    describe_gauge!(PLAN_CACHE_ENTRIES, "Documents that are prepared, about.");
    describe_counter!(SUPERGRAPH_SWAPS, "How often another supergraph came into use.");
    describe_gauge!(SUPERGRAPH_UP_TO_DATE, "1 when the newest attempt to bring the supergraph up to date succeeded.");
    describe_gauge!(STREAMS, "Sockets and event streams that are open.");
    describe_gauge!(FEEDS, "Upstream streams that clients may share.");
    describe_counter!(SLOW_CLIENTS, "Streams that were cut off because their client did not read.");
}

/// Records one operation, however it came in. `kind` is `query`, `mutation`, `subscription`, or `unknown` when it could not
/// be prepared.
pub(crate) fn operation(kind: &'static str, outcome: impl Into<SharedString>, begun: Instant) {
    operation_duration(kind, outcome).record(begun.elapsed().as_secs_f64());
}

/// How long operations of this kind take that end like this.
pub(crate) fn operation_duration(kind: &'static str, outcome: impl Into<SharedString>) -> Histogram {
    let labels = [("graphql.operation.type", SharedString::from(kind)), ("outcome", outcome.into())];
    histogram!(OPERATION_DURATION, &labels)
}

/// Records that a request or a socket was refused with a code of ours.
pub(crate) fn refused(code: &str) {
    counter!(REFUSALS, "code" => code.to_owned()).increment(1);
}

/// Records that a client did not read its stream; `transport` is `websocket`, `http`, or
/// `feed` when it held others up.
pub(crate) fn slow_client(transport: &'static str) {
    counter!(SLOW_CLIENTS, "transport" => transport).increment(1);
}

/// Records that one more stream is open, or one less.
pub(crate) fn stream_opened(is_open: bool) {
    let streams = gauge!(STREAMS);
    if is_open { streams.increment(1) } else { streams.decrement(1) }
}
