//! `node` and `nodes`, over owners that talk real HTTP.

use super::server::{Server, keys, token};
use async_graphql::{Context, EmptyMutation, EmptySubscription, ID, Interface, Object, ObjectType, Schema};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use hansa_router::Config;
use hansa_router::builtin::{
    self, Fields,
    nodes::{self, NodeType},
};
use hansa_router::config::Debug;
use hansa_router::transport::{self, Client, Named, Subgraph, Transport};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// The requests that a subgraph got.
type Asked = Arc<Mutex<Vec<String>>>;

#[derive(Interface)]
#[graphql(field(name = "id", ty = "&ID"))]
enum Node {
    User(User),
}

struct User(ID);

#[Object]
impl User {
    async fn id(&self) -> &ID {
        &self.0
    }
    async fn name(&self) -> String {
        format!("the name of {}", self.0.as_str())
    }
}

/// Shown to those who are signed in, and to guests.
struct Draft(ID);

#[Object]
impl Draft {
    async fn id(&self) -> &ID {
        &self.0
    }
    async fn text(&self) -> &str {
        "draft"
    }
}

struct Users;

#[Object(name = "Query")]
impl Users {
    async fn first(&self) -> Node {
        Node::User(User("user_1".into()))
    }
    #[graphql(entity)]
    async fn user(&self, context: &Context<'_>, id: ID) -> Option<User> {
        let is_guest = context.data_unchecked::<HeaderMap>().contains_key("x-guest");
        (!is_guest && ["user_1", "user_2"].contains(&id.as_str())).then_some(User(id))
    }
}

struct Drafts;

#[Object(name = "Query")]
impl Drafts {
    #[graphql(entity)]
    async fn draft(&self, context: &Context<'_>, id: ID) -> Option<Draft> {
        let headers = context.data_unchecked::<HeaderMap>();
        let may_see = headers.contains_key("authorization") || headers.contains_key("x-guest");
        (may_see && id.as_str() == "draft_1").then_some(Draft(id))
    }
}

async fn owner<Q: ObjectType + 'static>(name: &str, query: Q, config: &transport::Config) -> (Arc<Subgraph>, Asked) {
    let asked = Asked::default();
    let schema = Schema::build(query, EmptyMutation, EmptySubscription).enable_federation().finish();
    let routes = axum::Router::new().route("/graphql", post(answer::<Q>)).with_state((schema, asked.clone()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/graphql", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    let subgraph = Subgraph::new(name, url, Transport::Http(Client::new().unwrap()), config).unwrap();
    (Arc::new(subgraph), asked)
}

async fn answer<Q: ObjectType + 'static>(
    State((schema, asked)): State<(Schema<Q, EmptyMutation, EmptySubscription>, Asked)>,
    headers: HeaderMap,
    body: String,
) -> axum::Json<async_graphql::Response> {
    if !body.contains("_service") {
        asked.lock().unwrap().push(body.clone());
    }
    let request: async_graphql::Request = serde_json::from_str(&body).unwrap();
    axum::Json(schema.execute(request.data(headers)).await)
}

fn node_type(prefix: &str, name: &str, subgraph: &str) -> NodeType {
    NodeType { prefix: prefix.into(), name: name.into(), subgraph: subgraph.into() }
}

struct Federation {
    server: Server,
    users: Asked,
    drafts: Asked,
}

impl Federation {
    async fn start() -> Self {
        Self::start_with(Config::default()).await
    }

