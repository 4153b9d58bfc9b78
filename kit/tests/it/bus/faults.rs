//! Kafka with faults: librdkafka's mock cluster fails as it is told to.

use super::{isolated, next, number, within};
use hansa_kit::bus::{Bus, Config, Error, Record};
use rdkafka::{
    mocking::MockCluster,
    producer::DefaultProducerContext,
    types::{RDKafkaApiKey, RDKafkaRespErr},
};
use std::collections::BTreeSet;

const BROKERS: i32 = 3;
const TOPIC: &str = "events";

/// A cluster with an empty topic of one partition.
async fn cluster(publish_timeout: u64) -> (MockCluster<'static, DefaultProducerContext>, Bus) {
    let mock = MockCluster::new(BROKERS).unwrap();
    let config = Config { publish_timeout, ..isolated(mock.bootstrap_servers()) };
    mock.create_topic(&format!("{}{TOPIC}", config.prefix), 1, BROKERS).unwrap();
    let bus = Bus::kafka(&config).await.unwrap();
    (mock, bus)
}

/// Records so large that the producer needs a request for every other one: several are in flight at a time.
fn large(range: std::ops::Range<usize>) -> Vec<Record> {
    range
        .map(|number| {
            let mut payload = number.to_string().into_bytes();
            payload.resize(400_000, b' ');
            Record { key: "key".into(), payload }
        })
        .collect()
}

/// Reads until every number below `count` was seen; gives all, in the order in which they came.
async fn read_all(bus: &Bus, count: usize) -> Vec<usize> {
    let mut consumer = bus.consumer("group", &[TOPIC]).await.unwrap();
    let mut numbers = Vec::new();
    while BTreeSet::from_iter(&numbers).len() < count {
        numbers.push(number(&next(&mut consumer).await));
    }
    numbers
}

fn first_appearances(numbers: &[usize]) -> Vec<usize> {
    let mut seen = BTreeSet::new();
    numbers.iter().copied().filter(|number| seen.insert(*number)).collect()
}

#[tokio::test]
async fn passing_errors_neither_lose_nor_reorder_nor_duplicate() {
    use RDKafkaRespErr::*;
    let (mock, bus) = cluster(60).await;
    mock.request_errors(
        RDKafkaApiKey::Produce,
        &[
            RD_KAFKA_RESP_ERR_NO_ERROR,
            RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
            RD_KAFKA_RESP_ERR_NO_ERROR,
            RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
            RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
            RD_KAFKA_RESP_ERR__TRANSPORT,
            RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        ],
    );
    within("publishing", bus.publish(TOPIC, large(0..8))).await.unwrap();
    assert!(read_all(&bus, 8).await.into_iter().eq(0..8));
}

#[tokio::test]
async fn all_brokers_may_be_away_for_a_while() {
    let (mock, bus) = cluster(60).await;
    bus.publish(TOPIC, large(0..2)).await.unwrap();
    let mut consumer = bus.consumer("group", &[TOPIC]).await.unwrap();
    assert_eq!(number(&next(&mut consumer).await), 0);
    assert_eq!(number(&next(&mut consumer).await), 1);

    (1..=BROKERS).for_each(|broker| mock.broker_down(broker).unwrap());
    let publishing = tokio::spawn({
        let bus = bus.clone();
        async move { bus.publish(TOPIC, large(2..6)).await }
    });
    within("a loss", async { while bus.is_ready().await {} }).await;
    (1..=BROKERS).for_each(|broker| mock.broker_up(broker).unwrap());

    within("publishing", publishing).await.unwrap().unwrap();
    for expected in 2..6 {
        assert_eq!(number(&next(&mut consumer).await), expected);
    }
    within("a recovery", async { while !bus.is_ready().await {} }).await;
}

#[tokio::test]
async fn batch_that_was_refused_in_part_is_in_order_when_published_again() {
    use RDKafkaRespErr::*;
    for refusal in [RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED] {
        let (mock, bus) = cluster(60).await;
        mock.request_errors(RDKafkaApiKey::Produce, &[RD_KAFKA_RESP_ERR_NO_ERROR, refusal]);
        let refused = within("publishing", bus.publish(TOPIC, large(0..8))).await;
        assert!(matches!(refused, Err(Error::Kafka(_))), "{refusal:?}: {refused:?}");
        within("publishing again", bus.publish(TOPIC, large(0..8))).await.unwrap();
        let numbers = read_all(&bus, 8).await;
        assert!(first_appearances(&numbers).into_iter().eq(0..8), "{refusal:?}: {numbers:?}");
    }
}

#[tokio::test]
async fn batch_that_took_too_long_is_in_order_when_published_again() {
    let (mock, bus) = cluster(1).await;
    bus.publish(TOPIC, large(0..1)).await.unwrap();
    (1..=BROKERS).for_each(|broker| mock.broker_down(broker).unwrap());
    let late = within("giving up", bus.publish(TOPIC, large(1..8))).await;
    assert!(matches!(late, Err(Error::Timeout(_))), "{late:?}");
    (1..=BROKERS).for_each(|broker| mock.broker_up(broker).unwrap());
    within("publishing again", async { while bus.publish(TOPIC, large(1..8)).await.is_err() {} }).await;
    let numbers = read_all(&bus, 8).await;
    assert!(first_appearances(&numbers).into_iter().eq(0..8), "{numbers:?}");
}

#[tokio::test]
async fn producer_that_broke_for_good_is_replaced() {
    let (mock, bus) = cluster(60).await;
    let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
    mock.request_errors(RDKafkaApiKey::InitProducerId, &[refusal]);
    let refused = within("publishing", bus.publish(TOPIC, large(0..2))).await;
    assert!(matches!(refused, Err(Error::Kafka(_))), "{refused:?}");
    within("publishing again", bus.publish(TOPIC, large(0..2))).await.unwrap();
    let numbers = read_all(&bus, 2).await;
    assert_eq!(first_appearances(&numbers), [0, 1]);
}

#[tokio::test]
async fn consumer_can_be_dropped_while_the_brokers_are_away() {
    let (mock, bus) = cluster(60).await;
    bus.publish(TOPIC, large(0..2)).await.unwrap();
    let mut consumer = bus.consumer("group", &[TOPIC]).await.unwrap();
    let first = next(&mut consumer).await;
    (1..=BROKERS).for_each(|broker| mock.broker_down(broker).unwrap());
    consumer.commit(&first).await.unwrap();
    drop(consumer);
}
