//! The mailer against real databases and real SMTP sessions.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod retention;
mod server;
mod tls;

use chrono::{DateTime, Utc};
use hansa_kit::{Clock, Deps, Role, bus::Record, database, ids, testing};
use hansa_mailer::{Config, SmtpConfig};
use hansa_migrations::mailer::Migrator;
use hansa_schema::{
    Envelope, Event,
    mail::{MailRequested, Message},
};
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use serde::Serialize;
use std::time::Duration;
use uuid::Uuid;

/// Longest wait for anything.
const DEADLINE: Duration = Duration::from_secs(60);

async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        loop {
            ticks.tick().await;
            if let Some(answer) = ask().await {
                return answer;
            }
        }
    };
    tokio::time::timeout(DEADLINE, asking).await.unwrap_or_else(|_| panic!("in vain: {what}"))
}

fn config(interval_ms: u64, smtp: Option<String>) -> Config {
    Config {
        interval_ms,
        smtp: SmtpConfig { url: smtp, timeout_ms: 2_000, ..SmtpConfig::default() },
        ..Config::default()
    }
}

/// Runs a replica in the background.
fn spawn(role: Role) {
    for task in role.tasks {
        tokio::spawn(task.work);
    }
}

async fn request(deps: &Deps, recipient: Uuid, name: &str) {
    let command = MailRequested {
        recipient_id: recipient,
        to: format!("{name}@example.com"),
        locale: "en".into(),
        message: Message::Welcome { display_name: name.into(), username: name.into() },
    };
    publish(deps, command).await;
}

async fn publish<E: Event + Serialize>(deps: &Deps, event: E) {
    let envelope = Envelope::new(ids::new(), Utc::now(), event);
    let record = Record { key: envelope.subject.clone(), payload: serde_json::to_vec(&envelope).unwrap() };
    deps.bus.publish(E::TOPIC, vec![record]).await.unwrap();
}

/// Recipient, status and error of every delivery, in order.
async fn deliveries(database: &DatabaseConnection) -> Vec<(String, String, Option<String>)> {
    let sql = "SELECT to_address, status, last_error FROM delivery ORDER BY sequence";
    let rows = database.query_all_raw(Statement::from_string(database.get_database_backend(), sql)).await.unwrap();
    let text = |row: &sea_orm::QueryResult, column| row.try_get::<String>("", column).unwrap();
    rows.iter()
        .map(|row| (text(row, "to_address"), text(row, "status"), row.try_get("", "last_error").unwrap()))
        .collect()
}

