use crate::world::{World, everywhere, texts, user};
use hansa_kit::{Viewer, ids, viewer::USER_PREFIX};
use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Relation {
    Author,
    Nobody,
    Stranger,
    Follower,
    Friend,
    FriendAndFollower,
    BlockingFriend,
    BlockedFriend,
}

const RELATIONS: [Relation; 8] = [
    Relation::Author,
    Relation::Nobody,
    Relation::Stranger,
    Relation::Follower,
    Relation::Friend,
    Relation::FriendAndFollower,
    Relation::BlockingFriend,
    Relation::BlockedFriend,
];
const STATUSES: [&str; 4] = ["DRAFT", "SCHEDULED", "PUBLISHED", "HIDDEN"];
const VISIBILITIES: [&str; 4] = ["PUBLIC", "FOLLOWERS", "FRIENDS", "PRIVATE"];

impl Relation {
    fn may_see(self, status: &str, visibility: &str) -> bool {
        match self {
            Self::Author => true,
            _ if status != "PUBLISHED" => false,
            Self::Nobody | Self::Stranger => visibility == "PUBLIC",
            Self::Follower => ["PUBLIC", "FOLLOWERS"].contains(&visibility),
            Self::Friend | Self::FriendAndFollower => visibility != "PRIVATE",
            Self::BlockingFriend | Self::BlockedFriend => false,
        }
    }

    fn has_in_feed(self) -> bool {
        ![Self::Author, Self::Nobody, Self::Stranger].contains(&self)
    }

    async fn to(self, world: &World, author: &Viewer) -> Viewer {
        let (reader, _) = user();
        if [Self::Follower, Self::FriendAndFollower, Self::BlockingFriend, Self::BlockedFriend].contains(&self) {
            world.relate("follow", &reader, author).await;
        }
        if [Self::Friend, Self::FriendAndFollower, Self::BlockingFriend, Self::BlockedFriend].contains(&self) {
            world.relate("friend", author, &reader).await;
        }
        match self {
            Self::Author => return author.clone(),
            Self::Nobody => return Viewer::Anonymous,
            Self::BlockingFriend => world.relate("block", &reader, author).await,
            Self::BlockedFriend => world.relate("block", author, &reader).await,
            _ => {}
        }
        reader
    }
}

/// A post of every status and visibility.
async fn posts_of(world: &World, author: &Viewer) -> Vec<(&'static str, &'static str, String)> {
    let mut posts = Vec::new();
    for status in STATUSES {
        for visibility in VISIBILITIES {
            let body = format!("salt {status} {visibility}");
            let input = match status {
                "DRAFT" => json!({ "body": body, "visibility": visibility, "isDraft": true }),
                "SCHEDULED" => json!({ "body": body, "visibility": visibility, "publishAt": "2026-04-01T00:00:00Z" }),
                _ => json!({ "body": body, "visibility": visibility }),
            };
            let id = world.make(author, input).await;
            if status == "HIDDEN" {
                world.hide(&id).await;
            }
            posts.push((status, visibility, id));
        }
    }
    posts
}

#[tokio::test]
async fn no_path_shows_what_somebody_may_not_see() {
    everywhere(async |world| {
        let (ann, ann_id) = user();
        let posts = posts_of(&world, &ann).await;
        for relation in RELATIONS {
            let reader = relation.to(&world, &ann).await;
            let mut listed = Vec::new();
            for (status, visibility, id) in &posts {
                let is_visible = relation.may_see(status, visibility);
                if is_visible && ["PUBLISHED", "HIDDEN"].contains(status) {
                    listed.push(format!("salt {status} {visibility}"));
                }
                one_post(&world, &reader, relation, id, is_visible, status).await;
            }
            listed.reverse(); // newest first
            lists(&world, &reader, &ann_id, &listed, relation).await;
            if reader.user_id().is_some() {
                let feed = world.own(&reader, "feed { nodes { body } } drafts { totalCount }").await;
                let expected = if relation.has_in_feed() { listed } else { Vec::new() };
                assert_eq!(texts(&feed["feed"]["nodes"]), expected, "{relation:?}");
                let drafts = if relation == Relation::Author { 8 } else { 0 };
                assert_eq!(feed["drafts"]["totalCount"], drafts, "{relation:?}");
            }
        }
    })
    .await;
}

