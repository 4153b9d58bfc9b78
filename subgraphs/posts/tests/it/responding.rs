use crate::world::{everywhere, texts, user};
use hansa_kit::{Viewer, testing};
use serde_json::{Value, json};
use uuid::Uuid;

const ADD: &str = "mutation ($id: ID!, $emoji: String!) { postReactionAdd(id: $id, emoji: $emoji) {
    post { reactions { emoji count viewerHasReacted } } userErrors { code field } } }";
const REMOVE: &str = "mutation ($id: ID!, $emoji: String!) { postReactionRemove(id: $id, emoji: $emoji) {
    post { reactions { emoji count viewerHasReacted } } userErrors { code field } } }";

fn summary(emoji: &str, count: i32, own: bool) -> Value {
    json!({ "emoji": emoji, "count": count, "viewerHasReacted": own })
}

#[tokio::test]
async fn reactions_are_counted_once_a_reader() {
    everywhere(async |world| {
        let ((ann, _), (bob, _)) = (user(), user());
        let id = world.post(&ann, "Hello").await;
        let add = async |who: &Viewer, emoji: &str| {
            world.ask(who, ADD, json!({ "id": id, "emoji": emoji })).await["postReactionAdd"].take()
        };
        assert_eq!(add(&ann, "👍").await["post"]["reactions"], json!([summary("👍", 1, true)]));
        assert_eq!(add(&ann, "👍").await["post"]["reactions"], json!([summary("👍", 1, true)]));
        add(&ann, "\u{2764}").await; // unqualified
        let both = json!([summary("\u{2764}\u{fe0f}", 2, true), summary("👍", 1, false)]);
        assert_eq!(add(&bob, "\u{2764}\u{fe0f}").await["post"]["reactions"], both);
        for _ in 0..2 {
            let removed = world.ask(&ann, REMOVE, json!({ "id": id, "emoji": "👍" })).await;
            let rest = json!([summary("\u{2764}\u{fe0f}", 2, true)]);
            assert_eq!(removed["postReactionRemove"]["post"]["reactions"], rest);
        }
        for text in ["", "ok", "👍👍", ":+1:"] {
            let refused = json!([{ "code": "INVALID", "field": ["emoji"] }]);
            assert_eq!(add(&ann, text).await["userErrors"], refused, "{text}");
        }
        assert_eq!(world.code(&Viewer::Anonymous, ADD, json!({ "id": id, "emoji": "👍" })).await, "UNAUTHENTICATED");
    })
    .await;
}

#[tokio::test]
async fn a_post_has_a_bounded_number_of_different_reactions() {
    everywhere(async |world| {
        let (ann, _) = user();
        let id = world.post(&ann, "Hello").await;
        let fruit =
            ["🍇", "🍈", "🍉", "🍊", "🍋", "🍌", "🍍", "🥭", "🍎", "🍏", "🍐", "🍑", "🍒", "🍓", "🫐", "🥝", "🍅"];
        let more = ["🫒", "🥥", "🥑", "🍆", "🥔", "🥕", "🌽"];
        let readers: Vec<Viewer> = (0..24).map(|_| testing::viewer(Uuid::now_v7(), &[])).collect();
        let emoji: Vec<_> = fruit.into_iter().chain(more).collect();
        let adds =
            emoji.iter().zip(&readers).map(|(emoji, who)| world.ask(who, ADD, json!({ "id": id, "emoji": emoji })));
        let answers = futures::future::join_all(adds).await;
        let refused =
            answers.iter().filter(|data| data["postReactionAdd"]["userErrors"][0]["code"] == "LIMIT_EXCEEDED");
        assert_eq!(refused.count(), 4, "{answers:?}");
        let found =
            world.ask(&ann, "query ($id: ID!) { post(id: $id) { reactions { emoji } } }", json!({ "id": id })).await;
        let known = found["post"]["reactions"].as_array().unwrap().clone();
        assert_eq!(known.len(), 20);
        let again = json!({ "id": id, "emoji": known[0]["emoji"] });
        assert_eq!(world.ask(&ann, ADD, again).await["postReactionAdd"]["userErrors"], json!([]));
    })
    .await;
}

