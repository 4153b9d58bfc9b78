//! What administrators do.

use crate::world::{PASSWORD, World, codes, on_every_database};
use async_graphql::connection::{CursorType, OpaqueCursor};
use chrono::Duration;
use futures::future::join_all;
use hansa_kit::Viewer;
use serde_json::{Value, json};

const UPDATE: &str = "mutation ($id: ID!, $input: UserUpdateInput!) { userUpdate(id: $id, input: $input) {
    user { username displayName email status } userErrors { code field }
} }";
const DELETE: &str = "mutation ($id: ID!) { userDelete(id: $id) { deletedUserId userErrors { code field } } }";
const ROLES: &str = "mutation ($id: ID!, $roles: [Role!]!) { userRolesSet(id: $id, roles: $roles) {
    user { roles } userErrors { code field }
} }";
const USERS: &str = "query ($filter: UserFilter, $sort: UserSort, $first: Int, $after: String) {
    users(filter: $filter, sort: $sort, first: $first, after: $after) {
        nodes { username } pageInfo { hasNextPage hasPreviousPage endCursor } totalCount
    }
}";

#[tokio::test]
async fn users_are_changed() {
    on_every_database(async |world| {
        let admin = world.admin().await;
        let ann = world.register("ann").await;
        world.register("bob").await;
        let id = &ann["viewer"]["id"];
        let input = json!({ "username": "Anna", "email": "anna@example.org" });
        let payload = world.ask(&admin, UPDATE, json!({ "id": id, "input": input })).await;
        let user = json!({
            "username": "Anna", "displayName": "Anna", "email": "anna@example.org", "status": "ACTIVE",
        });
        assert_eq!(payload["userUpdate"]["user"], user);
        let events = world.events().await;
        let (event, data) = events.last().unwrap();
        assert_eq!((event.as_str(), &data["email"]), ("users.user.updated", &json!("anna@example.org")));
        assert_eq!(codes(&world.sign_in("anna", PASSWORD).await), [""; 0]);

        let before = world.count("outbox").await;
        for (input, code, field) in [
            (json!({ "username": "BOB" }), "TAKEN", "username"),
            (json!({ "email": "Bob@example.org" }), "TAKEN", "email"),
            (json!({ "email": "nowhere" }), "INVALID", "email"),
        ] {
            let payload = world.ask(&admin, UPDATE, json!({ "id": id, "input": input })).await;
            assert_eq!(payload["userUpdate"]["userErrors"], json!([{ "code": code, "field": ["input", field] }]));
        }
        let admin_id = &admin.identity().unwrap().claims.sub;
        let lock_self = json!({ "id": admin_id, "input": { "status": "LOCKED" } });
        assert_eq!(codes(&world.ask(&admin, UPDATE, lock_self).await["userUpdate"]), ["FORBIDDEN"]);
        let nobody = json!({ "id": "user_01h455vb4pex5vsknk084sn02q", "input": { "username": "x-y-z" } });
        assert_eq!(codes(&world.ask(&admin, UPDATE, nobody).await["userUpdate"]), ["NOT_FOUND"]);
        assert_eq!(world.count("outbox").await, before);
    })
    .await;
}

