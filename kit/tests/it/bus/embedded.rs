//! What the embedded log alone promises.

use super::{next, number, record, records, take, within};
use chrono::{TimeDelta, Utc};
use hansa_kit::{
    bus::Bus,
    database::{self, Config},
    testing,
};
use hansa_migrations::bus::Migrator;
use std::path::Path;

async fn open(folder: &Path) -> (Bus, sea_orm::DatabaseConnection) {
    let url = format!("sqlite://{}?mode=rwc", folder.join("bus.db").display());
    let connection = database::connect(&Config { url, max_connections: 5 }).await.unwrap();
    database::migrate::<Migrator>(&connection).await.unwrap();
    (Bus::embedded(connection.clone()).await.unwrap(), connection)
}

#[tokio::test]
async fn log_and_commits_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (bus, connection) = open(folder.path()).await;
    bus.publish("one", records(0..10, 3)).await.unwrap();
    let mut consumer = bus.consumer("group", &["one"]).await.unwrap();
    take(&mut consumer, 3).await;
    let fourth = next(&mut consumer).await;
    consumer.commit(&fourth).await.unwrap();
    drop((bus, consumer));
    connection.close().await.unwrap();

    let (bus, _) = open(folder.path()).await;
    bus.publish("one", records(10..12, 3)).await.unwrap();
    let mut consumer = bus.consumer("group", &["one"]).await.unwrap();
    let fifth = next(&mut consumer).await;
    assert_eq!((number(&fifth), fifth.offset), (4, fourth.offset + 1));
    assert_eq!(take(&mut consumer, 7).await, [5, 6, 7, 8, 9, 10, 11]);
}

#[tokio::test]
async fn commit_does_not_go_back() {
    let log = testing::sqlite::<Migrator>().await.unwrap();
    let bus = Bus::embedded(log.connection.clone()).await.unwrap();
    bus.publish("one", records(0..4, 1)).await.unwrap();
    let mut consumer = bus.consumer("group", &["one"]).await.unwrap();
    let first = next(&mut consumer).await;
    let second = next(&mut consumer).await;
    consumer.commit(&second).await.unwrap();
    consumer.commit(&first).await.unwrap();
    drop(consumer);
    let mut consumer = bus.consumer("group", &["one"]).await.unwrap();
    assert_eq!(take(&mut consumer, 2).await, [2, 3]);
}

#[tokio::test]
async fn pruning_keeps_what_is_young_and_what_a_group_still_needs() {
    let log = testing::sqlite::<Migrator>().await.unwrap();
    let bus = Bus::embedded(log.connection.clone()).await.unwrap();
    let Bus::Embedded(embedded) = &bus else { unreachable!() };
    bus.publish("one", records(0..10, 1)).await.unwrap();
    bus.publish("unread", records(0..5, 1)).await.unwrap();
    let mut fast = bus.consumer("fast", &["one"]).await.unwrap();
    let slow = bus.consumer("slow", &["one"]).await.unwrap();
    let mut last = next(&mut fast).await;
    for _ in 1..10 {
        last = next(&mut fast).await;
    }
    fast.commit(&last).await.unwrap();

    assert_eq!(embedded.prune(Utc::now() - TimeDelta::minutes(1)).await.unwrap(), 0);
    let past_all = Utc::now() + TimeDelta::minutes(1);
    assert_eq!(embedded.prune(past_all).await.unwrap(), 5, "only the topic without a group");
    drop(slow);
    let mut slow = bus.consumer("slow", &["one"]).await.unwrap();
    take(&mut slow, 3).await;
    let fourth = next(&mut slow).await;
    slow.commit(&fourth).await.unwrap();
    assert_eq!(embedded.prune(past_all).await.unwrap(), 4);
    assert_eq!(take(&mut slow, 6).await, [4, 5, 6, 7, 8, 9]);

    // A log that was pruned empty goes on with higher offsets.
    slow.commit(&last).await.unwrap();
    assert_eq!(embedded.prune(past_all).await.unwrap(), 6);
    let mut late = bus.consumer("late", &["one"]).await.unwrap();
    bus.publish("one", vec![record("a", 10)]).await.unwrap();
    let delivery = next(&mut late).await;
    assert_eq!(number(&delivery), 10);
    assert!(delivery.offset > last.offset);
}

#[tokio::test]
async fn hundred_thousand_records_pass_through() {
    const COUNT: usize = 100_000;
    let folder = tempfile::tempdir().unwrap();
    let (bus, _) = open(folder.path()).await;
    let start = std::time::Instant::now();
    bus.publish("many", records(0..COUNT, 100)).await.unwrap();
    eprintln!("published in {:?}", start.elapsed());
    let mut consumer = bus.consumer("group", &["many"]).await.unwrap();
    let numbers = within("all records", take(&mut consumer, COUNT)).await;
    eprintln!("consumed after {:?}", start.elapsed());
    assert!(numbers.into_iter().eq(0..COUNT));
}
