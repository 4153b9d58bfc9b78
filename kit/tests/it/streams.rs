//! Durable streams on every database.

use chrono::{DateTime, Duration, Utc};
use futures::{Stream, StreamExt, future::join_all};
use hansa_kit::{
    Clock, database,
    signals::{Signal, Signals},
    streams::{self, Item, MAX_EVENTS, RETENTION, StreamGapReason},
    testing::on_every_database,
};
use hansa_migrations::notifications::Migrator;
use sea_orm::{ConnectionTrait, DatabaseConnection};
use std::{collections::HashMap, pin::pin};
use uuid::Uuid;

const STREAM: &str = "test";
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(60);

fn noon() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

struct World {
    database: DatabaseConnection,
    signals: Signals,
}

async fn everywhere(test: impl AsyncFn(World)) {
    on_every_database::<Migrator>(async |database| test(World { database, signals: Signals::memory() }).await).await;
}

impl World {
    async fn append(&self, viewer: Uuid, time: DateTime<Utc>, payload: (u32, u32)) {
        let transaction = database::begin(&self.database).await.unwrap();
        streams::append(&transaction, STREAM, viewer, time, &payload).await.unwrap();
        transaction.commit().await.unwrap();
        self.signals.send(Signal::News { stream: STREAM.into(), viewer });
    }

    fn subscribe(&self, viewer: Uuid, after: Option<&str>) -> impl Stream<Item = Item> + use<> {
        let after = streams::parse_cursor(after).unwrap();
        let clock = Clock::manual(noon());
        streams::subscribe(self.database.clone(), self.signals.clone(), clock, STREAM, viewer, after)
            .map(|item| item.unwrap())
    }
}

async fn next(stream: &mut (impl Stream<Item = Item> + Unpin)) -> Item {
    tokio::time::timeout(DEADLINE, stream.next()).await.unwrap().unwrap()
}

/// The cursor and the payload of an event.
async fn next_event(stream: &mut (impl Stream<Item = Item> + Unpin)) -> (String, (u32, u32)) {
    match next(stream).await {
        Item::Event { cursor, payload, .. } => (cursor, serde_json::from_str(&payload).unwrap()),
        Item::Gap(gap) => panic!("{gap:?}"),
    }
}

/// The reason of a gap, what is missing, and where to go on.
async fn next_gap(stream: &mut (impl Stream<Item = Item> + Unpin)) -> (StreamGapReason, Option<i32>, String) {
    match next(stream).await {
        Item::Gap(gap) => (gap.reason, gap.missed_count, gap.cursor),
        event => panic!("{event:?}"),
    }
}

/// The cursor of the stream's very start.
async fn start(world: &World) -> String {
    let somebody = Uuid::now_v7();
    let ahead = {
        world.append(Uuid::now_v7(), noon(), (0, 0)).await;
        "Mg".to_owned() // position 2 of a stream that has none
    };
    next_gap(&mut pin!(world.subscribe(somebody, Some(&ahead)))).await.2
}

const TASKS: u32 = 8;
const EVENTS: u32 = 125;

