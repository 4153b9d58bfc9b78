//! The whole system, as its users meet it: real processes on free ports, asked through their public endpoint only.
//!
//! Embedded first; then over Postgres, Kafka, Redis and an SMTP session where the environment names the engines, which
//! `tests/run` sees to.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod alone;
mod api;
mod bad_input;
mod chat;
mod contract;
mod crash;
mod distributed;
mod drain;
mod embedded;
mod mail_pace;
mod people;
mod process;
#[expect(dead_code, reason = "here every mail is accepted")]
#[path = "../../mailer/tests/it/server.rs"]
mod smtp;
mod socket;
mod story;
mod telemetry;
mod tracing;

use std::time::Duration;

/// Longest wait for anything.
const DEADLINE: Duration = Duration::from_secs(60);

/// Asks again and again until there is an answer.
async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(25));
        loop {
            ticks.tick().await;
            if let Some(answer) = ask().await {
                return answer;
            }
        }
    };
    tokio::time::timeout(DEADLINE, asking).await.unwrap_or_else(|_| panic!("in vain: {what}"))
}
