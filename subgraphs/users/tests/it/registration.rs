//! Making accounts.

use crate::world::{PASSWORD, World, codes, on_every_database};
use futures::future::join_all;
use hansa_kit::{Viewer, database};
use serde_json::json;

#[tokio::test]
async fn a_new_user_is_signed_in_and_announced() {
    on_every_database(async |world| {
        let input = json!({ "username": "Ann", "email": "Ann@Example.org", "password": PASSWORD, "locale": "RU" });
        let payload = world.register_with(input).await;
        assert_eq!(codes(&payload), [""; 0]);
        let viewer = &payload["viewer"];
        assert_eq!(viewer["email"], "Ann@Example.org");
        assert_eq!(viewer["user"], json!({ "username": "Ann", "roles": ["USER"] }));
        assert_eq!(viewer["scopes"], json!(["user"]));
        assert_eq!((&viewer["locale"], &viewer["timeZone"]), (&json!("ru"), &json!("UTC")));
        assert_eq!(viewer["sessions"]["nodes"][0]["isCurrent"], true);

        let ann = world.viewer(&payload).await;
        let claims = &ann.identity().unwrap().claims;
        assert_eq!(viewer["id"], claims.sub);
        assert_eq!(viewer["sessions"]["nodes"][0]["id"], claims.sid);
        assert_eq!((claims.roles.as_slice(), claims.scope.as_str()), (["USER".to_owned()].as_slice(), "user"));
        assert_eq!(claims.exp - claims.iat, 300);

        let events = world.events().await;
        assert_eq!(events.len(), 2);
        assert_eq!(events[0].0, "users.account.registered");
        assert_eq!(events[0].1["user_id"], json!(ann.identity().unwrap().user_id));
        assert_eq!((&events[0].1["username"], &events[0].1["locale"]), (&json!("Ann"), &json!("ru")));
        assert_eq!(events[1].0, "mail.mail.requested");
        assert_eq!(events[1].1["to"], "Ann@Example.org");
        assert_eq!(events[1].1["message"]["template"], "welcome");
    })
    .await;
}

#[tokio::test]
async fn all_that_is_wrong_is_told_at_once() {
    on_every_database(async |world| {
        let input = json!({
            "username": "a!", "email": "nowhere", "password": "short", "locale": "klingon!", "idempotencyKey": "",
        });
        let payload = world.register_with(input).await;
        assert_eq!(codes(&payload), ["INVALID", "INVALID", "INVALID", "INVALID", "BLANK"]);
        let fields: Vec<_> = payload["userErrors"].as_array().unwrap().iter().map(|error| &error["field"][1]).collect();
        assert_eq!(fields, ["username", "email", "locale", "password", "idempotencyKey"]);
        assert!(payload["viewer"].is_null() && payload["tokens"].is_null());
        assert_eq!(world.count("account").await + world.count("outbox").await, 0);
    })
    .await;
}

#[tokio::test]
async fn weak_passwords_are_refused_with_advice() {
    on_every_database(async |world| {
        for password in ["password123", "qwertyuiop", "annabellelee", "annabellelee@example.org"] {
            let input =
                json!({ "username": "annabellelee", "email": "annabellelee@example.org", "password": password });
            let payload = world.register_with(input).await;
            assert_eq!(codes(&payload), ["INVALID"], "{password}");
            assert_eq!(payload["userErrors"][0]["field"], json!(["input", "password"]));
            assert!(payload["userErrors"][0]["message"].as_str().unwrap().len() > 50);
        }
    })
    .await;
}

