//! What tests of conversations start from: the service running, with its consumers and signals.

use crate::world::{Person, noon, stranger};
use async_graphql::{Request, Response, Variables};
use futures::{Stream, StreamExt};
use hansa_kit::{Clock, Deps, Viewer, bus::Record, testing};
use hansa_migrations::social::Migrator;
use hansa_schema::{
    Envelope,
    users::{self, UserDeleted},
};
use hansa_social::{Config, ConversationConfig, Schema, Service, schema};
use sea_orm::{ConnectionTrait, DatabaseConnection, FromQueryResult, Statement};
use serde_json::{Value, json};
use std::{pin::Pin, time::Duration};
use tokio::sync::watch;
use uuid::Uuid;

const DEADLINE: Duration = Duration::from_secs(60);

pub struct World {
    pub schema: Schema,
    pub service: Service,
    pub deps: Deps,
    pub database: DatabaseConnection,
    statements: watch::Sender<usize>,
}

/// Runs `test` on every database, with the service running.
pub async fn everywhere(test: impl AsyncFn(&World)) {
    testing::on_every_database::<Migrator>(async |mut database| {
        let statements = watch::Sender::new(0);
        let (deps, log) = testing::deps(Clock::manual(noon())).await.unwrap();
        let role = hansa_social::role(config(), database.clone(), &deps);
        // Without the outbox's relay: tests look at what is in it.
        let tasks = role.tasks.into_iter().filter(|task| task.name != "social.outbox");
        let tasks: Vec<_> = tasks.map(|task| tokio::spawn(task.work)).collect();

        let counted = statements.clone();
        database.set_metric_callback(move |_| counted.send_modify(|count| *count += 1));
        let service = Service::new(config(), database.clone(), deps.signals.clone(), deps.clock.clone());
        let world = World { schema: schema(service.clone()), service, deps, database, statements };
        test(&world).await;

        world.deps.shutdown.cancel();
        for task in tasks {
            within(task).await.unwrap();
        }
        log.drop().await;
    })
    .await;
}

/// Small limits, which tests reach.
fn config() -> Config {
    let conversations = ConversationConfig { max_participants: 30, max_created_per_day: 60 };
    Config { conversations, ..Config::default() }
}

/// Waits for what has to come.
pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap()
}

impl World {
    /// Somebody whose account social knows of.
    pub async fn user(&self) -> Person {
        let user = stranger();
        let insert = format!("INSERT INTO person (id) VALUES ({})", self.literal(user.key));
        self.database.execute_unprepared(&insert).await.unwrap();
        user
    }

    pub async fn users<const N: usize>(&self) -> [Person; N] {
        let mut users = Vec::new();
        for _ in 0..N {
            users.push(self.user().await);
        }
        users.try_into().unwrap_or_else(|_| unreachable!())
    }

    fn literal(&self, id: Uuid) -> String {
        match self.database.get_database_backend() {
            sea_orm::DbBackend::Sqlite => format!("x'{}'", id.simple()),
            _ => format!("'{id}'"),
        }
    }

    /// Ends an account, and waits until social has done what it does then.
    pub async fn delete(&self, user: &Person) {
        let event = Envelope::new(Uuid::now_v7(), self.deps.clock.now(), UserDeleted { user_id: user.key });
        let record = Record { key: event.subject.clone(), payload: serde_json::to_vec(&event).unwrap() };
        self.deps.bus.publish(users::TOPIC, vec![record]).await.unwrap();
        let gone = format!("SELECT 1 FROM inbox WHERE event_id = {}", self.literal(event.id));
        self.until(&gone).await;
    }

