//! What every test starts from: the running service on fresh databases, and a clock held in hand.

use async_graphql::{Request, Response, Variables};
use chrono::{DateTime, Utc};
use futures::{Stream, StreamExt};
use hansa_kit::{Clock, Deps, Viewer, bus::Record, ids, testing, viewer::USER_PREFIX};
use hansa_migrations::notifications::Migrator;
use hansa_notifications::{Schema, Service, schema};
use hansa_schema::{
    Envelope, Event,
    social::{self, FollowCreated},
    users::{self, AccountRegistered},
};
use sea_orm::DatabaseConnection;
use serde_json::{Value, json};
use std::{pin::Pin, time::Duration};
use tokio::sync::watch;
use uuid::Uuid;

const DEADLINE: Duration = Duration::from_secs(30);

pub struct World {
    pub schema: Schema,
    pub deps: Deps,
    pub database: DatabaseConnection,
    statements: watch::Sender<usize>,
}

/// Runs `test` on every database, with the service running.
pub async fn everywhere(test: impl AsyncFn(&World)) {
    testing::on_every_database::<Migrator>(async |mut database| {
        let statements = watch::Sender::new(0);
        let (deps, log) = testing::deps(Clock::manual(noon())).await.unwrap();
        let role = hansa_notifications::role(database.clone(), &deps);
        let tasks: Vec<_> = role.tasks.into_iter().map(|task| tokio::spawn(task.work)).collect();

        let counted = statements.clone();
        database.set_metric_callback(move |_| counted.send_modify(|count| *count += 1));
        let service = Service { database: database.clone(), signals: deps.signals.clone(), clock: deps.clock.clone() };
        let world = World { schema: schema(service), deps, database, statements };
        test(&world).await;

        world.deps.shutdown.cancel();
        for task in tasks {
            within(task).await.unwrap();
        }
        log.drop().await;
    })
    .await;
}

pub fn noon() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

/// Waits for what has to come.
pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap()
}

/// A user with an inbox.
pub struct User {
    pub key: Uuid,
    pub id: String,
    pub viewer: Viewer,
}

pub fn user() -> User {
    let key = Uuid::now_v7();
    User { key, id: ids::encode(USER_PREFIX, key).to_string(), viewer: testing::viewer(key, &[]) }
}

pub fn record<E: Event>(event: E) -> Record {
    let envelope = Envelope::new(Uuid::now_v7(), noon(), event);
    Record { key: envelope.subject.clone(), payload: serde_json::to_vec(&envelope).unwrap() }
}

pub const VIEWER: &str = "query ($of: [_Any!]!, $filter: NotificationFilter) { _entities(representations: $of) {
    ... on Viewer {
        id
        unreadNotificationCount
        notifications(filter: $filter) { totalCount nodes { id kind title body count createdAt readAt actor { id }
            subject { __typename ... on User { id } ... on Friendship { id } ... on Message { id } } } }
    }
} }";

impl World {
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

    /// The user's `Viewer` as they see it.
    pub async fn inbox(&self, user: &User, filter: Value) -> Value {
        let of = json!([{ "__typename": "Viewer", "id": user.id }]);
        self.ask(&user.viewer, VIEWER, json!({ "of": of, "filter": filter })).await["_entities"][0].take()
    }

    /// Registers the user's account, as many times as they are to be welcomed, and returns their notifications' ids,
    /// newest first.
    pub async fn welcome(&self, user: &User, locale: &str, times: u64) -> Vec<String> {
        let before = self.inbox(user, Value::Null).await["notifications"]["totalCount"].as_u64().unwrap();
        let mut news = self.deps.signals.news("notifications", user.key);
        let registered = AccountRegistered {
            user_id: user.key,
            username: "ann".into(),
            display_name: "Ann".into(),
            email: "ann@example.org".into(),
            locale: locale.into(),
        };
        let records = (0..times).map(|_| record(registered.clone())).collect();
        self.deps.bus.publish(users::TOPIC, records).await.unwrap();
        within(async {
            loop {
                let inbox = self.inbox(user, Value::Null).await;
                if inbox["notifications"]["totalCount"] == json!(before + times) {
                    return ids_of(&inbox["notifications"]["nodes"]);
                }
                news.wait().await;
            }
        })
        .await
    }

    /// Publishes events of social, and waits until all before them and they have had their effect.
    pub async fn happen(&self, records: Vec<Record>) {
        self.deps.bus.publish(social::TOPIC, records).await.unwrap();
        // What comes after them on the same topic has come when they have.
        let last = user();
        let mut news = self.deps.signals.news("notifications", last.key);
        let event = record(FollowCreated { follower_id: Uuid::now_v7(), followee_id: last.key });
        self.deps.bus.publish(social::TOPIC, vec![event]).await.unwrap();
        within(async {
            while self.inbox(&last, Value::Null).await["notifications"]["totalCount"] != 1 {
                news.wait().await;
            }
        })
        .await;
    }

    /// The user's live events, behind `after` or from now on.
    pub fn watch(&self, viewer: &Viewer, after: Option<&str>) -> Events {
        let query = "subscription ($after: String) { notificationEvents(after: $after) {
            __typename
            ... on NotificationReceived { cursor occurredAt notification { id } unreadCount }
            ... on NotificationChanged {
                cursor occurredAt notification { id readAt } deletedNotificationId unreadCount
            }
            ... on StreamGap { cursor reason missedCount }
        } }";
        let variables = Variables::from_json(json!({ "after": after }));
        Events(Box::pin(self.schema.execute_stream(Request::new(query).variables(variables).data(viewer.clone()))))
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
        response.data.into_json().unwrap()["notificationEvents"].take()
    }
}

pub fn ids_of(nodes: &Value) -> Vec<String> {
    nodes.as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap().to_owned()).collect()
}

/// The code of the only error of a response.
pub fn code(response: &Response) -> String {
    assert_eq!(response.errors.len(), 1, "{:?}", response.errors);
    let code = response.errors[0].extensions.as_ref().and_then(|extensions| extensions.get("code"));
    code.cloned().unwrap().into_json().unwrap().as_str().unwrap().to_owned()
}