const REVISIONS: &str = "query ($id: ID!) { post(id: $id) {
    revisions(first: 2) { totalCount nodes { body editedAt } pageInfo { hasNextPage endCursor } } } }";

#[tokio::test]
async fn former_texts_are_kept_and_shown_to_those_who_could_read_them() {
    everywhere(async |world| {
        let ((ann, _), (bob, _), (friend, _)) = (user(), user(), user());
        world.relate("friend", &ann, &friend).await;
        let id = world.make(&ann, json!({ "body": "to friends", "visibility": "FRIENDS" })).await; // 12:00:01
        world.update(&ann, &id, json!({ "body": "to all", "visibility": "PUBLIC" })).await; // 12:00:02
        world.update(&ann, &id, json!({ "visibility": "FOLLOWERS" })).await;
        world.update(&ann, &id, json!({ "visibility": "PUBLIC" })).await;
        world.update(&ann, &id, json!({ "body": "to all!" })).await; // 12:00:05
        world.update(&ann, &id, json!({ "body": "to all!" })).await; // the same: no edit
        for (reader, expected) in [
            (&ann, &["to all", "to friends"][..]),
            (&friend, &["to all", "to friends"]),
            (&bob, &["to all"]),
            (&Viewer::Anonymous, &["to all"]),
        ] {
            let found = world.ask(reader, REVISIONS, json!({ "id": id })).await["post"]["revisions"].take();
            assert_eq!(texts(&found["nodes"]), expected);
            assert_eq!(found["totalCount"], expected.len());
            assert_eq!(found["nodes"][0]["editedAt"], "2026-03-01T12:00:02+00:00");
        }
    })
    .await;
}

#[tokio::test]
async fn a_hundred_former_texts_are_kept() {
    everywhere(async |world| {
        let (ann, _) = user();
        let id = world.post(&ann, "0").await;
        for n in 1..=103 {
            world.update(&ann, &id, json!({ "body": n.to_string() })).await;
        }
        let found = world.ask(&ann, REVISIONS, json!({ "id": id })).await["post"]["revisions"].take();
        assert_eq!(texts(&found["nodes"]), ["102", "101"]);
        assert_eq!((&found["totalCount"], &found["pageInfo"]["hasNextPage"]), (&json!(100), &json!(true)));
        let rest = "query ($id: ID!, $after: String) { post(id: $id) {
            revisions(first: 100, after: $after) { nodes { body } pageInfo { hasNextPage } } } }";
        let rest = world.ask(&ann, rest, json!({ "id": id, "after": found["pageInfo"]["endCursor"] })).await;
        let rest = &rest["post"]["revisions"];
        let bodies = texts(&rest["nodes"]);
        assert_eq!((bodies.len(), &*bodies[0], &*bodies[97]), (98, "100", "3"));
        assert_eq!(rest["pageInfo"]["hasNextPage"], false);
    })
    .await;
}

#[tokio::test]
async fn what_belongs_to_a_page_of_posts_is_read_by_as_many_statements_as_to_one() {
    everywhere(async |world| {
        let (ann, _) = user();
        let mut counts = Vec::new();
        for n in 0..30 {
            let id = world.post(&ann, &n.to_string()).await;
            world.update(&ann, &id, json!({ "body": format!("{n}!") })).await;
            world.ask(&ann, ADD, json!({ "id": id, "emoji": "👍" })).await;
            if n == 0 || n == 29 {
                let query = "{ posts(first: 50) { nodes { author { id } reactions { emoji count viewerHasReacted }
                    revisions { totalCount nodes { body } } } } }";
                let (data, statements) = world.count(world.ask(&ann, query, json!({}))).await;
                let nodes = data["posts"]["nodes"].as_array().unwrap().clone();
                assert!(nodes.iter().all(|post| post["reactions"] == json!([summary("👍", 1, true)])));
                assert!(nodes.iter().all(|post| post["revisions"]["totalCount"] == 1), "{nodes:?}");
                counts.push((nodes.len(), statements));
            }
        }
        assert_eq!(counts, [(1, 4), (30, 4)]);
    })
    .await;
}
