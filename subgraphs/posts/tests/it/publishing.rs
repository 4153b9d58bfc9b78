use crate::world::{CREATE, everywhere, everywhere_running, texts, user, within};
use chrono::Duration;
use hansa_kit::{Viewer, testing};
use hansa_posts::role;
use serde_json::{Value, json};
use uuid::Uuid;

fn refusal(code: &str, field: &[&str]) -> Value {
    json!([{ "code": code, "field": field }])
}

#[tokio::test]
async fn a_draft_is_written_published_and_stays_so() {
    everywhere(async |world| {
        let (ann, _) = user();
        let id = world.make(&ann, json!({ "body": "first", "isDraft": true })).await;
        let edited = world.update(&ann, &id, json!({ "body": "second" })).await["post"].take();
        assert_eq!((&edited["status"], &edited["publishedAt"]), (&json!("DRAFT"), &Value::Null));
        assert_eq!(world.outbox().await, [""; 0]);
        let published = world.update(&ann, &id, json!({ "isDraft": false })).await["post"].take();
        assert_eq!(published["status"], "PUBLISHED");
        assert_eq!(published["publishedAt"], "2026-03-01T12:00:03+00:00");
        assert_eq!(world.bodies("").await, ["second"]);
        let later = "2026-03-02T00:00:00Z";
        for taken_back in [json!({ "isDraft": true }), json!({ "publishAt": later })] {
            let answer = world.update(&ann, &id, taken_back).await;
            assert_eq!(answer["userErrors"], refusal("INVALID_STATE", &["id"]));
        }
        assert_eq!(world.update(&ann, &id, json!({ "isDraft": false })).await["userErrors"], json!([]));
        let revisions = "query ($id: ID!) { post(id: $id) { revisions { totalCount } } }";
        let found = world.ask(&ann, revisions, json!({ "id": id })).await;
        assert_eq!(found["post"]["revisions"]["totalCount"], 0, "what a draft said is nobody's business");
        assert_eq!(world.outbox().await, ["posts.post.published"]);

        let both = json!({ "input": { "body": "x", "isDraft": true, "publishAt": later } });
        let answer = world.ask(&ann, CREATE, both).await;
        assert_eq!(answer["postCreate"]["userErrors"], refusal("INVALID", &["input", "publishAt"]));
        let far = json!({ "input": { "body": "x", "publishAt": "2027-04-01T00:00:00Z" } });
        let answer = world.ask(&ann, CREATE, far).await;
        assert_eq!(answer["postCreate"]["userErrors"], refusal("INVALID", &["input", "publishAt"]));
    })
    .await;
}

#[tokio::test]
async fn drafts_are_listed_last_edited_first() {
    everywhere(async |world| {
        let (ann, _) = user();
        let first = world.make(&ann, json!({ "body": "one", "isDraft": true })).await;
        world.make(&ann, json!({ "body": "two", "publishAt": "2026-03-02T00:00:00Z" })).await;
        world.make(&ann, json!({ "body": "three", "isDraft": true })).await;
        world.post(&ann, "published").await;
        world.update(&ann, &first, json!({ "body": "one!" })).await;
        let page = "drafts(first: 2) { totalCount nodes { body status publishAt } pageInfo { hasNextPage endCursor } }";
        let drafts = world.own(&ann, page).await["drafts"].take();
        assert_eq!(texts(&drafts["nodes"]), ["one!", "three"]);
        assert_eq!((&drafts["totalCount"], &drafts["pageInfo"]["hasNextPage"]), (&json!(3), &json!(true)));
        let rest =
            format!("drafts(after: {}) {{ nodes {{ body status publishAt }} }}", drafts["pageInfo"]["endCursor"]);
        let rest = world.own(&ann, &rest).await["drafts"]["nodes"].take();
        let two = json!([{ "body": "two", "status": "SCHEDULED", "publishAt": "2026-03-02T00:00:00+00:00" }]);
        assert_eq!(rest, two);
    })
    .await;
}

