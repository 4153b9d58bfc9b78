//! Two people become friends, over all subgraphs: the same embedded and distributed.

use crate::{
    api::{data, register, text},
    eventually,
    socket::Socket,
};
use serde_json::{Value, json};

const EVENTS: &str = "subscription($after: String) { notificationEvents(after: $after) {
    ... on NotificationReceived { notification { kind title actor { username }
        subject { ... on Friendship { id status requester { username } } ... on User { username } } } } } }";

/// Request → live notification → acceptance → lists of friends, each told by another subgraph than the names in it.
/// `there` is a second entrance to the same system, and may be the first one.
pub async fn befriend(here: &str, there: &str, one: &str, other: &str) {
    let (ann, bob) = (register(here, one, "en").await, register(there, other, "ru").await);
    let id = async |token: &str| text(&data(here, Some(token), "{ viewer { id } }", json!({})).await["viewer"]["id"]);
    let (ann_id, bob_id) = (id(&ann.access).await, id(&bob.access).await);

    let mut socket = Socket::open(there, &ann.access).await;
    socket.subscribe("live", EVENTS, json!({ "after": crate::story::first_cursor() })).await;
    assert_eq!(socket.next_data().await["notificationEvents"]["notification"]["kind"], "WELCOME");

    let request = "mutation($id: ID!) { friendshipRequest(userId: $id) {
        friendship { id status addressee { username } } userErrors { code } } }";
    let asked = eventually("that social knows both", async || {
        let asked = data(here, Some(&bob.access), request, json!({ "id": ann_id })).await["friendshipRequest"].take();
        (asked["userErrors"] == json!([])).then(|| asked["friendship"].clone())
    })
    .await;
    assert_eq!((&asked["status"], &asked["addressee"]["username"]), (&json!("PENDING"), &json!(one)));

    let told = socket.next_data().await["notificationEvents"]["notification"].take();
    assert_eq!((&told["kind"], &told["actor"]["username"]), (&json!("FRIENDSHIP_REQUESTED"), &json!(other)), "{told}");
    let subject = json!({ "id": asked["id"], "status": "PENDING", "requester": { "username": other } });
    assert_eq!(told["subject"], subject);

    let accept = "mutation($id: ID!) { friendshipAccept(id: $id) { friendship { status } userErrors { code } } }";
    let accepted = data(there, Some(&ann.access), accept, json!({ "id": asked["id"] })).await;
    assert_eq!(accepted["friendshipAccept"]["friendship"]["status"], "ACCEPTED", "{accepted}");
    let friends = "query($id: ID!) { user(id: $id) { friends { totalCount edges { friendsSince }
        nodes { username viewerRelationship { isFriend } friends { nodes { username } } } } } }";
    let found = data(here, Some(&ann.access), friends, json!({ "id": ann_id })).await["user"]["friends"].take();
    let back = json!({ "nodes": [{ "username": one }] });
    let friend = json!({ "username": other, "viewerRelationship": { "isFriend": true }, "friends": back });
    assert_eq!((&found["totalCount"], &found["nodes"]), (&json!(1), &json!([friend])));

    eventually("that the answer is told", async || {
        let kinds = crate::api::notification_kinds(here, &bob.access).await;
        kinds.contains(&"FRIENDSHIP_ACCEPTED".to_owned()).then_some(())
    })
    .await;
    hide(here, there, &ann.access, &bob_id, asked["id"].clone()).await;
}

/// A friendship is a node for its two people, until one blocks the other.
async fn hide(here: &str, there: &str, token: &str, friend: &str, friendship: Value) {
    let node = "query($id: ID!) { node(id: $id) { __typename } }";
    let variables = json!({ "id": friendship });
    assert_eq!(data(there, Some(token), node, variables.clone()).await["node"]["__typename"], "Friendship");
    assert_eq!(data(there, None, node, variables.clone()).await["node"], Value::Null);
    let block = "mutation($id: ID!) { blockCreate(userId: $id) { user { username } userErrors { code } } }";
    let blocked = data(here, Some(token), block, json!({ "id": friend })).await;
    assert_eq!(blocked["blockCreate"]["userErrors"], json!([]));
    assert_eq!(data(there, Some(token), node, variables).await["node"], Value::Null);
}
