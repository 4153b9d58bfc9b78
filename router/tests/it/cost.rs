//! What operations cost, and that those that cost too much are refused.

use crate::operation::over;
use crate::server::{Server, code};
use hansa_router::Config;
use hansa_router::limits::Operation as Limits;
use hansa_router::operation;
use hansa_router::request::GraphQLRequest;
use hansa_router::supergraph::{SubgraphSdl, Supergraph, compose};
use serde_json::{Value, json};
use std::sync::Arc;

const SCHEMA: &str = r#"
    extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@cost", "@listSize"])
    type Query {
        leaf: Int  dear: Int @cost(weight: 7)  item: Item  items: [Item!]!  thing: Thing  things: [Thing]
        some(first: Int, last: Int): [Item] @listSize(assumedSize: 5, slicingArguments: ["first", "last"], requireOneSlicingArgument: false)
        one(first: Int, last: Int): [Item] @listSize(slicingArguments: ["first", "last"])
        three: [Item] @listSize(assumedSize: 3)
        page(by: Page = {}): Items
        search(text: String @cost(weight: 4)): Item
        connection(first: Int = 20, last: Int): ItemConnection
    }
    type Mutation { write: Item  dear: Int @cost(weight: 90) }
    type Subscription { item: Item }
    input Page { size: Int = 4 }
    type Items { items: [Item] others: [Item] }
    type ItemConnection { nodes: [Item] edges: [Edge] total: Int }  type Edge { node: Item }
    type Item { name: String  item: Item  items: [Item] }
    type Heavy implements Named @cost(weight: 6) { name: String  leaf: Int @cost(weight: 2)  items: [Item] }
    type Light implements Named { name: String  leaf: Int  item: Item }
    union Thing = Heavy | Light
    interface Named { name: String leaf: Int }
    extend type Query { named: Named }
"#;

/// What composition refuses and other composers give: slicing by a field of an argument.
const BY_SIZE: &str =
    r#"): Items @listSize(slicingArguments: ["by.size"], sizedFields: ["items"], requireOneSlicingArgument: false)"#;

fn supergraph() -> Arc<Supergraph> {
    let sdl = compose(&[SubgraphSdl { name: "s".into(), url: "http://s".into(), sdl: SCHEMA.into() }]).unwrap();
    over(sdl.replacen("): Items", BY_SIZE, 1))
}

async fn cost(supergraph: &Arc<Supergraph>, query: &str, variables: Value) -> Result<u64, String> {
    let request = GraphQLRequest { query: Some(query.into()), ..GraphQLRequest::default() };
    let operation = operation::prepare(supergraph, &Limits::default(), &request, None).await;
    let operation = operation.map_err(|errors| errors[0].message.to_string())?;
    let variables = operation::coerce(&operation, variables.as_object()).unwrap();
    Ok(operation.cost.of(&variables))
}

#[tokio::test]
async fn weights_are_multiplied_by_the_lists_around_them() {
    let supergraph = supergraph();
    for (query, expected) in [
        ("{ leaf __typename }", 0),
        ("{ dear }", 7),
        ("{ dear a: dear }", 14),
        ("{ dear dear }", 7),
        ("{ item { name } }", 1),
        ("{ items { name } }", 10),
        ("{ items { item { name } } }", 20),
        ("{ items { items { name } } }", 10 * (1 + 10)),
        ("{ items { ...I } } fragment I on Item { items { name } name }", 10 * (1 + 10)),
        // Directives.
        ("{ some { name } }", 5),
        ("{ some(first: 2) { name } }", 2),
        ("{ some(first: 2, last: 3) { name } }", 3),
        ("{ some(first: -1) { name } }", 5),
        ("{ one(last: 50) { name } }", 50),
        ("{ three { name } }", 3),
        ("{ page(by: { size: 8 }) { items { name } others { name } } }", 1 + 8 + 10),
        ("{ search(text: \"a\") { name } }", 1 + 4),
        ("{ search { name } }", 1),
        // Connections.
        ("{ connection { total } }", 1),
        ("{ connection { nodes { name } } }", 1 + 20),
        ("{ connection(first: 3) { edges { node { name } } nodes { name } } }", 1 + 3 * 2 + 3),
        ("{ connection(first: null, last: 7) { nodes { name } } }", 1 + 7),
        // A value has one type.
        ("{ thing { ... on Heavy { name } ... on Light { name } } }", 1),
        ("{ thing { ... on Heavy { leaf } ... on Light { item { name } } } }", 1 + 2),
        ("{ things { ... on Heavy { items { name } } ... on Light { item { name } } } }", 10 * (1 + 10)),
        ("{ named { leaf } }", 1 + 2),
        // Kinds.
        ("mutation { write { name } }", 11),
        ("mutation { write { name } b: write { name } dear }", 11 + 11 + 100),
        ("subscription { item { name } }", 1),
    ] {
        assert_eq!(cost(&supergraph, query, json!({})).await, Ok(expected), "{query}");
    }
}