#[tokio::test]
async fn names_and_addresses_are_unique_whatever_their_case() {
    on_every_database(async |world| {
        world.register("ann").await;
        let again = json!({ "username": "ANN", "email": "Ann@EXAMPLE.org", "password": PASSWORD });
        let payload = world.register_with(again).await;
        assert_eq!(codes(&payload), ["TAKEN", "TAKEN"]);
        let other_address = json!({ "username": "aNn", "email": "ann@example.com", "password": PASSWORD });
        let payload = world.register_with(other_address).await;
        assert_eq!(payload["userErrors"][0]["field"], json!(["input", "username"]));
        let other_name = json!({ "username": "bob", "email": "ANN@example.org", "password": PASSWORD });
        let payload = world.register_with(other_name).await;
        assert_eq!(payload["userErrors"][0]["field"], json!(["input", "email"]));
        assert_eq!(world.count("account").await, 1);
        assert_eq!(world.count("outbox").await, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_twenty_at_once_one_gets_the_name() {
    on_every_database(async |world| {
        let inputs =
            (0..20).map(|n| json!({ "username": "ann", "email": format!("ann{n}@example.org"), "password": PASSWORD }));
        let payloads = join_all(inputs.map(|input| world.register_with(input))).await;
        let (made, refused): (Vec<_>, Vec<_>) =
            payloads.iter().partition(|payload| payload["tokens"]["accessToken"].is_string());
        assert_eq!((made.len(), refused.len()), (1, 19));
        assert!(refused.iter().all(|payload| codes(payload) == ["TAKEN"]));
        assert_eq!(world.count("account").await, 1);
        assert_eq!(world.count("session").await, 1);
        assert_eq!(world.count("outbox").await, 2);
    })
    .await;
}

#[tokio::test]
async fn the_same_registration_again_signs_in() {
    on_every_database(async |world| {
        let input = json!({
            "username": "ann", "email": "ann@example.org", "password": PASSWORD, "idempotencyKey": "k1",
        });
        let first = world.register_with(input.clone()).await;
        let again = world.register_with(input.clone()).await;
        assert_eq!(codes(&again), [""; 0]);
        assert_eq!(first["viewer"]["id"], again["viewer"]["id"]);
        assert_eq!((world.count("account").await, world.count("outbox").await), (1, 2));

        let mut other = input.clone();
        other["username"] = json!("bob");
        assert_eq!(codes(&world.register_with(other).await), ["IDEMPOTENCY_KEY_REUSED"]);
        // Knowing a key is not knowing a password.
        let mut stolen = input;
        stolen["password"] = json!("another horse battery staple");
        assert_eq!(codes(&world.register_with(stolen).await), ["IDEMPOTENCY_KEY_REUSED"]);
        assert_eq!(world.count("account").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_registration_twice_at_once_makes_one_account() {
    on_every_database(async |world| {
        let input = json!({
            "username": "ann", "email": "ann@example.org", "password": PASSWORD, "idempotencyKey": "k1",
        });
        let payloads = join_all((0..5).map(|_| world.register_with(input.clone()))).await;
        assert!(payloads.iter().all(|payload| codes(payload).is_empty()), "{payloads:#?}");
        assert!(payloads.iter().all(|payload| payload["viewer"]["id"] == payloads[0]["viewer"]["id"]));
        assert_eq!((world.count("account").await, world.count("outbox").await), (1, 2));
    })
    .await;
}

#[tokio::test]
async fn an_account_and_its_events_are_one() {
    on_every_database(async |world: World| {
        // The transaction fails at its very end: its session cannot be written.
        let break_sessions = "ALTER TABLE session RENAME TO session_away";
        sea_orm::ConnectionTrait::execute_unprepared(&world.database, break_sessions).await.unwrap();
        let query = r#"mutation { accountRegister(
            input: { username: "ann", email: "ann@example.org", password: "correct horse battery staple" }
        ) { userErrors { code } } }"#;
        assert_eq!(world.code(&Viewer::Anonymous, query, json!({})).await, "INTERNAL");
        assert_eq!((world.count("account").await, world.count("outbox").await), (0, 0));
        let mend_sessions = "ALTER TABLE session_away RENAME TO session";
        sea_orm::ConnectionTrait::execute_unprepared(&world.database, mend_sessions).await.unwrap();
        world.register("ann").await;
        assert_eq!((world.count("account").await, world.count("outbox").await), (1, 2));
        // Nothing is held open by what failed.
        database::begin(&world.database).await.unwrap().rollback().await.unwrap();
    })
    .await;
}
