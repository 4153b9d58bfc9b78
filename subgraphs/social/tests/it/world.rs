//! What every test starts from: a schema on a fresh database, a clock held in hand, a count of statements.

use async_graphql::{Request, Response, Variables};
use chrono::{DateTime, Utc};
use hansa_kit::{Clock, Viewer, ids, signals::Signals, testing, viewer::USER_PREFIX};
use hansa_migrations::social::Migrator;
use hansa_social::{Config, Schema, Service, schema};
use sea_orm::{ConnectionTrait, DatabaseConnection, FromQueryResult, Statement};
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
    everywhere_with(Config::default(), test).await;
}

/// Runs `test` on every database, with another configuration.
pub async fn everywhere_with(config: Config, test: impl AsyncFn(World)) {
    testing::on_every_database::<Migrator>(async |database| test(World::new(config.clone(), database)).await).await;
}

pub fn noon() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

/// Somebody with an account.
#[derive(Clone)]
pub struct Person {
    pub key: Uuid,
    pub id: String,
    pub viewer: Viewer,
}

/// Somebody of whom social has not heard.
pub fn stranger() -> Person {
    let key = Uuid::now_v7();
    Person { key, id: ids::encode(USER_PREFIX, key).to_string(), viewer: testing::viewer(key, &[]) }
}

const FRIENDSHIP: &str = "friendship { id status requester { id } addressee { id } createdAt respondedAt }";

impl World {
    pub fn new(config: Config, mut database: DatabaseConnection) -> Self {
        let statements = Arc::new(AtomicUsize::new(0));
        let counted = statements.clone();
        database.set_metric_callback(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        let clock = Clock::manual(noon());
        let schema = schema(Service::new(config, database.clone(), Signals::memory(), clock.clone()));
        Self { schema, clock, database, statements }
    }

    /// Somebody with an account.
    pub async fn person(&self) -> Person {
        let person = stranger();
        let backend = self.database.get_database_backend();
        let sql = "INSERT INTO person (id) VALUES ($1)";
        self.database.execute_raw(Statement::from_sql_and_values(backend, sql, [person.key.into()])).await.unwrap();
        person
    }

    /// Many people with accounts.
    pub async fn people<const N: usize>(&self) -> [Person; N] {
        let people: Vec<_> = futures::future::join_all((0..N).map(|_| self.person())).await;
        people.try_into().unwrap_or_else(|_| unreachable!())
    }

    pub async fn execute(&self, viewer: &Viewer, query: &str, variables: Value) -> Response {
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

    /// Changes what is between two people: the friendship or user that the mutation gives, or the code of its refusal.
    pub async fn change(&self, who: &Person, mutation: &str, id: &str) -> Result<Value, String> {
        change(&self.schema, who, mutation, id).await
    }

    /// Makes two people friends, and returns the friendship's id.
    pub async fn befriend(&self, one: &Person, other: &Person) -> String {
        self.change(one, "friendshipRequest", &other.id).await.unwrap();
        let accepted = self.change(other, "friendshipRequest", &one.id).await.unwrap();
        assert_eq!(accepted["status"], "ACCEPTED");
        accepted["id"].as_str().unwrap().to_owned()
    }

    /// A selection of users, as `viewer` sees them.
    pub async fn users(&self, viewer: &Person, of: &[&Person], selection: &str) -> Vec<Value> {
        let of: Vec<_> = of.iter().map(|person| json!({ "__typename": "User", "id": person.id })).collect();
        let query =
            format!("query ($of: [_Any!]!) {{ _entities(representations: $of) {{ ... on User {{ {selection} }} }} }}");
        let data = self.ask(&viewer.viewer, &query, json!({ "of": of })).await;
        data["_entities"].as_array().unwrap().clone()
    }

    /// A selection of one's own `Viewer`.
    pub async fn own(&self, who: &Person, selection: &str) -> Value {
        let of = json!([{ "__typename": "Viewer", "id": who.id }]);
        let query = format!(
            "query ($of: [_Any!]!) {{ _entities(representations: $of) {{ ... on Viewer {{ {selection} }} }} }}"
        );
        self.ask(&who.viewer, &query, json!({ "of": of })).await["_entities"][0].take()
    }

    /// How many statements `work` sends.
    pub async fn count<T>(&self, work: impl Future<Output = T>) -> (T, usize) {
        let before = self.statements.load(Ordering::SeqCst);
        let result = work.await;
        (result, self.statements.load(Ordering::SeqCst) - before)
    }

    /// The events in the outbox.
    pub async fn events(&self) -> Vec<Value> {
        let rows = "SELECT payload FROM outbox ORDER BY seq";
        let statement = Statement::from_string(self.database.get_database_backend(), rows);
        let rows = Payload::find_by_statement(statement).all(&self.database).await.unwrap();
        rows.into_iter().map(|row| serde_json::from_str(&row.payload).unwrap()).collect()
    }

    /// The types of the events in the outbox.
    pub async fn event_types(&self) -> Vec<String> {
        self.events().await.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }
}

#[derive(FromQueryResult)]
struct Payload {
    payload: String,
}

/// See [`World::change`].
pub async fn change(schema: &Schema, who: &Person, mutation: &str, id: &str) -> Result<Value, String> {
    let (argument, result, selection) = match mutation {
        "friendshipRequest" => ("userId", "friendship", FRIENDSHIP),
        "friendshipAccept" | "friendshipDecline" | "friendshipCancel" => ("id", "friendship", FRIENDSHIP),
        _ => ("userId", "user", "user { id }"),
    };
    let query = format!(
        "mutation ($id: ID!) {{ {mutation}({argument}: $id) {{ {selection} userErrors {{ code message field }} }} }}"
    );
    let variables = Variables::from_json(json!({ "id": id }));
    let response = schema.execute(Request::new(query).variables(variables).data(who.viewer.clone())).await;
    assert_eq!(response.errors, [], "{mutation}");
    let mut payload = response.data.into_json().unwrap()[mutation].take();
    let Some(error) = payload["userErrors"].as_array().unwrap().first() else { return Ok(payload[result].take()) };
    assert_eq!(payload[result], Value::Null);
    let field = if error["code"] == "LIMIT_EXCEEDED" { Value::Null } else { json!([argument]) };
    assert_eq!(error["field"], field);
    Err(error["code"].as_str().unwrap().to_owned())
}

/// A refusal.
pub fn refused<T>(code: &str) -> Result<T, String> {
    Err(code.to_owned())
}

/// The ids of these nodes.
pub fn ids_of(nodes: &Value) -> Vec<String> {
    nodes.as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap().to_owned()).collect()
}
