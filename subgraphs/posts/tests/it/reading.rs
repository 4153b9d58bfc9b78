use crate::world::{World, everywhere, texts, user};
use async_graphql::connection::{CursorType, OpaqueCursor};
use chrono::Duration;
use hansa_kit::{Viewer, ids};
use serde_json::{Value, json};

const NOBODY: Viewer = Viewer::Anonymous;

#[tokio::test]
async fn everybody_reads_one_post() {
    everywhere(async |world| {
        let (ann, ann_id) = user();
        let id = world.post(&ann, "Hello").await;
        let query = "query ($id: ID!) { post(id: $id) { id body author { id } } }";
        let post = world.ask(&NOBODY, query, json!({ "id": id })).await;
        assert_eq!(post["post"], json!({ "id": id, "body": "Hello", "author": { "id": ann_id } }));
        for id in [ids::encode("post", ids::new()).to_string(), ann_id, "?".into()] {
            assert_eq!(world.ask(&NOBODY, query, json!({ "id": id })).await["post"], Value::Null);
        }
    })
    .await;
}

#[tokio::test]
async fn lists_are_filtered_and_sorted() {
    everywhere(async |world| {
        let ((ann, ann_id), (bob, _)) = (user(), user());
        let first = world.post(&ann, "one").await; // 12:00:01
        world.post(&bob, "two").await;
        world.post(&ann, "three").await;
        assert_eq!(world.bodies("").await, ["three", "two", "one"]);
        assert_eq!(world.bodies("(sort: { field: CREATED_AT, direction: ASC })").await, ["one", "two", "three"]);
        let of_ann = format!("(filter: {{ authorId: \"{ann_id}\" }})");
        assert_eq!(world.bodies(&of_ann).await, ["three", "one"]);
        // Half-open.
        let range = r#"{ from: "2026-03-01T12:00:01Z", to: "2026-03-01T12:00:03Z" }"#;
        assert_eq!(world.bodies(&format!("(filter: {{ createdAt: {range} }})")).await, ["two", "one"]);

        world.clock.advance(Duration::microseconds(1));
        let edit = r#"mutation ($id: ID!) { postUpdate(id: $id, input: { body: "one!" }) { post { id } } }"#;
        world.ask(&ann, edit, json!({ "id": first })).await;
        assert_eq!(world.bodies("(sort: { field: EDITED_AT })").await, ["one!", "three", "two"]);
        assert_eq!(world.bodies("(sort: { field: EDITED_AT, direction: ASC })").await, ["two", "three", "one!"]);

        let foreign = r#"{ posts(filter: { authorId: "post_01h455vb4pex5vsknk084sn02q" }) { totalCount } }"#;
        assert_eq!(world.code(&NOBODY, foreign, json!({})).await, "BAD_USER_INPUT");
    })
    .await;
}

/// Reads all pages of `first` posts.
async fn pages(world: &World, first: usize, sort: &str) -> Vec<String> {
    let query = format!(
        "query ($after: String) {{ posts(first: {first}, after: $after, sort: {sort}) {{
            nodes {{ body }} pageInfo {{ hasNextPage hasPreviousPage endCursor }}
        }} }}"
    );
    let mut found = Vec::new();
    let mut after = Value::Null;
    loop {
        let page = world.ask(&NOBODY, &query, json!({ "after": after })).await["posts"].take();
        assert_eq!(page["pageInfo"]["hasPreviousPage"], json!(!after.is_null()));
        found.extend(texts(&page["nodes"]));
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == json!(false) {
            return found;
        }
    }
}

#[tokio::test]
async fn pages_hold_every_post_once_even_those_of_one_moment() {
    everywhere(async |world| {
        let (ann, _) = user();
        for n in 0..7 {
            if n % 3 != 0 {
                world.clock.advance(Duration::seconds(-1)); // `post` advances it: two or three of each time
            }
            world.post(&ann, &n.to_string()).await;
        }
        for field in ["CREATED_AT", "EDITED_AT"] {
            let ascending = pages(&world, 100, &format!("{{ field: {field}, direction: ASC }}")).await;
            assert_eq!(ascending, ["0", "1", "2", "3", "4", "5", "6"]);
            for first in [1, 2, 3, 7] {
                assert_eq!(pages(&world, first, &format!("{{ field: {field}, direction: ASC }}")).await, ascending);
                let mut descending = pages(&world, first, &format!("{{ field: {field} }}")).await;
                descending.reverse();
                assert_eq!(descending, ascending);
            }
        }
        for bad in ["first: 101", "first: -1", r#"after: "?""#] {
            let query = format!("{{ posts({bad}) {{ nodes {{ id }} }} }}");
            assert_eq!(world.code(&NOBODY, &query, json!({})).await, "BAD_USER_INPUT");
        }
        for year in ["-200000", "+200000"] {
            let time = format!("{year}-01-01T00:00:00Z");
            let cursor = OpaqueCursor((time.clone(), uuid::Uuid::nil())).encode_cursor();
            let forged = json!({ "after": cursor });
            let query = "query ($after: String) { posts(after: $after) { nodes { id } } }";
            assert_eq!(world.code(&NOBODY, query, forged).await, "BAD_USER_INPUT");
            let query = "query ($range: DateTimeRange) { posts(filter: { createdAt: $range }) { nodes { id } } }";
            for end in ["from", "to"] {
                let range = json!({ "range": { end: time } });
                assert_eq!(world.code(&NOBODY, query, range).await, "BAD_USER_INPUT");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn the_total_is_counted_only_when_selected() {
    everywhere(async |world| {
        let (ann, _) = user();
        for n in 0..3 {
            world.post(&ann, &n.to_string()).await;
        }
        let (data, statements) =
            world.count(world.ask(&NOBODY, "{ posts(first: 2) { nodes { id author { id } } } }", json!({}))).await;
        assert_eq!((data["posts"]["nodes"].as_array().unwrap().len(), statements), (2, 1));
        let (data, statements) =
            world.count(world.ask(&NOBODY, "{ posts(first: 2) { totalCount nodes { id } } }", json!({}))).await;
        assert_eq!((&data["posts"]["totalCount"], statements), (&json!(3), 2));
    })
    .await;
}
