use crate::{
    running::{World, code, everywhere},
    world::Person,
};
use chrono::Duration;
use hansa_kit::Viewer;
use serde_json::{Value, json};

const LISTEN: &str = "subscription { conversationEvents { __typename } }";
const CHANGES: &str = "subscription ($of: [ID!]!) { presenceEvents(userIds: $of) {
    user { id } presence { isOnline lastSeenAt } } }";

impl World {
    /// What `viewer` knows of the presence of `user`.
    async fn presence(&self, viewer: &Viewer, user: &Person) -> Value {
        let query = "query ($of: [_Any!]!) { _entities(representations: $of) {
            ... on User { presence { isOnline lastSeenAt } } } }";
        let of = json!([{ "__typename": "User", "id": user.id }]);
        self.ask(viewer, query, json!({ "of": of })).await["_entities"][0]["presence"].take()
    }
}

#[tokio::test]
async fn whoever_listens_is_online_until_they_are_missed() {
    everywhere(async |world| {
        let [ann, bob] = world.users().await;
        world.write(&ann, &bob, "1").await;
        world.write(&bob, &ann, "2").await;
        let never = json!({ "isOnline": false, "lastSeenAt": null });
        assert_eq!(world.presence(&bob.viewer, &ann).await, never);

        let mut changes = world.watch(&bob.viewer, CHANGES, json!({ "of": [ann.id] }));
        assert_eq!(changes.next().await, json!({ "user": { "id": ann.id }, "presence": never }));
        let mut listening = [world.watch(&ann.viewer, LISTEN, json!({})), world.watch(&ann.viewer, LISTEN, json!({}))];
        let online = json!({ "isOnline": true, "lastSeenAt": "2026-03-01T12:00:02+00:00" });
        let [one, other] = &mut listening;
        let event = tokio::select! {
            event = changes.next() => event,
            _ = async { tokio::join!(one.next(), other.next()) } => unreachable!("nothing happens there"),
        };
        assert_eq!(event["presence"], online);
        assert_eq!(world.presence(&bob.viewer, &ann).await, online);

        // As long as one of her devices listens, each beat sees her.
        let [one, other] = listening;
        drop(one);
        world.deps.clock.advance(Duration::seconds(39));
        hansa_social::beat(&world.service).await.unwrap();
        world.deps.clock.advance(Duration::seconds(39));
        assert_eq!(world.presence(&bob.viewer, &ann).await["isOnline"], true);
        drop(other);
        world.deps.clock.advance(Duration::seconds(2));
        assert_eq!(world.presence(&bob.viewer, &ann).await["isOnline"], false);
        hansa_social::beat(&world.service).await.unwrap();
        let event = changes.next().await;
        let seen = json!({ "isOnline": false, "lastSeenAt": "2026-03-01T12:00:41+00:00" });
        assert_eq!(event["presence"], seen);
    })
    .await;
}

#[tokio::test]
async fn presence_is_for_friends_and_for_whom_one_has_answered() {
    everywhere(async |world| {
        let [ann, bob, eve] = world.users().await;
        assert_ne!(world.presence(&ann.viewer, &ann).await, Value::Null);
        for viewer in [&bob.viewer, &Viewer::Anonymous] {
            assert_eq!(world.presence(viewer, &ann).await, Value::Null);
        }
        world.group(&bob, &[&ann]).await;
        world.write(&bob, &ann, "Are you there?").await;
        assert_eq!(world.presence(&bob.viewer, &ann).await, Value::Null);
        assert_ne!(world.presence(&ann.viewer, &bob).await, Value::Null);
        world.write(&ann, &bob, "Yes").await;
        assert_ne!(world.presence(&bob.viewer, &ann).await, Value::Null);
        assert_eq!(world.presence(&eve.viewer, &ann).await, Value::Null);
        world.block(&ann, &bob).await;
        assert_eq!(world.presence(&bob.viewer, &ann).await, Value::Null);
        assert_eq!(world.presence(&ann.viewer, &bob).await, Value::Null);

        let many: Vec<_> = (0..101).map(|_| crate::world::stranger().id).collect();
        for of in [json!([]), json!(many)] {
            let response = world.watch(&ann.viewer, CHANGES, json!({ "of": of })).response().await;
            assert_eq!(code(&response), "BAD_USER_INPUT");
        }
        let response = world.watch(&Viewer::Anonymous, CHANGES, json!({ "of": [ann.id] })).response().await;
        assert_eq!(code(&response), "UNAUTHENTICATED");
    })
    .await;
}

#[tokio::test]
async fn the_presence_of_many_takes_the_same_statements() {
    everywhere(async |world| {
        let ann = world.user().await;
        let mut of = Vec::new();
        for _ in 0..30 {
            let user = world.user().await;
            world.write(&user, &ann, "Hello").await;
            of.push(json!({ "__typename": "User", "id": user.id }));
        }
        let query =
            "query ($of: [_Any!]!) { _entities(representations: $of) { ... on User { presence { isOnline } } } }";
        let ask = async |of: &[Value]| world.count(world.ask(&ann.viewer, query, json!({ "of": of }))).await;
        let (_, for_one) = ask(&of[..1]).await;
        let (seen, for_all) = ask(&of).await;
        assert_eq!((for_one, for_all), (3, 3));
        assert!(seen["_entities"].as_array().unwrap().iter().all(|user| user["presence"]["isOnline"] == false));
    })
    .await;
}
