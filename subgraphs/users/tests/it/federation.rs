//! What other subgraphs and the router see.

use crate::world::{World, on_every_database};
use hansa_kit::{Viewer, testing};
use hansa_migrations::users::Migrator;
use serde_json::{Value, json};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

const ENTITIES: &str = "query ($representations: [_Any!]!) { _entities(representations: $representations) {
    ... on User { username } ... on Viewer { email } ... on Session { isCurrent }
} }";

async fn entities(world: &World, viewer: &Viewer, representations: Value) -> Value {
    world.ask(viewer, ENTITIES, json!({ "representations": representations })).await["_entities"].take()
}

#[tokio::test]
async fn entities_are_authorised() {
    on_every_database(async |world| {
        let (ann, bob) = (world.register("ann").await, world.register("bob").await);
        let representations = json!([
            { "__typename": "User", "id": ann["viewer"]["id"] },
            { "__typename": "User", "id": "user_01h455vb4pex5vsknk084sn02q" },
            { "__typename": "User", "id": "nonsense" },
            { "__typename": "Viewer", "id": ann["viewer"]["id"] },
            { "__typename": "Session", "id": ann["viewer"]["sessions"]["nodes"][0]["id"] },
        ]);
        let user = json!({ "username": "ann" });
        let others = json!([user, null, null, null, null]);
        assert_eq!(entities(&world, &Viewer::Anonymous, representations.clone()).await, others);
        let bob = world.viewer(&bob).await;
        assert_eq!(entities(&world, &bob, representations.clone()).await, others);
        let admin = testing::viewer(uuid::Uuid::now_v7(), &["user", "admin"]);
        assert_eq!(entities(&world, &admin, representations.clone()).await, others);
        let viewer = world.viewer(&ann).await;
        let own = json!([user, null, null, { "email": "ann@example.org" }, { "isCurrent": true }]);
        assert_eq!(entities(&world, &viewer, representations.clone()).await, own);
        // An ended session is gone.
        world.ask(&viewer, "mutation { sessionRevoke { revokedSessionId } }", json!({})).await;
        assert_eq!(entities(&world, &viewer, representations).await[4], Value::Null);
    })
    .await;
}

#[tokio::test]
async fn a_batch_of_entities_is_one_statement() {
    testing::on_every_database::<Migrator>(async |mut database| {
        let statements = Arc::new(AtomicUsize::new(0));
        let counter = statements.clone();
        database.set_metric_callback(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        let world = World::new(database).await;
        let mut representations = Vec::new();
        for n in 0..5 {
            let payload = world.register(&format!("user{n}")).await;
            representations.push(json!({ "__typename": "User", "id": payload["viewer"]["id"] }));
        }
        statements.store(0, Ordering::SeqCst);
        let found = entities(&world, &Viewer::Anonymous, json!(representations)).await;
        assert_eq!(found[4], json!({ "username": "user4" }));
        assert_eq!(statements.load(Ordering::SeqCst), 1);
    })
    .await;
}

#[test]
fn the_sdl_is_as_agreed() {
    let sdl = hansa_users::sdl();
    for part in [
        "type User implements Node @key(fields: \"id\")",
        "type Viewer @key(fields: \"id\")",
        "type Session implements Node @key(fields: \"id\")",
        "email: EmailAddress @requiresScopes(scopes: [[\"admin\"], [\"staff\"]])",
        "sessions(",
        "type UserConnection",
        "type UserEdge",
        "type SessionConnection",
        "totalCount: Int",
        "type PageInfo @shareable",
        "type UserError @shareable",
        "userDelete(",
        "): UserDeletePayload @requiresScopes(scopes: [[\"admin\"]])",
        "enum Role",
        "revokeOtherSessions: Boolean! = false",
    ] {
        assert!(sdl.contains(part), "{part} is missing in\n{sdl}");
    }
}
