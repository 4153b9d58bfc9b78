//! The main story, told through public endpoints: the same embedded and distributed.

use crate::{
    api::{Account, PASSWORD, data, post, register, text},
    eventually,
    socket::Socket,
};
use serde_json::{Value, json};

const WHOLE: &str =
    "{ viewer { user { posts { nodes { body author { username } } } } notifications { nodes { kind } } } }";
const EVENTS: &str = "subscription($after: String) { notificationEvents(after: $after) { __typename
    ... on NotificationReceived { cursor unreadCount notification { kind title } }
    ... on NotificationChanged { cursor unreadCount notification { kind readAt } } } }";

/// Register → mail → refresh → post → one query over all subgraphs → live notification → sign out → refused.
/// `there` is a second entrance to the same system, and may be the first one.
pub async fn tell(here: &str, there: &str, username: &str, mails_to: impl AsyncFn(&str) -> Vec<String>) {
    let account = register(here, username, "ru-RU").await;
    eventually("the welcome mail", async || {
        mails_to(&account.email).await.into_iter().find(|subject| subject.contains("Добро пожаловать"))
    })
    .await;

    let tokens = refresh(there, &account).await;
    let post = publish(there, &tokens.access, "Hello, *world*").await;
    eventually("the whole picture", async || {
        let whole = data(here, Some(&tokens.access), WHOLE, json!({})).await;
        let expected = json!({ "viewer": {
            "user": { "posts": { "nodes": [{ "body": "Hello, *world*", "author": { "username": username } }] } },
            "notifications": { "nodes": [{ "kind": "WELCOME" }] },
        } });
        (whole == expected).then_some(())
    })
    .await;

    find_by_ids(here, &tokens, &post).await;

    let mut socket = live_notifications(here, there, &tokens).await;
    sign_out(here, there, &tokens, &mut socket).await;
}

async fn refresh(url: &str, account: &Account) -> Account {
    let query = "mutation($token: String!) { sessionRefresh(refreshToken: $token) {
        tokens { accessToken refreshToken } userErrors { code } } }";
    let answer = data(url, None, query, json!({ "token": account.refresh })).await;
    let tokens = &answer["sessionRefresh"]["tokens"];
    Account { access: text(&tokens["accessToken"]), refresh: text(&tokens["refreshToken"]), ..account.clone() }
}

/// Gives the post's id.
async fn publish(url: &str, token: &str, body: &str) -> String {
    let query = "mutation($input: PostCreateInput!) { postCreate(input: $input) { post { id } userErrors { code } } }";
    let answer = data(url, Some(token), query, json!({ "input": { "body": body } })).await;
    assert_eq!(answer["postCreate"]["userErrors"], json!([]));
    text(&answer["postCreate"]["post"]["id"])
}

/// Anything is found by its id, over all subgraphs in one request; what is not the caller's to see is not there at all.
async fn find_by_ids(url: &str, account: &Account, post: &str) {
    let own = "{ viewer { user { id } notifications { nodes { id } } } }";
    let own = data(url, Some(&account.access), own, json!({})).await;
    let (user, notification) = (&own["viewer"]["user"]["id"], &own["viewer"]["notifications"]["nodes"][0]["id"]);
    let query = "query($ids: [ID!]!, $id: ID!) { node(id: $id) { __typename } nodes(ids: $ids) { __typename id
        ... on Post { author { id } } ... on User { posts { nodes { id } } } ... on Notification { kind } } }";
    let variables = json!({ "ids": [notification, "post_0", post, "nonsense", user], "id": notification });
    let of_post = json!({ "__typename": "Post", "id": post, "author": { "id": user } });
    let of_user = json!({ "__typename": "User", "id": user, "posts": { "nodes": [{ "id": post }] } });
    let of_notification = json!({ "__typename": "Notification", "id": notification, "kind": "WELCOME" });

    let found = data(url, Some(&account.access), query, variables.clone()).await;
    assert_eq!(found["nodes"], json!([of_notification, null, of_post, null, of_user]));
    assert_eq!(found["node"]["__typename"], "Notification");
    let found = data(url, None, query, variables).await;
    assert_eq!(found, json!({ "node": null, "nodes": [null, null, of_post, null, of_user] }));
}

/// A socket opened before sees what happens on another device, on another replica; what was missed comes by cursor.
async fn live_notifications(here: &str, there: &str, account: &Account) -> Socket {
    let mut socket = Socket::open(here, &account.access).await;
    socket.subscribe("live", EVENTS, json!({ "after": first_cursor() })).await;
    let event = socket.next_data().await;
    assert_eq!(event["notificationEvents"]["__typename"], "NotificationReceived", "{event}");
    assert_eq!(event["notificationEvents"]["notification"]["kind"], "WELCOME");

    let marked = data(
        there,
        Some(&account.access),
        "mutation { notificationsMarkAllRead { updatedCount userErrors { code } } }",
        json!({}),
    )
    .await;
    assert_eq!(marked["notificationsMarkAllRead"]["updatedCount"], 1, "{marked}");
    let event = socket.next_data().await;
    assert_eq!(event["notificationEvents"]["unreadCount"], 0, "{event}");
    socket
}

/// The cursor before all events: that of sequence 0.
pub fn first_cursor() -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.encode("0")
}

async fn sign_out(here: &str, there: &str, account: &Account, socket: &mut Socket) {
    let answer = data(
        here,
        Some(&account.access),
        "mutation { sessionRevoke { revokedSessionId userErrors { code } } }",
        json!({}),
    )
    .await;
    assert!(answer["sessionRevoke"]["revokedSessionId"].is_string(), "{answer}");
    let query = json!({ "query": "{ viewer { email } }" });
    if here == there {
        let refused = post(here, Some(&account.access), query.clone()).await;
        assert_refused(&refused);
    }
    for url in [here, there] {
        eventually("the refusal of the old token", async || {
            let refused = post(url, Some(&account.access), query.clone()).await;
            (refused.0 == 401).then(|| assert_refused(&refused))
        })
        .await;
    }
    assert_eq!(socket.closed().await, 4403);

    let query = "mutation($login: String!, $password: String!) {
        sessionCreate(input: { login: $login, password: $password }) { tokens { accessToken } userErrors { code } } }";
    let again = data(here, None, query, json!({ "login": account.email, "password": PASSWORD })).await;
    assert!(again["sessionCreate"]["tokens"]["accessToken"].is_string(), "{again}");
}

fn assert_refused((status, answer): &(u16, Value)) {
    assert_eq!((*status, &answer["errors"][0]["extensions"]["code"]), (401, &json!("TOKEN_REVOKED")), "{answer}");
}
