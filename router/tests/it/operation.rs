//! From a document to a prepared operation: limits, validation, variables, introspection.

use crate::federation::{By, Federation, soon};
use hansa_router::error::GraphQLError;
use hansa_router::execute;
use hansa_router::limits::Operation as Limits;
use hansa_router::operation::{self, Operation};
use hansa_router::request::{GraphQLRequest, RequestContext};
use hansa_router::supergraph::{SubgraphSdl, Supergraph, compose};
use hansa_router::transport::{Config, Subgraph, Transport};
use serde_json::{Value, json};
use std::sync::Arc;

/// A supergraph of one subgraph that is never called.
pub fn schema(sdl: &str) -> Arc<Supergraph> {
    over(compose(&[SubgraphSdl { name: "s".into(), url: "http://s".into(), sdl: sdl.into() }]).unwrap())
}

/// The same, composed.
pub fn over(sdl: String) -> Arc<Supergraph> {
    let subgraph = Subgraph::new("s", "http://s", Transport::Local(axum::Router::new()), &Config::default()).unwrap();
    Arc::new(Supergraph::new(sdl, [Arc::new(subgraph)]).unwrap())
}

fn request(query: &str) -> GraphQLRequest {
    GraphQLRequest { query: Some(query.into()), ..GraphQLRequest::default() }
}

pub async fn prepare(supergraph: &Arc<Supergraph>, query: &str) -> Result<Arc<Operation>, Vec<GraphQLError>> {
    operation::prepare(supergraph, &Limits::default(), &request(query), None).await
}

async fn refused(supergraph: &Arc<Supergraph>, limits: &Limits, query: &str) -> Value {
    match operation::prepare(supergraph, limits, &request(query), None).await {
        Ok(_) => panic!("should be refused: {query}"),
        Err(errors) => serde_json::to_value(errors).unwrap(),
    }
}

/// The answer of an operation that fetches nothing.
async fn answer(supergraph: &Arc<Supergraph>, query: &str, variables: Value) -> Value {
    let request = GraphQLRequest { variables: variables.as_object().cloned(), ..request(query) };
    let operation = operation::prepare(supergraph, &Limits::default(), &request, None).await;
    let operation = operation.unwrap_or_else(|errors| panic!("{errors:#?}"));
    let variables = operation::coerce(&operation, variables.as_object()).unwrap();
    let answer = execute::run(supergraph, &operation, &variables, &RequestContext::default(), soon()).await;
    serde_json::from_slice(&answer.body).unwrap()
}

#[tokio::test]
async fn syntax_errors_say_where() {
    let supergraph = schema("type Query { a: Int }");
    let errors = refused(&supergraph, &Limits::default(), "{\n  a(\n}").await;
    assert_eq!(errors[0]["extensions"]["code"], "GRAPHQL_PARSE_FAILED");
    assert_eq!(errors[0]["locations"], json!([{ "line": 3, "column": 1 }]), "{errors}");
    assert!(errors[0]["message"].as_str().unwrap().starts_with("Syntax error: Unexpected"), "{errors}");
}