#[tokio::test]
async fn a_deleted_user_is_gone() {
    on_every_database(async |world| {
        let admin = world.admin().await;
        let ann = world.register("ann").await;
        let id = &ann["viewer"]["id"];
        world.refresh(&ann["tokens"]["refreshToken"]).await;
        let payload = world.ask(&admin, DELETE, json!({ "id": id })).await;
        assert_eq!(payload["userDelete"], json!({ "deletedUserId": id, "userErrors": [] }));
        assert_eq!(world.refusal(&ann).await, hansa_token::Error::Revoked);
        assert_eq!(codes(&world.sign_in("ann", PASSWORD).await), ["INVALID_CREDENTIALS"]);
        assert_eq!(codes(&world.refresh(&ann["tokens"]["refreshToken"]).await), ["TOKEN_INVALID"]);
        let user = world.ask(&admin, "query ($id: ID!) { user(id: $id) { id } }", json!({ "id": id })).await;
        assert!(user["user"].is_null());
        assert_eq!(world.events().await.last().unwrap().0, "users.user.deleted");
        // Replicas still have to learn of it.
        assert_eq!(world.count("revocation").await, 1);
        assert_eq!(codes(&world.ask(&admin, DELETE, json!({ "id": id })).await["userDelete"]), ["NOT_FOUND"]);
        // The name is free.
        assert_eq!(codes(&world.register("ann").await), [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn an_administrator_is_never_deleted() {
    on_every_database(async |world| {
        let admin = world.admin().await;
        let ann = world.register("ann").await;
        let id = &ann["viewer"]["id"];
        world.ask(&admin, ROLES, json!({ "id": id, "roles": ["ADMIN"] })).await;
        let signed_in = world.sign_in("ann", PASSWORD).await;
        let before = world.count("outbox").await;
        for id in [id, &json!(admin.identity().unwrap().claims.sub)] {
            let payload = world.ask(&admin, DELETE, json!({ "id": id })).await;
            assert_eq!(
                payload["userDelete"]["userErrors"],
                json!([{ "code": "CANNOT_DELETE_ADMIN", "field": ["id"] }])
            );
        }
        // Nothing was changed, sessions included.
        world.viewer(&signed_in).await;
        assert_eq!(codes(&world.refresh(&signed_in["tokens"]["refreshToken"]).await), [""; 0]);
        assert_eq!((world.count("account").await, world.count("outbox").await), (2, before));
    })
    .await;
}

#[tokio::test]
async fn roles_take_effect_with_the_next_sign_in() {
    on_every_database(async |world| {
        let admin = world.admin().await;
        let ann = world.register("ann").await;
        let id = &ann["viewer"]["id"];
        let payload = world.ask(&admin, ROLES, json!({ "id": id, "roles": ["STAFF", "MANAGER", "STAFF"] })).await;
        assert_eq!(payload["userRolesSet"]["user"]["roles"], json!(["USER", "MANAGER", "STAFF"]));
        assert_eq!(world.refusal(&ann).await, hansa_token::Error::Revoked);
        let signed_in = world.sign_in("ann", PASSWORD).await;
        let viewer = world.viewer(&signed_in).await;
        let claims = &viewer.identity().unwrap().claims;
        assert_eq!(claims.roles, ["USER", "MANAGER", "STAFF"]);
        assert_eq!(claims.scope, "user manager staff");
        assert_eq!(signed_in["viewer"]["scopes"], json!(["user", "manager", "staff"]));
        // The same roles again change nothing.
        world.ask(&admin, ROLES, json!({ "id": id, "roles": ["MANAGER", "STAFF"] })).await;
        world.viewer(&signed_in).await;
        let admin_id = &admin.identity().unwrap().claims.sub;
        let payload = world.ask(&admin, ROLES, json!({ "id": admin_id, "roles": ["STAFF"] })).await;
        assert_eq!(payload["userRolesSet"]["userErrors"], json!([{ "code": "FORBIDDEN", "field": ["roles"] }]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_administrator_is_left_whatever_they_do_to_each_other() {
    on_every_database(async |world| {
        let mut admins = Vec::new();
        for name in ["ann", "bob", "carl"] {
            let login = hansa_users::create_admin(&world.database, name, &format!("{name}@example.org")).await.unwrap();
            let payload = world.sign_in(&login.username, &login.password).await;
            admins.push((payload["viewer"]["id"].clone(), world.viewer(&payload).await));
        }
        // Everybody against their neighbour at the same moment, by either means.
        let attacks = admins.iter().enumerate().map(async |(n, (_, viewer))| {
            let (victim, _) = &admins[(n + 1) % admins.len()];
            let answer = if n % 2 == 0 {
                world.ask(viewer, ROLES, json!({ "id": victim, "roles": [] })).await["userRolesSet"].take()
            } else {
                let lock = json!({ "id": victim, "input": { "status": "LOCKED" } });
                world.ask(viewer, UPDATE, lock).await["userUpdate"].take()
            };
            codes(&answer).join(",")
        });
        let mut outcomes = join_all(attacks).await;
        outcomes.sort();
        assert_eq!(outcomes, ["", "", "FORBIDDEN"]);
        let left = "SELECT COUNT(*) AS n FROM account WHERE is_admin AND status = 'ACTIVE'";
        assert_eq!(world.number(left).await, 1);
    })
    .await;
}

#[tokio::test]
async fn forged_cursors_are_refused() {
    on_every_database(async |world| {
        let admin = world.admin().await;
        for (field, key) in [
            ("CREATED_AT", json!({ "CreatedAt": ["-200000-01-01T00:00:00Z", uuid::Uuid::nil()] })),
            ("CREATED_AT", json!({ "CreatedAt": ["+200000-01-01T00:00:00Z", uuid::Uuid::nil()] })),
            ("USERNAME", json!({ "Username": "a\0b" })),
        ] {
            let variables = json!({ "sort": { "field": field }, "after": OpaqueCursor(key).encode_cursor() });
            assert_eq!(world.code(&admin, USERS, variables).await, "BAD_USER_INPUT");
        }
        let filter = json!({ "filter": { "createdAt": { "from": "-200000-01-01T00:00:00Z" } } });
        assert_eq!(world.code(&admin, USERS, filter).await, "BAD_USER_INPUT");
    })
    .await;
}

async fn names(world: &World, admin: &Viewer, variables: Value) -> Vec<String> {
    let page = world.ask(admin, USERS, variables).await;
    let nodes = page["users"]["nodes"].as_array().unwrap().iter();
    nodes.map(|user| user["username"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn users_are_listed_in_pages() {
    on_every_database(async |world| {
        let admin = world.admin().await;
        for username in ["dora", "Ann", "carl", "Bob", "eve"] {
            // Two share a moment: their order is that of their ids.
            if username != "carl" {
                world.clock.advance(Duration::seconds(1));
            }
            world.register(username).await;
        }
        let alphabetic = ["Ann", "Bob", "carl", "dora", "eve", "root"];
        let by_age = ["root", "dora", "Ann", "carl", "Bob", "eve"];
        for (field, order) in [("USERNAME", alphabetic), ("CREATED_AT", by_age)] {
            for direction in ["ASC", "DESC"] {
                let mut expected = order.to_vec();
                if direction == "DESC" {
                    expected.reverse();
                }
                let (mut seen, mut after) = (Vec::new(), Value::Null);
                loop {
                    let sort = json!({ "field": field, "direction": direction });
                    let variables = json!({ "sort": sort, "first": 2, "after": after });
                    let page = world.ask(&admin, USERS, variables).await["users"].take();
                    assert_eq!(page["totalCount"], 6);
                    assert_eq!(page["pageInfo"]["hasPreviousPage"], json!(!after.is_null()));
                    let nodes = page["nodes"].as_array().unwrap();
                    seen.extend(nodes.iter().map(|user| user["username"].as_str().unwrap().to_owned()));
                    after = page["pageInfo"]["endCursor"].clone();
                    if page["pageInfo"]["hasNextPage"] == false {
                        break;
                    }
                }
                assert_eq!(seen, expected, "{field} {direction}");
                let other = if field == "USERNAME" { "CREATED_AT" } else { "USERNAME" };
                let mixed_up = json!({ "sort": { "field": other }, "after": after });
                assert_eq!(world.code(&admin, USERS, mixed_up).await, "BAD_USER_INPUT");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn users_are_filtered() {
    on_every_database(async |world| {
        let admin = world.admin().await;
        for username in ["ann", "Anna_B", "bob"] {
            world.clock.advance(Duration::seconds(1));
            world.register(username).await;
        }
        let bob = world.sign_in("bob", PASSWORD).await;
        world.ask(&admin, ROLES, json!({ "id": bob["viewer"]["id"], "roles": ["MANAGER"] })).await;
        let lock = json!({ "id": bob["viewer"]["id"], "input": { "status": "LOCKED" } });
        world.ask(&admin, UPDATE, lock).await;
        let now = world.clock.now();
        for (filter, expected) in [
            (json!({ "search": "ANN" }), vec!["ann", "Anna_B"]),
            (json!({ "search": "bob@EXAMPLE" }), vec!["bob"]),
            (json!({ "search": "_" }), vec!["Anna_B"]),
            (json!({ "search": "%" }), vec![]),
            (json!({ "search": "\\" }), vec![]),
            (json!({ "search": "" }), vec!["ann", "Anna_B", "bob", "root"]),
            (json!({ "role": "MANAGER" }), vec!["bob"]),
            (json!({ "role": "ADMIN" }), vec!["root"]),
            (json!({ "role": "STAFF" }), vec![]),
            (json!({ "role": "USER", "status": "ACTIVE" }), vec!["ann", "Anna_B", "root"]),
            (json!({ "status": "LOCKED" }), vec!["bob"]),
            (json!({ "createdAt": { "from": now } }), vec!["bob"]),
            (json!({ "createdAt": { "to": now - Duration::seconds(1) }, "search": "a" }), vec!["ann", "root"]),
        ] {
            assert_eq!(names(&world, &admin, json!({ "filter": filter })).await, expected, "{filter}");
        }
        let filter = json!({ "filter": { "search": "a".repeat(300) } });
        assert_eq!(world.code(&admin, USERS, filter).await, "BAD_USER_INPUT");
    })
    .await;
}
