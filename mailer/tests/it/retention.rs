//! What is forgotten, and what a deleted user no longer gets.

use crate::{config, deliveries, eventually, publish, request, server, settled, spawn};
use chrono::{DateTime, Duration, Utc};
use hansa_kit::{Clock, ids, testing};
use hansa_mailer::Config;
use hansa_migrations::mailer::Migrator;
use hansa_schema::users::UserDeleted;
use sea_orm::{ConnectionTrait, DatabaseConnection, FromQueryResult, sea_query::Query};
use std::sync::Mutex;
use uuid::Uuid;

/// So long that nothing is sent while a test runs.
const NEVER_MS: u64 = 3_600_000;

/// A delivery as another replica may have left it.
async fn insert(database: &DatabaseConnection, recipient: Uuid, status: &str, settled_at: Option<DateTime<Utc>>) {
    let (id, now) = (ids::new(), Utc::now());
    let columns = ["id", "recipient_id", "to_address", "message_id", "command", "status", "queued_at"];
    let values =
        [id.into(), recipient.into(), status.into(), id.to_string().into(), "".into(), status.into(), now.into()];
    let delivery = Query::insert()
        .into_table("delivery")
        .columns(columns.into_iter().chain(["next_attempt_at", "settled_at"]))
        .values_panic(values.into_iter().chain([now.into(), settled_at.into()]))
        .to_owned();
    database.execute(&delivery).await.unwrap();
}

async fn mailbox(database: &DatabaseConnection) -> Vec<String> {
    #[derive(FromQueryResult)]
    struct Row {
        to: String,
    }
    let messages = Query::select().column("to").from("mailbox_message").order_by("id", sea_orm::Order::Asc).to_owned();
    let rows = Row::find_by_statement(database.get_database_backend().build(&messages)).all(database).await.unwrap();
    rows.into_iter().map(|row| row.to).collect()
}

async fn remembered(database: &DatabaseConnection, table: &'static str) -> usize {
    let rows = Query::select().expr(sea_orm::sea_query::Expr::val(1)).from(table).to_owned();
    database.query_all(&rows).await.unwrap().len()
}

fn erased(status: &str) -> (String, String, Option<String>) {
    (String::new(), status.to_owned(), None)
}

fn deletion(user_id: Uuid) -> UserDeleted {
    UserDeleted { user_id }
}

