//! Whether the process lives, and whether it can serve.

use crate::Gateway;
use crate::supergraph::Reason;
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

#[derive(Serialize)]
pub(super) struct Live {
    status: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ready {
    status: &'static str,
    supergraph: Supergraph,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Supergraph {
    /// When the one in use was composed, in seconds since the epoch.
    since: Option<u64>,
    /// Why the newest attempt to bring it up to date failed; the log says more.
    problem: Option<Reason>,
}

/// 200 as long as the process can answer at all.
pub(super) async fn live() -> Json<Live> {
    Json(Live { status: "ok" })
}

/// 200 when requests can be served, else 503 and why.
pub(super) async fn ready(State(gateway): State<Arc<Gateway>>) -> (StatusCode, Json<Ready>) {
    let state = gateway.supergraph.status();
    let since = state.since.and_then(|since| since.duration_since(UNIX_EPOCH).ok()).map(|since| since.as_secs());
    let supergraph = Supergraph { since, problem: state.last_error.as_ref().map(|problem| problem.reason) };
    let (code, status) = if gateway.shutdown.is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "shutting down")
    } else if gateway.supergraph.current().is_none() {
        (StatusCode::SERVICE_UNAVAILABLE, "no supergraph")
    } else {
        (StatusCode::OK, "ready")
    };
    (code, Json(Ready { status, supergraph }))
}
