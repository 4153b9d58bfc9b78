//! Logs, traces and metrics of the process.

mod metrics;
mod traces;

pub use metrics::Metrics;
pub use traces::Otlp;

use crate::config::{Config, Log, LogFormat};
use anyhow::Context;
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde::{Deserialize, Serialize};
use std::{io::IsTerminal, time::Duration};
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

/// What the process tells of itself besides its log.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Telemetry {
    /// Where traces go.
    pub otlp: Otlp,
    /// Where metrics are read.
    pub metrics: Metrics,
}

/// Spans that wait at the end of the process may take this long to be sent.
const FLUSH: Duration = Duration::from_secs(5);

/// What is running of it.
pub struct Running {
    traces: Option<SdkTracerProvider>,
}

/// Starts logging and, if that is configured, the export of traces under the name of a service.
///
/// # Errors
/// When the configuration of either cannot be used.
pub fn start(config: &Config, service: &str) -> anyhow::Result<Running> {
    let filter = EnvFilter::try_new(&config.log.filter).context("log.filter")?;
    let traces = traces::provider(&config.telemetry.otlp, service)?;
    match &traces {
        None => tracing_subscriber::registry().with(filter).with(log(&config.log)).init(),
        // What the log leaves out is in the traces all the same.
        Some(traces) => {
            let log = log(&config.log).with_filter(filter);
            tracing_subscriber::registry().with(log).with(traces::layer(traces)).init();
        }
    }
    Ok(Running { traces })
}

fn log<S>(config: &Log) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let lines = tracing_subscriber::fmt::layer().with_target(false).with_ansi(std::io::stdout().is_terminal());
    match config.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    }
}

impl Running {
    /// Runs `work` to its end and sends what has not been sent yet.
    pub async fn follow<T>(self, work: impl Future<Output = T>) -> T {
        let outcome = work.await;
        self.flush().await;
        outcome
    }

    async fn flush(self) {
        let Some(traces) = self.traces else { return };
        let flushed = tokio::task::spawn_blocking(move || traces.shutdown_with_timeout(FLUSH)).await;
        if let Ok(Err(error)) = flushed {
            tracing::warn!(%error, "the last spans may not have been sent");
        }
    }
}
