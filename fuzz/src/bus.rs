//! What our services read of each other over the event bus, and the mails that come of it.

use crate::services::{self, Installation};
use crate::subgraphs::refer;
use axum::body::Body;
use axum::{Router, http};
use hansa_kit::bus::{Bus, Record};
use hansa_schema::mail::{self, MailRequested};
use hansa_schema::social::{
    self, BlockCreated, BlockDeleted, ConversationRead, FollowCreated, FollowDeleted, FriendshipAccepted,
    FriendshipEnded, FriendshipRequested, MessageSent,
};
use hansa_schema::users::{self, AccountRegistered, UserDeleted, UserUpdated};
use hansa_schema::{Envelope, Event};
use sea_orm::{ConnectionTrait, DatabaseConnection};
use serde_json::Value;
use std::time::Duration;
use tokio::runtime::Runtime;
use tower::ServiceExt;
use uuid::Uuid;

/// Topics and types of the events that somebody reads; without a type, the bytes are the whole record.
const EVENTS: [(&str, &str); 16] = [
    (users::TOPIC, ""),
    (social::TOPIC, ""),
    (mail::TOPIC, ""),
    (users::TOPIC, AccountRegistered::TYPE),
    (users::TOPIC, UserUpdated::TYPE),
    (users::TOPIC, UserDeleted::TYPE),
    (social::TOPIC, FriendshipRequested::TYPE),
    (social::TOPIC, FriendshipAccepted::TYPE),
    (social::TOPIC, FriendshipEnded::TYPE),
    (social::TOPIC, FollowCreated::TYPE),
    (social::TOPIC, FollowDeleted::TYPE),
    (social::TOPIC, BlockCreated::TYPE),
    (social::TOPIC, BlockDeleted::TYPE),
    (social::TOPIC, MessageSent::TYPE),
    (social::TOPIC, ConversationRead::TYPE),
    (mail::TOPIC, MailRequested::TYPE),
];
/// Most events of one input.
const MAX_EVENTS: usize = 4;
const DEADLINE: Duration = Duration::from_secs(60);

/// Records that a group of consumers has not settled.
const UNSETTLED: &str = "SELECT COUNT(*) AS count FROM record
    JOIN (SELECT 'mailer' AS consumer, 'hansa.mail' AS read UNION ALL VALUES ('mailer', 'hansa.users'),
        ('notifications', 'hansa.users'), ('notifications', 'hansa.social'), ('posts', 'hansa.users'),
        ('posts', 'hansa.social'), ('social', 'hansa.users')) ON read = record.topic
    LEFT JOIN committed ON consumer_group = consumer AND committed.topic = read
    WHERE \"offset\" >= COALESCE(next_offset, 0)";
const UNSENT: &str = "SELECT COUNT(*) AS count FROM delivery WHERE status IN ('QUEUED', 'SENDING', 'RETRYING')";

thread_local! {
    static WORLD: World = World::new();
}

/// Up to four lines, an event each: a character for its topic and type, then its data as JSON, where `@N` stands for an
/// id. Each is handled at once or goes to the dead letters at once: none fails while the database is well.
///
/// What an input changes is there for the next.
pub fn bus(bytes: &[u8]) {
    WORLD.with(|world| {
        world.runtime.block_on(async {
            for line in bytes.split(|byte| *byte == b'\n').take(MAX_EVENTS) {
                let Some((letter, data)) = line.split_first() else { continue };
                let (topic, kind) = EVENTS[usize::from(letter.wrapping_sub(b'0')) % EVENTS.len()];
                let payload = if kind.is_empty() { Some(data.to_vec()) } else { envelope(kind, data, &world.ids) };
                let Some(payload) = payload else { continue };
                world.bus.publish(topic, vec![Record { key: "a".into(), payload }]).await.unwrap();
            }
            let settled = async {
                while count(&world.log, UNSETTLED).await + count(&world.mails, UNSENT).await > 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            let settled = tokio::time::timeout(DEADLINE, settled).await;
            let logged = services::logged();
            let fault = logged.iter().find(|line| !line.contains("goes to the dead letters"));
            assert!(fault.is_none() && settled.is_ok(), "{logged:?}");
            let request = http::Request::get("/mail").body(Body::empty()).unwrap();
            let Ok(page) = world.mailbox.clone().oneshot(request).await;
            assert_eq!(page.status(), 200);
        });
    });
}

fn envelope(kind: &str, data: &[u8], ids: &[String]) -> Option<Vec<u8>> {
    let mut data: Value = serde_json::from_slice(data).ok()?;
    refer(&mut data, ids);
    let event = Envelope {
        specversion: "1.0".into(),
        id: Uuid::now_v7(),
        source: "/hansa/fuzz".into(),
        r#type: kind.into(),
        subject: "a".into(),
        time: Default::default(),
        datacontenttype: "application/json".into(),
        traceparent: None,
        data,
    };
    serde_json::to_vec(&event).ok()
}

async fn count(database: &DatabaseConnection, sql: &str) -> i64 {
    let row = database.query_one_raw(sea_orm::Statement::from_string(sea_orm::DbBackend::Sqlite, sql)).await.unwrap();
    row.unwrap().try_get("", "count").unwrap()
}

struct World {
    runtime: Runtime,
    bus: Bus,
    /// The database of the bus.
    log: DatabaseConnection,
    /// The database of the mailer.
    mails: DatabaseConnection,
    mailbox: Router,
    ids: Vec<String>,
    _installation: Installation,
}

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (installation, mails) = runtime.block_on(async {
            let installation = Installation::new().await;
            let config = hansa_mailer::Config {
                database: installation.database("mailer"),
                interval_ms: 1,
                ..hansa_mailer::Config::default()
            };
            let mailer = hansa_mailer::build(&config, &installation.deps).await.unwrap();
            let mails = mailer.database.clone();
            let roles = installation.subgraphs().await.into_iter().chain([mailer]);
            for task in roles.flat_map(|role| role.tasks) {
                tokio::spawn(task.work);
            }
            (installation, mails)
        });
        let ids = (1..=8).map(|number| Uuid::from_u128(number << 64).to_string()).collect();
        let (bus, log) = (installation.deps.bus.clone(), installation.log.clone());
        let mailbox = hansa_mailer::mailbox::routes(mails.clone()).unwrap();
        Self { runtime, bus, log, mails, mailbox, ids, _installation: installation }
    }
}
