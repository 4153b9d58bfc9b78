//! The contract of the bus: one suite for the embedded log and, when `HANSA_TEST_KAFKA_BROKERS` is set, for Kafka.

mod embedded;
mod faults;

use hansa_kit::{
    bus::{Bus, Config, Consumer, Delivery, Error, MAX_RECORD, Record, Topic},
    testing,
};
use hansa_migrations::bus::Migrator;
use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};
use tokio::{sync::mpsc, task::JoinHandle};

const DEADLINE: Duration = Duration::from_secs(60);
const ONE: Topic = Topic { name: "one", partitions: Some(1) };
const MANY: Topic = Topic { name: "many", partitions: None };

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("{what}: not within {DEADLINE:?}"))
}

/// A cluster's configuration under which a test has it for itself.
fn isolated(brokers: String) -> Config {
    Config {
        brokers: Some(brokers),
        partitions: 4,
        prefix: format!("test-{}.", uuid::Uuid::new_v4()),
        ..Config::default()
    }
}

fn kafka_config() -> Option<Config> {
    std::env::var("HANSA_TEST_KAFKA_BROKERS").ok().map(isolated)
}

async fn on_every_bus(test: impl AsyncFn(&Bus)) {
    let log = testing::sqlite::<Migrator>().await.unwrap();
    eprintln!("on the embedded bus");
    test(&Bus::embedded(log.connection.clone()).await.unwrap()).await;
    log.drop().await;
    if let Some(config) = kafka_config() {
        eprintln!("on Kafka, prefix {}", config.prefix);
        let bus = Bus::kafka(&config).await.unwrap();
        bus.declare_topics(&[ONE, MANY]);
        bus.ensure_topics().await.unwrap();
        test(&bus).await;
    }
}

fn record(key: impl std::fmt::Display, number: usize) -> Record {
    Record { key: key.to_string(), payload: number.to_string().into_bytes() }
}

/// Records `range`, their keys in turn from `keys` many.
fn records(range: std::ops::Range<usize>, keys: usize) -> Vec<Record> {
    range.map(|number| record(number % keys, number)).collect()
}

fn number(delivery: &Delivery) -> usize {
    String::from_utf8_lossy(&delivery.payload).trim().parse().unwrap()
}

async fn next(consumer: &mut Consumer) -> Delivery {
    within("a delivery", consumer.next()).await.unwrap()
}

async fn take(consumer: &mut Consumer, count: usize) -> Vec<usize> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        numbers.push(number(&next(consumer).await));
    }
    numbers
}

/// Panics unless the numbers of each key increase.
#[derive(Default)]
struct Order(HashMap<String, usize>);

impl Order {
    fn check(&mut self, delivery: &Delivery) {
        let number = number(delivery);
        if let Some(before) = self.0.insert(delivery.key.clone(), number) {
            assert!(before < number, "key {}: {number} came after {before}", delivery.key);
        }
    }
}

#[tokio::test]
async fn records_of_a_key_stay_in_order() {
    on_every_bus(async |bus| {
        let mut consumer = bus.consumer("group", &["many"]).await.unwrap();
        let mut order = Order::default();
        for batch in 0..5 {
            bus.publish("many", records(batch * 100..(batch + 1) * 100, 7)).await.unwrap();
        }
        for _ in 0..500 {
            order.check(&next(&mut consumer).await);
        }
    })
    .await;
}

#[tokio::test]
async fn consuming_resumes_after_the_committed_record() {
    on_every_bus(async |bus| {
        bus.publish("one", records(0..10, 3)).await.unwrap();
        let mut first = bus.consumer("group", &["one"]).await.unwrap();
        take(&mut first, 5).await;
        let sixth = next(&mut first).await;
        take(&mut first, 2).await;
        first.commit(&sixth).await.unwrap();
        drop(first);

        let mut second = bus.consumer("group", &["one"]).await.unwrap();
        assert_eq!(take(&mut second, 4).await, [6, 7, 8, 9]);
        bus.publish("one", vec![record("a", 10)]).await.unwrap();
        assert_eq!(take(&mut second, 1).await, [10]);
    })
    .await;
}

#[tokio::test]
async fn what_is_not_committed_is_delivered_again() {
    on_every_bus(async |bus| {
        bus.publish("one", records(0..5, 2)).await.unwrap();
        for _ in 0..2 {
            let mut consumer = bus.consumer("group", &["one"]).await.unwrap();
            assert_eq!(take(&mut consumer, 5).await, [0, 1, 2, 3, 4]);
        }
    })
    .await;
}

