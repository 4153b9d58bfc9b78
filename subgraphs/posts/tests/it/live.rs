use crate::world::{World, everywhere_running, record, user, within};
use async_graphql::{Request, Response, Variables};
use futures::{Stream, StreamExt};
use hansa_kit::{Deps, Viewer, testing};
use hansa_schema::{
    social::{self, BlockCreated, FollowCreated, FollowDeleted, FriendshipAccepted, FriendshipEnded},
    users::{self, UserDeleted},
};
use serde_json::{Value, json};
use std::pin::Pin;
use uuid::Uuid;

struct Events(Pin<Box<dyn Stream<Item = Response> + Send>>);

impl Events {
    /// Listens, from when this returns at the latest.
    async fn of(world: &World, viewer: &Viewer, after: Option<&str>) -> Self {
        let query = "subscription ($after: String) { feedEvents(after: $after) {
            __typename
            ... on StreamEvent { cursor }
            ... on PostPublished { post { body } }
            ... on PostChanged { post { body } deletedPostId }
            ... on StreamGap { reason }
        } }";
        let request = Request::new(query).variables(Variables::from_json(json!({ "after": after })));
        let mut stream = Box::pin(world.schema.execute_stream(request.data(viewer.clone())));
        // Without a cursor it is polled until it waits: then it has its place.
        let statements = world.statements();
        while after.is_none() && world.statements() < statements + 4 {
            assert!(futures::poll!(stream.next()).is_pending());
            tokio::task::yield_now().await;
        }
        Self(stream)
    }

    async fn next(&mut self) -> Value {
        let response = within(self.0.next()).await.unwrap();
        assert_eq!(response.errors, []);
        response.data.into_json().unwrap()["feedEvents"].take()
    }
}

