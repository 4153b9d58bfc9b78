use crate::world::{CREATE, everywhere, user};
use chrono::Duration;
use hansa_kit::{Viewer, ids};
use serde_json::{Value, json};

const UPDATE: &str = "mutation ($id: ID!, $input: PostUpdateInput!) {
    postUpdate(id: $id, input: $input) { post { body editedAt } userErrors { code field } }
}";
const DELETE: &str = "mutation ($id: ID!) { postDelete(id: $id) { deletedPostId userErrors { code field } } }";

fn refusal(code: &str, field: &[&str]) -> Value {
    json!([{ "code": code, "field": field }])
}

#[tokio::test]
async fn a_post_is_published_changed_and_deleted_by_its_author() {
    everywhere(async |world| {
        let (ann, ann_id) = user();
        let data = world.ask(&ann, CREATE, json!({ "input": { "body": " Hello, *world* \n" } })).await;
        let post = &data["postCreate"]["post"];
        assert_eq!(data["postCreate"]["userErrors"], json!([]));
        assert_eq!(post["body"], "Hello, *world*");
        assert_eq!(post["author"]["id"], ann_id);
        assert_eq!(post["createdAt"], "2026-03-01T12:00:00+00:00");
        assert_eq!(post["editedAt"], Value::Null);

        world.clock.advance(Duration::microseconds(1));
        let data = world.ask(&ann, UPDATE, json!({ "id": post["id"], "input": { "body": "Bye" } })).await;
        let updated = json!({ "body": "Bye", "editedAt": "2026-03-01T12:00:00.000001+00:00" });
        assert_eq!(data["postUpdate"], json!({ "post": updated, "userErrors": [] }));

        let data = world.ask(&ann, DELETE, json!({ "id": post["id"] })).await;
        assert_eq!(data["postDelete"], json!({ "deletedPostId": post["id"], "userErrors": [] }));
        let found = world.ask(&ann, "query ($id: ID!) { post(id: $id) { id } }", json!({ "id": post["id"] })).await;
        assert_eq!(found["post"], Value::Null);
        assert_eq!(world.outbox().await, ["posts.post.published", "posts.post.updated", "posts.post.deleted"]);
    })
    .await;
}

#[tokio::test]
async fn bodies_are_checked_and_nothing_is_written() {
    everywhere(async |world| {
        let (ann, _) = user();
        for (body, code) in [(" \n ", "BLANK"), (&*"x".repeat(10_001), "TOO_LONG")] {
            let data = world.ask(&ann, CREATE, json!({ "input": { "body": body } })).await;
            let refused = json!({ "post": null, "userErrors": refusal(code, &["input", "body"]) });
            assert_eq!(data["postCreate"], refused);
        }
        assert_eq!(world.outbox().await, [""; 0]);
        let id = world.post(&ann, &"я".repeat(10_000)).await;
        let data = world.ask(&ann, UPDATE, json!({ "id": id, "input": { "body": "" } })).await;
        assert_eq!(data["postUpdate"]["userErrors"], refusal("BLANK", &["input", "body"]));
    })
    .await;
}

#[tokio::test]
async fn only_the_author_changes_and_deletes() {
    everywhere(async |world| {
        let ((ann, _), (bob, _)) = (user(), user());
        let admin = hansa_kit::testing::viewer(ids::new(), &["admin", "staff"]);
        let id = world.post(&ann, "Ann's").await;
        for other in [&bob, &admin] {
            let data = world.ask(other, UPDATE, json!({ "id": id, "input": { "body": "mine" } })).await;
            assert_eq!(data["postUpdate"], json!({ "post": null, "userErrors": refusal("FORBIDDEN", &["id"]) }));
            let data = world.ask(other, DELETE, json!({ "id": id })).await;
            let refused = json!({ "deletedPostId": null, "userErrors": refusal("FORBIDDEN", &["id"]) });
            assert_eq!(data["postDelete"], refused);
        }
        let missing = ids::encode("post", ids::new());
        for id in [missing.as_str(), "nonsense", "user_01h455vb4pex5vsknk084sn02q"] {
            let data = world.ask(&ann, UPDATE, json!({ "id": id, "input": { "body": "x" } })).await;
            assert_eq!(data["postUpdate"]["userErrors"], refusal("NOT_FOUND", &["id"]));
            let data = world.ask(&ann, DELETE, json!({ "id": id })).await;
            assert_eq!(data["postDelete"]["userErrors"], refusal("NOT_FOUND", &["id"]));
        }
        assert_eq!(world.bodies("").await, ["Ann's"]);
        assert_eq!(world.outbox().await, ["posts.post.published"]);

        let nobody = Viewer::Anonymous;
        assert_eq!(world.code(&nobody, CREATE, json!({ "input": { "body": "x" } })).await, "UNAUTHENTICATED");
        let update = json!({ "id": id, "input": { "body": "x" } });
        assert_eq!(world.code(&nobody, UPDATE, update).await, "UNAUTHENTICATED");
        assert_eq!(world.code(&nobody, DELETE, json!({ "id": id })).await, "UNAUTHENTICATED");
    })
    .await;
}

