//! A process that dies at any point of a registration leaves either nothing, or the account and all that follows from it.

use crate::{
    DEADLINE,
    api::{PASSWORD, data, mailbox, notification_kinds, post, register, text},
    eventually,
    process::{Hansa, Settings},
};
use futures::{StreamExt, stream::FuturesUnordered};
use sea_orm::{Database, SqliteTransactionMode, TransactionOptions, TransactionTrait};
use serde_json::json;
use std::path::Path;

const ROUNDS: usize = 6;
const EACH: usize = 8;

#[tokio::test]
async fn killed_at_any_point() {
    let folder = tempfile::tempdir().unwrap();
    // The pace is not what is tested here.
    let settings = Settings::from([("HANSA_MAILER__INTERVAL_MS".into(), "5".into())]);
    for round in 0..ROUNDS {
        killed_after(folder.path(), &settings, round).await;
    }
    let hansa = Hansa::up_with(folder.path(), &settings).await;
    let mut survivors = 0;
    for name in (0..ROUNDS).flat_map(|round| (0..EACH).map(move |number| name(round, number))) {
        let email = format!("{name}@example.com");
        match sign_in(&hansa.url, &name).await {
            Some(token) => {
                survivors += 1;
                let kinds = eventually("the welcome", async || {
                    let kinds = notification_kinds(&hansa.url, &token).await;
                    (!kinds.is_empty()).then_some(kinds)
                })
                .await;
                assert_eq!(kinds, ["WELCOME"], "{name}");
                eventually("the mail", async || {
                    let count = mailbox(&hansa.url).await.iter().filter(|mail| mail["to"] == email.as_str()).count();
                    (count == 1).then_some(())
                })
                .await;
            }
            None => assert!(mailbox(&hansa.url).await.iter().all(|mail| mail["to"] != email.as_str()), "{name}"),
        }
    }
    assert_eq!(mailbox(&hansa.url).await.len(), survivors, "one mail for each account");
    assert!(survivors >= (0..ROUNDS).sum(), "what was answered was lost");
}

#[tokio::test]
async fn killed_between_commit_and_relay() {
    let folder = tempfile::tempdir().unwrap();
    let hansa = Hansa::up(folder.path()).await;
    // Nothing can be published while somebody else writes to the bus.
    let bus = Database::connect(format!("sqlite://{}", folder.path().join("bus.db").display())).await.unwrap();
    let immediate = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let writing = bus.begin_with_options(immediate).await.unwrap();
    let account = register(&hansa.url, "ann", "en").await;
    assert!(mailbox(&hansa.url).await.is_empty());
    hansa.kill().await;
    writing.rollback().await.unwrap();

    let hansa = Hansa::up(folder.path()).await;
    let mails = eventually("the welcome mail", async || {
        let mails = mailbox(&hansa.url).await;
        (!mails.is_empty()).then_some(mails)
    })
    .await;
    assert_eq!((mails.len(), text(&mails[0]["to"])), (1, account.email));
    eventually("the welcome", async || {
        (notification_kinds(&hansa.url, &account.access).await == ["WELCOME"]).then_some(())
    })
    .await;
}

fn name(round: usize, number: usize) -> String {
    format!("crash{round}x{number}")
}

/// Starts the system, registers several accounts at once, and kills it when so many of them are answered as rounds were
/// before: the others are wherever they are.
async fn killed_after(folder: &Path, settings: &Settings, round: usize) {
    let hansa = Hansa::up_with(folder, settings).await;
    eventually("a supergraph", async || {
        let (_, answer) = post(&hansa.url, None, json!({ "query": "{ __typename }" })).await;
        answer["data"].is_object().then_some(())
    })
    .await;
    let registrations: FuturesUnordered<_> = (0..EACH)
        .map(|number| {
            let name = name(round, number);
            let input = json!({ "username": name, "email": format!("{name}@example.com"), "password": PASSWORD });
            let query =
                "mutation($input: AccountRegisterInput!) { accountRegister(input: $input) { userErrors { code } } }";
            let body = json!({ "query": query, "variables": { "input": input } });
            tokio::spawn(reqwest::Client::new().post(format!("{}/graphql", hansa.url)).json(&body).send())
        })
        .collect();
    let answered = registrations.take(round).for_each(async |answer| drop(answer.unwrap().unwrap()));
    tokio::time::timeout(DEADLINE, answered).await.expect("no registration was answered");
    hansa.kill().await;
}

async fn sign_in(url: &str, login: &str) -> Option<String> {
    let query = "mutation($login: String!, $password: String!) {
        sessionCreate(input: { login: $login, password: $password }) { tokens { accessToken } userErrors { code } } }";
    let answer = data(url, None, query, json!({ "login": login, "password": PASSWORD })).await;
    let tokens = &answer["sessionCreate"]["tokens"];
    tokens.is_object().then(|| text(&tokens["accessToken"]))
}