/// Publishes social events and waits until they have taken effect: until the reader's feed has these bodies.
async fn until_feed(world: &World, reader: &Viewer, bodies: &[&str]) {
    within(async {
        while crate::world::texts(&world.own(reader, "feed { nodes { body } }").await["feed"]["nodes"]) != bodies {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn tell<E: hansa_schema::Event>(deps: &Deps, event: E) {
    deps.bus.publish(E::TOPIC, vec![record(event)]).await.unwrap();
}

#[tokio::test]
async fn follows_friendships_and_blocks_take_effect_by_events() {
    everywhere_running(async |world, deps| {
        let ((ann, _), (bob, _)) = (user(), user());
        let (ann_key, bob_key) = (ann.user_id().unwrap(), bob.user_id().unwrap());
        for visibility in ["PUBLIC", "FOLLOWERS", "FRIENDS", "PRIVATE"] {
            world.make(&ann, json!({ "body": visibility, "visibility": visibility })).await;
        }
        let friendship_id = Uuid::now_v7();
        let (followed, befriended) = (&["FOLLOWERS", "PUBLIC"][..], &["FRIENDS", "FOLLOWERS", "PUBLIC"][..]);
        let follow = record(FollowCreated { follower_id: bob_key, followee_id: ann_key });
        deps.bus.publish(social::TOPIC, vec![follow.clone(), follow]).await.unwrap();
        until_feed(world, &bob, followed).await;
        tell(deps, FriendshipAccepted { friendship_id, requester_id: ann_key, addressee_id: bob_key }).await;
        until_feed(world, &bob, befriended).await;
        tell(deps, FollowDeleted { follower_id: bob_key, followee_id: ann_key }).await;
        tell(deps, FriendshipEnded { friendship_id, requester_id: ann_key, addressee_id: bob_key }).await;
        until_feed(world, &bob, &[]).await;
        tell(deps, FriendshipAccepted { friendship_id, requester_id: bob_key, addressee_id: ann_key }).await;
        until_feed(world, &bob, befriended).await;
        tell(deps, BlockCreated { blocker_id: bob_key, blocked_id: ann_key }).await;
        until_feed(world, &bob, &[]).await;
        tell(deps, social::BlockDeleted { blocker_id: bob_key, blocked_id: ann_key }).await;
        until_feed(world, &bob, befriended).await;

        // Whoever is gone is not brought back by an event that comes late.
        let (eve, _) = user();
        let eve_key = eve.user_id().unwrap();
        tell(deps, UserDeleted { user_id: eve_key }).await;
        tell(deps, UserDeleted { user_id: ann_key }).await;
        until_feed(world, &bob, &[]).await;
        tell(deps, FollowCreated { follower_id: eve_key, followee_id: bob_key }).await;
        tell(deps, FriendshipAccepted { friendship_id, requester_id: eve_key, addressee_id: bob_key }).await;
        let (zoe, _) = user();
        world.post(&zoe, "a mark").await;
        tell(deps, FollowCreated { follower_id: bob_key, followee_id: zoe.user_id().unwrap() }).await;
        until_feed(world, &bob, &["a mark"]).await;
        for table in ["follow", "friend", "block"] {
            let rows = world.one(&format!("SELECT count(*) AS count FROM {table}")).await.unwrap();
            let expected = if table == "follow" { 1 } else { 0 };
            assert_eq!(rows.try_get::<i64>("", "count").unwrap(), expected, "{table}");
        }
        assert_eq!(users::TOPIC, "hansa.users");
    })
    .await;
}

#[tokio::test]
async fn followers_hear_of_posts_as_they_happen_and_of_no_others() {
    everywhere_running(async |world, _| {
        let ((ann, _), (bob, _), (friend, _), (stranger, _)) = (user(), user(), user(), user());
        world.relate("follow", &bob, &ann).await;
        world.relate("friend", &ann, &friend).await;
        let mut to_bob = Events::of(world, &bob, None).await;
        let mut to_friend = Events::of(world, &friend, None).await;
        let mut to_stranger = Events::of(world, &stranger, None).await;

        world.make(&ann, json!({ "body": "draft", "isDraft": true })).await;
        world.make(&ann, json!({ "body": "mine", "visibility": "PRIVATE" })).await;
        world.make(&ann, json!({ "body": "to friends", "visibility": "FRIENDS" })).await;
        let id = world.post(&ann, "one").await;
        let event = to_friend.next().await;
        assert_eq!((&event["__typename"], &event["post"]["body"]), (&json!("PostPublished"), &json!("to friends")));
        let resume = event["cursor"].as_str().unwrap().to_owned();
        let first = to_bob.next().await;
        assert_eq!((&first["__typename"], &first["post"]["body"]), (&json!("PostPublished"), &json!("one")));

        world.update(&ann, &id, json!({ "body": "two" })).await;
        let event = to_bob.next().await;
        assert_eq!((&event["__typename"], &event["post"]["body"]), (&json!("PostChanged"), &json!("two")));
        world.update(&ann, &id, json!({ "visibility": "FRIENDS" })).await;
        let event = to_bob.next().await;
        assert_eq!((&event["post"], &event["deletedPostId"]), (&Value::Null, &json!(id)));
        world.update(&ann, &id, json!({ "visibility": "PUBLIC" })).await;
        assert_eq!(to_bob.next().await["post"]["body"], "two");
        world.hide(&id).await;
        assert_eq!(to_bob.next().await["deletedPostId"], json!(id));
        let moderator = testing::viewer(Uuid::now_v7(), &["admin"]);
        world.ask(&moderator, "mutation ($id: ID!) { postUnhide(id: $id) { post { id } } }", json!({ "id": id })).await;
        assert_eq!(to_bob.next().await["post"]["body"], "two");
        world.ask(&ann, "mutation ($id: ID!) { postDelete(id: $id) { deletedPostId } }", json!({ "id": id })).await;
        let last = to_bob.next().await;
        assert_eq!(last["deletedPostId"], json!(id));

        // On another replica, say: nothing is missed or repeated. The post that is gone is not told as published.
        drop(to_friend);
        let mut resumed = Events::of(world, &friend, Some(&resume)).await;
        for _ in 0..6 {
            let event = resumed.next().await;
            assert_eq!((&event["__typename"], &event["deletedPostId"]), (&json!("PostChanged"), &json!(id)));
        }
        world.relate("follow", &stranger, &ann).await;
        world.post(&ann, "to all").await;
        for events in [&mut to_bob, &mut resumed, &mut to_stranger] {
            let event = events.next().await;
            assert_eq!((&event["__typename"], &event["post"]["body"]), (&json!("PostPublished"), &json!("to all")));
        }
        let left = world.one("SELECT count(*) AS count FROM announcement").await.unwrap();
        assert_eq!(left.try_get::<i64>("", "count").unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn an_announcement_reaches_all_of_many_followers_once() {
    everywhere_running(async |world, deps| {
        let (ann, _) = user();
        let followers: Vec<Viewer> = std::iter::repeat_with(|| user().0).take(1_200).collect();
        for follower in &followers {
            world.relate("follow", follower, &ann).await;
            hansa_kit::streams::open(&world.database, "feed", follower.user_id().unwrap()).await.unwrap();
        }
        // Two replicas at it.
        let second = hansa_posts::role(world.database.clone(), deps);
        let tasks: Vec<_> = second.tasks.into_iter().map(|task| tokio::spawn(task.work)).collect();
        for n in 0..3 {
            world.post(&ann, &n.to_string()).await;
        }
        let count = async |query: &str| world.one(query).await.unwrap().try_get::<i64>("", "count").unwrap();
        within(async {
            while count("SELECT count(*) AS count FROM announcement").await > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert_eq!(count("SELECT count(*) AS count FROM stream_event").await, 3 * 1_200);
        assert_eq!(count("SELECT count(*) AS count FROM stream_head WHERE sequence = 3").await, 1_200);
        deps.shutdown.cancel();
        for task in tasks {
            within(task).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn only_the_signed_in_have_a_stream() {
    everywhere_running(async |world, _| {
        let query = "subscription { feedEvents { __typename } }";
        let mut stream = Box::pin(world.schema.execute_stream(Request::new(query)));
        let errors = within(stream.next()).await.unwrap().errors;
        let code = errors[0].extensions.as_ref().and_then(|extensions| extensions.get("code")).cloned();
        assert_eq!(code.unwrap().into_json().unwrap(), "UNAUTHENTICATED");
    })
    .await;
}