async fn settled(database: &DatabaseConnection, count: usize) -> Vec<(String, String, Option<String>)> {
    eventually(&format!("{count} settled mails"), async || {
        let deliveries = deliveries(database).await;
        let settled = deliveries.iter().filter(|(_, status, _)| status == "SENT" || status == "DEAD").count();
        (settled == count).then_some(deliveries)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_send_in_order_and_keep_the_pace() {
    testing::on_every_database::<Migrator>(async |database| {
        let (deps, log) = testing::deps(Clock::System).await.unwrap();
        let config = config(50, None);
        for _ in 0..2 {
            spawn(hansa_mailer::role(&config, database.clone(), &deps).unwrap());
        }
        let names: Vec<_> = (0..20).map(|number| format!("reader{number:02}")).collect();
        for name in &names {
            request(&deps, ids::new(), name).await;
        }
        settled(&database, names.len()).await;
        let sql = "SELECT \"to\" AS recipient, sent_at FROM mailbox_message ORDER BY id";
        let statement = Statement::from_string(database.get_database_backend(), sql);
        let rows = database.query_all_raw(statement).await.unwrap();
        let mails: Vec<(String, DateTime<Utc>)> = rows
            .iter()
            .map(|row| (row.try_get("", "recipient").unwrap(), row.try_get("", "sent_at").unwrap()))
            .collect();
        let recipients: Vec<_> = mails.iter().map(|(to, _)| to.trim_end_matches("@example.com").to_owned()).collect();
        assert_eq!(recipients, names);
        for pair in mails.windows(2) {
            assert!(pair[1].1 - pair[0].1 >= chrono::Duration::milliseconds(50), "{pair:?}");
        }
        deps.shutdown.cancel();
        log.drop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redelivered_command_is_one_mail() {
    let database = testing::sqlite::<Migrator>().await.unwrap();
    let (deps, _log) = testing::deps(Clock::System).await.unwrap();
    spawn(hansa_mailer::role(&config(5, None), database.connection.clone(), &deps).unwrap());
    let command = MailRequested {
        recipient_id: ids::new(),
        to: "ann@example.com".into(),
        locale: "ru".into(),
        message: Message::Welcome { display_name: "Анна".into(), username: "ann".into() },
    };
    let payload = serde_json::to_vec(&Envelope::new(ids::new(), Utc::now(), command)).unwrap();
    let record = || Record { key: "ann".into(), payload: payload.clone() };
    deps.bus.publish(MailRequested::TOPIC, vec![record(), record()]).await.unwrap();
    request(&deps, ids::new(), "last").await;
    let deliveries = settled(&database.connection, 2).await;
    assert_eq!(
        deliveries.iter().map(|(to, ..)| to.as_str()).collect::<Vec<_>>(),
        ["ann@example.com", "last@example.com"]
    );
    deps.shutdown.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_temporary_failure_holds_up_its_recipient_only() {
    let server = server::start(|to, attempt| match (to, attempt) {
        ("slow@example.com", 1) => server::Answer::Temporary,
        _ => server::Answer::Accept,
    });
    let database = testing::sqlite::<Migrator>().await.unwrap();
    let (deps, _log) = testing::deps(Clock::System).await.unwrap();
    spawn(hansa_mailer::role(&config(5, Some(server.url.clone())), database.connection.clone(), &deps).unwrap());
    let slow = ids::new();
    request(&deps, slow, "slow").await;
    request(&deps, slow, "slow").await;
    request(&deps, ids::new(), "quick").await;
    let deliveries = settled(&database.connection, 3).await;
    assert!(deliveries.iter().all(|(_, status, _)| status == "SENT"), "{deliveries:?}");
    let accepted = server.accepted();
    let recipients: Vec<_> = accepted.iter().map(|mail| mail.to.as_str()).collect();
    assert_eq!(recipients, ["quick@example.com", "slow@example.com", "slow@example.com"]);
    assert_ne!(accepted[1].message_id, accepted[2].message_id);
    assert!(accepted.is_sorted_by_key(|mail| mail.at));
    assert!(accepted.iter().all(|mail| mail.has_text_and_html && mail.subject.starts_with("Welcome")));
    deps.shutdown.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_outlives_a_server_that_refuses_the_session() {
    let server = server::start(|_, attempt| match attempt {
        1 => server::Answer::SessionRefused,
        _ => server::Answer::Accept,
    });
    let database = testing::sqlite::<Migrator>().await.unwrap();
    let (deps, _log) = testing::deps(Clock::System).await.unwrap();
    spawn(hansa_mailer::role(&config(5, Some(server.url.clone())), database.connection.clone(), &deps).unwrap());
    request(&deps, ids::new(), "ann").await;
    assert_eq!(settled(&database.connection, 1).await[0].1, "SENT");
    deps.shutdown.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permanent_failure_is_kept_with_its_reason_and_logged_without() {
    // What this process logs from now on, other tests' included.
    let log = tempfile::NamedTempFile::new().unwrap();
    tracing_subscriber::fmt().with_writer(std::sync::Arc::new(log.reopen().unwrap())).init();
    let server = server::start(|to, _| match to {
        "gone@example.com" => server::Answer::Permanent,
        _ => server::Answer::Accept,
    });
    let database = testing::sqlite::<Migrator>().await.unwrap();
    let (deps, _log) = testing::deps(Clock::System).await.unwrap();
    spawn(hansa_mailer::role(&config(5, Some(server.url.clone())), database.connection.clone(), &deps).unwrap());
    request(&deps, ids::new(), "gone").await;
    request(&deps, ids::new(), "here").await;
    let deliveries = settled(&database.connection, 2).await;
    assert_eq!(deliveries[0].1, "DEAD");
    assert!(deliveries[0].2.as_ref().unwrap().contains("550"), "{deliveries:?}");
    assert!(deliveries[0].2.as_ref().unwrap().contains("gone@example.com"), "{deliveries:?}");
    assert_eq!(deliveries[1].1, "SENT");
    deps.shutdown.cancel();
    let lines = std::fs::read_to_string(log.path()).unwrap();
    assert!(lines.contains("dead letters") && lines.contains("550"), "{lines}");
    assert!(!lines.contains("@example.com"), "{lines}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_was_under_way_at_a_crash_is_sent_again_under_its_message_id() {
    let server = server::start(|_, _| server::Answer::Accept);
    let database = testing::sqlite::<Migrator>().await.unwrap();
    let connection = database.connection.clone();
    database::migrate::<Migrator>(&connection).await.unwrap();
    let (deps, _log) = testing::deps(Clock::System).await.unwrap();
    // As a replica leaves it that died between the server's yes and its own note of it.
    let id = ids::new();
    let command = serde_json::to_string(&MailRequested {
        recipient_id: id,
        to: "ann@example.com".into(),
        locale: "en".into(),
        message: Message::Welcome { display_name: "Ann".into(), username: "ann".into() },
    });
    let now = Utc::now();
    connection
        .execute_raw(Statement::from_sql_and_values(
            connection.get_database_backend(),
            "INSERT INTO delivery (id, recipient_id, to_address, message_id, command, status, attempts, queued_at,
             next_attempt_at) VALUES (?, ?, 'ann@example.com', 'stable@hansa.localhost', ?, 'SENDING', 1, ?, ?)",
            [id.into(), id.into(), command.unwrap().into(), now.into(), now.into()],
        ))
        .await
        .unwrap();
    spawn(hansa_mailer::role(&config(5, Some(server.url.clone())), connection.clone(), &deps).unwrap());
    settled(&connection, 1).await;
    assert_eq!(server.accepted()[0].message_id, "stable@hansa.localhost");
    deps.shutdown.cancel();
}
