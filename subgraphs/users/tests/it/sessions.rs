//! Signing in, staying signed in, signing out.

use crate::world::{PASSWORD, codes, on_every_database};
use chrono::Duration;
use futures::future::join;
use hansa_kit::{Viewer, signals::Signal};
use serde_json::{Value, json};

const REVOKE: &str = "mutation ($id: ID) { sessionRevoke(id: $id) { revokedSessionId userErrors { code field } } }";
const REVOKE_ALL: &str = "mutation ($id: ID) { sessionsRevokeAll(userId: $id) { revokedCount userErrors { code } } }";
const SESSIONS: &str = "query ($first: Int, $after: String) { viewer { sessions(first: $first, after: $after) {
    nodes { id isCurrent } pageInfo { hasNextPage endCursor } totalCount
} } }";

#[tokio::test]
async fn sign_in_by_name_or_address() {
    on_every_database(async |world| {
        let registered = world.register("Ann").await;
        for login in ["ann", "ANN", "ann@example.org", "ANN@example.ORG"] {
            let payload = world.sign_in(login, PASSWORD).await;
            assert_eq!(codes(&payload), [""; 0], "{login}");
            assert_eq!(payload["viewer"]["id"], registered["viewer"]["id"]);
            assert_eq!(payload["session"]["isCurrent"], true);
            assert_eq!(payload["session"]["userAgent"], "test");
            assert_eq!(payload["session"]["ipAddress"], "192.0.2.1");
            let viewer = world.viewer(&payload).await;
            assert_eq!(payload["session"]["id"], viewer.identity().unwrap().claims.sid);
        }
    })
    .await;
}

#[tokio::test]
async fn what_was_wrong_is_not_told() {
    on_every_database(async |world| {
        world.register("ann").await;
        let wrong_password = world.sign_in("ann", "wrong").await;
        let wrong_login = world.sign_in("nobody", PASSWORD).await;
        let wrong_address = world.sign_in("nobody@example.org", "").await;
        assert_eq!(codes(&wrong_password), ["INVALID_CREDENTIALS"]);
        assert_eq!(wrong_password, wrong_login);
        assert_eq!(wrong_password, wrong_address);
        for login in ["", "ann ", &"a".repeat(100_000)] {
            assert_eq!(world.sign_in(login, PASSWORD).await, wrong_password);
        }
        assert!(wrong_password["userErrors"][0]["field"].is_null());
    })
    .await;
}

