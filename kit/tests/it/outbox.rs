//! The outbox on every database, with the embedded bus.

use chrono::Utc;
use futures::future::join_all;
use hansa_kit::{
    Clock, Error,
    bus::{self, Bus},
    database,
    outbox::{self, Outbox, depth, relay},
    testing::{self, on_every_database},
};
use hansa_migrations::posts::Migrator;
use hansa_schema::{
    Envelope, Event,
    mail::{MailRequested, Message},
    posts::{PostDeleted, PostUpdated, TOPIC},
};
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use std::{collections::HashSet, time::Duration};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const DEADLINE: Duration = Duration::from_secs(60);

async fn write(database: &DatabaseConnection, event: impl Event) {
    let transaction = database::begin(database).await.unwrap();
    outbox::write(&transaction, Utc::now(), event).await.unwrap();
    transaction.commit().await.unwrap();
}

fn event(number: u128) -> PostUpdated {
    PostUpdated { post_id: Uuid::from_u128(1), author_id: Uuid::from_u128(number) }
}

/// Reads the numbers of `count` different events, leaving out those that come again.
async fn first_appearances(bus: &Bus, count: usize) -> Vec<u128> {
    let mut consumer = bus.consumer("test", &[TOPIC]).await.unwrap();
    let (mut numbers, mut seen) = (Vec::new(), HashSet::new());
    while numbers.len() < count {
        let delivery = tokio::time::timeout(DEADLINE, consumer.next()).await.unwrap().unwrap();
        let event: Envelope<serde_json::Value> = serde_json::from_slice(&delivery.payload).unwrap();
        if seen.insert(event.id) {
            let event: PostUpdated = serde_json::from_value(event.data).unwrap();
            assert_eq!(delivery.key, event.post_id.to_string());
            numbers.push(event.author_id.as_u128());
        }
    }
    numbers
}

/// A relay as one replica runs it.
fn replica(database: &DatabaseConnection, bus: &Bus, shutdown: &CancellationToken) -> tokio::task::JoinHandle<()> {
    let (database, bus) = (database.clone(), bus.clone());
    tokio::spawn(relay(database, bus, Outbox::new("test"), Clock::System, shutdown.clone()))
}

async fn stop(shutdown: CancellationToken, replicas: Vec<tokio::task::JoinHandle<()>>) {
    shutdown.cancel();
    for replica in replicas {
        tokio::time::timeout(DEADLINE, replica).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn what_is_committed_is_published_and_nothing_else() {
    on_every_database::<Migrator>(async |database| {
        let (deps, log) = testing::deps(Clock::System).await.unwrap();
        write(&database, event(1)).await;
        let transaction = database::begin(&database).await.unwrap();
        outbox::write(&transaction, Utc::now(), event(2)).await.unwrap();
        transaction.rollback().await.unwrap();
        write(&database, event(3)).await;
        assert_eq!(depth(&database).await.unwrap(), 2);

        let replicas = vec![replica(&database, &deps.bus, &deps.shutdown)];
        assert_eq!(first_appearances(&deps.bus, 2).await, [1, 3]);
        stop(deps.shutdown, replicas).await;
        assert_eq!(depth(&database).await.unwrap(), 0);
        log.drop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_publish_all_in_the_order_of_their_aggregate() {
    on_every_database::<Migrator>(async |database| {
        let (deps, log) = testing::deps(Clock::System).await.unwrap();
        let replicas = (0..3).map(|_| replica(&database, &deps.bus, &deps.shutdown)).collect();
        let backend = database.get_database_backend();
        database.execute_unprepared("CREATE TABLE aggregate (version INTEGER)").await.unwrap();
        database.execute_unprepared("INSERT INTO aggregate VALUES (0)").await.unwrap();
        // Each change locks the aggregate's row, and only then writes the event.
        let writers = join_all((0..6).map(async |_| {
            for _ in 0..50 {
                let transaction = database::begin(&database).await.unwrap();
                transaction.execute_unprepared("UPDATE aggregate SET version = version + 1").await.unwrap();
                let version = Statement::from_string(backend, "SELECT version FROM aggregate");
                let row = transaction.query_one_raw(version).await.unwrap().unwrap();
                let version: i32 = row.try_get("", "version").unwrap();
                outbox::write(&transaction, Utc::now(), event(version.try_into().unwrap())).await.unwrap();
                transaction.commit().await.unwrap();
            }
        }));
        let (numbers, _) = tokio::join!(first_appearances(&deps.bus, 300), writers);
        assert_eq!(numbers, (1..=300).collect::<Vec<_>>());
        stop(deps.shutdown, replicas).await;
        log.drop().await;
    })
    .await;
}

#[tokio::test]
async fn a_bus_that_fails_loses_nothing() {
    on_every_database::<Migrator>(async |database| {
        let (dead, log) = testing::deps(Clock::System).await.unwrap();
        log.connection.clone().close().await.unwrap();
        let (deps, healthy) = testing::deps(Clock::System).await.unwrap();
        let replicas = vec![
            replica(&database, &dead.bus, &deps.shutdown),
            replica(&database, &deps.bus, &deps.shutdown), // takes over
        ];
        for number in 0..20 {
            write(&database, event(number)).await;
        }
        assert_eq!(first_appearances(&deps.bus, 20).await, (0..20).collect::<Vec<_>>());
        stop(deps.shutdown, replicas).await;
        log.drop().await;
        healthy.drop().await;
    })
    .await;
}

#[tokio::test]
async fn an_event_that_could_never_be_published_is_refused() {
    on_every_database::<Migrator>(async |database| {
        let message = Message::Welcome { display_name: "x".repeat(bus::MAX_RECORD), username: "ann".into() };
        let to = "ann@example.org".to_owned();
        let event = MailRequested { recipient_id: Uuid::now_v7(), to, locale: "en".into(), message };
        let refused = outbox::write(&database, Utc::now(), event).await;
        assert!(matches!(refused, Err(Error::Bus(bus::Error::TooLarge { .. }))));
        let small = PostDeleted { post_id: Uuid::now_v7(), author_id: Uuid::now_v7() };
        outbox::write(&database, Utc::now(), small).await.unwrap();
        assert_eq!(depth(&database).await.unwrap(), 1);
    })
    .await;
}