#[tokio::test]
async fn invalid_documents_say_where_and_why() {
    let supergraph = schema("type Query { a: Int }");
    let errors = refused(&supergraph, &Limits::default(), "{\n  a\n  nothing\n}").await;
    assert_eq!(errors[0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED");
    assert_eq!(errors[0]["locations"], json!([{ "line": 3, "column": 3 }]));
    let cyclic = "{ ...A } fragment A on Query { ...B } fragment B on Query { a ...A }";
    let errors = refused(&supergraph, &Limits::default(), cyclic).await;
    assert_eq!(errors[0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED");
}

#[tokio::test]
async fn errors_are_in_the_order_of_the_document() {
    let supergraph = schema("type Query { a: Int }");
    let unused = "query($b: Int, $a: Int, $d: Int, $c: Int) { a x\n y }";
    let errors = refused(&supergraph, &Limits::default(), unused).await;
    let named = |error: &Value| error["message"].as_str().unwrap().split('"').nth(1).unwrap().to_owned();
    let named: Vec<_> = errors.as_array().unwrap().iter().map(named).collect();
    assert_eq!(named, ["$a", "$b", "$c", "$d", "x", "y"], "{errors}");
}

#[tokio::test]
async fn repeats_are_bounded_before_they_are_compared() {
    let supergraph = schema("type Query { a: Int q: Query }");
    let nested = |fields: &str, count: usize| format!("{{ q {{ {} }} }}", fields.repeat(count));
    let spread = format!("{} fragment F on Query {{ q {{ a }} }}", nested("...F ", 101));
    for repeating in [nested("a ", 4_000), nested("q { a } ", 1_000), nested("q { a } ", 101), spread] {
        let errors = refused(&supergraph, &Limits::default(), &repeating).await;
        assert_eq!(errors[0]["extensions"]["code"], "OPERATION_TOO_COMPLEX", "{errors}");
    }
    prepare(&supergraph, &nested("q { a } ", 100)).await.unwrap();
}

#[tokio::test]
async fn a_subscription_has_one_root() {
    let supergraph = schema("type Query { a: Int } type Subscription { b: Int }");
    for several in ["subscription { b c: b }", "subscription { ...F d: b } fragment F on Subscription { ... { c: b } }"]
    {
        let errors = refused(&supergraph, &Limits::default(), several).await;
        assert_eq!(errors[0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED", "{errors}");
    }
    prepare(&supergraph, "subscription { ...F b } fragment F on Subscription { b }").await.unwrap();
}

#[tokio::test]
async fn the_operation_is_chosen_by_name() {
    let supergraph = schema("type Query { a: Int }");
    let two = "query One { a } query Two { b: a }";
    let named = |name: &str| GraphQLRequest { operation_name: Some(name.into()), ..request(two) };
    let limits = Limits::default();
    let chosen = operation::prepare(&supergraph, &limits, &named("Two"), None).await.unwrap();
    assert_eq!(chosen.name.as_deref(), Some("Two"));
    for request in [named("Three"), request(two), request("fragment F on Query { a }")] {
        let errors = operation::prepare(&supergraph, &limits, &request, None).await.err().unwrap();
        let code = errors[0].code().unwrap().to_owned();
        assert!(["OPERATION_NOT_FOUND", "GRAPHQL_VALIDATION_FAILED"].contains(&&*code), "{errors:?}");
    }
}

#[tokio::test]
async fn limits_hold() {
    let supergraph = schema("type Query { a: Int q: Query }");
    let limits = Limits {
        max_tokens: 60,
        max_name_bytes: 10,
        max_depth: 3,
        max_aliases: 2,
        max_root_fields: 4,
        max_fields: 12,
        max_directives: 3,
        max_conditions: 1,
        introspection: false,
        ..Limits::default()
    };
    let doubling = "{ q { ...A ...A ...A } } fragment A on Query { a q { ...B ...B } } fragment B on Query { a a }";
    for (query, words) in [
        ("{ q { q { q { a } } } }", "deeper than 3 levels"),
        ("{ q { ...F } } fragment F on Query { q { q { a } } }", "deeper than 3 levels"),
        ("{ x: a y: a z: a }", "more than 2 aliases"),
        ("{ a a a a a }", "more than 4 root fields"),
        (doubling, "more than 12 fields"),
        (
            "{ a @skip(if: false) ...F @skip(if: false) ... @skip(if: false) { ...F } } fragment F on Query { a @skip(if: true) }",
            "more than 3 directives",
        ),
        ("query($b: Boolean!, $c: Boolean!) { a @skip(if: $b) x: a @include(if: $c) }", "more than 1 variables for"),
        ("{ __schema { types { name } } }", "Introspection is switched off"),
        (&format!("{{ {} }}", "a ".repeat(60)), "more than 60 tokens"),
        ("{ far_too_long: a }", "name of more than 10 bytes"),
        ("{ far_too_long }", "name of more than 10 bytes"),
        ("{ a(far_too_long: 1) }", "name of more than 10 bytes"),
        ("{ a(x: [{ far_too_long: 1 }]) }", "name of more than 10 bytes"),
        ("{ a(x: [{ y: $far_too_long }]) }", "name of more than 10 bytes"),
        ("{ a @skip(if: FAR_TOO_LONG) }", "name of more than 10 bytes"),
        ("{ a @far_too_long }", "name of more than 10 bytes"),
        ("query far_too_long { a }", "name of more than 10 bytes"),
        ("query($far_too_long: Int) { a }", "name of more than 10 bytes"),
        ("mutation($x: [FarTooLonger!]) { a }", "name of more than 10 bytes"),
        ("subscription($x: Int = FAR_TOO_LONG) { a }", "name of more than 10 bytes"),
        ("{ ... on FarTooLonger { a } }", "name of more than 10 bytes"),
        ("{ ... { ...farTooLonger } }", "name of more than 10 bytes"),
        ("{ a } fragment farTooLonger on Query { a }", "name of more than 10 bytes"),
        ("{ a } fragment F on FarTooLonger { a }", "name of more than 10 bytes"),
    ] {
        let errors = refused(&supergraph, &limits, query).await;
        assert!(errors.to_string().contains(words), "{query}: {errors}");
        let code = &errors[0]["extensions"]["code"];
        assert!(code == "OPERATION_TOO_COMPLEX" || code == "INTROSPECTION_DISABLED", "{errors}");
    }
    let within = request("{ exactly_10: a y: a q { q { a } } __typename }");
    assert!(operation::prepare(&supergraph, &limits, &within, None).await.is_ok());
    let fields = "fields { type { fields { type { fields { type { fields { name } } } } } } }";
    let errors =
        refused(&supergraph, &Limits::default(), &format!("{{ __type(name: \"Query\") {{ {fields} }} }}")).await;
    assert!(errors.to_string().contains("introspection deeper"), "{errors}");
}

#[tokio::test]
async fn operations_are_prepared_once() {
    let supergraph = schema("type Query { a: Int }");
    let preparing = futures::future::join_all((0..20).map(|_| prepare(&supergraph, "{ a }")));
    let operations: Vec<_> = preparing.await.into_iter().map(Result::unwrap).collect();
    assert!(operations.iter().all(|operation| Arc::ptr_eq(operation, &operations[0])));
    assert!(!Arc::ptr_eq(&operations[0], &prepare(&supergraph, "{ a }  ").await.unwrap()));
}

#[tokio::test]
async fn variables_are_coerced() {
    let supergraph = schema(
        "type Query { a(int: Int, float: Float, id: ID, text: String, truth: Boolean, color: Color, any: Any,
            ints: [Int!], rows: [[Int]], box: Box, choice: Choice, need: Int! = 1): Int }
        enum Color { RED GREEN } scalar Any
        input Box { width: Int! depth: Int = 7 color: Color inner: Box tags: [String!] }
        input Choice @oneOf { id: ID name: String }
        extend schema @link(url: \"https://specs.apollo.dev/federation/v2.5\", import: [\"@key\"])",
    );
    let coerce = async |ty: &str, argument: &str, given: Value| {
        let query = format!("query($v: {ty}) {{ a({argument}: $v) }}");
        let operation = prepare(&supergraph, &query).await.unwrap_or_else(|errors| panic!("{errors:#?}"));
        operation::coerce(&operation, given.as_object()).map(|variables| variables.get("v").cloned())
    };
    for (ty, argument, given, expected) in [
        ("Int", "int", json!(1), json!(1)),
        ("Int", "int", json!(1.0), json!(1)),
        ("Int = 5", "int", json!(null), json!(null)),
        ("Float", "float", json!(1), json!(1)),
        ("ID", "id", json!(7), json!("7")),
        ("ID", "id", json!("x"), json!("x")),
        ("Color", "color", json!("RED"), json!("RED")),
        ("Any", "any", json!({ "a": [1, null] }), json!({ "a": [1, null] })),
        ("[Int!]", "ints", json!(1), json!([1])),
        ("[[Int]]", "rows", json!(1), json!([[1]])),
        ("[[Int]]", "rows", json!([[1, null], null]), json!([[1, null], null])),
        ("Box", "box", json!({ "width": 1 }), json!({ "width": 1, "depth": 7 })),
        (
            "Box",
            "box",
            json!({ "width": 1, "depth": null, "tags": "t", "inner": { "width": 2 } }),
            json!({ "width": 1, "depth": null, "tags": ["t"], "inner": { "width": 2, "depth": 7 } }),
        ),
        ("Choice", "choice", json!({ "id": 3 }), json!({ "id": "3" })),
    ] {
        let coerced = coerce(ty, argument, json!({ "v": given, "other": 1 })).await;
        assert_eq!(
            coerced.unwrap_or_else(|errors| panic!("{ty} {given}: {errors:#?}")),
            Some(expected),
            "{ty} {given}"
        );
    }
    assert_eq!(coerce("Int = 5", "int", json!({})).await.unwrap(), Some(json!(5)));
    assert_eq!(coerce("Int", "int", json!({})).await.unwrap(), None);
    assert_eq!(coerce("Box = { width: 3 }", "box", json!({})).await.unwrap(), Some(json!({ "width": 3, "depth": 7 })));

    for (ty, argument, given, words) in [
        ("Int!", "int", json!({}), "\"$v\" of required type Int! was not provided"),
        ("Int!", "int", json!({ "v": null }), "expected Int!, got null"),
        ("Int", "int", json!({ "v": 2_147_483_648_i64 }), "not a 32-bit integer"),
        ("Int", "int", json!({ "v": 1.5 }), "not a 32-bit integer"),
        ("Int", "int", json!({ "v": "1" }), "expected Int, got a string"),
        ("Float", "float", json!({ "v": "1" }), "expected Float, got a string"),
        ("String", "text", json!({ "v": 1 }), "expected String, got a number"),
        ("Boolean", "truth", json!({ "v": 1 }), "expected Boolean, got a number"),
        ("ID", "id", json!({ "v": 1.5 }), "expected ID"),
        ("Color", "color", json!({ "v": "BLUE" }), "not a value of enum Color"),
        ("[Int!]", "ints", json!({ "v": [1, null] }), "at \"[1]\": expected Int!, got null"),
        ("Box", "box", json!({ "v": {} }), "at \"width\": a value of type Int! is required"),
        ("Box", "box", json!({ "v": { "width": 1, "x": 1 } }), "at \"x\": Box has no such field"),
        ("Box", "box", json!({ "v": { "width": 1, "inner": { "width": "a" } } }), "at \"inner.width\": expected Int"),
        ("Box", "box", json!({ "v": [] }), "expected Box, got a list"),
        ("Choice", "choice", json!({ "v": {} }), "exactly one field of Choice"),
        ("Choice", "choice", json!({ "v": { "id": 1, "name": "n" } }), "exactly one field of Choice"),
        ("Choice", "choice", json!({ "v": { "id": null } }), "exactly one field of Choice"),
    ] {
        let errors = coerce(ty, argument, given.clone()).await.expect_err(&format!("{ty} {given}"));
        assert_eq!(errors[0].code(), Some("BAD_USER_INPUT"));
        assert!(errors[0].message.contains(words), "{ty} {given}: {}", errors[0].message);
        assert_eq!(errors[0].locations[0].column, 7);
    }
}

#[tokio::test]
async fn introspection_tells_the_schema() {
    let supergraph = schema(
        "extend schema @link(url: \"https://specs.apollo.dev/federation/v2.5\", import: [\"@key\", \"@inaccessible\"])
        \"The root.\" type Query { node(\"Which.\" id: ID! = \"a\\\"b\", old: Int @deprecated): Node  gone: Int @deprecated(reason: \"why\")  hidden: Int @inaccessible }
        interface Node { id: ID! } type User implements Node @key(fields: \"id\") { id: ID! tags: [String!]! colors: Color by(by: By): Any }
        union Any2 = User
        enum Color { RED GREEN @deprecated }
        scalar Any @specifiedBy(url: \"https://example.com\")
        input By @oneOf { id: ID  name: String = \"x\" }",
    );
    let ask = async |query: &str| {
        let answer = answer(&supergraph, query, json!({ "no": false, "name": "User" })).await;
        assert!(answer.get("errors").is_none(), "{answer}");
        answer["data"].clone()
    };

    let data = ask("{ __schema { queryType { name description } mutationType { name } } __typename }").await;
    let expected = json!({ "__schema": { "queryType": { "name": "Query", "description": "The root." }, "mutationType": null }, "__typename": "Query" });
    assert_eq!(data, expected);

    let data = ask("{ __type(name: \"Query\") { kind fields { name args { name defaultValue description } } } }").await;
    assert_eq!(
        data["__type"],
        json!({ "kind": "OBJECT", "fields": [
            { "name": "node", "args": [{ "name": "id", "defaultValue": "\"a\\\"b\"", "description": "Which." }] },
        ] })
    );
    let data = ask("{ __type(name: \"Query\") { fields(includeDeprecated: true) { name isDeprecated deprecationReason args(includeDeprecated: true) { name } } } }").await;
    assert_eq!(
        data["__type"]["fields"],
        json!([
            { "name": "gone", "isDeprecated": true, "deprecationReason": "why", "args": [] },
            { "name": "node", "isDeprecated": false, "deprecationReason": null, "args": [{ "name": "id" }, { "name": "old" }] },
        ])
    );

    let data = ask("query($no: Boolean!, $name: String!) { user: __type(name: $name) { ...T kind @include(if: $no) interfaces { name }
            fields { type { kind ofType { kind ofType { kind ofType { name __typename } } } } } }
        nobody: __type(name: \"Nobody\") { name } node: __type(name: \"Node\") { kind possibleTypes { name } } }
        fragment T on __Type { name isOneOf }").await;
    assert_eq!(data["user"]["name"], "User");
    assert!(data["user"].get("kind").is_none());
    assert_eq!(data["user"]["interfaces"], json!([{ "name": "Node" }]));
    let tags = &data["user"]["fields"][3]["type"];
    let list = json!({ "kind": "LIST", "ofType": { "kind": "NON_NULL", "ofType": { "name": "String", "__typename": "__Type" } } });
    assert_eq!(tags, &json!({ "kind": "NON_NULL", "ofType": list }));
    assert_eq!(data["nobody"], Value::Null);
    assert_eq!(data["node"], json!({ "kind": "INTERFACE", "possibleTypes": [{ "name": "User" }] }));

    let data = ask("{ any: __type(name: \"Any\") { kind specifiedByURL fields { name } } by: __type(name: \"By\") { isOneOf inputFields { name defaultValue } } color: __type(name: \"Color\") { enumValues { name } all: enumValues(includeDeprecated: true) { name deprecationReason } } }").await;
    assert_eq!(data["any"], json!({ "kind": "SCALAR", "specifiedByURL": "https://example.com", "fields": null }));
    assert_eq!(data["by"]["isOneOf"], true);
    assert_eq!(data["by"]["inputFields"][1], json!({ "name": "name", "defaultValue": "\"x\"" }));
    assert_eq!(data["color"]["enumValues"], json!([{ "name": "RED" }]));
    assert_eq!(data["color"]["all"][0], json!({ "name": "GREEN", "deprecationReason": "No longer supported" }));

    let data =
        ask("{ __schema { directives { name isRepeatable locations args { name type { kind } } } types { name } } }")
            .await;
    let directives = data["__schema"]["directives"].as_array().unwrap();
    let names: Vec<_> = directives.iter().map(|directive| directive["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["include", "skip", "deprecated", "specifiedBy", "oneOf"]);
    assert_eq!(directives[0]["locations"], json!(["FIELD", "FRAGMENT_SPREAD", "INLINE_FRAGMENT"]));
    let types: Vec<_> =
        data["__schema"]["types"].as_array().unwrap().iter().map(|ty| ty["name"].as_str().unwrap()).collect();
    assert!(
        ["Query", "User", "Int", "__Schema", "__DirectiveLocation"].iter().all(|name| types.contains(name)),
        "{types:?}"
    );
    assert!(types.iter().all(|name| !name.starts_with("join__") && !name.starts_with("link__")), "{types:?}");
}

#[tokio::test]
async fn introspection_and_data_share_an_answer_in_the_clients_order() {
    let federation = Federation::start(By::Call).await;
    let data = federation
        .data(
            "{ kind: __typename warehouses ...R me { name } } fragment R on Query { __type(name: \"User\") { name } }",
        )
        .await;
    assert_eq!(data, r#"{"kind":"Query","warehouses":1,"__type":{"name":"User"},"me":{"name":"Ada"}}"#);
    // Nothing is fetched for what the router knows.
    let calls = federation.desks.values().map(|desk| desk.calls()).sum::<usize>();
    assert_eq!(federation.data("{ __typename }").await, r#"{"__typename":"Query"}"#);
    assert_eq!(federation.desks.values().map(|desk| desk.calls()).sum::<usize>(), calls);
}

#[tokio::test]
async fn skipped_fields_are_not_fetched() {
    let federation = Federation::start(By::Call).await;
    let query = "query($yes: Boolean!, $no: Boolean = false) {
        me { name @skip(if: $yes) ... @include(if: $yes) { id } ...U @include(if: $no) }
        products(ids: [\"p1\"]) @skip(if: $yes) { name }
        reviews @include(if: $no) { id } warehouses @skip(if: true)
    } fragment U on User { username }";
    let ask =
        async |variables: Value| String::from_utf8(federation.run_with(query, variables).await.body.to_vec()).unwrap();
    assert_eq!(ask(json!({ "yes": true })).await, r#"{"data":{"me":{"id":"u1"}}}"#);
    assert_eq!(federation.desk("products").calls() + federation.desk("reviews").calls(), 0);
    assert_eq!(
        ask(json!({ "yes": false, "no": true })).await,
        r#"{"data":{"me":{"name":"Ada","username":"ada"},"products":[{"name":"Table"}],"reviews":[{"id":"r1"},{"id":"r2"},{"id":"r3"},{"id":"r4"}]}}"#
    );
}

#[tokio::test]
async fn nothing_that_a_client_sends_is_an_internal_error() {
    let supergraph = schema(
        "type Query { a(i: Int, f: Float, s: String, any: Any): Int q: Query n: Node u: U }
        interface Node { id: ID } type A implements Node { id: ID x: Int a: A } type B implements Node { id: ID x: String n: Node }
        union U = A | B scalar Any",
    );
    let chain = |length: usize, spread: &str| {
        let links =
            (0..length).map(|i| format!("fragment F{i} on {} {{ ...F{} {spread} }}", ["Node", "A"][i % 2], i + 1));
        let last = format!("fragment F{length} on Node {{ id }}");
        format!("query($v: Boolean!) {{ a @skip(if: $v) n {{ ...F0 }} }} {} {last}", links.collect::<String>())
    };
    let (plain, conditional, short) = (chain(900, ""), chain(600, "@include(if: $v)"), chain(120, "@include(if: $v)"));
    let backwards = {
        let links = (0..900).rev().map(|i| format!("fragment F{i} on Node {{ ...F{} }}", i + 1));
        format!("fragment F900 on Node {{ id }} {} {{ n {{ ...F0 }} }}", links.collect::<String>())
    };
    let unused =
        format!("{{ a }} {}", (0..900).map(|i| format!("fragment F{i} on A {{ ...F{} }}", i + 1)).collect::<String>());
    let nested = format!("{{ n {}id{} }}", "{ ... on B { n ".repeat(18), "}}".repeat(18));
    let documents = [
        "",
        "{",
        "{}",
        "query",
        "mutation { a }",
        "subscription { a }",
        "type Query { a: Int }",
        "{ a } type Query { a: Int }",
        "fragment F on Query { a }",
        "{ ...F } fragment F on Query { ...F }",
        "{ ...F fragment F on Query { a } }",
        "{ ... { a ... { q { ... { a } } } } }",
        "{ ... @skip(if: true) { a } }",
        "{ a @skip(if: true) }",
        "{ n { ... on A @include(if: false) { x } } }",
        "query($v: Boolean = true) { a @include(if: $v) @skip(if: $v) }",
        "query($v: Boolean) { a @include(if: $v) }",
        "{ a @include }",
        "{ a @include(if: \"x\") }",
        "{ a @nothing }",
        "{ a(i: 99999999999999999999999999) }",
        "{ a(i: 9999999999) }",
        "{ a(f: 1e999) }",
        "{ a(any: { a: [1, { b: $x }] }) }",
        "query($x: Any) { a(any: { a: [1, { b: $x }] }) }",
        "query($x: [[[Int!]!]!]! = [[[1]]]) { a(any: $x) }",
        "query($x: Query) { a }",
        "query($x: Nothing = 1) { a(any: $x) }",
        "{ a(s: \"\\uD800\") }",
        "{ a(s: \"\"\"block\"\"\") }",
        "{ u { ... on A { x } ... on B { x } } }",
        "{ u { ... on A { x } ... on B { y: x } } }",
        "{ u { ... on Node { id } ... on Query { a } } }",
        "{ n { ... on U { __typename } } }",
        "{ u { __typename } n { __typename } }",
        "{ q { __schema { queryType { name } } } }",
        "{ ... { __schema { ... { queryType { ... @include(if: true) { name } } } } } }",
        "{ __schema }",
        "{ __type { name } }",
        "query($n: String!) { __type(name: $n) { name } }",
        "{ __nothing }",
        "{ a: __typename a }",
        "{ __proto__: a }",
        "query A { a } query A { q { a } }",
        "{ a } query A { a }",
        "\u{feff}{ a }",
        "{ a \0 }",
        "# only a comment",
        plain.as_str(),
        conditional.as_str(),
        short.as_str(),
        backwards.as_str(),
        unused.as_str(),
        nested.as_str(),
    ];
    let mut failures = Vec::new();
    for document in documents {
        let Err(errors) = prepare(&supergraph, document).await else { continue };
        let codes: Vec<_> = errors.iter().filter_map(GraphQLError::code).collect();
        if codes.contains(&"INTERNAL") || codes.is_empty() {
            failures.push(format!("{document:.200}"));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[tokio::test]
async fn fragments_on_abstract_types_do_not_explode() {
    let types: String =
        (0..10).map(|i| format!("type T{i} implements I {{ id: ID next: I u: U x{i}: Int }} ")).collect();
    let members = (0..10).map(|i| format!("T{i}")).collect::<Vec<_>>().join(" | ");
    let supergraph = schema(&format!(
        "type Query {{ u: U i: I }} interface I {{ id: ID next: I u: U }} union U = {members} {types}"
    ));
    let nest = |inner: &str, depth: usize| {
        format!("{{ u {{ {} __typename {} }} }}", format!("... on I {{ {inner} {{ ").repeat(depth), "} }".repeat(depth))
    };
    let errors = refused(&supergraph, &Limits::default(), &nest("u", 9)).await;
    assert!(errors.to_string().contains("of the types its fragments stand for"), "{errors}");
    for query in [
        nest("u", 2),
        "{ i { next { next { next { id ... on T0 { x0 } ... on T1 { x1 next { id } } } } } } }".into(),
        "{ i { ...F next { ...F next { ...F } } } } fragment F on I { id next { id } u { ... on I { id } } }".into(),
    ] {
        prepare(&supergraph, &query).await.unwrap_or_else(|errors| panic!("{query}: {errors:?}"));
    }
}
