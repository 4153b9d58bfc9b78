//! Signing keys, and what is read of them over HTTP.

use crate::world::{KEYS, World, on_every_database};
use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode, header},
};
use chrono::Duration;
use futures::future::join_all;
use hansa_token::JwkSet;
use hansa_users::Config;
use serde_json::{Value, json};
use tower::ServiceExt;

async fn key_ids(world: &World) -> Vec<String> {
    let set: JwkSet = serde_json::from_value(world.get(KEYS).await).unwrap();
    set.keys.into_iter().map(|key| key.common.key_id.unwrap()).collect()
}

/// The key that a payload's access token is signed with.
fn key_id(payload: &Value) -> String {
    let token = payload["tokens"]["accessToken"].as_str().unwrap();
    jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
}

/// One round of maintenance.
async fn maintain(world: &World) {
    hansa_users::maintain(&hansa_users::Service::new(world.database.clone(), &Config::default(), &world.deps))
        .await
        .unwrap();
}

#[tokio::test]
async fn keys_rotate_and_overlap() {
    on_every_database(async |world| {
        assert_eq!(key_ids(&world).await, [""; 0]);
        let first = key_id(&world.register("ann").await);
        maintain(&world).await;
        assert_eq!(key_ids(&world).await, std::slice::from_ref(&first));

        // The next key is published a day before it signs.
        world.clock.advance(Duration::days(29));
        maintain(&world).await;
        maintain(&world).await;
        let published = key_ids(&world).await;
        assert_eq!((published.len(), &published[0]), (2, &first));
        let second = published[1].clone();
        world.clock.advance(Duration::hours(23));
        assert_eq!(key_id(&world.register("bob").await), first);

        // The old one is published for a day after it has signed.
        world.clock.advance(Duration::hours(1));
        assert_eq!(key_id(&world.register("carl").await), second);
        assert_eq!(key_ids(&world).await, [first.clone(), second.clone()]);
        world.clock.advance(Duration::days(1));
        assert_eq!(key_ids(&world).await, std::slice::from_ref(&second));
        maintain(&world).await;
        assert_eq!(world.count("signing_key").await, 1);

        // After a long standstill there is a key at once.
        world.clock.advance(Duration::days(100));
        let third = key_id(&world.register("dora").await);
        assert_eq!(key_ids(&world).await, std::slice::from_ref(&third));
        assert_ne!(third, second);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_agree_on_one_key() {
    on_every_database(async |world| {
        let names: Vec<_> = (0..5).map(|n| format!("user{n}")).collect();
        let payloads = join_all(names.iter().map(|name| world.register(name))).await;
        assert_eq!(world.count("signing_key").await, 1);
        let published = key_ids(&world).await;
        assert!(payloads.iter().all(|payload| key_id(payload) == published[0]));
        world.clock.advance(Duration::days(29));
        join_all((0..5).map(|_| maintain(&world))).await;
        assert_eq!(world.count("signing_key").await, 2);
    })
    .await;
}

#[tokio::test]
async fn what_has_expired_is_forgotten() {
    on_every_database(async |world| {
        let ann = world.register("ann").await;
        let ann = world.refresh(&ann["tokens"]["refreshToken"]).await;
        let viewer = world.viewer(&ann).await;
        world.register("bob").await;
        world.ask(&viewer, "mutation { sessionRevoke { revokedSessionId } }", json!({})).await;
        maintain(&world).await;
        assert_eq!((world.count("session").await, world.count("used_refresh_token").await), (1, 0));
        assert_eq!(world.count("revocation").await, 1);
        world.clock.advance(Duration::hours(1));
        maintain(&world).await;
        assert_eq!(world.count("revocation").await, 0);
        world.clock.advance(Duration::days(30));
        maintain(&world).await;
        assert_eq!(world.count("session").await, 0);
    })
    .await;
}

async fn graphql(world: &World, token: &str, query: &str) -> (StatusCode, Value) {
    let request = Request::post("/graphql")
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(json!({ "query": query }).to_string()))
        .unwrap();
    let response = world.routes.clone().oneshot(request).await.unwrap();
    let status = response.status();
    (status, serde_json::from_slice(&to_bytes(response.into_body(), 1 << 20).await.unwrap()).unwrap())
}

#[tokio::test]
async fn over_http() {
    on_every_database(async |world| {
        let ann = world.register("ann").await;
        let token = ann["tokens"]["accessToken"].as_str().unwrap();

        let set = world.get(KEYS).await;
        let key = &set["keys"][0];
        assert_eq!((&key["kty"], &key["crv"], &key["use"]), (&json!("OKP"), &json!("Ed25519"), &json!("sig")));
        assert!(key.get("d").is_none());
        let parsed: JwkSet = serde_json::from_value(set).unwrap();
        assert_eq!(parsed.keys[0].common.key_id, Some(key_id(&ann)));

        assert_eq!(world.get("/revocations").await, json!([]));
        let (status, answer) = graphql(&world, token, "{ viewer { id } }").await;
        assert_eq!((status, &answer["data"]["viewer"]["id"]), (StatusCode::OK, &ann["viewer"]["id"]));
        graphql(&world, token, "mutation { sessionRevoke { revokedSessionId } }").await;
        // The very next request.
        let (status, answer) = graphql(&world, token, "{ viewer { id } }").await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer["errors"][0]["extensions"]["code"], "TOKEN_REVOKED");
        let revocations = world.get("/revocations").await;
        assert_eq!(revocations[0]["sid"], ann["viewer"]["sessions"]["nodes"][0]["id"]);
        assert!(revocations[0]["until"].is_string());
    })
    .await;
}
