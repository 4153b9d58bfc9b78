//! Health, asked and answered, of processes without a router; the router answers for itself.

use axum::{Json, Router, http::StatusCode, routing::get};
use sea_orm::DatabaseConnection;
use serde_json::json;
use std::{process::ExitCode, sync::Arc, time::Duration};
use tokio::sync::SetOnce;

/// Asks a process for its health.
///
/// # Errors
/// When it cannot be asked.
pub async fn ask(url: &str) -> anyhow::Result<ExitCode> {
    let response = reqwest::Client::builder().timeout(Duration::from_secs(3)).build()?.get(url).send().await?;
    println!("{}", response.status());
    Ok(if response.status().is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Longest that a database may take to answer.
const PING: Duration = Duration::from_secs(2);

/// `GET /health`: the process is alive. `GET /ready`: the databases of its roles answer, so that it can do its work. An
/// event bus that is away delays events and stops nothing else: it does not count, and is told of only until it has been
/// reached for the first time, when `topics` is set.
pub fn routes(databases: Vec<DatabaseConnection>, topics: Arc<SetOnce<()>>) -> Router {
    let ready = move || {
        let databases = databases.clone();
        let bus = if topics.initialized() { "reached" } else { "not reached yet" };
        async move {
            let pings = futures::future::try_join_all(databases.iter().map(DatabaseConnection::ping));
            let is_ready = matches!(tokio::time::timeout(PING, pings).await, Ok(Ok(_)));
            let (status, word) =
                if is_ready { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "no database") };
            (status, Json(json!({ "status": word, "eventBus": bus })))
        }
    };
    Router::new().route("/health", get(|| async { Json(json!({ "status": "ok" })) })).route("/ready", get(ready))
}
