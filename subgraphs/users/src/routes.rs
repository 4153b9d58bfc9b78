//! What verifiers read over HTTP: signing keys and ended sessions. Neither is secret.

use crate::{Error, Service, keys, session};
use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use chrono::{DateTime, Utc};
use serde::Serialize;

#[derive(Serialize)]
struct Revocation {
    sid: String,
    until: DateTime<Utc>,
}

/// `GET /.well-known/jwks.json` and `GET /revocations`.
pub(crate) fn routes(service: Service) -> Router {
    Router::new().route("/.well-known/jwks.json", get(jwks)).route("/revocations", get(revocations)).with_state(service)
}

async fn jwks(State(service): State<Service>) -> Response {
    answer(keys::jwks(&service.database, service.clock.now()).await, "public, max-age=60")
}

async fn revocations(State(service): State<Service>) -> Response {
    let ended = session::service::revocations(&service.database, service.clock.now()).await;
    let ended = ended.map(|ended| ended.into_iter().map(|(sid, until)| Revocation { sid, until }).collect::<Vec<_>>());
    answer(ended, "no-store")
}

fn answer(result: Result<impl Serialize, Error>, caching: &'static str) -> Response {
    match result {
        Ok(body) => ([(header::CACHE_CONTROL, caching)], Json(body)).into_response(),
        Err(error) => {
            tracing::error!(%error, "internal error");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}
