//! Health, asked and answered, of processes without a router; the router answers for itself.

use axum::{Json, Router, http::StatusCode, routing::get};
use hansa_kit::bus::Bus;
use serde_json::json;
use std::{process::ExitCode, time::Duration};

/// Asks a process for its health.
///
/// # Errors
/// When it cannot be asked.
pub async fn ask(url: &str) -> anyhow::Result<ExitCode> {
    let response = reqwest::Client::builder().timeout(Duration::from_secs(3)).build()?.get(url).send().await?;
    println!("{}", response.status());
    Ok(if response.status().is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `GET /health`: the process is alive. `GET /ready`: it can do its work, for the event bus answers.
pub fn routes(bus: Option<Bus>) -> Router {
    let ready = move || {
        let bus = bus.clone();
        async move {
            let is_ready = match &bus {
                Some(bus) => bus.is_ready().await,
                None => true,
            };
            let (status, word) =
                if is_ready { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "no event bus") };
            (status, Json(json!({ "status": word })))
        }
    };
    Router::new().route("/health", get(|| async { Json(json!({ "status": "ok" })) })).route("/ready", get(ready))
}
