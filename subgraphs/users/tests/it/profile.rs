//! What people tell of themselves.

use crate::world::{World, codes, on_every_database};
use hansa_kit::Viewer;
use serde_json::{Value, json};

const UPDATE: &str = "mutation ($input: ProfileUpdateInput!) { profileUpdate(input: $input) {
    viewer {
        isProfileComplete locale timeZone
        user { username displayName firstName lastName gender birthday bio }
    }
    userErrors { code field }
} }";

async fn update(world: &World, viewer: &Viewer, input: Value) -> Value {
    world.ask(viewer, UPDATE, json!({ "input": input })).await["profileUpdate"].take()
}

#[tokio::test]
async fn a_profile_is_told_and_taken_back() {
    on_every_database(async |world| {
        let ann = world.register("ann").await;
        let viewer = world.viewer(&ann).await;
        let told = update(
            &world,
            &viewer,
            json!({
                "firstName": " Анна ", "lastName": "Lee", "gender": "FEMALE", "birthday": "1990-12-31",
                "bio": "I *sail*.", "locale": "RU", "timeZone": "Europe/Moscow",
            }),
        )
        .await;
        let expected = json!({
            "viewer": {
                "isProfileComplete": true, "locale": "ru", "timeZone": "Europe/Moscow",
                "user": {
                    "username": "ann", "displayName": "ann", "firstName": "Анна", "lastName": "Lee",
                    "gender": "FEMALE", "birthday": "1990-12-31", "bio": "I *sail*.",
                },
            },
            "userErrors": [],
        });
        assert_eq!(told, expected);
        // Others see it; what is not named stays.
        let seen = "{ userByUsername(username: \"ANN\") { firstName birthday } }";
        let seen = world.ask(&Viewer::Anonymous, seen, json!({})).await;
        assert_eq!(seen["userByUsername"], json!({ "firstName": "Анна", "birthday": "1990-12-31" }));
        let taken = update(&world, &viewer, json!({ "birthday": null, "bio": " " })).await;
        let user = &taken["viewer"]["user"];
        assert_eq!((&user["birthday"], &user["bio"], &user["gender"]), (&Value::Null, &Value::Null, &json!("FEMALE")));
        assert_eq!(taken["viewer"]["isProfileComplete"], false);
    })
    .await;
}

#[tokio::test]
async fn a_username_has_one_owner() {
    on_every_database(async |world| {
        let ann = world.register("ann").await;
        world.register("bob").await;
        let viewer = world.viewer(&ann).await;
        let taken = update(&world, &viewer, json!({ "username": "BOB", "firstName": "Ann" })).await;
        assert_eq!(taken["userErrors"], json!([{ "code": "TAKEN", "field": ["input", "username"] }]));
        let renamed = update(&world, &viewer, json!({ "username": "Anna" })).await;
        let user = &renamed["viewer"]["user"];
        // The name to be called by was never chosen, so it follows; nothing of the refused change was kept.
        assert_eq!((&user["username"], &user["displayName"]), (&json!("Anna"), &json!("Anna")));
        assert_eq!(user["firstName"], Value::Null);
        let (event, data) = world.events().await.pop().unwrap();
        assert_eq!((event.as_str(), &data["username"]), ("users.user.updated", &json!("Anna")));
        update(&world, &viewer, json!({ "displayName": "Ann Lee" })).await;
        let renamed = update(&world, &viewer, json!({ "username": "ann" })).await;
        assert_eq!(renamed["viewer"]["user"]["displayName"], "Ann Lee");
    })
    .await;
}

#[tokio::test]
async fn all_that_is_wrong_is_told_at_once() {
    on_every_database(async |world| {
        let viewer = world.viewer(&world.register("ann").await).await;
        let before = world.count("outbox").await;
        let wrong = json!({
            "username": "a", "displayName": " ", "firstName": "x".repeat(65), "lastName": "a\u{7}b",
            "birthday": "31.12.1990", "bio": "x".repeat(1001), "locale": "?", "timeZone": "Mars/Olympus",
        });
        let refused = update(&world, &viewer, wrong).await;
        let mut found = codes(&refused);
        found.sort();
        let expected = ["BLANK", "INVALID", "INVALID", "INVALID", "INVALID", "INVALID", "TOO_LONG", "TOO_LONG"];
        assert_eq!(found, expected);
        assert_eq!(refused["viewer"], Value::Null);
        assert_eq!(world.count("outbox").await, before);
        let code = world.code(&Viewer::Anonymous, UPDATE, json!({ "input": {} })).await;
        assert_eq!(code, "UNAUTHENTICATED");
    })
    .await;
}
