//! What callers see who lack rights.

use crate::federation::soon;
use async_graphql::{
    ComplexObject, EmptyMutation, EmptySubscription, Interface, Object, SDLExportOptions, Schema, SimpleObject,
    TypeDirective, Union,
};
use hansa_router::execute;
use hansa_router::limits::Operation as Limits;
use hansa_router::operation;
use hansa_router::request::{GraphQLRequest, RequestContext};
use hansa_router::supergraph::{SubgraphSdl, Supergraph, compose};
use hansa_router::transport::{Config, Subgraph, Transport};
use hansa_token::Claims;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

fn request(query: &str) -> GraphQLRequest {
    GraphQLRequest { query: Some(query.into()), ..GraphQLRequest::default() }
}

#[TypeDirective(location = "FieldDefinition", location = "Object")]
fn authenticated() {}

#[TypeDirective(location = "FieldDefinition")]
fn policy(policies: Vec<Vec<String>>) {}

#[derive(SimpleObject)]
#[graphql(complex)]
struct Person {
    id: i32,
    name: String,
    #[graphql(directive = authenticated::apply())]
    phone: Option<String>,
    #[graphql(requires_scopes = "admin", requires_scopes = "staff mail")]
    email: String,
    #[graphql(directive = policy::apply(vec![vec!["auditor".into()]]))]
    salary: Option<i32>,
}

#[ComplexObject]
impl Person {
    async fn friends(&self) -> Vec<Option<Person>> {
        vec![Some(person(2)), Some(person(3))]
    }
}

fn person(id: i32) -> Person {
    Person { id, name: format!("n{id}"), phone: Some("p".into()), email: "e".into(), salary: Some(id) }
}

#[derive(SimpleObject)]
#[graphql(directive = authenticated::apply())]
struct Note {
    id: i32,
    text: String,
}

#[derive(SimpleObject)]
struct Page {
    id: i32,
    text: String,
}

#[derive(Interface)]
#[graphql(field(name = "id", ty = "&i32"))]
enum Entry {
    Note(Note),
    Page(Page),
}

#[derive(Union)]
enum Sheet {
    Note(Note),
    Page(Page),
}

type Asked = Arc<Mutex<Vec<String>>>;

struct Query;

#[Object]
impl Query {
    async fn person(&self) -> Option<Person> {
        Some(person(1))
    }

    async fn people(&self) -> Vec<Option<Person>> {
        vec![Some(person(1)), Some(person(2))]
    }

    async fn note(&self) -> Option<Note> {
        Some(Note { id: 1, text: "n".into() })
    }

    async fn entry(&self) -> Option<Entry> {
        Some(Entry::Page(Page { id: 2, text: "p".into() }))
    }

    async fn sheets(&self) -> Vec<Option<Sheet>> {
        vec![Some(Sheet::Note(Note { id: 1, text: "n".into() })), Some(Sheet::Page(Page { id: 2, text: "p".into() }))]
    }
}

struct Guarded {
    supergraph: Arc<Supergraph>,
    asked: Asked,
}

impl Guarded {
    fn new() -> Self {
        let schema = Schema::new(Query, EmptyMutation, EmptySubscription);
        let sdl = schema.sdl_with_options(SDLExportOptions::new().federation());
        let asked = Asked::default();
        let journal = asked.clone();
        let execute = move |body: String| async move {
            journal.lock().unwrap().push(body.clone());
            let request: async_graphql::Request = serde_json::from_str(&body).unwrap();
            axum::Json(schema.execute(request).await)
        };
        let routes = axum::Router::new().route("/graphql", axum::routing::post(execute));
        let subgraph = Subgraph::new("people", "http://people", Transport::Local(routes), &Config::default()).unwrap();
        let sdl = compose(&[SubgraphSdl { name: "people".into(), url: "http://people".into(), sdl }]).unwrap();
        Self { supergraph: Arc::new(Supergraph::new(sdl, [Arc::new(subgraph)]).unwrap()), asked }
    }

