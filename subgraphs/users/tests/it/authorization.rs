//! Who may do and see what: nobody in particular, another user, staff, an administrator.

use crate::world::on_every_database;
use hansa_kit::{Viewer, testing};
use serde_json::json;

#[tokio::test]
async fn administration_is_for_administrators() {
    on_every_database(async |world| {
        let ann = world.register("ann").await;
        let id = &ann["viewer"]["id"];
        let user = world.viewer(&ann).await;
        let staff = testing::viewer(uuid::Uuid::now_v7(), &["user", "staff", "manager"]);
        for operation in [
            "query ($id: ID!) { users(filter: { search: $id }) { totalCount } }",
            "query ($id: ID!) { users(filter: { search: $id }) { nodes { id } } }",
            "mutation ($id: ID!) { userUpdate(id: $id, input: { username: \"eve\" }) { userErrors { code } } }",
            "mutation ($id: ID!) { userDelete(id: $id) { userErrors { code } } }",
            "mutation ($id: ID!) { userRolesSet(id: $id, roles: [ADMIN]) { userErrors { code } } }",
        ] {
            let operation = operation.replace("search: $id", "search: \"\"").replace("query ($id: ID!)", "query");
            let variables = json!({ "id": id });
            assert_eq!(world.code(&Viewer::Anonymous, &operation, variables.clone()).await, "UNAUTHENTICATED");
            assert_eq!(world.code(&user, &operation, variables.clone()).await, "FORBIDDEN", "{operation}");
            assert_eq!(world.code(&staff, &operation, variables).await, "FORBIDDEN", "{operation}");
        }
        let unchanged = "SELECT COUNT(*) AS n FROM account WHERE username = 'ann' AND NOT is_admin";
        assert_eq!(world.number(unchanged).await, 1);
        assert_eq!(world.count("outbox").await, 2);
    })
    .await;
}

#[tokio::test]
async fn private_facts_are_for_administrators_and_staff() {
    on_every_database(async |world| {
        let ann = world.register("ann").await;
        let bob = world.register("bob").await;
        let bob_viewer = world.viewer(&bob).await;
        let query = "query ($id: ID!) { user(id: $id) { username roles email status } }";
        let variables = json!({ "id": ann["viewer"]["id"] });
        for (viewer, code) in [(Viewer::Anonymous, "UNAUTHENTICATED"), (bob_viewer, "FORBIDDEN")] {
            let answer = world.answer(&viewer, query, variables.clone()).await;
            let user = &answer["data"]["user"];
            assert_eq!((&user["username"], &user["roles"]), (&json!("ann"), &json!(["USER"])));
            assert!(user["email"].is_null() && user["status"].is_null());
            let codes: Vec<_> = answer["errors"].as_array().unwrap().iter().map(|e| &e["extensions"]["code"]).collect();
            assert_eq!(codes, [code, code]);
        }
        for scope in ["staff", "admin"] {
            let viewer = testing::viewer(uuid::Uuid::now_v7(), &["user", scope]);
            let user = world.ask(&viewer, query, variables.clone()).await["user"].take();
            assert_eq!((&user["email"], &user["status"]), (&json!("ann@example.org"), &json!("ACTIVE")));
        }
    })
    .await;
}

#[tokio::test]
async fn the_viewer_is_the_caller() {
    on_every_database(async |world| {
        let query = "{ viewer { id email user { username } } }";
        assert!(world.ask(&Viewer::Anonymous, query, json!({})).await["viewer"].is_null());
        let ann = world.register("ann").await;
        world.register("bob").await;
        let viewer = world.viewer(&ann).await;
        let answer = world.ask(&viewer, query, json!({})).await;
        let expected = json!({ "id": ann["viewer"]["id"], "email": "ann@example.org", "user": { "username": "ann" } });
        assert_eq!(answer["viewer"], expected);
        // A token that outlived its account is nobody's.
        let ghost = testing::viewer(uuid::Uuid::now_v7(), &["user"]);
        assert!(world.ask(&ghost, query, json!({})).await["viewer"].is_null());
    })
    .await;
}

#[tokio::test]
async fn users_are_found_by_anybody() {
    on_every_database(async |world| {
        let ann = world.register("Ann").await;
        let by_name = "query ($name: String!) { userByUsername(username: $name) { id username } }";
        let found = world.ask(&Viewer::Anonymous, by_name, json!({ "name": "aNN" })).await;
        assert_eq!(found["userByUsername"], json!({ "id": ann["viewer"]["id"], "username": "Ann" }));
        // Not by address.
        let found = world.ask(&Viewer::Anonymous, by_name, json!({ "name": "ann@example.org" })).await;
        assert!(found["userByUsername"].is_null());
        let by_id = "query ($id: ID!) { user(id: $id) { username } }";
        for id in ["user_01h455vb4pex5vsknk084sn02q", "post_01h455vb4pex5vsknk084sn02q", "nonsense", ""] {
            assert!(world.ask(&Viewer::Anonymous, by_id, json!({ "id": id })).await["user"].is_null());
        }
    })
    .await;
}
