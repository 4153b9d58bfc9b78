//! Plans of every shape, over subgraphs that give prepared answers.

use crate::federation::soon;
use axum::extract::State;
use axum::routing::post;
use hansa_router::request::{GraphQLRequest, RequestContext};
use hansa_router::supergraph::{SubgraphSdl, Supergraph, compose};
use hansa_router::transport::{Config, Subgraph, Transport};
use hansa_router::{execute, limits, operation};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// Subgraphs by name: their SDL, and what they answer.
pub type Prepared = [(&'static str, &'static str, Answers)];

/// What a subgraph answers to a request that contains some text.
pub type Answers = &'static [(&'static str, Says)];

#[derive(Clone, Copy)]
pub enum Says {
    This(&'static str),
    Entities(fn(&str) -> &'static str),
    Whatever(fn(&str) -> String),
}
use Says::{Entities, This, Whatever};

pub struct Stage {
    supergraph: Arc<Supergraph>,
    asked: Asked,
}

/// The requests, with the name of the subgraph that got them.
pub type Asked = Arc<Mutex<Vec<(&'static str, Value)>>>;

type Script = (&'static str, Answers, Asked);

pub fn stage(prepared: &Prepared) -> Stage {
    stage_with(prepared, |sdl| sdl)
}

fn stage_with(prepared: &Prepared, change: fn(String) -> String) -> Stage {
    let asked = Asked::default();
    let (mut sdls, mut subgraphs) = (Vec::new(), Vec::new());
    for (name, sdl, answers) in prepared {
        let link = "extend schema @link(url: \"https://specs.apollo.dev/federation/v2.9\", import: [\"@key\", \
            \"@shareable\", \"@external\", \"@requires\", \"@interfaceObject\", \"@inaccessible\", \"@authenticated\"])\n";
        let url = format!("http://{name}/graphql");
        sdls.push(SubgraphSdl { name: (*name).into(), url: url.clone(), sdl: format!("{link}{sdl}") });
        let script: Script = (name, answers, asked.clone());
        let routes = axum::Router::new().route("/graphql", post(answer)).with_state(script);
        let subgraph = Subgraph::new(*name, url, Transport::Local(routes), &Config::default()).unwrap();
        subgraphs.push(Arc::new(subgraph));
    }
    let sdl = change(compose(&sdls).unwrap_or_else(|error| panic!("{error}")));
    Stage { supergraph: Arc::new(Supergraph::new(sdl, subgraphs).unwrap()), asked }
}

async fn answer(State((name, answers, asked)): State<Script>, body: String) -> String {
    let request: Value = serde_json::from_str(&body).unwrap();
    asked.lock().unwrap().push((name, request.clone()));
    let prepared = answers.iter().find(|(part, _)| body.contains(part));
    match prepared.unwrap_or_else(|| panic!("{name} does not know what to say to {body}")).1 {
        This(text) => text.to_owned(),
        Whatever(says) => says(request["query"].as_str().unwrap()),
        Entities(entity) => format!(r#"{{"data":{{{}}}}}"#, entities(&request, entity)),
    }
}

/// Answers every `_entities` field of a request, representation by representation.
fn entities(request: &Value, entity: fn(&str) -> &'static str) -> String {
    let text = request["query"].as_str().unwrap();
    let fields = text.split("_entities(representations: $").skip(1).enumerate().map(|(index, rest)| {
        let variable = rest.split(')').next().unwrap();
        let representations = request["variables"][variable].as_array().unwrap();
        let found: Vec<_> = representations.iter().map(|known| entity(known["id"].as_str().unwrap())).collect();
        let key = if text.contains("_e0:") { format!("_e{index}") } else { "_entities".into() };
        format!("\"{key}\":[{}]", found.join(","))
    });
    fields.collect::<Vec<_>>().join(",")
}

impl Stage {
    pub async fn ask(&self, query: &str) -> String {
        let request = GraphQLRequest { query: Some(query.into()), ..GraphQLRequest::default() };
        let limits = limits::Operation::default();
        let operation = operation::prepare(&self.supergraph, &limits, &request, None).await.unwrap();
        println!("{}", operation.plan.as_ref().unwrap().source);
        let variables = operation::coerce(&operation, None).unwrap();
        let context = RequestContext::default();
        let answer = execute::run(&self.supergraph, &operation, &variables, &context, soon()).await;
        String::from_utf8(answer.body.to_vec()).unwrap()
    }

    /// The variables of the requests to one subgraph.
    pub fn variables(&self, subgraph: &str) -> Vec<Value> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(name, _)| *name == subgraph).map(|(_, body)| body["variables"].clone()).collect()
    }
}

const NODES: &str =
    "type Query { nodes: [Node] } type Node @key(fields: \"id\") @interfaceObject { id: ID! likes: Int }";
const USERS: &str = "type Query { users: [Node] } interface Node @key(fields: \"id\") { id: ID! name: String }
    type User implements Node @key(fields: \"id\") { id: ID! name: String age: Int }
    type Bot implements Node @key(fields: \"id\") { id: ID! name: String }";

#[tokio::test]
async fn objects_of_an_interface_object_get_their_type_from_who_knows_it() {
    let stage = stage(&[
        (
            "likes",
            NODES,
            &[(
                "nodes",
                This(
                    r#"{"data":{"nodes":[{"__typename":"Node","id":"1","likes":3},{"__typename":"Node","id":"2","likes":4}]}}"#,
                ),
            )],
        ),
        (
            "users",
            USERS,
            &[(
                "_entities",
                This(r#"{"data":{"_entities":[{"__typename":"User","name":"Ada"},{"__typename":"Bot","name":"R2"}]}}"#),
            )],
        ),
    ]);
    assert_eq!(
        stage.ask("{ nodes { __typename likes name } }").await,
        concat!(
            r#"{"data":{"nodes":[{"__typename":"User","likes":3,"name":"Ada"},"#,
            r#"{"__typename":"Bot","likes":4,"name":"R2"}]}}"#
        )
    );
    assert_eq!(
        stage.variables("users"),
        [json!({"representations": [{"__typename": "Node", "id": "1"}, {"__typename": "Node", "id": "2"}]})]
    );
}

#[tokio::test]
async fn the_type_of_an_interface_object_need_not_be_known() {
    let prepared: &Prepared = &[
        ("likes", NODES, &[("nodes", This(r#"{"data":{"nodes":[{"__typename":"Node","id":"1","likes":3}]}}"#))]),
        ("users", USERS, &[("_entities", This(r#"{"data":null,"errors":[{"message":"no"}]}"#))]),
    ];
    let stage = stage(prepared);
    assert_eq!(stage.ask("{ nodes { likes } }").await, r#"{"data":{"nodes":[{"likes":3}]}}"#);
    assert_eq!(stage.variables("users").len(), 0);
    let answer: Value = serde_json::from_str(&stage.ask("{ nodes { likes name } }").await).unwrap();
    assert_eq!(answer["data"], json!({"nodes": [{"likes": 3, "name": null}]}));
    assert_eq!(answer["errors"].as_array().unwrap().len(), 1, "{answer}");
    let answer: Value = serde_json::from_str(&stage.ask("{ nodes { likes __typename } }").await).unwrap();
    assert_eq!(answer["data"], json!({"nodes": [null]}));
    assert_eq!(answer["errors"].as_array().unwrap().len(), 1, "{answer}");
}

#[tokio::test]
async fn a_type_may_be_asked_for_by_another_name() {
    let stage = stage(&[(
        "a",
        "type Query { all: [Thing] one: A } union Thing = A | B type A { x: Int } type B { x: Int }",
        &[
            (
                "all",
                Whatever(|query| {
                    let plain = query.replace("kind: __typename", "").contains("__typename");
                    let thing = if plain { json!({"kind": "A", "__typename": "A"}) } else { json!({"kind": "A"}) };
                    json!({"data": {"all": [thing]}}).to_string()
                }),
            ),
            ("one", This(r#"{"data":{"one":{"kind":"A"}}}"#)),
        ],
    )]);
    assert_eq!(stage.ask("{ all { kind: __typename } }").await, r#"{"data":{"all":[{"kind":"A"}]}}"#);
    assert_eq!(stage.ask("{ one { kind: __typename } }").await, r#"{"data":{"one":{"kind":"A"}}}"#);
}

#[tokio::test]
async fn a_type_is_called_by_the_interface_where_that_is_an_object() {
    let stage = stage(&[
        ("likes", NODES, &[("_entities", This(r#"{"data":{"_entities":[{"likes":7}]}}"#))]),
        (
            "users",
            concat!(
                "type Query { user: User } interface Node @key(fields: \"id\") { id: ID! name: String } ",
                "type User implements Node @key(fields: \"id\") { id: ID! name: String }"
            ),
            &[("user", This(r#"{"data":{"user":{"__typename":"User","id":"1","name":"Ada"}}}"#))],
        ),
    ]);
    assert_eq!(stage.ask("{ user { name likes } }").await, r#"{"data":{"user":{"name":"Ada","likes":7}}}"#);
    assert_eq!(stage.variables("likes"), [json!({"representations": [{"__typename": "Node", "id": "1"}]})]);
}

#[tokio::test]
async fn fields_that_subgraphs_cannot_answer_together_get_their_names_back() {
    let stage = stage(&[
        (
            "a",
            "type Query { things: [Thing] } union Thing = A | B type A { x: String! @shareable } type B { x: String }",
            &[(
                "things",
                This(
                    r#"{"data":{"things":[{"__typename":"A","x":"a"},{"__typename":"B","_internal_qp_alias_0":null}]},
                "errors":[{"message":"hm","path":["things",1,"_internal_qp_alias_0"]}]}"#,
                ),
            )],
        ),
        ("b", "type A { x: String @shareable } type Query { c: A }", &[]),
    ]);
    assert_eq!(
        stage.ask("{ things { ... on A { x } ... on B { x } } }").await,
        concat!(
            r#"{"data":{"things":[{"x":"a"},{"x":null}]},"errors":[{"message":"hm","path":["things",1,"x"],"#,
            r#""extensions":{"code":"SUBGRAPH_ERROR","service":"a"}}]}"#
        )
    );
}

#[tokio::test]
async fn entities_are_found_in_lists_of_lists() {
    let stage = stage(&[
        (
            "grid",
            "type Query { grid: [[Cell]] } type Cell @key(fields: \"id\") { id: ID! }",
            &[(
                "grid",
                This(
                    r#"{"data":{"grid":[[{"__typename":"Cell","id":"1"},null],null,[{"__typename":"Cell","id":"2"},{"__typename":"Cell","id":"1"}]]}}"#,
                ),
            )],
        ),
        (
            "values",
            "type Cell @key(fields: \"id\") { id: ID! value: Int! }",
            &[(
                "_entities",
                This(
                    r#"{"data":{"_entities":[{"value":10},null]},"errors":[{"message":"no","path":["_entities",1,"value"]}]}"#,
                ),
            )],
        ),
    ]);
    assert_eq!(
        stage.ask("{ grid { value } }").await,
        concat!(
            r#"{"data":{"grid":[[{"value":10},null],null,[null,{"value":10}]]},"errors":[{"message":"no","#,
            r#""path":["grid",2,0,"value"],"extensions":{"code":"SUBGRAPH_ERROR","service":"values"}}]}"#
        )
    );
}

#[tokio::test]
async fn what_cannot_be_resolved_is_not_asked_for() {
    let stage = stage(&[
        (
            "a",
            "type Query { things: [Thing] } type Thing @key(fields: \"id\") { id: ID! }",
            &[(
                "things",
                This(r#"{"data":{"things":[{"__typename":"Thing","id":"1"},{"__typename":"Thing","id":"2"}]}}"#),
            )],
        ),
        (
            "b",
            "type Thing @key(fields: \"id\") { id: ID! size: Int! }",
            &[("_entities", This(r#"{"data":{"_entities":[{"size":5},null]}}"#))],
        ),
        (
            "c",
            "type Thing @key(fields: \"id\") { id: ID! size: Int! @external price: Int @requires(fields: \"size\") }",
            &[("_entities", This(r#"{"data":{"_entities":[{"price":50}]}}"#))],
        ),
    ]);
    assert_eq!(
        stage.ask("{ things { id price } }").await,
        r#"{"data":{"things":[{"id":"1","price":50},{"id":"2","price":null}]}}"#
    );
    assert_eq!(stage.variables("c"), [json!({"representations": [{"__typename": "Thing", "id": "1", "size": 5}]})]);
}

#[tokio::test]
async fn entities_at_different_places_are_asked_for_in_one_request() {
    let stage = stage(&[
        (
            "a",
            "type Query { one: Thing two: Thing } type Thing @key(fields: \"id\") { id: ID! }",
            &[(
                "one",
                This(r#"{"data":{"one":{"__typename":"Thing","id":"1"},"two":{"__typename":"Thing","id":"2"}}}"#),
            )],
        ),
        (
            "b",
            "type Thing @key(fields: \"id\") { id: ID! size: Int! name: String }",
            &[("_entities", Entities(|id| if id == "1" { r#"{"size":1}"# } else { r#"{"size":2}"# }))],
        ),
    ]);
    assert_eq!(stage.ask("{ one { size } two { size } }").await, r#"{"data":{"one":{"size":1},"two":{"size":2}}}"#);
    assert_eq!(stage.variables("b").len(), 1);
}

#[tokio::test]
async fn errors_in_a_batch_go_to_the_right_place() {
    let stage = stage(&[
        (
            "a",
            "type Query { one: Thing two: Thing } type Thing @key(fields: \"id\") { id: ID! }",
            &[(
                "one",
                This(r#"{"data":{"one":{"__typename":"Thing","id":"1"},"two":{"__typename":"Thing","id":"2"}}}"#),
            )],
        ),
        (
            "b",
            "type Thing @key(fields: \"id\") { id: ID! size: Int name: String }",
            &[(
                "_entities",
                Whatever(|query| {
                    let (size, name) =
                        if query.find("size") < query.find("name") { ("_e0", "_e1") } else { ("_e1", "_e0") };
                    let errors = json!([{"message": "no", "path": [name, 0, "name"]}]);
                    json!({"data": {size: [{"size": 1}], name: [{"name": null}]}, "errors": errors}).to_string()
                }),
            )],
        ),
    ]);
    assert_eq!(
        stage.ask("{ one { size } two { name } }").await,
        concat!(
            r#"{"data":{"one":{"size":1},"two":{"name":null}},"errors":[{"message":"no","path":["two","name"],"#,
            r#""extensions":{"code":"SUBGRAPH_ERROR","service":"b"}}]}"#
        )
    );
}

#[tokio::test]
async fn the_query_below_a_mutation_is_reached() {
    let prepared: &Prepared = &[
        (
            "a",
            "type Query { a: Int b: Int @shareable } type Mutation { go: Payload } type Payload { query: Query }",
            &[("mutation", This(r#"{"data":{"go":{"query":{"__typename":"Query"}}}}"#))],
        ),
        ("b", "type Query { b: Int @shareable }", &[("b", This(r#"{"data":{"b":2}}"#))]),
    ];
    // The composer thinks that only a key leads from one subgraph to another; a supergraph from elsewhere knows better.
    let stage = stage_with(prepared, |sdl| sdl.replace("b: Int", "b: Int @join__field(graph: B)"));
    assert_eq!(stage.ask("mutation { go { query { b } } }").await, r#"{"data":{"go":{"query":{"b":2}}}}"#);
}

#[tokio::test]
async fn fields_of_overlapping_fragments_are_merged() {
    let stage = stage(&[(
        "a",
        "type Query { node: Node } interface Node { id: ID! owner: Owner } type Owner { id: ID! name: String }
            type A implements Node { id: ID! owner: Owner a: Int } type B implements Node { id: ID! owner: Owner }",
        &[("node", This(r#"{"data":{"node":{"__typename":"A","id":"1","owner":{"name":"Ada","id":"o"},"a":1}}}"#))],
    )]);
    assert_eq!(
        stage.ask("{ node { ... on A { a owner { name } } id owner { id } ... on B { owner { name } } } }").await,
        r#"{"data":{"node":{"a":1,"owner":{"name":"Ada","id":"o"},"id":"1"}}}"#
    );
}

#[tokio::test]
async fn a_type_that_clients_may_not_see_is_null() {
    let stage = stage(&[(
        "a",
        "type Query { all: [Thing] } union Thing = A | B type A { x: Int } type B @inaccessible { x: Int }",
        &[("all", This(r#"{"data":{"all":[{"__typename":"A","x":1},{"__typename":"B","x":2}]}}"#))],
    )]);
    let answer: Value = serde_json::from_str(&stage.ask("{ all { __typename ... on A { x } } }").await).unwrap();
    assert_eq!(answer["data"], json!({"all": [{"__typename": "A", "x": 1}, null]}));
    assert_eq!(answer["errors"][0]["path"], json!(["all", 1]));
}

#[tokio::test]
async fn nulls_rise_to_the_nearest_field_that_may_be_null() {
    let stage = stage(&[(
        "a",
        "type Query { a: A } type A { list: [B!] strict: [B!]! x: Int } type B { b: Int! }",
        &[
            ("list", This(r#"{"data":{"a":{"list":[{"b":1},{"b":null}],"x":1}}}"#)),
            (
                "strict",
                This(
                    r#"{"data":{"a":{"strict":[{"b":1},{"b":null},{"b":null}],"x":1}},"errors":[{"message":"no","path":["a","strict",1,"b"]}]}"#,
                ),
            ),
        ],
    )]);
    let answer = stage.ask("{ a { list { b } x } }").await;
    assert!(answer.starts_with(r#"{"data":{"a":{"list":null,"x":1}},"errors":[{"#), "{answer}");
    let answer: Value = serde_json::from_str(&stage.ask("{ a { x strict { b } } }").await).unwrap();
    assert_eq!(answer["data"], json!({"a": null}));
    assert_eq!(answer["errors"].as_array().unwrap().len(), 1, "{answer}");
}

#[tokio::test]
async fn a_denied_field_stays_hidden_even_if_another_needs_it() {
    let stage = stage(&[
        (
            "a",
            "type Query { things: [Thing] } type Thing @key(fields: \"id\") { id: ID @authenticated name: String }",
            &[("things", This(r#"{"data":{"things":[{"__typename":"Thing","id":"1","name":"x"}]}}"#))],
        ),
        (
            "b",
            "type Thing @key(fields: \"id\") { id: ID price: Int }",
            &[("_entities", Entities(|_| r#"{"price":50}"#))],
        ),
    ]);
    let answer: Value = serde_json::from_str(&stage.ask("{ things { id price } }").await).unwrap();
    assert_eq!(answer["data"], json!({"things": [{"id": null, "price": 50}]}));
    assert_eq!(answer["errors"].as_array().unwrap().len(), 1, "{answer}");
    assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
    assert_eq!(stage.variables("b")[0]["representations"][0]["id"], "1");
}
