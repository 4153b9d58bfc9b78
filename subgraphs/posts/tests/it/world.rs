//! What every test starts from: a schema on a fresh database, a clock held in hand, a count of statements.

use async_graphql::{Request, Variables};
use chrono::{DateTime, Duration, Utc};
use hansa_kit::{Clock, Viewer, ids, testing, viewer::USER_PREFIX};
use hansa_migrations::posts::Migrator;
use hansa_posts::{Schema, Service, schema};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, FromQueryResult, QueryResult, Statement};
use serde_json::{Value, json};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use uuid::Uuid;

pub struct World {
    pub schema: Schema,
    pub clock: Clock,
    pub database: DatabaseConnection,
    statements: Arc<AtomicUsize>,
}

/// Runs `test` on every database.
pub async fn everywhere(test: impl AsyncFn(World)) {
    testing::on_every_database::<Migrator>(async |database| test(World::new(database)).await).await;
}

pub fn noon() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

impl World {
    pub fn new(mut database: DatabaseConnection) -> Self {
        let statements = Arc::new(AtomicUsize::new(0));
        let counted = statements.clone();
        database.set_metric_callback(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        let clock = Clock::manual(noon());
        let schema = schema(Service::new(database.clone(), clock.clone()));
        Self { schema, clock, database, statements }
    }

    pub async fn execute(&self, viewer: &Viewer, query: &str, variables: Value) -> async_graphql::Response {
        let request = Request::new(query).variables(Variables::from_json(variables)).data(viewer.clone());
        self.schema.execute(request).await
    }

    /// The data of an operation that has no errors.
    pub async fn ask(&self, viewer: &Viewer, query: &str, variables: Value) -> Value {
        let response = self.execute(viewer, query, variables).await;
        assert_eq!(response.errors, [], "{query}");
        response.data.into_json().unwrap()
    }

    /// The code of the only error of an operation.
    pub async fn code(&self, viewer: &Viewer, query: &str, variables: Value) -> String {
        let errors = self.execute(viewer, query, variables).await.errors;
        assert_eq!(errors.len(), 1, "{errors:?}");
        let code = errors[0].extensions.as_ref().and_then(|extensions| extensions.get("code"));
        code.cloned().unwrap().into_json().unwrap().as_str().unwrap().to_owned()
    }

    /// Publishes a post, a second after the one before, and returns its id.
    pub async fn post(&self, author: &Viewer, body: &str) -> String {
        self.clock.advance(Duration::seconds(1));
        let data = self.ask(author, CREATE, json!({ "input": { "body": body } })).await;
        data["postCreate"]["post"]["id"].as_str().unwrap_or_else(|| panic!("{data}")).to_owned()
    }

    /// The bodies of the posts that the selection `posts…` finds.
    pub async fn bodies(&self, posts: &str) -> Vec<String> {
        let data = self.ask(&Viewer::Anonymous, &format!("{{ posts{posts} {{ nodes {{ body }} }} }}"), json!({})).await;
        texts(&data["posts"]["nodes"])
    }

    /// How many statements `work` sends.
    pub async fn count<T>(&self, work: impl Future<Output = T>) -> (T, usize) {
        let before = self.statements.load(Ordering::SeqCst);
        let result = work.await;
        (result, self.statements.load(Ordering::SeqCst) - before)
    }

    /// The only row of a query.
    pub async fn one(&self, query: &str) -> Result<QueryResult, DbErr> {
        Ok(self.database.query_one_raw(self.statement(query)).await?.unwrap())
    }

    pub async fn run(&self, statement: &str) {
        self.database.execute_unprepared(statement).await.unwrap();
    }

    fn statement(&self, query: &str) -> Statement {
        Statement::from_string(self.database.get_database_backend(), query)
    }

    /// The types of the events in the outbox.
    pub async fn outbox(&self) -> Vec<String> {
        Payload::find_by_statement(self.statement("SELECT payload FROM outbox ORDER BY seq"))
            .all(&self.database)
            .await
            .unwrap()
            .into_iter()
            .map(|row| serde_json::from_str::<Value>(&row.payload).unwrap()["type"].as_str().unwrap().to_owned())
            .collect()
    }
}

#[derive(FromQueryResult)]
struct Payload {
    payload: String,
}

pub const CREATE: &str = "mutation ($input: PostCreateInput!) {
    postCreate(input: $input) { post { id body createdAt editedAt author { id } } userErrors { code field } }
}";

/// A user and their global id.
pub fn user() -> (Viewer, String) {
    let key = Uuid::now_v7();
    (testing::viewer(key, &[]), ids::encode(USER_PREFIX, key).to_string())
}

/// The bodies of these posts.
pub fn texts(nodes: &Value) -> Vec<String> {
    nodes.as_array().unwrap().iter().map(|node| node["body"].as_str().unwrap().to_owned()).collect()
}