#[tokio::test]
async fn a_change_that_builds_on_an_old_edit_is_stale() {
    everywhere(async |world| {
        let (ann, _) = user();
        let id = world.post(&ann, "one").await;
        let update = async |body: &str, seen: Value| {
            world.clock.advance(Duration::seconds(1));
            let input = json!({ "body": body, "ifEditedAt": seen });
            let data = world.ask(&ann, UPDATE, json!({ "id": id, "input": input })).await;
            (data["postUpdate"]["post"]["editedAt"].clone(), data["postUpdate"]["userErrors"].clone())
        };
        let stale = refusal("STALE", &["input", "ifEditedAt"]);
        assert_eq!(update("x", json!("2026-03-01T12:00:00Z")).await.1, stale);
        let (first, errors) = update("two", Value::Null).await;
        assert_eq!(errors, json!([]));
        assert_eq!(update("x", Value::Null).await.1, stale);
        let (second, errors) = update("three", first.clone()).await;
        assert_eq!(errors, json!([]));
        assert_eq!(update("x", first).await.1, stale);
        assert_eq!(world.bodies("").await, ["three"]);
        assert_eq!(update("four", second).await.1, json!([]));
    })
    .await;
}

#[tokio::test]
async fn a_create_that_is_sent_again_makes_nothing_new() {
    everywhere(async |world| {
        let ((ann, _), (bob, _)) = (user(), user());
        let create = async |who: &Viewer, body: &str, key: &str| {
            let data = world.ask(who, CREATE, json!({ "input": { "body": body, "idempotencyKey": key } })).await;
            (data["postCreate"]["post"]["id"].clone(), data["postCreate"]["userErrors"].clone())
        };
        let key_field = ["input", "idempotencyKey"];
        let (id, _) = create(&ann, "once", "k").await;
        assert_eq!(create(&ann, "once", "k").await, (id.clone(), json!([])));
        let (other, _) = create(&bob, "once", "k").await;
        assert_ne!(other, id);
        assert_eq!(create(&ann, "twice", "k").await.1, refusal("IDEMPOTENCY_KEY_REUSED", &key_field));
        for (key, code) in [("", "BLANK"), (&*"ж".repeat(256), "TOO_LONG")] {
            assert_eq!(create(&ann, "x", key).await.1, refusal(code, &key_field));
        }
        assert_eq!(world.bodies("").await, ["once", "once"]);
        assert_eq!(world.outbox().await.len(), 2);

        world.ask(&ann, DELETE, json!({ "id": id })).await;
        assert_eq!(create(&ann, "once", "k").await.1, refusal("NOT_FOUND", &key_field));
        world.clock.advance(Duration::hours(24) + Duration::seconds(1));
        assert_eq!(create(&ann, "once", "k").await.1, json!([]));
    })
    .await;
}

#[tokio::test]
async fn concurrent_creates_with_one_key_make_one_post() {
    everywhere(async |world| {
        let (ann, _) = user();
        let input = json!({ "input": { "body": "once", "idempotencyKey": "k" } });
        let creates = (0..10).map(|_| world.ask(&ann, CREATE, input.clone()));
        let made = futures::future::join_all(creates).await;
        assert!(made.iter().all(|data| data["postCreate"]["post"]["id"] == made[0]["postCreate"]["post"]["id"]));
        assert_eq!(world.bodies("").await, ["once"]);
        assert_eq!(world.outbox().await.len(), 1);
    })
    .await;
}