#[tokio::test]
async fn scheduled_posts_are_published_in_time_in_order_and_once() {
    everywhere_running(async |world, deps| {
        // A second replica does the same.
        let second = role(world.database.clone(), deps);
        let tasks: Vec<_> = second.tasks.into_iter().map(|task| tokio::spawn(task.work)).collect();
        let (ann, _) = user();
        let at = |minute: u32| json!(format!("2026-03-01T13:{minute:02}:00Z"));
        let mut ids = Vec::new();
        for n in 0..30 {
            let minute = (n * 7) % 30; // not in the order of their making
            ids.push((minute, world.make(&ann, json!({ "body": minute.to_string(), "publishAt": at(minute) })).await));
        }
        ids.sort();
        let postponed = world.update(&ann, &ids[3].1, json!({ "publishAt": at(45) })).await;
        assert_eq!(postponed["post"]["publishAt"], "2026-03-01T13:45:00+00:00");
        let cancelled = world.update(&ann, &ids[4].1, json!({ "publishAt": null })).await;
        assert_eq!(cancelled["post"]["status"], "DRAFT");
        let now = world.update(&ann, &ids[5].1, json!({ "publishAt": null, "isDraft": false })).await;
        assert_eq!(now["post"]["status"], "PUBLISHED");
        assert_eq!(world.bodies("").await, ["5"]);

        world.clock.advance(Duration::minutes(89)); // 13:29 and some seconds
        let mut expected: Vec<String> = (0..30).filter(|n| ![3, 4, 5].contains(n)).map(|n| n.to_string()).collect();
        let due = async {
            while world.bodies("(first: 100)").await.len() < expected.len() + 1 {
                tokio::task::yield_now().await;
            }
        };
        within(due).await;
        expected.reverse();
        expected.push("5".into());
        assert_eq!(world.bodies("(first: 100)").await, expected);

        let mut consumer = deps.bus.consumer("test", &["hansa.posts"]).await.unwrap();
        let mut told = Vec::new();
        while told.len() < 28 {
            let delivery = within(consumer.next()).await.unwrap();
            let event: Value = serde_json::from_slice(&delivery.payload).unwrap();
            assert_eq!(event["type"], "posts.post.published");
            told.push(Uuid::parse_str(event["data"]["post_id"].as_str().unwrap()).unwrap());
            consumer.commit(&delivery).await.unwrap();
        }
        told.sort();
        told.dedup();
        assert_eq!(told.len(), 28, "each is told once");
        deps.shutdown.cancel();
        for task in tasks {
            within(task).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_moderator_hides_and_brings_back() {
    everywhere(async |world| {
        let ((ann, _), (bob, _)) = (user(), user());
        let moderator = testing::viewer(Uuid::now_v7(), &["staff"]);
        let id = world.post(&ann, "rude").await;
        let hide = "mutation ($id: ID!, $reason: String!) { postHide(id: $id, reason: $reason) {
            post { status hiddenReason } userErrors { code field } } }";
        let unhide = "mutation ($id: ID!) { postUnhide(id: $id) { post { status } userErrors { code field } } }";
        let hidden = json!({ "id": id, "reason": " rude " });
        for (viewer, code) in [(&Viewer::Anonymous, "UNAUTHENTICATED"), (&ann, "FORBIDDEN"), (&bob, "FORBIDDEN")] {
            assert_eq!(world.code(viewer, hide, hidden.clone()).await, code);
            assert_eq!(world.code(viewer, unhide, json!({ "id": id })).await, code);
        }
        for (reason, code) in [(" ", "BLANK"), (&*"x".repeat(501), "TOO_LONG")] {
            let answer = world.ask(&moderator, hide, json!({ "id": id, "reason": reason })).await;
            assert_eq!(answer["postHide"]["userErrors"], refusal(code, &["reason"]));
        }
        let answer = world.ask(&moderator, hide, hidden.clone()).await;
        assert_eq!(answer["postHide"]["post"], json!({ "status": "HIDDEN", "hiddenReason": "rude" }));
        assert_eq!(world.bodies("").await, [""; 0]);
        let again = world.ask(&moderator, hide, hidden).await;
        assert_eq!(again["postHide"]["userErrors"], refusal("INVALID_STATE", &["id"]));
        // The author may mend it, and nobody hears of it.
        assert_eq!(world.update(&ann, &id, json!({ "body": "polite" })).await["post"]["status"], "HIDDEN");
        let answer = world.ask(&moderator, unhide, json!({ "id": id })).await;
        assert_eq!(answer["postUnhide"]["post"], json!({ "status": "PUBLISHED" }));
        assert_eq!(world.bodies("").await, ["polite"]);
        let draft = world.make(&ann, json!({ "body": "draft", "isDraft": true })).await;
        let answer = world.ask(&moderator, hide, json!({ "id": draft, "reason": "x" })).await;
        assert_eq!(answer["postHide"]["userErrors"], refusal("NOT_FOUND", &["id"]));
        let told = ["posts.post.published", "posts.post.hidden", "posts.post.unhidden"];
        assert_eq!(world.outbox().await, told);
    })
    .await;
}

#[tokio::test]
async fn of_changes_that_build_on_one_edit_one_is_made() {
    everywhere(async |world| {
        let (ann, _) = user();
        let id = world.post(&ann, "one").await;
        let changes = (0..8).map(|n| world.update(&ann, &id, json!({ "body": n.to_string(), "ifEditedAt": null })));
        let answers = futures::future::join_all(changes).await;
        let made: Vec<_> = answers.iter().filter(|answer| answer["userErrors"] == json!([])).collect();
        assert_eq!(made.len(), 1, "{answers:?}");
        assert_eq!(world.bodies("").await, [made[0]["post"]["body"].as_str().unwrap()]);
    })
    .await;
}
