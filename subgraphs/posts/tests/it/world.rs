//! What every test starts from: a schema on a fresh database, a clock held in hand, a count of statements.

use async_graphql::{Request, Variables};
use chrono::{DateTime, Duration, Utc};
use hansa_kit::{Clock, Deps, Viewer, bus::Record, ids, signals::Signals, testing, viewer::USER_PREFIX};
use hansa_migrations::posts::Migrator;
use hansa_posts::{Schema, Service, schema};
use hansa_schema::{Envelope, Event};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, FromQueryResult, QueryResult, Statement, sea_query::Query};
use serde_json::{Value, json};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use uuid::Uuid;

const DEADLINE: std::time::Duration = std::time::Duration::from_secs(30);

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

/// Runs `test` on every database, with the service's tasks running.
pub async fn everywhere_running(test: impl AsyncFn(&World, &Deps)) {
    testing::on_every_database::<Migrator>(async |database| {
        let (deps, log) = testing::deps(Clock::manual(noon())).await.unwrap();
        let role = hansa_posts::role(database.clone(), &deps);
        let tasks: Vec<_> = role.tasks.into_iter().map(|task| tokio::spawn(task.work)).collect();
        test(&World::with(database, deps.signals.clone(), deps.clock.clone()), &deps).await;
        deps.shutdown.cancel();
        for task in tasks {
            within(task).await.unwrap();
        }
        log.drop().await;
    })
    .await;
}

/// Waits for what has to come.
pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap()
}

pub fn record<E: Event>(event: E) -> Record {
    let envelope = Envelope::new(Uuid::now_v7(), noon(), event);
    Record { key: envelope.subject.clone(), payload: serde_json::to_vec(&envelope).unwrap() }
}

impl World {
    pub fn new(database: DatabaseConnection) -> Self {
        Self::with(database, Signals::memory(), Clock::manual(noon()))
    }

    pub fn with(mut database: DatabaseConnection, signals: Signals, clock: Clock) -> Self {
        let statements = Arc::new(AtomicUsize::new(0));
        let counted = statements.clone();
        database.set_metric_callback(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        let schema = schema(Service::new(database.clone(), signals, clock.clone()));
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
        self.make(author, json!({ "body": body })).await
    }

    /// Makes a post that is like `input`, a second after the one before, and returns its id.
    pub async fn make(&self, author: &Viewer, input: Value) -> String {
        self.clock.advance(Duration::seconds(1));
        let data = self.ask(author, CREATE, json!({ "input": input })).await;
        data["postCreate"]["post"]["id"].as_str().unwrap_or_else(|| panic!("{data}")).to_owned()
    }

    /// Changes a post and returns the payload.
    pub async fn update(&self, author: &Viewer, id: &str, input: Value) -> Value {
        self.clock.advance(Duration::seconds(1));
        let update = "mutation ($id: ID!, $input: PostUpdateInput!) { postUpdate(id: $id, input: $input) {
            post { body status visibility editedAt publishedAt publishAt } userErrors { code field } } }";
        self.ask(author, update, json!({ "id": id, "input": input })).await["postUpdate"].take()
    }

    /// Has a moderator take a post down.
    pub async fn hide(&self, id: &str) {
        let hide = r#"mutation ($id: ID!) { postHide(id: $id, reason: "rude") { userErrors { code } } }"#;
        let data = self.ask(&testing::viewer(Uuid::now_v7(), &["staff"]), hide, json!({ "id": id })).await;
        assert_eq!(data["postHide"]["userErrors"], json!([]));
    }

    /// Writes into `follow`, `friend` or `block` that `one` is so to `other`, as an event would.
    pub async fn relate(&self, table: &'static str, one: &Viewer, other: &Viewer) {
        let (first, second) = match table {
            "follow" => ("follower_id", "followee_id"),
            "friend" => ("user_id", "friend_id"),
            _ => ("blocker_id", "blocked_id"),
        };
        let (one, other) = (one.user_id().unwrap(), other.user_id().unwrap());
        let mut insert = Query::insert().into_table(table).columns([first, second]).to_owned();
        insert.values_panic([one.into(), other.into()]);
        if table == "friend" {
            insert.values_panic([other.into(), one.into()]);
        }
        self.database.execute(&insert).await.unwrap();
    }

    /// The `Viewer` of a user, with this selection.
    pub async fn own(&self, viewer: &Viewer, selection: &str) -> Value {
        let id = ids::encode(USER_PREFIX, viewer.user_id().unwrap());
        let of = json!({ "of": [{ "__typename": "Viewer", "id": id }] });
        let query = format!(
            "query ($of: [_Any!]!) {{ _entities(representations: $of) {{ ... on Viewer {{ {selection} }} }} }}"
        );
        self.ask(viewer, &query, of).await["_entities"][0].take()
    }

    /// The bodies of the posts that the selection `posts…` finds.
    pub async fn bodies(&self, posts: &str) -> Vec<String> {
        let data = self.ask(&Viewer::Anonymous, &format!("{{ posts{posts} {{ nodes {{ body }} }} }}"), json!({})).await;
        texts(&data["posts"]["nodes"])
    }

    /// How many statements have been sent.
    pub fn statements(&self) -> usize {
        self.statements.load(Ordering::SeqCst)
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
