use crate::world::{World, everywhere, texts, user};
use chrono::Duration;
use hansa_kit::Viewer;
use serde_json::{Value, json};

/// Reads all pages of `first` posts.
async fn pages(world: &World, reader: &Viewer, first: usize) -> Vec<String> {
    let (mut found, mut after) = (Vec::new(), Value::Null);
    loop {
        let page =
            format!("feed(first: {first}, after: {after}) {{ nodes {{ body }} pageInfo {{ hasNextPage endCursor }} }}");
        let feed = world.own(reader, &page).await["feed"].take();
        found.extend(texts(&feed["nodes"]));
        after = feed["pageInfo"]["endCursor"].clone();
        if feed["pageInfo"]["hasNextPage"] == json!(false) {
            return found;
        }
    }
}

/// A reader who follows `authors` people, some of whom have written, and what they are to find.
async fn reader(world: &World, authors: usize) -> (Viewer, Vec<String>) {
    let (ann, _) = user();
    let followed: Vec<Viewer> = std::iter::repeat_with(|| user().0).take(authors).collect();
    for author in &followed {
        world.relate("follow", &ann, author).await;
    }
    let (stranger, _) = user();
    let mut expected = Vec::new();
    for n in 0..40_usize {
        if n % 3 == 0 {
            world.clock.advance(Duration::seconds(-1)); // two of one moment
        }
        let author = &followed[(n * n) % authors.min(11)];
        let visibility = ["PUBLIC", "FOLLOWERS", "FRIENDS", "PRIVATE"][n % 4];
        let body = format!("{authors}.{n:02}");
        let id = world.make(author, json!({ "body": body, "visibility": visibility })).await;
        world.post(&stranger, "a stranger's").await;
        world.clock.advance(Duration::seconds(-1));
        if n % 4 < 2 {
            expected.push((world.clock.now(), id, body));
        }
    }
    // Of one moment by id, as keys are made in order within a process.
    expected.sort_by(|one, other| (other.0, &other.1).cmp(&(one.0, &one.1)));
    (ann, expected.into_iter().map(|(.., body)| body).collect())
}

#[tokio::test]
async fn pages_hold_every_post_once_however_many_are_followed() {
    everywhere(async |world| {
        for authors in [1, 5, 11, 301] {
            let (ann, expected) = reader(&world, authors).await;
            for first in [1, 3, 7, 20, 100] {
                assert_eq!(pages(&world, &ann, first).await, expected, "{authors} {first}");
            }
            world.own(&ann, "feed(first: 0) { nodes { id } pageInfo { hasNextPage } }").await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_page_takes_as_many_statements_whoever_and_however_much_is_followed() {
    everywhere(async |world| {
        let page = "feed(first: 20) { nodes { id author { id } reactions { emoji } } }";
        for authors in [1, 5, 11] {
            let (ann, _) = reader(&world, authors).await;
            let (_, statements) = world.count(world.own(&ann, page)).await;
            assert_eq!(statements, 5, "how many are followed, whose posts, what of theirs, the posts, their reactions");
        }
        let (ann, _) = reader(&world, 301).await;
        let (_, statements) = world.count(world.own(&ann, "feed(first: 5) { nodes { id } }")).await;
        assert_eq!(statements, 2, "found among the newest of all");
        let (_, statements) = world.count(world.own(&ann, page)).await;
        assert_eq!(statements, 6, "not enough among them");
    })
    .await;
}

#[tokio::test]
async fn a_feed_needs_somebody_to_have_it() {
    everywhere(async |world| {
        let (ann, _) = user();
        world.post(&ann, "my own").await;
        assert_eq!(pages(&world, &ann, 10).await, [""; 0]);
        let bad = r#"query ($of: [_Any!]!) { _entities(representations: $of) { ... on Viewer { feed(first: 101) { nodes { id } } } } }"#;
        let of = hansa_kit::ids::encode("user", ann.user_id().unwrap());
        let of = json!({ "of": [{ "__typename": "Viewer", "id": of }] });
        assert_eq!(world.code(&ann, bad, of).await, "BAD_USER_INPUT");
    })
    .await;
}