    /// Waits until a query finds something.
    async fn until(&self, sql: &str) {
        let asking = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(20));
            loop {
                ticks.tick().await;
                let statement = Statement::from_string(self.database.get_database_backend(), sql);
                if self.database.query_one_raw(statement).await.unwrap().is_some() {
                    return;
                }
            }
        };
        within(asking).await;
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

    /// The payload of a mutation, which has one field.
    pub async fn change(&self, user: &Person, mutation: &str, variables: Value) -> Value {
        let data = self.ask(&user.viewer, mutation, variables).await;
        data.as_object().unwrap().values().next().unwrap().clone()
    }

    /// What `Viewer` has for the user.
    pub async fn own(&self, user: &Person, fields: &str) -> Value {
        let query =
            format!("query ($of: [_Any!]!) {{ _entities(representations: $of) {{ ... on Viewer {{ {fields} }} }} }}");
        let of = json!([{ "__typename": "Viewer", "id": user.id }]);
        self.ask(&user.viewer, &query, json!({ "of": of })).await["_entities"][0].take()
    }

    /// Has one user block another.
    pub async fn block(&self, blocker: &Person, blocked: &Person) {
        let mutation = "mutation ($id: ID!) { blockCreate(userId: $id) { userErrors { code } } }";
        let payload = self.change(blocker, mutation, json!({ "id": blocked.id })).await;
        assert_eq!(payload["userErrors"], json!([]));
    }

    /// How many statements `work` sends.
    pub async fn count<T>(&self, work: impl Future<Output = T>) -> (T, usize) {
        let before = *self.statements.borrow();
        let result = work.await;
        (result, *self.statements.borrow() - before)
    }

    /// Completes when `more` statements have been sent since it was called, not since it was first polled.
    pub fn statements(&self, more: usize) -> impl Future<Output = ()> + use<> {
        let mut statements = self.statements.subscribe();
        let now = *statements.borrow();
        async move {
            within(statements.wait_for(|count| *count >= now + more)).await.unwrap();
        }
    }

    /// A running subscription.
    pub fn watch(&self, viewer: &Viewer, subscription: &str, variables: Value) -> Events {
        let request = Request::new(subscription).variables(Variables::from_json(variables)).data(viewer.clone());
        Events(Box::pin(self.schema.execute_stream(request)))
    }

    /// The types and the data of the events in the outbox.
    pub async fn outbox(&self) -> Vec<(String, Value)> {
        let statement =
            Statement::from_string(self.database.get_database_backend(), "SELECT payload FROM outbox ORDER BY seq");
        let rows = Payload::find_by_statement(statement).all(&self.database).await.unwrap();
        let event = |row: Payload| {
            let mut event: Value = serde_json::from_str(&row.payload).unwrap();
            (event["type"].as_str().unwrap().to_owned(), event["data"].take())
        };
        rows.into_iter().map(event).collect()
    }
}

#[derive(FromQueryResult)]
struct Payload {
    payload: String,
}

/// A running subscription.
pub struct Events(Pin<Box<dyn Stream<Item = Response> + Send>>);

impl Events {
    pub async fn response(&mut self) -> Response {
        within(self.0.next()).await.unwrap()
    }

    pub async fn next(&mut self) -> Value {
        let response = self.response().await;
        assert_eq!(response.errors, []);
        let data = response.data.into_json().unwrap();
        data.as_object().unwrap().values().next().unwrap().clone()
    }
}

/// The code of the only error of a response.
pub fn code(response: &Response) -> String {
    assert_eq!(response.errors.len(), 1, "{:?}", response.errors);
    let code = response.errors[0].extensions.as_ref().and_then(|extensions| extensions.get("code"));
    code.cloned().unwrap().into_json().unwrap().as_str().unwrap().to_owned()
}

/// The only refusal of a mutation: its code and its field.
pub fn refusal(payload: &Value) -> (String, String) {
    let errors = payload["userErrors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{payload}");
    let path = errors[0]["field"].as_array().into_iter().flatten().map(|name| name.as_str().unwrap());
    (errors[0]["code"].as_str().unwrap().to_owned(), path.collect::<Vec<_>>().join("."))
}