    async fn ask(&self, query: &str, claims: Option<&Claims>, variables: Value) -> Value {
        let request = GraphQLRequest { variables: variables.as_object().cloned(), ..request(query) };
        let prepared = operation::prepare(&self.supergraph, &Limits::default(), &request, claims).await;
        let operation = prepared.unwrap_or_else(|errors| panic!("{errors:#?}"));
        let variables = operation::coerce(&operation, variables.as_object()).unwrap();
        let answer = execute::run(&self.supergraph, &operation, &variables, &RequestContext::default(), soon()).await;
        serde_json::from_slice(&answer.body).unwrap()
    }

    fn asked(&self, field: &str) -> bool {
        self.asked.lock().unwrap().iter().any(|body| body.contains(field))
    }
}

fn claims(scope: &str, roles: &[&str]) -> Claims {
    Claims {
        sub: "u".into(),
        sid: "s".into(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        scope: scope.into(),
        iat: 0,
        exp: 0,
        iss: String::new(),
        aud: Vec::new(),
    }
}

/// Codes and paths of the errors.
fn errors(answer: &Value) -> Vec<(String, String)> {
    let errors = answer["errors"].as_array().cloned().unwrap_or_default();
    errors
        .iter()
        .map(|error| (error["extensions"]["code"].as_str().unwrap().into(), error["path"].to_string()))
        .collect()
}

fn one(code: &str, path: &str) -> Vec<(String, String)> {
    vec![(code.into(), path.into())]
}

#[tokio::test]
async fn fields_that_need_a_token_are_null_without_one() {
    let guarded = Guarded::new();
    let query = "{ person { name phone } }";
    let answer = guarded.ask(query, None, json!({})).await;
    assert_eq!(answer["data"], json!({ "person": { "name": "n1", "phone": null } }));
    assert_eq!(errors(&answer), one("UNAUTHENTICATED", r#"["person","phone"]"#));
    assert!(!guarded.asked("phone"));
    let answer = guarded.ask(query, Some(&claims("", &[])), json!({})).await;
    assert_eq!(answer, json!({ "data": { "person": { "name": "n1", "phone": "p" } } }));
}

#[tokio::test]
async fn scopes_are_alternatives_of_combinations() {
    let guarded = Guarded::new();
    let query = "{ person { name email } }";
    for scope in ["admin", "mail staff", "x admin"] {
        let answer = guarded.ask(query, Some(&claims(scope, &[])), json!({})).await;
        assert_eq!(answer, json!({ "data": { "person": { "name": "n1", "email": "e" } } }), "{scope}");
    }
    guarded.asked.lock().unwrap().clear();
    for scope in ["", "staff", "mail", "administrator"] {
        let answer = guarded.ask(query, Some(&claims(scope, &[])), json!({})).await;
        // A field that must not be null takes its object with it.
        assert_eq!(answer["data"], json!({ "person": null }), "{scope}");
        assert_eq!(errors(&answer), one("FORBIDDEN", r#"["person","email"]"#));
    }
    assert!(!guarded.asked("email"));
}

#[tokio::test]
async fn policies_are_roles() {
    let guarded = Guarded::new();
    let query = "{ person { salary } }";
    let answer = guarded.ask(query, Some(&claims("admin", &["auditor"])), json!({})).await;
    assert_eq!(answer, json!({ "data": { "person": { "salary": 1 } } }));
    let answer = guarded.ask(query, Some(&claims("auditor", &["admin"])), json!({})).await;
    assert_eq!(answer["data"], json!({ "person": { "salary": null } }));
    assert_eq!(errors(&answer), one("FORBIDDEN", r#"["person","salary"]"#));
}

#[tokio::test]
async fn a_denied_field_is_denied_wherever_it_is_asked_for() {
    let guarded = Guarded::new();
    let answer = guarded.ask("{ people { friends { phone } id } }", None, json!({})).await;
    let person = |id| json!({ "friends": [{ "phone": null }, { "phone": null }], "id": id });
    assert_eq!(answer["data"], json!({ "people": [person(1), person(2)] }));
    let denied = |person, friend| {
        let path = format!(r#"["people",{person},"friends",{friend},"phone"]"#);
        ("UNAUTHENTICATED".to_owned(), path)
    };
    assert_eq!(errors(&answer), [denied(0, 0), denied(0, 1), denied(1, 0), denied(1, 1)]);
    let answer = guarded.ask("{ people { email } }", None, json!({})).await;
    assert_eq!(answer["data"], json!({ "people": [null, null] }));
}

#[tokio::test]
async fn types_close_the_fields_that_return_them() {
    let guarded = Guarded::new();
    let answer = guarded.ask("{ note { text } person { id } }", None, json!({})).await;
    assert_eq!(answer["data"], json!({ "note": null, "person": { "id": 1 } }));
    assert_eq!(errors(&answer), one("UNAUTHENTICATED", r#"["note"]"#));
    assert!(!guarded.asked("note"));

    // What one implementation closes is closed on the interface.
    let answer = guarded.ask("{ entry { id } }", None, json!({})).await;
    assert_eq!(answer["data"], json!({ "entry": null }));
    let answer = guarded.ask("{ entry { id } }", Some(&claims("", &[])), json!({})).await;
    assert_eq!(answer, json!({ "data": { "entry": { "id": 2 } } }));
}

#[tokio::test]
async fn members_of_a_union_are_closed_one_by_one() {
    let guarded = Guarded::new();
    let query = "{ sheets { __typename ... on Page { text } } }";
    let open = json!([{ "__typename": "Note" }, { "__typename": "Page", "text": "p" }]);
    let answer = guarded.ask(query, None, json!({})).await;
    assert_eq!(answer, json!({ "data": { "sheets": open } }));
    let answer = guarded.ask("{ sheets { ... on Note { text } ... on Page { text } } }", None, json!({})).await;
    assert_eq!(answer["data"], json!({ "sheets": [null, { "text": "p" }] }));
    assert_eq!(errors(&answer), one("UNAUTHENTICATED", r#"["sheets",0,"text"]"#));
}

#[tokio::test]
async fn what_is_skipped_is_not_denied() {
    let guarded = Guarded::new();
    let query =
        "query($mine: Boolean!) { person { name phone @include(if: $mine) ... @include(if: $mine) { p: phone } } }";
    let answer = guarded.ask(query, None, json!({ "mine": false })).await;
    assert_eq!(answer, json!({ "data": { "person": { "name": "n1" } } }));
    let answer = guarded.ask(query, None, json!({ "mine": true })).await;
    assert_eq!(answer["data"], json!({ "person": { "name": "n1", "phone": null, "p": null } }));
    assert_eq!(errors(&answer).len(), 2);
}

#[tokio::test]
async fn callers_with_the_same_rights_share_a_plan() {
    let guarded = Guarded::new();
    let prepare = async |query: &str, claims: Option<&Claims>| {
        operation::prepare(&guarded.supergraph, &Limits::default(), &request(query), claims).await.unwrap()
    };
    let (admin, staff) = (claims("admin", &[]), claims("staff other", &["auditor"]));
    let query = "{ person { email } }";
    assert!(!Arc::ptr_eq(&prepare(query, Some(&admin)).await, &prepare(query, Some(&staff)).await));
    assert!(!Arc::ptr_eq(&prepare(query, Some(&staff)).await, &prepare(query, None).await));
    assert!(Arc::ptr_eq(&prepare(query, Some(&staff)).await, &prepare(query, Some(&claims("", &[]))).await));
    let open = "{ person { name } }";
    assert!(Arc::ptr_eq(&prepare(open, Some(&staff)).await, &prepare(open, None).await));
}