/// Asserts that these are the events of all tasks, each once, those of one task in its order.
fn assert_complete(events: &[(u32, u32)]) {
    let mut last = HashMap::new();
    for (task, number) in events {
        let expected = last.entry(*task).or_insert(0);
        assert_eq!(number, expected);
        *expected += 1;
    }
    assert_eq!(last, (0..TASKS).map(|task| (task, EVENTS)).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_appends_arrive_once_each_and_in_order() {
    everywhere(async |world| {
        let (ann, bob) = (Uuid::now_v7(), Uuid::now_v7());
        let start = start(&world).await;
        let append = join_all((0..TASKS).map(async |task| {
            for number in 0..EVENTS {
                world.append(ann, noon(), (task, number)).await;
                if number == task {
                    world.append(bob, noon(), (100, task)).await;
                }
            }
        }));
        // One stays; one goes away again and again and comes back with its last cursor.
        let steady = async {
            let mut stream = pin!(world.subscribe(ann, Some(&start)));
            let mut events = Vec::new();
            while events.len() < (TASKS * EVENTS) as usize {
                events.push(next_event(&mut stream).await);
            }
            events
        };
        let fickle = async {
            let (mut events, mut cursor) = (Vec::new(), start.clone());
            while events.len() < (TASKS * EVENTS) as usize {
                let mut stream = pin!(world.subscribe(ann, Some(&cursor)));
                let stay = (1 + events.len() % 97).min((TASKS * EVENTS) as usize - events.len());
                for _ in 0..stay {
                    events.push(next_event(&mut stream).await);
                }
                cursor = events.last().unwrap().0.clone();
            }
            events
        };
        let (_, steady, fickle) = tokio::join!(append, steady, fickle);
        assert_eq!(steady, fickle);
        assert_complete(&steady.into_iter().map(|(_, payload)| payload).collect::<Vec<_>>());
        let mut of_bob = pin!(world.subscribe(bob, Some(&start)));
        for _ in 0..TASKS {
            assert_eq!(next_event(&mut of_bob).await.1.0, 100);
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_rolled_back_leaves_no_hole() {
    everywhere(async |world| {
        let ann = Uuid::now_v7();
        let start = start(&world).await;
        world.append(ann, noon(), (0, 0)).await;
        let transaction = database::begin(&world.database).await.unwrap();
        streams::append(&transaction, STREAM, ann, noon(), &(0, 1)).await.unwrap();
        transaction.rollback().await.unwrap();
        world.append(ann, noon(), (0, 2)).await;
        let mut stream = pin!(world.subscribe(ann, Some(&start)));
        assert_eq!(next_event(&mut stream).await.1, (0, 0));
        assert_eq!(next_event(&mut stream).await.1, (0, 2));
    })
    .await;
}

#[tokio::test]
async fn what_was_pruned_is_a_gap() {
    everywhere(async |world| {
        let ann = Uuid::now_v7();
        let start = start(&world).await;
        for number in 0..3 {
            world.append(ann, noon(), (0, number)).await;
        }
        let later = noon() + RETENTION + Duration::microseconds(1);
        world.append(ann, later, (0, 3)).await;
        streams::prune(&world.database, later).await.unwrap();

        let mut stream = pin!(world.subscribe(ann, Some(&start)));
        let (reason, missed, cursor) = next_gap(&mut stream).await;
        assert_eq!((reason, missed), (StreamGapReason::RetentionExceeded, Some(3)));
        let (last, payload) = next_event(&mut stream).await;
        assert_eq!(payload, (0, 3));
        assert_eq!(next_event(&mut pin!(world.subscribe(ann, Some(&cursor)))).await.1, (0, 3));

        // All of them.
        streams::prune(&world.database, later + RETENTION * 2).await.unwrap();
        let mut stream = pin!(world.subscribe(ann, Some(&start)));
        assert_eq!(next_gap(&mut stream).await, (StreamGapReason::RetentionExceeded, Some(4), last.clone()));
        world.append(ann, later, (0, 4)).await;
        assert_eq!(next_event(&mut stream).await.1, (0, 4));
        assert_eq!(next_event(&mut pin!(world.subscribe(ann, Some(&last)))).await.1, (0, 4));
    })
    .await;
}

#[tokio::test]
async fn a_long_stream_loses_its_oldest_events() {
    everywhere(async |world| {
        let ann = Uuid::now_v7();
        let start = start(&world).await;
        world.append(ann, noon(), (0, 1)).await;
        world.append(ann, noon(), (0, 2)).await;
        let jump = format!("UPDATE stream_head SET sequence = {MAX_EVENTS} WHERE sequence = 2");
        world.database.execute_unprepared(&jump).await.unwrap();
        world.append(ann, noon(), (0, 3)).await;
        let mut stream = pin!(world.subscribe(ann, Some(&start)));
        assert_eq!(next_gap(&mut stream).await.1, Some(1));
        assert_eq!(next_event(&mut stream).await.1, (0, 2));
        assert_eq!(next_event(&mut stream).await.1, (0, 3));
    })
    .await;
}

#[tokio::test]
async fn a_stream_that_starts_anew_tells_its_subscribers() {
    everywhere(async |world| {
        let ann = Uuid::now_v7();
        let start = start(&world).await;
        world.append(ann, noon(), (0, 0)).await;
        let mut live = pin!(world.subscribe(ann, Some(&start)));
        let (cursor, _) = next_event(&mut live).await;
        streams::erase(&world.database, ann).await.unwrap();
        let mut resumed = pin!(world.subscribe(ann, Some(&cursor)));
        let reset = (StreamGapReason::SourceReset, None, start);
        assert_eq!(next_gap(&mut resumed).await, reset);
        world.signals.send(Signal::News { stream: STREAM.into(), viewer: ann });
        assert_eq!(next_gap(&mut live).await, reset);
        world.append(ann, noon(), (0, 1)).await;
        assert_eq!(next_event(&mut live).await.1, (0, 1));
        assert_eq!(next_event(&mut resumed).await.1, (0, 1));
    })
    .await;
}

#[test]
fn only_cursors_are_cursors() {
    assert_eq!(streams::parse_cursor(None).unwrap(), None);
    for cursor in ["", "?", "LTE", "e30"] {
        assert!(streams::parse_cursor(Some(cursor)).is_err(), "{cursor}"); // LTE is -1
    }
}
