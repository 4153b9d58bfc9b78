//! Traces, as a collector gets them.

use crate::{
    eventually,
    process::{Hansa, Settings},
};
use axum::{Router, body::Bytes, extract::State, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use prost::Message;
use serde_json::json;
use std::sync::{Arc, Mutex};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// The spans that were exported, with the name of their service.
type Exported = Arc<Mutex<Vec<(String, Span)>>>;

/// A collector that takes `http/protobuf`; gives its base URL.
async fn collector() -> (String, Exported) {
    let exported = Exported::default();
    let take = |State(exported): State<Exported>, body: Bytes| async move {
        for resource in ExportTraceServiceRequest::decode(body).unwrap().resource_spans {
            let service = text(&resource.resource.unwrap().attributes, "service.name");
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            exported.lock().unwrap().extend(spans.map(|span| (service.clone(), span)));
        }
    };
    let routes = Router::new().route("/v1/traces", post(take)).with_state(exported.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    (url, exported)
}

fn text(attributes: &[KeyValue], key: &str) -> String {
    let value = attributes.iter().find(|attribute| attribute.key == key);
    match value.and_then(|attribute| attribute.value.clone()?.value) {
        Some(Value::StringValue(value)) => value,
        Some(other) => format!("{other:?}"),
        None => String::new(),
    }
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn one_trace_from_the_client_to_the_consumers_of_its_events() {
    let (url, exported) = collector().await;
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::from([
        ("HANSA_TELEMETRY__OTLP__ENDPOINT".into(), url),
        // New traces are not exported, those of callers who want it are.
        ("HANSA_TELEMETRY__OTLP__SAMPLE_RATIO".into(), "0".into()),
        ("OTEL_BSP_SCHEDULE_DELAY".into(), "100".into()),
        // What the log leaves out is exported all the same.
        ("HANSA_LOG__FILTER".into(), "warn,hansa=info".into()),
    ]);
    let hansa = Hansa::up_with(folder.path(), &settings).await;
    let query =
        "mutation Join($input: AccountRegisterInput!) { accountRegister(input: $input) { userErrors { code } } }";
    let input = json!({ "username": "anna", "email": "anna@example.com", "password": crate::api::PASSWORD });
    let response = reqwest::Client::new()
        .post(format!("{}/graphql", hansa.url))
        .header("traceparent", format!("00-{TRACE}-{CALLER}-01"))
        .json(&json!({ "query": query, "variables": { "input": input } }))
        .send();
    assert!(response.await.unwrap().text().await.unwrap().contains(r#""userErrors":[]"#));

    let consumed = ["process hansa.users", "process hansa.mail"];
    eventually("the spans of the consumers", async || {
        let exported = exported.lock().unwrap();
        consumed.iter().all(|name| exported.iter().any(|(_, span)| span.name.starts_with(name))).then_some(())
    })
    .await;
    assert_eq!(hansa.terminate().await, Some(0));

    let exported = exported.lock().unwrap();
    let names: Vec<_> = exported.iter().map(|(_, span)| &span.name).collect();
    assert!(exported.iter().all(|(service, span)| service == "hansa" && hex(&span.trace_id) == TRACE), "{names:?}");
    let parent = |name: &str| {
        let span = exported.iter().find(|(_, span)| span.name.starts_with(name));
        let parent = hex(&span.unwrap_or_else(|| panic!("no {name} in {names:?}")).1.parent_span_id);
        let parent = exported.iter().find(|(_, span)| hex(&span.span_id) == parent).map(|(_, span)| span.name.as_str());
        parent.map(str::to_owned)
    };
    let (_, request) = exported.iter().find(|(_, span)| hex(&span.parent_span_id) == CALLER).unwrap();
    assert_eq!(request.name, "POST /graphql");
    assert_eq!(text(&request.attributes, "http.response.status_code"), "IntValue(200)");
    assert_eq!(parent("mutation").as_deref(), Some("POST /graphql"));
    assert_eq!(parent("fetch users").as_deref(), Some("mutation"));
    let (_, subgraph) = exported.iter().find(|(_, span)| span.name == "POST /graphql" && span != request).unwrap();
    let (_, fetch) = exported.iter().find(|(_, span)| span.name == "fetch users").unwrap();
    assert_eq!(subgraph.parent_span_id, fetch.span_id);
    for name in consumed {
        assert_eq!(parent(name).as_deref(), Some("POST /graphql"));
    }
}
