//! Thirty registrations at once: thirty mails in order, a second apart, though a mailer dies half-way.

use crate::{
    api::register,
    distributed::{Engines, System},
    eventually,
};
use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};
use std::{collections::HashSet, time::Duration};

const COUNT: usize = 30;

async fn metrics(url: &str) -> String {
    reqwest::get(format!("{url}/metrics")).await.unwrap().text().await.unwrap()
}

/// Recipients in the order in which their mails were asked for.
async fn queue(database: &str) -> Vec<String> {
    let database = Database::connect(database).await.unwrap();
    let sql = "SELECT to_address FROM delivery ORDER BY sequence";
    let rows = database.query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap();
    rows.iter().map(|row| row.try_get("", "to_address").unwrap()).collect()
}

#[tokio::test]
async fn one_mail_a_second_over_replicas_and_a_death() {
    let Some(engines) = Engines::of_environment() else {
        eprintln!("no engines in the environment: run by tests/run");
        return;
    };
    let mut system = System::start(&engines).await;
    let registrations = (0..COUNT).map(|number| {
        let entrance = system.entrances[number % 2].clone();
        async move { register(&entrance, &format!("reader{number:02}"), "en").await }
    });
    futures::future::join_all(registrations).await;

    let received = async |count: usize| {
        eventually(&format!("{count} mails"), async || {
            let accepted = system.smtp.accepted();
            (accepted.len() >= count).then_some(accepted)
        })
        .await
    };
    received(COUNT / 2).await;
    let mut sending = 0;
    for (number, mailer) in system.mailers.iter().enumerate() {
        if metrics(&mailer.url).await.contains("hansa_mail_sent_total") {
            sending = number;
        }
    }
    system.mailers.remove(sending).kill().await;
    let mails = received(COUNT).await;
    let order: Vec<_> = mails.iter().map(|mail| mail.to.clone()).collect();
    assert_eq!(order, queue(&system.mailer_database).await, "not in the order of the queue");

    let ids: HashSet<_> = mails.iter().map(|mail| &mail.message_id).collect();
    assert_eq!(ids.len(), COUNT, "a mail was sent twice or lost");
    let recipients: HashSet<_> = mails.iter().map(|mail| &mail.to).collect();
    assert_eq!(recipients.len(), COUNT);
    for pair in mails.windows(2) {
        let apart = pair[1].at - pair[0].at;
        assert!(apart >= Duration::from_secs(1), "{} and {} are {apart:?} apart", pair[0].to, pair[1].to);
    }
}