#[tokio::test]
async fn a_locked_account_is_told_only_to_who_knows_the_password() {
    on_every_database(async |world| {
        let admin = world.admin().await;
        let registered = world.register("ann").await;
        let lock = "mutation ($id: ID!) { userUpdate(id: $id, input: { status: LOCKED }) { user { status } } }";
        world.ask(&admin, lock, json!({ "id": registered["viewer"]["id"] })).await;
        assert_eq!(world.refusal(&registered).await, hansa_token::Error::Revoked);
        assert_eq!(codes(&world.refresh(&registered["tokens"]["refreshToken"]).await), ["TOKEN_INVALID"]);
        assert_eq!(codes(&world.sign_in("ann", "wrong").await), ["INVALID_CREDENTIALS"]);
        assert_eq!(codes(&world.sign_in("ann", PASSWORD).await), ["ACCOUNT_LOCKED"]);
        let unlock = "mutation ($id: ID!) { userUpdate(id: $id, input: { status: ACTIVE }) { user { status } } }";
        world.ask(&admin, unlock, json!({ "id": registered["viewer"]["id"] })).await;
        assert_eq!(codes(&world.sign_in("ann", PASSWORD).await), [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn a_new_sign_in_can_end_the_others() {
    on_every_database(async |world| {
        let old = world.register("ann").await;
        let bystander = world.register("bob").await;
        let input = json!({ "login": "ann", "password": PASSWORD, "revokeOtherSessions": true });
        let new = world.sign_in_with(input).await;
        assert_eq!(world.refusal(&old).await, hansa_token::Error::Revoked);
        let ann = world.viewer(&new).await;
        world.viewer(&bystander).await;
        let sessions = world.ask(&ann, SESSIONS, json!({})).await;
        assert_eq!(sessions["viewer"]["sessions"]["totalCount"], 1);
    })
    .await;
}

#[tokio::test]
async fn refresh_tokens_rotate() {
    on_every_database(async |world| {
        let first = world.register("ann").await;
        let sid = world.viewer(&first).await.identity().unwrap().claims.sid.clone();
        let mut tokens = vec![first["tokens"]["refreshToken"].clone()];
        for _ in 0..3 {
            world.clock.advance(Duration::days(20));
            let payload = world.refresh(tokens.last().unwrap()).await;
            assert_eq!(codes(&payload), [""; 0]);
            assert_eq!(payload["session"]["id"], sid);
            tokens.push(payload["tokens"]["refreshToken"].clone());
        }
        tokens.dedup();
        assert_eq!(tokens.len(), 4);
        // Neither the tokens nor anything they could be guessed from is stored.
        let stored = world.number("SELECT COUNT(*) AS n FROM session WHERE LENGTH(refresh_hash) = 43").await;
        assert_eq!(stored, 1);
        world.clock.advance(Duration::days(30));
        assert_eq!(codes(&world.refresh(&tokens[3]).await), ["TOKEN_EXPIRED"]);
        assert_eq!(codes(&world.refresh(&json!("nonsense")).await), ["TOKEN_INVALID"]);
    })
    .await;
}

#[tokio::test]
async fn a_used_refresh_token_ends_its_session() {
    on_every_database(async |world| {
        let stolen = world.register("ann").await;
        let other = world.sign_in("ann", PASSWORD).await;
        let current = world.refresh(&stolen["tokens"]["refreshToken"]).await;
        world.viewer(&current).await;
        let payload = world.refresh(&stolen["tokens"]["refreshToken"]).await;
        assert_eq!(codes(&payload), ["TOKEN_INVALID"]);
        assert_eq!(payload["userErrors"][0]["field"], json!(["refreshToken"]));
        assert_eq!(world.refusal(&current).await, hansa_token::Error::Revoked);
        assert_eq!(codes(&world.refresh(&current["tokens"]["refreshToken"]).await), ["TOKEN_INVALID"]);
        // Another session of the same user is another family.
        world.viewer(&other).await;
        assert_eq!(codes(&world.refresh(&other["tokens"]["refreshToken"]).await), [""; 0]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_refreshes_at_once_one_wins() {
    on_every_database(async |world| {
        let registered = world.register("ann").await;
        let token = &registered["tokens"]["refreshToken"];
        let (one, other) = join(world.refresh(token), world.refresh(token)).await;
        let mut outcomes = [codes(&one), codes(&other)];
        outcomes.sort();
        assert_eq!(outcomes, [vec![], vec!["TOKEN_INVALID"]]);
        assert_eq!(world.count("used_refresh_token").await, 1);
    })
    .await;
}

#[tokio::test]
async fn signing_out_refuses_the_token_at_once_everywhere() {
    on_every_database(async |world| {
        let registered = world.register("ann").await;
        let ann = world.viewer(&registered).await;
        let mut heard = world.deps.signals.revocations();
        let payload = world.ask(&ann, REVOKE, json!({})).await;
        let sid = ann.identity().unwrap().claims.sid.clone();
        assert_eq!(payload["sessionRevoke"], json!({ "revokedSessionId": sid, "userErrors": [] }));
        assert_eq!(world.refusal(&registered).await, hansa_token::Error::Revoked);
        assert_eq!(codes(&world.refresh(&registered["tokens"]["refreshToken"]).await), ["TOKEN_INVALID"]);

        // Whoever missed the signal reads it from the service, until no token can be left.
        let Signal::Revoked { sid: told, until } = heard.try_recv().unwrap() else { panic!("another signal") };
        assert_eq!(told, sid);
        assert_eq!(world.get("/revocations").await, json!([{ "sid": sid, "until": until }]));
        assert!(until > world.clock.now() + Duration::seconds(305));
        world.clock.advance(Duration::minutes(10));
        assert_eq!(world.get("/revocations").await, json!([]));
    })
    .await;
}

#[tokio::test]
async fn only_own_sessions_can_be_ended() {
    on_every_database(async |world| {
        let (ann, bob) = (world.register("ann").await, world.register("bob").await);
        let elsewhere = world.sign_in("ann", PASSWORD).await;
        let (ann_viewer, bob_viewer) = (world.viewer(&ann).await, world.viewer(&bob).await);
        let bobs = &bob_viewer.identity().unwrap().claims.sid;
        for id in [bobs.as_str(), "session_nonsense", "user_01h455vb4pex5vsknk084sn02q"] {
            let payload = world.ask(&ann_viewer, REVOKE, json!({ "id": id })).await;
            assert_eq!(codes(&payload["sessionRevoke"]), ["NOT_FOUND"]);
        }
        world.viewer(&bob).await;
        let payload = world.ask(&ann_viewer, REVOKE, json!({ "id": elsewhere["session"]["id"] })).await;
        assert_eq!(payload["sessionRevoke"]["revokedSessionId"], elsewhere["session"]["id"]);
        assert_eq!(world.refusal(&elsewhere).await, hansa_token::Error::Revoked);
        world.viewer(&ann).await;
        let again = world.ask(&ann_viewer, REVOKE, json!({ "id": elsewhere["session"]["id"] })).await;
        assert_eq!(codes(&again["sessionRevoke"]), ["NOT_FOUND"]);
        assert_eq!(world.code(&Viewer::Anonymous, REVOKE, json!({})).await, "UNAUTHENTICATED");
    })
    .await;
}

#[tokio::test]
async fn signing_out_everywhere() {
    on_every_database(async |world| {
        let admin = world.admin().await;
        let registered = world.register("ann").await;
        let second = world.sign_in("ann", PASSWORD).await;
        let bob = world.register("bob").await;
        let bob_viewer = world.viewer(&bob).await;
        let ann_id = &registered["viewer"]["id"];
        assert_eq!(world.code(&bob_viewer, REVOKE_ALL, json!({ "id": ann_id })).await, "FORBIDDEN");
        assert_eq!(world.code(&Viewer::Anonymous, REVOKE_ALL, json!({})).await, "UNAUTHENTICATED");
        let payload = world.ask(&admin, REVOKE_ALL, json!({ "id": ann_id })).await;
        assert_eq!(payload["sessionsRevokeAll"]["revokedCount"], 2);
        assert_eq!(world.refusal(&registered).await, hansa_token::Error::Revoked);
        assert_eq!(world.refusal(&second).await, hansa_token::Error::Revoked);
        let own = world.ask(&bob_viewer, REVOKE_ALL, json!({})).await;
        assert_eq!(own["sessionsRevokeAll"]["revokedCount"], 1);
        let gone = world.ask(&admin, REVOKE_ALL, json!({ "id": "user_01h455vb4pex5vsknk084sn02q" })).await;
        assert_eq!(codes(&gone["sessionsRevokeAll"]), ["NOT_FOUND"]);
    })
    .await;
}

#[tokio::test]
async fn sessions_are_paged_the_latest_first() {
    on_every_database(async |world| {
        let mut ids = Vec::new();
        let mut last = world.register("ann").await;
        ids.push(last["viewer"]["sessions"]["nodes"][0]["id"].clone());
        for _ in 0..4 {
            last = world.sign_in("ann", PASSWORD).await;
            ids.push(last["session"]["id"].clone());
        }
        ids.reverse();
        let ann = world.viewer(&last).await;
        let (mut seen, mut after) = (Vec::new(), Value::Null);
        loop {
            let page = world.ask(&ann, SESSIONS, json!({ "first": 2, "after": after })).await;
            let page = &page["viewer"]["sessions"];
            assert_eq!(page["totalCount"], 5);
            seen.extend(page["nodes"].as_array().unwrap().iter().cloned());
            after = page["pageInfo"]["endCursor"].clone();
            if page["pageInfo"]["hasNextPage"] == false {
                break;
            }
        }
        assert_eq!(seen.iter().map(|session| session["id"].clone()).collect::<Vec<_>>(), ids);
        assert_eq!(seen.iter().filter(|session| session["isCurrent"] == true).count(), 1);
        assert_eq!(seen[0]["isCurrent"], true);
        assert_eq!(world.code(&ann, SESSIONS, json!({ "first": 101 })).await, "BAD_USER_INPUT");
    })
    .await;
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions() {
    on_every_database(async |world| {
        let here = world.register("ann").await;
        let elsewhere = world.sign_in("ann", PASSWORD).await;
        let ann = world.viewer(&here).await;
        let change = "mutation ($current: String!, $new: String!) {
            passwordChange(input: { currentPassword: $current, newPassword: $new }) {
                viewer { id } userErrors { code field }
            }
        }";
        let new = "a quite different passphrase";
        let wrong = world.ask(&ann, change, json!({ "current": "wrong", "new": new })).await;
        assert_eq!(codes(&wrong["passwordChange"]), ["INVALID_CREDENTIALS"]);
        let weak = world.ask(&ann, change, json!({ "current": PASSWORD, "new": "password123" })).await;
        assert_eq!(weak["passwordChange"]["userErrors"][0]["field"], json!(["input", "newPassword"]));
        world.viewer(&elsewhere).await;
        let changed = world.ask(&ann, change, json!({ "current": PASSWORD, "new": new })).await;
        assert_eq!(changed["passwordChange"]["viewer"]["id"], here["viewer"]["id"]);
        world.viewer(&here).await;
        assert_eq!(world.refusal(&elsewhere).await, hansa_token::Error::Revoked);
        assert_eq!(codes(&world.sign_in("ann", PASSWORD).await), ["INVALID_CREDENTIALS"]);
        assert_eq!(codes(&world.sign_in("ann", new).await), [""; 0]);
        let variables = json!({ "current": PASSWORD, "new": new });
        assert_eq!(world.code(&Viewer::Anonymous, change, variables).await, "UNAUTHENTICATED");
    })
    .await;
}
