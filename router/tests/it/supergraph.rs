//! Composition, and keeping the supergraph up to date.

use crate::operation::over;
use crate::server::PATIENCE;
use async_graphql::{EmptyMutation, EmptySubscription, Object, SDLExportOptions, Schema, SimpleObject, TypeDirective};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use hansa_router::supergraph::{Config, Live, Reason, Source, SubgraphSdl, Supergraph, api_schema_sdl, compose, keep};
use hansa_router::transport::{self, Subgraph, Transport};
use serde_json::json;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const LINK: &str = r#"extend schema @link(url: "https://specs.apollo.dev/federation/v2.5", import: ["@key", "@shareable", "@inaccessible", "@requiresScopes"])"#;

fn subgraph(name: &str, sdl: &str) -> SubgraphSdl {
    SubgraphSdl { name: name.into(), url: format!("http://{name}/graphql"), sdl: sdl.into() }
}

fn problem(subgraphs: &[SubgraphSdl]) -> String {
    compose(subgraphs).expect_err("should not compose").to_string()
}

#[TypeDirective(location = "FieldDefinition", location = "Object")]
fn authenticated() {}

#[TypeDirective(location = "FieldDefinition")]
fn policy(policies: Vec<Vec<String>>) {}

#[derive(SimpleObject)]
struct Account {
    id: async_graphql::ID,
    #[graphql(requires_scopes = "admin", requires_scopes = "staff read")]
    email: Option<String>,
    #[graphql(directive = policy::apply(vec![vec!["auditor".into()]]))]
    balance: Option<i32>,
}

struct Query;

#[Object]
impl Query {
    #[graphql(directive = authenticated::apply())]
    async fn me(&self) -> Option<Account> {
        None
    }

    #[graphql(entity)]
    async fn find_account(&self, id: async_graphql::ID) -> Option<Account> {
        Some(Account { id, email: None, balance: None })
    }
}

#[test]
fn access_directives_survive_composition() {
    let schema = Schema::new(Query, EmptyMutation, EmptySubscription);
    let sdl = schema.sdl_with_options(SDLExportOptions::new().federation().compose_directive());
    let supergraph = compose(&[subgraph("accounts", &sdl)]).unwrap();
    let lines: Vec<&str> = supergraph.lines().map(str::trim).collect();
    assert!(
        lines.iter().any(|line| line.starts_with("me: Account") && line.contains("@authenticated")),
        "{supergraph}"
    );
    let email = r#"@requiresScopes(scopes: [["admin"], ["staff", "read"]])"#;
    assert!(lines.iter().any(|line| line.starts_with("email: String") && line.contains(email)), "{supergraph}");
    let balance = r#"@policy(policies: [["auditor"]])"#;
    assert!(lines.iter().any(|line| line.starts_with("balance: Int") && line.contains(balance)), "{supergraph}");
    for specification in ["authenticated", "requiresScopes", "policy"] {
        let link = format!(r#"@link(url: "https://specs.apollo.dev/{specification}/v0.1", for: SECURITY)"#);
        assert!(supergraph.contains(&link), "{supergraph}");
    }
    // Clients do not see them.
    let api = api_schema_sdl(&supergraph).unwrap();
    assert!(!api.contains('@') && !api.contains("__"), "{api}");
}

#[test]
fn directives_that_would_mean_nothing_are_refused() {
    let without_link = "type Query { me: Int @authenticated }";
    assert!(problem(&[subgraph("users", without_link)]).contains("@authenticated is used but not imported"));
    let not_imported = format!("{LINK}\ntype Query {{ me: Int @override(from: \"other\") }}");
    let problem = problem(&[subgraph("users", &not_imported)]);
    assert!(problem.contains("error[DIRECTIVE_NOT_IMPORTED]: @override is used but not imported"), "{problem}");
    assert!(problem.contains("--> subgraph \"users\""), "{problem}");
}

#[test]
fn a_renamed_import_is_an_import() {
    let sdl = r#"
        extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: [{ name: "@authenticated", as: "@signedIn" }])
        type Query { me: Int @signedIn }"#;
    let supergraph = compose(&[subgraph("users", sdl)]).unwrap();
    assert!(supergraph.lines().any(|line| line.trim().starts_with("me: Int") && line.contains("@authenticated")));
}

