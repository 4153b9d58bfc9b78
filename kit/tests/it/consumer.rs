//! Consumers on every database, with the embedded bus.

use chrono::Utc;
use futures::FutureExt;
use hansa_kit::{
    Clock, Error,
    bus::{Bus, Record},
    consumer::{self, AfterCommit, AnyEvent, Handler, HandlerError, Source, dead_letters},
    streams,
    testing::{self, on_every_database},
};
use hansa_migrations::notifications::Migrator;
use hansa_schema::{
    Envelope,
    users::{TOPIC, UserDeleted},
};
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const DEADLINE: Duration = Duration::from_secs(60);

fn record(number: u128) -> Record {
    let envelope = Envelope::new(Uuid::now_v7(), Utc::now(), UserDeleted { user_id: Uuid::from_u128(number) });
    Record { key: "key".into(), payload: serde_json::to_vec(&envelope).unwrap() }
}

fn number(event: &AnyEvent) -> u128 {
    event.subject.parse::<Uuid>().unwrap().as_u128()
}

/// A handler whose effect is an event in a stream, and that then does as `verdict` says. Committed effects are sent.
fn handler(
    verdict: impl Fn(u128) -> Result<(), HandlerError> + Send + Sync + 'static,
) -> (impl Handler + 'static, mpsc::UnboundedReceiver<u128>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let verdict = Arc::new(verdict);
    let handler = consumer::handler(move |transaction, event| {
        let (sender, verdict) = (sender.clone(), verdict.clone());
        async move {
            let number = number(&event);
            streams::append(transaction, "effects", Uuid::nil(), Utc::now(), &number).await?;
            verdict(number)?;
            Ok(Some(Box::new(move || sender.send(number).unwrap()) as AfterCommit))
        }
        .boxed()
    });
    (handler, receiver)
}

fn start(
    database: &DatabaseConnection,
    bus: &Bus,
    shutdown: &CancellationToken,
    handler: impl Handler + 'static,
) -> JoinHandle<()> {
    let (database, bus) = (database.clone(), bus.clone());
    let source = Source { database, bus, group: "test", topics: &[TOPIC], clock: Clock::System };
    tokio::spawn(consumer::run(source, shutdown.clone(), handler))
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap()
}

/// How many effects are committed.
async fn effects(database: &DatabaseConnection) -> i64 {
    let count = Statement::from_string(database.get_database_backend(), "SELECT count(*) AS n FROM stream_event");
    database.query_one_raw(count).await.unwrap().unwrap().try_get("", "n").unwrap()
}

#[tokio::test]
async fn an_effect_that_fails_is_undone_and_tried_again() {
    on_every_database::<Migrator>(async |database| {
        let (deps, log) = testing::deps(Clock::System).await.unwrap();
        let failures = AtomicUsize::new(2);
        let (handler, mut done) = handler(move |number| {
            let fails =
                number == 1 && failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
            if fails { Err(Error::Config("not yet".into()).into()) } else { Ok(()) }
        });
        let running = start(&database, &deps.bus, &deps.shutdown, handler);
        deps.bus.publish(TOPIC, (0..4).map(record).collect()).await.unwrap();
        for expected in 0..4 {
            assert_eq!(within(done.recv()).await, Some(expected)); // what failed holds up what comes behind
        }
        assert_eq!(effects(&database).await, 4);
        deps.shutdown.cancel();
        within(running).await.unwrap();
        log.drop().await;
    })
    .await;
}

#[tokio::test]
async fn what_is_delivered_again_has_no_second_effect() {
    on_every_database::<Migrator>(async |database| {
        let (deps, log) = testing::deps(Clock::System).await.unwrap();
        let twice: Vec<_> = (0..3).map(record).collect();
        deps.bus.publish(TOPIC, twice.clone()).await.unwrap();
        // Two lives of the service: the second gets the same events under new offsets, and one more.
        for (published, expected) in [(vec![], vec![0, 1, 2]), ([twice, vec![record(3)]].concat(), vec![3])] {
            deps.bus.publish(TOPIC, published).await.unwrap();
            let shutdown = CancellationToken::new();
            let (handler, mut done) = handler(|_| Ok(()));
            let running = start(&database, &deps.bus, &shutdown, handler);
            for expected in expected {
                assert_eq!(within(done.recv()).await, Some(expected));
            }
            shutdown.cancel();
            within(running).await.unwrap();
        }
        assert_eq!(effects(&database).await, 4);
        log.drop().await;
    })
    .await;
}

#[tokio::test]
async fn poison_goes_to_the_dead_letters_and_the_rest_goes_on() {
    on_every_database::<Migrator>(async |database| {
        let (deps, log) = testing::deps(Clock::System).await.unwrap();
        let (handler, mut done) = handler(|number| match number {
            1 => Err(HandlerError::Poison("cannot be".into())),
            2 => Err(Error::Config("never works".into()).into()),
            _ => Ok(()),
        });
        let running = start(&database, &deps.bus, &deps.shutdown, handler);
        let mut records: Vec<_> = (0..4).map(record).collect();
        records.insert(1, Record { key: "key".into(), payload: b"nonsense".to_vec() });
        deps.bus.publish(TOPIC, records).await.unwrap();
        assert_eq!(within(done.recv()).await, Some(0));
        assert_eq!(within(done.recv()).await, Some(3));
        assert_eq!(effects(&database).await, 2);

        let mut dead = deps.bus.consumer("undertaker", &[&*dead_letters(TOPIC)]).await.unwrap();
        let mut reasons = Vec::new();
        for _ in 0..3 {
            let delivery = within(dead.next()).await.unwrap();
            let letter: Value = serde_json::from_slice(&delivery.payload).unwrap();
            assert_eq!((&letter["group"], &letter["topic"]), (&json!("test"), &json!(TOPIC)));
            reasons.push(letter["reason"].as_str().unwrap().to_owned());
        }
        assert!(reasons[0].contains("expected"), "{reasons:?}"); // of the JSON parser
        assert_eq!(reasons[1..], ["cannot be", "configuration: never works"]);
        deps.shutdown.cancel();
        within(running).await.unwrap();
        log.drop().await;
    })
    .await;
}