/// Every path to one post.
async fn one_post(world: &World, reader: &Viewer, relation: Relation, id: &str, is_visible: bool, status: &str) {
    let context = format!("{relation:?} {status} {id}");
    let fields = "id status reactions { count } revisions { totalCount } hiddenReason";
    let query = format!(
        "query ($id: ID!, $of: [_Any!]!) {{ post(id: $id) {{ {fields} }}
        _entities(representations: $of) {{ ... on Post {{ {fields} }} }} }}"
    );
    let of = json!({ "id": id, "of": [{ "__typename": "Post", "id": id }] });
    let data = world.ask(reader, &query, of).await;
    for found in [&data["post"], &data["_entities"][0]] {
        assert_eq!(!found.is_null(), is_visible, "{context}");
        if is_visible {
            assert_eq!((&found["status"], found["hiddenReason"].is_string()), (&json!(status), status == "HIDDEN"));
        }
    }
    if reader.user_id().is_none() {
        return;
    }
    for field in ["postReactionAdd", "postReactionRemove"] {
        let react = format!(
            r#"mutation ($id: ID!) {{ {field}(id: $id, emoji: "👍") {{ post {{ id }} userErrors {{ code }} }} }}"#
        );
        let answer = world.ask(reader, &react, json!({ "id": id })).await[field].take();
        let may_react = is_visible && status == "PUBLISHED";
        let errors = if may_react { json!([]) } else { json!([{ "code": "NOT_FOUND" }]) };
        assert_eq!((answer["post"].is_null(), &answer["userErrors"]), (!may_react, &errors), "{context}");
    }
    if relation != Relation::Author {
        let refused = if is_visible { "FORBIDDEN" } else { "NOT_FOUND" };
        let answer = world.update(reader, id, json!({ "body": "mine" })).await;
        assert_eq!(answer["userErrors"][0]["code"], refused, "{context}");
        let delete = "mutation ($id: ID!) { postDelete(id: $id) { userErrors { code } } }";
        let answer = world.ask(reader, delete, json!({ "id": id })).await;
        assert_eq!(answer["postDelete"]["userErrors"][0]["code"], refused, "{context}");
    }
}

/// Every list that may have posts of `author`.
async fn lists(world: &World, reader: &Viewer, author: &str, listed: &[String], relation: Relation) {
    let query = r#"query ($of: [_Any!]!, $author: ID!) {
        posts { totalCount nodes { body } }
        ofAuthor: posts(filter: { authorId: $author }, sort: { field: CREATED_AT }) { nodes { body } }
        postSearch(query: "salt", first: 100) { totalCount nodes { body } }
        _entities(representations: $of) { ... on User { posts { totalCount nodes { body } } } }
    }"#;
    let of = json!({ "of": [{ "__typename": "User", "id": author }], "author": author });
    let data = world.ask(reader, query, of).await;
    let total = json!(listed.len());
    let of_user = &data["_entities"][0]["posts"];
    for list in [&data["posts"], &data["ofAuthor"], of_user] {
        assert_eq!(texts(&list["nodes"]), listed, "{relation:?}");
    }
    for list in [&data["posts"], &data["postSearch"], of_user] {
        assert_eq!(list["totalCount"], total, "{relation:?}");
    }
    let (mut found, mut expected) = (texts(&data["postSearch"]["nodes"]), listed.to_vec());
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "{relation:?}");
    for visibility in VISIBILITIES {
        let query = format!("{{ posts(filter: {{ visibility: {visibility} }}) {{ nodes {{ body }} }} }}");
        let data = world.ask(reader, &query, json!({})).await;
        let expected: Vec<_> = listed.iter().filter(|body| body.ends_with(visibility)).cloned().collect();
        assert_eq!(texts(&data["posts"]["nodes"]), expected, "{relation:?} {visibility}");
    }
}

/// A batch is shared by requests: what it finds must not be.
#[tokio::test]
async fn readers_who_ask_at_once_see_each_what_they_may() {
    everywhere(async |world| {
        let (ann, ann_id) = user();
        let (friend, _) = user();
        world.relate("friend", &ann, &friend).await;
        let id = world.make(&ann, json!({ "body": "secret", "visibility": "FRIENDS" })).await;
        let query = "query ($of: [_Any!]!) { _entities(representations: $of) {
            ... on Post { body } ... on User { posts { totalCount nodes { body } } } } }";
        let of = json!({ "of": [{ "__typename": "Post", "id": id }, { "__typename": "User", "id": ann_id }] });
        let readers = [&Viewer::Anonymous, &friend, &user().0, &ann];
        let answers = futures::future::join_all(readers.map(|reader| world.ask(reader, query, of.clone()))).await;
        let sees = answers.iter().map(|data| {
            let of_user = &data["_entities"][1]["posts"];
            (data["_entities"][0] != Value::Null, of_user["totalCount"] == 1, texts(&of_user["nodes"]).len() == 1)
        });
        let (yes, no) = ((true, true, true), (false, false, false));
        assert_eq!(sees.collect::<Vec<_>>(), [no, yes, no, yes]);
    })
    .await;
}

#[tokio::test]
async fn the_viewer_is_ones_own() {
    everywhere(async |world| {
        let ((ann, ann_id), (bob, _)) = (user(), user());
        world.make(&ann, json!({ "body": "x", "isDraft": true })).await;
        let query = "query ($of: [_Any!]!) { _entities(representations: $of) {
            ... on Viewer { id drafts { totalCount } feed { totalCount nodes { id } } } } }";
        let of = json!({ "of": [{ "__typename": "Viewer", "id": ann_id }] });
        let data = world.ask(&ann, query, of.clone()).await;
        let expected =
            json!({ "id": ann_id, "drafts": { "totalCount": 1 }, "feed": { "totalCount": null, "nodes": [] } });
        assert_eq!(data["_entities"][0], expected);
        for other in [&bob, &Viewer::Anonymous] {
            assert_eq!(world.ask(other, query, of.clone()).await["_entities"][0], Value::Null);
        }
        assert_eq!(ids::encode(USER_PREFIX, ann.user_id().unwrap()).as_str(), ann_id);
    })
    .await;
}
