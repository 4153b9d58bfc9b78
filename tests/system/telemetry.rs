//! Metrics, and the log of slow operations.

use crate::{
    api::{data, post, register},
    eventually,
    process::{Hansa, Settings},
};
use serde_json::json;

#[tokio::test]
async fn metrics_have_the_names_that_dashboards_know() {
    let folder = tempfile::tempdir().unwrap();
    let hansa = Hansa::up(folder.path()).await;
    let account = register(&hansa.url, "anna", "en").await;
    let query = "{ viewer { user { username } notifications { nodes { kind } } } }";
    for _ in 0..2 {
        data(&hansa.url, Some(&account.access), query, json!({})).await;
    }
    post(&hansa.url, None, json!({ "query": "{ absent }" })).await;
    post(&hansa.url, Some("forged"), json!({ "query": "{ __typename }" })).await;
    let metrics = eventually("the metrics of the outbox", async || {
        let metrics = reqwest::get(format!("{}/metrics", hansa.url)).await.unwrap().text().await.unwrap();
        metrics.contains(r#"hansa_outbox_published_total{service="users"}"#).then_some(metrics)
    })
    .await;
    let expected = [
        r#"http_server_request_duration_seconds_count{http_request_method="POST",http_route="/graphql",http_response_status_code="200"}"#,
        "# TYPE http_server_request_duration_seconds histogram",
        "# TYPE http_server_active_requests gauge",
        r#"graphql_server_operation_duration_seconds_bucket{graphql_operation_type="mutation",outcome="ok",le="0.005"}"#,
        r#"graphql_server_operation_duration_seconds_count{graphql_operation_type="unknown",outcome="GRAPHQL_VALIDATION_FAILED"} 1"#,
        r#"hansa_router_refusals_total{code="TOKEN_INVALID"} 1"#,
        r#"hansa_router_fetch_duration_seconds_count{subgraph="notifications",outcome="ok"}"#,
        r#"hansa_router_fetch_retries_total{subgraph="users"} 0"#,
        r#"hansa_router_breaker_state{subgraph="users"} 0"#,
        r#"hansa_router_plan_cache_requests_total{outcome="hit"}"#,
        "hansa_router_plan_cache_entries",
        "hansa_router_supergraph_swaps_total 1",
        "hansa_router_supergraph_up_to_date 1",
    ];
    for line in expected {
        assert!(metrics.contains(line), "no {line} in\n{metrics}");
    }
    for theirs in ["forged", "absent", "anna"] {
        assert!(!metrics.contains(theirs), "a client can make a metric of {theirs}");
    }
}

#[tokio::test]
async fn metrics_may_have_an_address_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::from([("HANSA_TELEMETRY__METRICS__LISTEN".into(), "127.0.0.1:0".into())]);
    let hansa = Hansa::up_with(folder.path(), &settings).await;
    let address = hansa.output().iter().find_map(|line| Some(line.split_once("metrics at ")?.1.to_owned()));
    let address = address.expect("it says where");
    assert!(reqwest::get(&address).await.unwrap().text().await.unwrap().contains("# TYPE"));
    let elsewhere = address.replace("/metrics", "/graphql");
    assert_eq!(reqwest::get(elsewhere).await.unwrap().status(), 404);
    assert_eq!(reqwest::get(format!("{}/metrics", hansa.url)).await.unwrap().status(), 404);
    assert_eq!(hansa.terminate().await, Some(0));
}

#[tokio::test]
async fn slow_operations_are_logged_without_what_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::from([("HANSA_ROUTER__TELEMETRY__SLOW_OPERATION_MS".into(), "1".into())]);
    let hansa = Hansa::up_with(folder.path(), &settings).await;
    // Hashing the password takes longer than that.
    register(&hansa.url, "anna", "en").await;
    let line =
        eventually("the line", async || hansa.output().into_iter().find(|line| line.contains("a slow operation")))
            .await;
    for part in ["request{id=", r#"operation="mutation""#, "document=", "milliseconds=", r#"fetches="users 1 ("#] {
        assert!(line.contains(part), "no {part} in {line}");
    }
    assert!(!line.contains("anna") && !line.contains(crate::api::PASSWORD), "{line}");
}
