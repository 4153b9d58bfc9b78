//! The export of traces (OpenTelemetry Protocol, `http/protobuf`,
//! <https://opentelemetry.io/docs/specs/otlp/#otlphttp>). Besides our own settings the standard variables hold:
//! `OTEL_EXPORTER_OTLP_*`, `OTEL_BSP_*` for the queue, `OTEL_TRACES_SAMPLER`, `OTEL_SERVICE_NAME`,
//! `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_SDK_DISABLED`
//! (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>).

use anyhow::{Context, ensure};
use async_trait::async_trait;
use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    resource::{EnvResourceDetector, TelemetryResourceDetector},
    trace::{Sampler, SdkTracerProvider},
};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::runtime::Handle;
use tracing::Level;
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};

/// The target of spans that are exported; the same in every crate of ours.
const TARGET: &str = hansa_kit::trace::TARGET;

/// Where traces go.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Otlp {
    /// Base URL of a collector, `http://HOST:4318`; spans go to `/v1/traces` below it. Without it, and without
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`, nothing is exported.
    pub endpoint: Option<url::Url>,
    /// The part of new traces that is exported, from 0 to 1; a trace that comes with a request goes by what its
    /// `traceparent` says. All by default.
    pub sample_ratio: Option<f64>,
}

/// What makes spans and exports them in the background; `None` when nothing is to be exported. Needs a Tokio runtime.
pub(super) fn provider(config: &Otlp, service: &str) -> anyhow::Result<Option<SdkTracerProvider>> {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let by_environment = is_set("OTEL_EXPORTER_OTLP_ENDPOINT") || is_set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
    let is_disabled = std::env::var("OTEL_SDK_DISABLED").is_ok_and(|value| value.eq_ignore_ascii_case("true"));
    if is_disabled || !(by_environment || config.endpoint.is_some()) {
        return Ok(None);
    }
    let mut exporter = SpanExporter::builder().with_http().with_http_client(Sender::new());
    if let Some(endpoint) = &config.endpoint {
        exporter = exporter.with_endpoint(format!("{}/v1/traces", endpoint.as_str().trim_end_matches('/')));
    }
    let exporter = exporter.build().context("telemetry.otlp")?;
    let mut provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource(service));
    if let Some(ratio) = config.sample_ratio {
        ensure!((0.0..=1.0).contains(&ratio), "telemetry.otlp.sample_ratio must be from 0 to 1");
        provider = provider.with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio))));
    }
    Ok(Some(provider.build()))
}

fn resource(service: &str) -> Resource {
    let own = [
        KeyValue::new("service.name", service.to_owned()),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", uuid::Uuid::new_v4().to_string()),
    ];
    // What the environment says comes later and wins.
    let resource = Resource::builder_empty()
        .with_attributes(own)
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_detector(Box::new(EnvResourceDetector::new()));
    match std::env::var("OTEL_SERVICE_NAME") {
        Ok(name) if !name.is_empty() => resource.with_service_name(name).build(),
        _ => resource.build(),
    }
}

/// Hands spans to the provider, and what went wrong within them.
pub(super) fn layer<S>(provider: &SdkTracerProvider) -> impl Layer<S> + use<S>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(env!("CARGO_PKG_NAME")))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_filter(filter_fn(|metadata| match metadata.is_span() {
            true => metadata.target() == TARGET,
            false => *metadata.level() <= Level::WARN,
        }))
}

/// Sends spans. The exporter has a thread of its own and no runtime: the process's does the work.
#[derive(Debug)]
struct Sender {
    client: reqwest::Client,
    runtime: Handle,
    is_failing: AtomicBool,
}

impl Sender {
    fn new() -> Self {
        Self { client: reqwest::Client::new(), runtime: Handle::current(), is_failing: AtomicBool::new(false) }
    }

    /// A failure is logged when it is news.
    fn note(&self, problem: Option<String>) {
        let was_failing = self.is_failing.swap(problem.is_some(), Ordering::Relaxed);
        match problem {
            Some(problem) if !was_failing => tracing::warn!(problem, "traces cannot be exported; some will be lost"),
            None if was_failing => tracing::info!("traces are exported again"),
            _ => {}
        }
    }
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sending = self.runtime.spawn(async move {
            let response = client.execute(request.try_into()?).await?.error_for_status()?;
            let status = response.status();
            let mut answer = Response::new(response.bytes().await?);
            *answer.status_mut() = status;
            Ok::<_, reqwest::Error>(answer)
        });
        let sent = sending.await.map_err(HttpError::from).and_then(|sent| sent.map_err(HttpError::from));
        self.note(sent.as_ref().err().map(|error| error.to_string()));
        sent
    }
}