#[tokio::test]
async fn introspection_costs_what_it_may_tell() {
    let supergraph = supergraph();
    let once = cost(&supergraph, "{ __schema { types { name fields { name } } } }", json!({})).await.unwrap();
    assert!((50..500).contains(&once), "{once}");
    let twice = "{ __schema { types { name } } ...F } fragment F on Query { b: __schema { types { name } } }";
    assert_eq!(cost(&supergraph, twice, json!({})).await, Ok(2 * once));
    let nested = "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }";
    assert!(cost(&supergraph, nested, json!({})).await.unwrap() > 4 * once);
}

#[tokio::test]
async fn variables_decide() {
    let supergraph = supergraph();
    let some = "query($n: Int, $m: Int = 4) { some(first: $n, last: $m) { name } leaf }";
    let page = "query($by: Page) { page(by: $by) { items { name } } }";
    let size = "query($n: Int) { page(by: { size: $n }) { items { name } } }";
    let nested = "query($n: Int!) { connection(first: $n) { nodes { items { name } } } item { name } }";
    let skipping = "query($no: Boolean!, $n: Int!) {
        a: one(first: $n) @skip(if: $no) { name } ... @include(if: $no) { items { name } } }";
    for (query, variables, expected) in [
        (some, json!({ "n": 9 }), 9),
        (some, json!({ "n": 1 }), 4),
        (some, json!({ "m": null }), 5),
        (some, json!({ "n": -3, "m": null }), 5),
        (page, json!({ "by": { "size": 6 } }), 1 + 6),
        (page, json!({}), 1 + 10),
        (size, json!({ "n": 6 }), 1 + 6),
        (nested, json!({ "n": 3 }), 1 + 3 * (1 + 10) + 1),
        (nested, json!({ "n": i32::MAX }), 2 + 11 * 2_147_483_647),
        (skipping, json!({ "no": false, "n": 3 }), 3),
        (skipping, json!({ "no": true, "n": 3 }), 10),
    ] {
        assert_eq!(cost(&supergraph, query, variables.clone()).await, Ok(expected), "{query} {variables}");
    }
}

#[tokio::test]
async fn one_slicing_argument_may_be_required() {
    let supergraph = supergraph();
    for query in ["{ one { name } }", "{ one(first: 1, last: 1) { name } }", "{ one(first: null) { name } }"] {
        let refused = cost(&supergraph, query, json!({})).await.unwrap_err();
        assert_eq!(refused, "Field \"one\" needs exactly one of: first, last.", "{query}");
    }
    assert_eq!(cost(&supergraph, "query($n: Int) { one(first: $n) { name } }", json!({ "n": 2 })).await, Ok(2));
}

#[tokio::test]
async fn what_costs_too_much_is_not_run() {
    let mut config = Config::default();
    config.limits.operation.max_cost = 9;
    config.limits.http.max_batch = 2;
    let server = Server::start_with(config).await;
    let dear = json!({ "query": "mutation { double(number: 1) }" });
    for (accept, status) in [("application/json", 200), ("application/graphql-response+json", 400)] {
        let response = server.post(&dear).header("accept", accept).send().await.unwrap();
        assert_eq!(response.status(), status);
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer.get("data"), None);
        assert_eq!(code(&answer), "COST_LIMIT_EXCEEDED");
        assert_eq!(answer["errors"][0]["extensions"]["cost"], json!({ "estimated": 10, "max": 9 }));
    }
    let stream = server.post(&dear).header("accept", "text/event-stream").send().await.unwrap().text().await.unwrap();
    assert!(stream.contains("COST_LIMIT_EXCEEDED"), "{stream}");
    let batch: Value =
        server.post(&json!([dear, { "query": "{ hello }" }])).send().await.unwrap().json().await.unwrap();
    assert_eq!(code(&batch[0]), "COST_LIMIT_EXCEEDED");
    assert_eq!(batch[1], json!({ "data": { "hello": "world" } }));
}

#[tokio::test]
async fn the_cost_is_told_on_request() {
    let server = Server::start().await;
    let request = server.post(&json!({ "query": "mutation { double(number: 1) }" })).header("graphql-cost", "true");
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    let extensions = json!({ "cost": { "estimated": 10, "max": Limits::default().max_cost } });
    assert_eq!(answer, json!({ "data": { "double": 2 }, "extensions": extensions }));
}