#[test]
fn unnamed_roots_are_refused() {
    let problem = problem(&[subgraph("users", &format!("{LINK}\ntype QueryRoot {{ me: Int }}"))]);
    assert!(problem.contains("the root type is called QueryRoot") && problem.contains("must be called Query"));
}

#[test]
fn syntax_errors_point_at_their_place() {
    let problem = problem(&[subgraph("users", "type Query {\n  me(: Int\n}")]);
    let expected = "  --> subgraph \"users\", line 2, column 6\n  |\n2 |   me(: Int\n  |      ^";
    assert!(problem.contains(expected), "{problem}");
}

#[test]
fn contradictions_point_at_every_side() {
    let a = format!("{LINK}\ntype Query {{\n  price: Int @shareable\n}}");
    let b = format!("{LINK}\ntype Query {{\n  cost: Int\n  price: String @shareable\n}}");
    let problem = problem(&[subgraph("a", &a), subgraph("b", &b)]);
    assert!(problem.contains("error[FIELD_TYPE_MISMATCH]"), "{problem}");
    assert!(problem.contains("subgraph \"a\", line 3") && problem.contains("price: Int @shareable"), "{problem}");
    assert!(problem.contains("subgraph \"b\", line 4") && problem.contains("price: String @shareable"), "{problem}");
}