#[tokio::test]
async fn delivery_carries_what_was_published() {
    on_every_bus(async |bus| {
        let payload = vec![0, 159, 146, 150, 255];
        bus.publish("one", vec![Record { key: "ключ".into(), payload: payload.clone() }]).await.unwrap();
        let mut consumer = bus.consumer("group", &["one"]).await.unwrap();
        let delivery = next(&mut consumer).await;
        assert_eq!((delivery.topic.as_str(), delivery.partition), ("one", 0));
        assert_eq!((delivery.key.as_str(), delivery.payload), ("ключ", payload));
    })
    .await;
}

/// Consumes and commits until it is aborted; what it got goes to `seen`.
async fn worker(
    bus: &Bus,
    topic: &str,
    name: &'static str,
    seen: mpsc::Sender<(&'static str, Delivery)>,
) -> JoinHandle<()> {
    let mut consumer = bus.consumer("group", &[topic]).await.unwrap();
    tokio::spawn(async move {
        loop {
            let delivery = consumer.next().await.unwrap();
            // Reported first: what is aborted in between comes again instead of getting lost.
            if seen.send((name, delivery.clone())).await.is_err() {
                return;
            }
            consumer.commit(&delivery).await.unwrap();
        }
    })
}

#[tokio::test]
async fn consumers_of_a_group_share_a_topic() {
    on_every_bus(async |bus| {
        let (seen, mut deliveries) = mpsc::channel(10);
        let a = worker(bus, "many", "a", seen.clone()).await;
        let b = worker(bus, "many", "b", seen).await;
        let mut order = Order::default();
        let mut numbers = BTreeSet::new();
        for batch in 0..20 {
            bus.publish("many", records(batch * 20..(batch + 1) * 20, 16)).await.unwrap();
            while numbers.len() < (batch + 1) * 20 {
                let (_, delivery) = within("a delivery", deliveries.recv()).await.unwrap();
                order.check(&delivery);
                assert!(numbers.insert(number(&delivery)), "{} was delivered twice", number(&delivery));
            }
        }
        a.abort();
        b.abort();
    })
    .await;
}

#[tokio::test]
async fn group_goes_on_without_a_consumer_that_is_dropped() {
    on_every_bus(async |bus| {
        let (seen, mut deliveries) = mpsc::channel(1);
        let a = worker(bus, "one", "a", seen.clone()).await;
        bus.publish("one", records(0..3, 2)).await.unwrap();
        for expected in 0..3 {
            let (name, delivery) = within("the first consumer", deliveries.recv()).await.unwrap();
            assert_eq!((name, number(&delivery)), ("a", expected));
        }
        let b = worker(bus, "one", "b", seen).await;
        bus.publish("one", records(3..20, 2)).await.unwrap();
        let mut numbers = BTreeSet::from([0, 1, 2]);
        let (_, delivery) = within("any consumer", deliveries.recv()).await.unwrap();
        numbers.insert(number(&delivery));
        a.abort();
        while numbers.len() < 20 {
            let (_, delivery) = within("the other consumer", deliveries.recv()).await.unwrap();
            numbers.insert(number(&delivery));
        }
        bus.publish("one", records(20..21, 2)).await.unwrap();
        while numbers.len() < 21 {
            let (name, delivery) = within("the other consumer", deliveries.recv()).await.unwrap();
            numbers.insert(number(&delivery));
            assert_eq!(name, "b");
        }
        b.abort();
    })
    .await;
}

#[tokio::test]
async fn commit_of_a_partition_that_is_not_held_is_refused_and_harmless() {
    on_every_bus(async |bus| {
        bus.publish("one", records(0..3, 1)).await.unwrap();
        let mut active = bus.consumer("group", &["one"]).await.unwrap();
        let first = next(&mut active).await;
        let mut other = bus.consumer("group", &["one"]).await.unwrap();
        let refused = other.commit(&first).await;
        assert!(matches!(refused, Err(Error::Lost { partition: 0, .. })), "{refused:?}");
        active.commit(&first).await.unwrap();
        assert_eq!(take(&mut active, 2).await, [1, 2]);
    })
    .await;
}

#[tokio::test]
async fn every_group_gets_every_record() {
    on_every_bus(async |bus| {
        bus.publish("many", records(0..100, 9)).await.unwrap();
        for group in ["mailer", "notifications"] {
            let mut consumer = bus.consumer(group, &["many"]).await.unwrap();
            let numbers: BTreeSet<_> = take(&mut consumer, 100).await.into_iter().collect();
            assert_eq!(numbers.len(), 100, "group {group}");
        }
    })
    .await;
}

#[tokio::test]
async fn consumer_reads_several_topics() {
    on_every_bus(async |bus| {
        let mut consumer = bus.consumer("group", &["one", "many"]).await.unwrap();
        bus.publish("one", records(0..50, 1)).await.unwrap();
        bus.publish("many", records(50..100, 5)).await.unwrap();
        let numbers: BTreeSet<_> = take(&mut consumer, 100).await.into_iter().collect();
        assert_eq!(numbers.len(), 100);
    })
    .await;
}

#[tokio::test]
async fn cancelled_next_loses_nothing() {
    on_every_bus(async |bus| {
        let mut consumer = bus.consumer("group", &["one"]).await.unwrap();
        let mut numbers = Vec::new();
        for batch in 0..10 {
            bus.publish("one", records(batch * 10..(batch + 1) * 10, 4)).await.unwrap();
            within("every record", async {
                while numbers.len() < (batch + 1) * 10 {
                    if let Ok(delivery) = tokio::time::timeout(Duration::from_millis(3), consumer.next()).await {
                        numbers.push(number(&delivery.unwrap()));
                    }
                }
            })
            .await;
        }
        assert!(numbers.into_iter().eq(0..100));
    })
    .await;
}

#[tokio::test]
async fn ten_thousand_records_arrive_in_order() {
    const COUNT: usize = 10_000;
    on_every_bus(async |bus| {
        let publishing = async {
            for batch in 0..COUNT / 500 {
                bus.publish("many", records(batch * 500..(batch + 1) * 500, 100)).await.unwrap();
            }
        };
        let consuming = async {
            let mut consumer = bus.consumer("group", &["many"]).await.unwrap();
            let mut order = Order::default();
            for _ in 0..COUNT {
                let delivery = next(&mut consumer).await;
                order.check(&delivery);
                consumer.commit(&delivery).await.unwrap();
            }
        };
        tokio::join!(publishing, consuming);
    })
    .await;
}

#[tokio::test]
async fn batch_with_a_record_that_is_too_large_is_refused_as_a_whole() {
    on_every_bus(async |bus| {
        let largest = Record { key: "a".into(), payload: vec![b' '; MAX_RECORD - 1] };
        let larger = Record { key: "a".into(), payload: vec![b' '; MAX_RECORD] };
        let refused = bus.publish("one", vec![record("a", 0), larger]).await;
        assert!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
        bus.publish("one", vec![largest, record("a", 1)]).await.unwrap();
        let mut consumer = bus.consumer("group", &["one"]).await.unwrap();
        assert_eq!(next(&mut consumer).await.payload.len(), MAX_RECORD - 1);
        assert_eq!(take(&mut consumer, 1).await, [1]);
    })
    .await;
}

#[tokio::test]
async fn topic_is_made_by_its_first_record() {
    on_every_bus(async |bus| {
        bus.publish("one.dead", records(0..3, 1)).await.unwrap();
        let mut consumer = bus.consumer("group", &["one.dead"]).await.unwrap();
        assert_eq!(take(&mut consumer, 3).await, [0, 1, 2]);
    })
    .await;
}

#[tokio::test]
async fn bus_says_that_it_is_ready() {
    on_every_bus(async |bus| assert!(within("an answer", bus.is_ready()).await)).await;
}

#[tokio::test]
async fn kafka_topics_are_made_once_with_their_partitions() {
    let Some(config) = kafka_config() else { return };
    let replicas = futures::future::join_all((0..5).map(|_| Bus::kafka(&config))).await;
    let made = replicas.iter().map(async |bus| {
        let bus = bus.as_ref().unwrap();
        bus.declare_topics(&[ONE, MANY]);
        bus.ensure_topics().await
    });
    for made in within("topics", futures::future::join_all(made)).await {
        made.unwrap();
    }
    let metadata = tokio::task::spawn_blocking({
        use rdkafka::consumer::{BaseConsumer, Consumer as _};
        let brokers = config.brokers.clone().unwrap();
        let client: BaseConsumer = rdkafka::ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
        move || client.fetch_metadata(None, DEADLINE).unwrap()
    })
    .await
    .unwrap();
    for (name, partitions) in [("one", 1), ("many", 4)] {
        let name = format!("{}{name}", config.prefix);
        let topic = metadata.topics().iter().find(|topic| topic.name() == name).unwrap();
        assert_eq!(topic.partitions().len(), partitions, "{name}");
    }
}