    async fn start_with(config: Config) -> Self {
        let ((users, asked_users), (drafts, asked_drafts)) =
            (owner("users", Users, &config.subgraphs).await, owner("drafts", Drafts, &config.subgraphs).await);
        let gone = Subgraph::new(
            "gone",
            "http://gone/graphql",
            Transport::Local(axum::Router::new().route("/graphql", post(|| async { GONE }))),
            &Default::default(),
        );
        let owners = vec![users, drafts, Arc::new(gone.unwrap())];
        let nodes = vec![
            node_type("user", "User", "users"),
            node_type("draft", "Draft", "drafts"),
            node_type("lost_thing", "Thing", "gone"),
        ];
        let fields = Fields { nodes, rate_limit: false };
        let router = Arc::new(builtin::subgraph(&fields, &owners, &config.subgraphs).unwrap());
        let subgraphs = owners.into_iter().chain([router]).collect();
        let server = Server::over(config, subgraphs, Ok(keys())).await;
        server.gateway.supergraph().first().await;
        Self { server, users: asked_users, drafts: asked_drafts }
    }

    async fn ask(&self, token: Option<&str>, query: &str, variables: Value) -> Value {
        let request = self.server.post(&json!({ "query": query, "variables": variables }));
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        request.send().await.unwrap().json().await.unwrap()
    }
}

/// A subgraph that tells its schema and nothing else.
const GONE: &str = r#"{"data":{"_service":{"sdl":"extend schema @link(url: \"https://specs.apollo.dev/federation/v2.9\", import: [\"@key\"]) type Thing @key(fields: \"id\") { id: ID! size: Int } type Query { nothing: Int }"}}}"#;

#[tokio::test]
async fn an_object_is_found_by_its_id() {
    let federation = Federation::start().await;
    let query = r#"query ($id: ID!, $yes: Boolean!) {
        node(id: $id) { __typename key: id ... on User @include(if: $yes) { id name } ... on Draft { text } }
        bare: node(id: "user_2") { id }
        first { __typename id }
    }"#;
    let answer = federation.ask(None, query, json!({ "id": "user_1", "yes": true })).await;
    let user = json!({ "__typename": "User", "key": "user_1", "id": "user_1", "name": "the name of user_1" });
    let first = json!({ "__typename": "User", "id": "user_1" });
    assert_eq!(answer, json!({ "data": { "node": user, "bare": { "id": "user_2" }, "first": first } }));
    // Once for both, before anything is handed out; once for the name; once for `first`.
    assert_eq!(federation.users.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn gone_forbidden_and_malformed_are_null() {
    let federation = Federation::start().await;
    let query = r#"query ($ids: [ID!]!) {
        nodes(ids: $ids) { __typename id ... on User { name } ... on Draft { text } }
        typename: node(id: "draft_1") { __typename }
        id: node(id: "draft_1") { id }
    }"#;
    let ids = json!(["draft_1", "user_2", "user_9", "nonsense", "", "other_1", "user_1", "draft_2", "user_2"]);
    let user = |id: &str| json!({ "__typename": "User", "id": id, "name": format!("the name of {id}") });
    let draft = json!({ "__typename": "Draft", "id": "draft_1", "text": "draft" });

    let answer = federation.ask(None, query, json!({ "ids": ids })).await;
    let nodes = json!([null, user("user_2"), null, null, null, null, user("user_1"), null, user("user_2")]);
    assert_eq!(answer, json!({ "data": { "nodes": nodes, "typename": null, "id": null } }));
    assert_eq!(federation.drafts.lock().unwrap().len(), 1);

    let answer = federation.ask(Some(&token("s", 300)), query, json!({ "ids": ids })).await;
    let nodes = json!([draft, user("user_2"), null, null, null, null, user("user_1"), null, user("user_2")]);
    let (typename, id) = (json!({ "__typename": "Draft" }), json!({ "id": "draft_1" }));
    assert_eq!(answer, json!({ "data": { "nodes": nodes, "typename": typename, "id": id } }));
}

#[tokio::test]
async fn a_hundred_ids_and_no_more() {
    let federation = Federation::start().await;
    let ids = |count: usize| json!({ "ids": vec!["user_1"; count] });
    let query = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    let answer = federation.ask(None, query, ids(nodes::MOST)).await;
    assert_eq!(answer["data"]["nodes"].as_array().unwrap().len(), nodes::MOST);
    let answer = federation.ask(None, query, ids(nodes::MOST + 1)).await;
    assert_eq!(answer["data"]["nodes"], Value::Null);
    assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
    assert_eq!(answer["errors"][0]["path"], json!(["nodes"]));
}