#[test]
fn the_api_schema_is_sorted_and_hides_what_is_inaccessible() {
    let sdl = format!(
        "{LINK}
        type Query {{ zebra(by: By!): Int  apple: Date  secret: Int @inaccessible  old: Int @deprecated(reason: \"new\") }}
        scalar Date @specifiedBy(url: \"https://example.com/date\")
        input By @oneOf {{ id: ID  name: String }}"
    );
    let supergraph = compose(&[subgraph("zoo", &sdl)]).unwrap();
    assert_eq!(
        api_schema_sdl(&supergraph).unwrap(),
        "input By @oneOf {
  id: ID
  name: String
}

type Query {
  apple: Date
  old: Int @deprecated(reason: \"new\")
  zebra(by: By!): Int
}

scalar Date @specifiedBy(url: \"https://example.com/date\")
"
    );
}

#[test]
fn a_supergraph_needs_all_its_subgraphs() {
    let sdl = compose(&[subgraph("zoo", "type Query { apple: Int }")]).unwrap();
    let error = Supergraph::new(sdl, []).err().expect("should not start").to_string();
    assert!(error.contains("\"zoo\""), "{error}");
    assert!(Supergraph::new("type Query {".into(), []).is_err());
    assert!(Supergraph::new("type Mutation { a: Int }".into(), []).is_err());
}

#[tokio::test]
async fn a_supergraph_may_call_specifications_otherwise() {
    let sdl = format!(
        "{LINK}\ntype Query {{ me: Int @authenticated secret: Int @inaccessible list: [Int] @listSize(assumedSize: 7) }}"
    );
    let plain = compose(&[subgraph("s", &sdl)]).unwrap();
    let links =
        [("join/v0.", "j"), ("inaccessible/v0.", "hidden"), ("authenticated/v0.", "signedIn"), ("link/v1.", "uses")];
    let renamed = links.iter().fold(plain.clone(), |sdl, (link, name)| {
        let specification = link.split('/').next().unwrap();
        let (before, after) = sdl.split_once(&format!("https://specs.apollo.dev/{link}")).unwrap();
        let sdl = format!("{before}https://specs.apollo.dev/{link}{}\", as: \"{name}{}", &after[..1], &after[1..]);
        let sdl = sdl.replace(&format!("@{specification}"), &format!("@{name}"));
        sdl.replace(&format!("{specification}__"), &format!("{name}__"))
    });
    let renamed =
        renamed.replace("\"@listSize\"", "{ name: \"@listSize\", as: \"@long\" }").replace("@listSize(", "@long(");
    assert!(
        renamed.contains("enum j__Graph")
            && renamed.contains("@uses(url: \"https://specs.apollo.dev/link/v1.0\", as: \"uses\")"),
        "{renamed}"
    );
    assert!(renamed.contains("secret: Int @hidden") && renamed.contains("@long(assumedSize: 7)"), "{renamed}");

    let print = |sdl: &str| graphql_core::print(&graphql_core::parse(sdl).unwrap());
    assert_eq!(print(&over(renamed.clone()).sdl), print(&plain));
    // From a file its subgraphs are known by it, too.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("supergraph.graphql");
    std::fs::write(&file, &renamed).unwrap();
    let live = Arc::new(Live::default());
    let shutdown = CancellationToken::new();
    let _stop = shutdown.clone().drop_guard();
    tokio::spawn(keep(live.clone(), Source::File(file), Config::default(), transport::Config::default(), shutdown));
    let supergraph = tokio::time::timeout(PATIENCE, live.first()).await.unwrap();
    assert!(supergraph.subgraphs.contains_key("s") && !supergraph.api.sdl.contains("secret"));

    let ambiguous = format!("{renamed}\ndirective @inaccessible on OBJECT");
    let error = Supergraph::new(ambiguous, []).err().expect("should not start").to_string();
    assert!(error.contains("@inaccessible is not that of the specification"), "{error}");
}

#[test]
fn a_supergraph_that_needs_what_is_not_known_is_refused() {
    let link = LINK.replace("v2.5", "v2.8").replace("\"@key\"", "\"@key\", \"@context\", \"@fromContext\"");
    let sdl = format!(
        "{link}
        type Query {{ a: A }}
        type A @key(fields: \"id\") @context(name: \"a\") {{ id: ID! name: String b: B }}
        type B @key(fields: \"id\") {{ id: ID! shout(name: String @fromContext(field: \"$a {{ name }}\")): String }}"
    );
    let sdl = compose(&[subgraph("zoo", &sdl)]).unwrap();
    let error = Supergraph::new(sdl.clone(), []).err().expect("should not start").to_string();
    assert!(error.contains("https://specs.apollo.dev/context/v0.1") && error.contains("not support"), "{error}");
    let harmless = sdl.replace("v0.1\", for: SECURITY", "v0.1\"");
    assert!(Supergraph::new(harmless, []).err().unwrap().to_string().contains("\"zoo\""));
}

/// A subgraph that tells this SDL, or is down.
#[derive(Clone)]
struct Service(Arc<Mutex<Option<String>>>);

impl Service {
    fn new(sdl: &str) -> Self {
        Self(Arc::new(Mutex::new(Some(sdl.into()))))
    }

    fn tell(&self, sdl: &str) {
        *self.0.lock().unwrap() = Some(sdl.into());
    }

    fn go_down(&self) {
        *self.0.lock().unwrap() = None;
    }

    fn subgraph(&self, name: &str) -> Arc<Subgraph> {
        let service = self.clone();
        let answer = move || async move {
            let sdl = service.0.lock().unwrap().clone();
            match sdl {
                Some(sdl) => axum::Json(json!({ "data": { "_service": { "sdl": sdl } } })).into_response(),
                None => StatusCode::SERVICE_UNAVAILABLE.into_response() as Response,
            }
        };
        let routes = axum::Router::new().route("/graphql", post(answer));
        let config = transport::Config { retries: 0, breaker_failures: 1, ..Default::default() };
        Arc::new(Subgraph::new(name, format!("http://{name}"), Transport::Local(routes), &config).unwrap())
    }
}

struct Kept {
    live: Arc<Live>,
    shutdown: CancellationToken,
}

impl Kept {
    fn start(source: Source, cache: Option<PathBuf>) -> Self {
        let (live, shutdown) = (Arc::new(Live::default()), CancellationToken::new());
        let config = Config { poll_seconds: 1, cache, ..Config::default() };
        tokio::spawn(keep(live.clone(), source, config, transport::Config::default(), shutdown.clone()));
        Self { live, shutdown }
    }

    async fn until(&self, condition: impl Fn(&Live) -> bool) {
        let waiting = async {
            while !condition(&self.live) {
                self.live.changed().await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(60), waiting).await;
        assert!(in_time.is_ok(), "{:?}", self.live.status());
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn has_field(live: &Live, field: &str) -> bool {
    live.current().is_some_and(|supergraph| supergraph.api.sdl.contains(field))
}

#[tokio::test(start_paused = true)]
async fn changes_are_composed_and_failures_keep_the_last_good_supergraph() {
    let (a, b) = (Service::new("type Query { a: Int }"), Service::new("type Query { b: Int }"));
    let kept = Kept::start(Source::Compose(vec![a.subgraph("a"), b.subgraph("b")]), None);
    kept.until(|live| has_field(live, "a: Int") && has_field(live, "b: Int")).await;
    assert!(kept.live.status().last_error.is_none() && kept.live.status().since.is_some());

    b.tell("type Query { b: Int  more: Int }");
    kept.until(|live| has_field(live, "more: Int")).await;

    b.tell("type Query { b: Nothing }");
    kept.until(|live| live.status().last_error.is_some()).await;
    assert!(has_field(&kept.live, "more: Int"));
    let failed = kept.live.status().last_error.clone().unwrap();
    assert_eq!(failed.reason, Reason::CompositionFailed);
    assert!(failed.detail.starts_with("composition failed:") && failed.detail.contains("Nothing"), "{failed}");

    b.go_down();
    kept.until(|live| live.status().last_error.as_ref() != Some(&failed)).await;
    assert!(kept.live.status().last_error.as_ref().unwrap().detail.contains("subgraph \"b\""));
    assert!(has_field(&kept.live, "more: Int"));

    b.tell("type Query { again: Int }");
    kept.until(|live| has_field(live, "again: Int") && live.status().last_error.is_none()).await;
}

#[tokio::test(start_paused = true)]
async fn a_router_starts_from_its_cache_while_subgraphs_are_down() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache/supergraph.graphql");
    let service = Service::new("type Query { a: Int }");
    let source = Source::Compose(vec![service.subgraph("a")]);
    let first = Kept::start(source.clone(), Some(cache.clone()));
    first.until(|live| live.current().is_some()).await;
    drop(first);

    service.go_down();
    let second = Kept::start(source.clone(), Some(cache));
    second.until(|live| has_field(live, "a: Int") && live.status().last_error.is_some()).await;
    service.tell("type Query { a: Int  b: Int }");
    second.until(|live| has_field(live, "b: Int") && live.status().last_error.is_none()).await;

    service.go_down();
    let without_cache = Kept::start(source, None);
    without_cache.until(|live| live.status().last_error.is_some()).await;
    assert!(without_cache.live.current().is_none());
    // Asked again and again, it is not left alone: what is said stays what is the matter.
    without_cache.live.changed().await;
    let problem = without_cache.live.status().last_error.clone().unwrap();
    assert!(problem.detail.contains("subgraph \"a\": answered with status 503"), "{problem}");
    service.tell("type Query { late: Int }");
    without_cache.until(|live| has_field(live, "late: Int")).await;
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_no_subgraph_is_told_of_in_its_own_words() {
    let answer = post(async || axum::Json(json!({ "errors": [{ "message": "Cannot query field \"_service\"" }] })));
    let routes = axum::Router::new().route("/graphql", answer);
    let config = transport::Config::default();
    let plain = Subgraph::new("plain", "http://plain", Transport::Local(routes), &config).unwrap();
    let kept = Kept::start(Source::Compose(vec![Arc::new(plain)]), None);
    kept.until(|live| live.status().last_error.is_some()).await;
    let problem = kept.live.status().last_error.clone().unwrap();
    assert_eq!(problem.reason, Reason::SubgraphUnavailable);
    let said = "subgraph \"plain\": does not tell its schema ({ _service { sdl } }): Cannot query field \"_service\"";
    assert!(problem.detail.contains(said), "{problem}");
}

#[tokio::test(start_paused = true)]
async fn a_schema_that_is_not_composed_is_no_supergraph() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("supergraph.graphql");
    std::fs::write(&path, "type Query { a: Int }").unwrap();
    let kept = Kept::start(Source::File(path), None);
    kept.until(|live| live.status().last_error.is_some()).await;
    let problem = kept.live.status().last_error.clone().unwrap();
    assert!(problem.detail.contains("names no subgraphs") && kept.live.current().is_none(), "{problem}");
}

#[tokio::test(start_paused = true)]
async fn a_document_on_disk_is_read_again_when_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("supergraph.graphql");
    let kept = Kept::start(Source::File(path.clone()), None);
    kept.until(|live| live.status().last_error.is_some()).await;
    std::fs::write(&path, compose(&[subgraph("a", "type Query { a: Int }")]).unwrap()).unwrap();
    kept.until(|live| has_field(live, "a: Int")).await;
    let supergraph = kept.live.first().await;
    assert_eq!(supergraph.subgraphs["a"].url, "http://a/graphql");
    std::fs::write(&path, "no schema").unwrap();
    kept.until(|live| live.status().last_error.is_some()).await;
    assert!(has_field(&kept.live, "a: Int"));
}