#[tokio::test(flavor = "multi_thread")]
async fn settled_mail_is_forgotten_by_its_age() {
    testing::on_every_database::<Migrator>(async |database| {
        let (deps, log) = testing::deps(Clock::System).await.unwrap();
        let ago = |days| Some(Utc::now() - Duration::days(days));
        for (status, days) in [("SENT", 29), ("SENT", 31), ("SUPPRESSED", 31), ("DEAD", 89), ("DEAD", 91)] {
            insert(&database, ids::new(), status, ago(days)).await;
        }
        insert(&database, ids::new(), "QUEUED", None).await;
        for (table, id, time) in [("inbox", "event_id", "received_at"), ("deleted_user", "id", "deleted_at")] {
            for days in [13, 15] {
                let values = [ids::new().into(), (Utc::now() - Duration::days(days)).into()];
                let row = Query::insert().into_table(table).columns([id, time]).values_panic(values).to_owned();
                database.execute(&row).await.unwrap();
            }
        }
        spawn(hansa_mailer::role(&config(NEVER_MS, None), database.clone(), &deps).unwrap());
        eventually("the rest", async || {
            let statuses: Vec<_> = deliveries(&database).await.into_iter().map(|(_, status, _)| status).collect();
            let tables = [remembered(&database, "inbox").await, remembered(&database, "deleted_user").await];
            (statuses == ["SENT", "DEAD", "QUEUED"] && tables == [1, 1]).then_some(())
        })
        .await;
        deps.shutdown.cancel();
        log.drop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sent_mail_leaves_the_mailbox_with_its_delivery() {
    testing::on_every_database::<Migrator>(async |database| {
        let (deps, log) = testing::deps(Clock::System).await.unwrap();
        spawn(hansa_mailer::role(&config(5, None), database.clone(), &deps).unwrap());
        request(&deps, ids::new(), "ann").await;
        settled(&database, 1).await;
        assert_eq!(mailbox(&database).await, ["ann@example.com"]);
        // A replica that starts prunes at once.
        let forgetful = Config { keep_sent_days: 0, ..config(NEVER_MS, None) };
        spawn(hansa_mailer::role(&forgetful, database.clone(), &deps).unwrap());
        eventually("no mail", async || deliveries(&database).await.is_empty().then_some(())).await;
        assert!(mailbox(&database).await.is_empty());
        deps.shutdown.cancel();
        log.drop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_user_gets_no_mail_that_waits() {
    testing::on_every_database::<Migrator>(async |database| {
        let (deps, log) = testing::deps(Clock::System).await.unwrap();
        spawn(hansa_mailer::role(&config(NEVER_MS, None), database.clone(), &deps).unwrap());
        let (ann, bob) = (ids::new(), ids::new());
        for (user, name) in [(ann, "ann"), (bob, "bob"), (ann, "ann")] {
            request(&deps, user, name).await;
        }
        eventually("a queue", async || (deliveries(&database).await.len() == 3).then_some(())).await;
        publish(&deps, deletion(ann)).await;
        let waiting = ("bob@example.com".to_owned(), "QUEUED".to_owned(), None);
        let expected = [erased("SUPPRESSED"), waiting, erased("SUPPRESSED")];
        eventually("suppressed mail", async || (deliveries(&database).await == expected).then_some(())).await;
        deps.shutdown.cancel();
        log.drop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_deleted_user_nothing_is_kept_and_what_comes_late_is_not_sent() {
    testing::on_every_database::<Migrator>(async |database| {
        let (deps, log) = testing::deps(Clock::System).await.unwrap();
        spawn(hansa_mailer::role(&config(5, None), database.clone(), &deps).unwrap());
        let (ann, bob) = (ids::new(), ids::new());
        request(&deps, ann, "ann").await;
        request(&deps, bob, "bob").await;
        settled(&database, 2).await;
        publish(&deps, deletion(ann)).await;
        eventually("an empty mailbox", async || (mailbox(&database).await == ["bob@example.com"]).then_some(())).await;
        request(&deps, ann, "ann").await;
        request(&deps, bob, "bob").await;
        let kept = ("bob@example.com".to_owned(), "SENT".to_owned(), None);
        let expected = [erased("SENT"), kept.clone(), erased("SUPPRESSED"), kept];
        eventually("bob's second mail", async || (deliveries(&database).await == expected).then_some(())).await;
        assert_eq!(mailbox(&database).await, ["bob@example.com", "bob@example.com"]);
        deps.shutdown.cancel();
        log.drop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_did_not_see_the_deletion_beside_it_is_not_sent() {
    testing::on_every_database::<Migrator>(async |database| {
        let (deps, log) = testing::deps(Clock::System).await.unwrap();
        // As two transactions leave it that ran at the same time.
        let ann = ids::new();
        insert(&database, ann, "QUEUED", None).await;
        let values = [ann.into(), Utc::now().into()];
        let tombstone =
            Query::insert().into_table("deleted_user").columns(["id", "deleted_at"]).values_panic(values).to_owned();
        database.execute(&tombstone).await.unwrap();
        spawn(hansa_mailer::role(&config(5, None), database.clone(), &deps).unwrap());
        eventually("suppressed mail", async || (deliveries(&database).await == [erased("SUPPRESSED")]).then_some(()))
            .await;
        assert!(mailbox(&database).await.is_empty());
        deps.shutdown.cancel();
        log.drop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_was_under_way_at_the_deletion_leaves_nothing() {
    testing::on_every_database::<Migrator>(async |database| {
        let (deps, log) = testing::deps(Clock::System).await.unwrap();
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let gate = Mutex::new(gate);
        let server = server::start(move |to, _| match to {
            "ann@example.com" => {
                gate.lock().unwrap().recv().unwrap_err();
                server::Answer::Permanent
            }
            _ => server::Answer::Accept,
        });
        spawn(hansa_mailer::role(&config(5, Some(server.url.clone())), database.clone(), &deps).unwrap());
        let ann = ids::new();
        request(&deps, ann, "ann").await;
        let begun = async || deliveries(&database).await.iter().any(|(_, status, _)| status == "SENDING").then_some(());
        eventually("an attempt", begun).await;
        publish(&deps, deletion(ann)).await;
        eventually("suppressed mail", async || (deliveries(&database).await == [erased("SUPPRESSED")]).then_some(()))
            .await;
        drop(open);
        request(&deps, ids::new(), "bob").await;
        let sent = ("bob@example.com".to_owned(), "SENT".to_owned(), None);
        let expected = [erased("SUPPRESSED"), sent];
        eventually("bob's mail", async || (deliveries(&database).await == expected).then_some(())).await;
        deps.shutdown.cancel();
        log.drop().await;
    })
    .await;
}