#[tokio::test]
async fn an_owner_that_gives_no_answer_takes_only_its_own_objects_away() {
    let federation = Federation::start().await;
    let query =
        r#"{ nodes(ids: ["user_1", "lost_thing_1"]) { id } node(id: "lost_thing_2") { ... on Thing { size } } }"#;
    let answer = federation.ask(None, query, json!({})).await;
    assert_eq!(answer["data"], json!({ "nodes": [{ "id": "user_1" }, null], "node": null }));
    let paths: Vec<_> = answer["errors"].as_array().unwrap().iter().map(|error| error["path"].clone()).collect();
    assert_eq!(paths, [json!(["nodes", 1]), json!(["node"])]);
    assert_eq!(answer["errors"][0]["extensions"]["code"], "SUBGRAPH_ERROR");
}

#[tokio::test]
async fn a_header_for_one_owner_reaches_that_one() {
    let drafts = Named { forward: vec!["x-guest".into()], ..Named::default() };
    let named = [("drafts".to_owned(), drafts)].into();
    let subgraphs = transport::Config { named, ..transport::Config::default() };
    let federation = Federation::start_with(Config { subgraphs, ..Config::default() }).await;
    let query = r#"{ nodes(ids: ["draft_1", "user_1"]) { id ... on Draft { text } ... on User { name } } }"#;
    let request = federation.server.post(&json!({ "query": query })).header("x-guest", "yes");
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    let user = json!({ "id": "user_1", "name": "the name of user_1" });
    assert_eq!(answer, json!({ "data": { "nodes": [{ "id": "draft_1", "text": "draft" }, user] } }));
}

#[tokio::test]
async fn a_plan_tells_what_each_fetch_asked_for() {
    let debug = Debug { query_plan: true };
    let federation = Federation::start_with(Config { debug, ..Config::default() }).await;
    let ask = async |ids: Value| {
        let query = "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on User { name } ... on Draft { text } } }";
        let request = federation.server.post(&json!({ "query": query, "variables": { "ids": ids } }));
        let answer = request.header("graphql-query-plan", "true").send().await.unwrap();
        let mut runs = BTreeMap::new();
        collect_runs(&answer.json::<Value>().await.unwrap()["extensions"]["queryPlan"]["node"], &mut runs);
        runs
    };
    let runs = ask(json!(["user_1", "user_2", "user_1"])).await;
    let is_timed = |run: &Value| run["milliseconds"].as_f64().is_some_and(|milliseconds| milliseconds > 0.0);
    assert!(is_timed(&runs["router"]) && is_timed(&runs["users"]), "{runs:?}");
    assert_eq!((&runs["router"]["entities"], &runs["users"]["entities"]), (&Value::Null, &json!(2)));
    assert_eq!((&runs["users"]["isShared"], &runs["drafts"]), (&json!(false), &Value::Null), "nobody asked for drafts");
}

/// What the plan says of each subgraph's fetch.
fn collect_runs(node: &Value, runs: &mut BTreeMap<String, Value>) {
    if let Some(name) = node["serviceName"].as_str() {
        runs.insert(name.to_owned(), node["run"].clone());
    }
    node["nodes"].as_array().into_iter().flatten().for_each(|node| collect_runs(node, runs));
    if node["node"].is_object() {
        collect_runs(&node["node"], runs);
    }
}

#[test]
fn an_owner_has_to_be_there() {
    let fields = Fields { nodes: vec![node_type("user", "User", "users")], rate_limit: false };
    let error = builtin::subgraph(&fields, &[], &Default::default()).unwrap_err();
    assert!(error.to_string().contains("\"users\""), "{error}");
}
