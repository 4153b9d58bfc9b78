//! The router alone, built without the rest of the system: for measuring. It takes what `hansa router` takes.

use clap::Parser;
use hansa_router::config::Requests;
use hansa_router::server::{self, Site, Workers};
use hansa_router::supergraph::Source;
use hansa_router::{Config, Gateway, transport};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Bounds of durations in seconds, as `hansa` has them: without any, quantiles are estimated, which costs more.
const SECONDS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

const UPKEEP: Duration = Duration::from_secs(1);

#[derive(Parser)]
enum Command {
    Router {
        #[arg(long)]
        supergraph: PathBuf,
        #[arg(long)]
        listen: SocketAddr,
        /// Serve in the runtime of the process rather than in one per core.
        #[arg(long, env)]
        one_runtime: bool,
        #[arg(long, env = "HANSA_ROUTER__SUBGRAPHS__SHARE_IN_FLIGHT")]
        share_in_flight: bool,
        #[arg(long, env = "HANSA_ROUTER__REQUESTS__SHARE_IN_FLIGHT")]
        share_requests: bool,
        #[arg(long, env = "HANSA_LOG__FILTER", default_value = "info")]
        log: String,
    },
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Command::Router { supergraph, listen, one_runtime, share_in_flight, share_requests, log } = Command::parse();
    tracing_subscriber::fmt().with_env_filter(log).with_target(false).init();
    let metrics = metrics_exporter_prometheus::PrometheusBuilder::new().set_buckets(&SECONDS)?.install_recorder()?;
    // Until it is summed up, what is recorded takes memory.
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            metrics.run_upkeep();
        }
    });
    let shutdown = CancellationToken::new();
    let subgraphs = transport::Config { share_in_flight, ..transport::Config::default() };
    let requests = Requests { share_in_flight: share_requests };
    let config = Config { subgraphs, requests, ..Config::default() };
    let gateway = Gateway::start(config, Source::File(supergraph), None, shutdown.clone())?;
    let site = Site { routes: gateway.routes(), gateway: Some(gateway) };
    let workers = if one_runtime { Workers::current() } else { Workers::per_core()? };
    let listener = TcpListener::bind(listen).await?;
    server::serve(listener, site, server::Config::default(), Arc::new(workers), shutdown).await;
    Ok(())
}
