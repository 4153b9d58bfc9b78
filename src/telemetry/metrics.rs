//! Metrics in the Prometheus text format.

use crate::process::Process;
use anyhow::Context;
use axum::{Router, routing::get};
use hansa_kit::role::Task;
use hansa_router::server::Site;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, time::Duration};

/// Where metrics are read.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// Address and port of `/metrics` alone, for a network that clients do not reach; without it `/metrics` is served
    /// where everything else is.
    pub listen: Option<SocketAddr>,
}

/// How often what was recorded is summed up; until then each value takes memory, whether anybody reads them or not.
const UPKEEP: Duration = Duration::from_secs(1);

/// The bounds of durations, in seconds, as the OpenTelemetry semantic conventions advise
/// (<https://opentelemetry.io/docs/specs/semconv/http/http-metrics/>), and two below for what takes no time at all.
const SECONDS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

impl Process {
    /// Starts recording metrics, and gives the route that tells them if that is to be among the others.
    ///
    /// # Errors
    /// When another recorder is installed already, or the address is taken.
    pub(crate) async fn record_metrics(&mut self) -> anyhow::Result<Router> {
        let builder = PrometheusBuilder::new().set_buckets(&SECONDS)?.with_recommended_naming(true);
        let handle = builder.install_recorder()?;
        hansa_router::telemetry::describe();
        let summed = handle.clone();
        self.spawn(Task::every("metrics.upkeep", UPKEEP, self.shutdown.clone(), move || {
            summed.run_upkeep();
            std::future::ready(Ok(()))
        }));
        let routes = routes(handle);
        let Some(listen) = self.config.telemetry.metrics.listen else { return Ok(routes) };
        let site = Site { gateway: None, routes };
        let (address, server) = self.listen(listen, site).await.context("telemetry.metrics.listen")?;
        tracing::info!("metrics at http://{address}/metrics");
        self.spawn(Task::new("metrics.server", server));
        Ok(Router::new())
    }
}

fn routes(handle: PrometheusHandle) -> Router {
    Router::new().route("/metrics", get(move || std::future::ready(handle.render())))
}
