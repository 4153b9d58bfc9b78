use crate::world::{code, everywhere, ids_of, record, user, within};
use async_graphql::connection::{CursorType, OpaqueCursor};
use chrono::Duration;
use hansa_kit::{Viewer, bus::Record, consumer::dead_letters, ids};
use hansa_schema::users::{self, UserDeleted};
use serde_json::{Value, json};

const UPDATE: &str = "mutation ($id: ID!, $input: NotificationUpdateInput!) {
    notificationUpdate(id: $id, input: $input) {
        notification { id readAt } viewer { unreadNotificationCount } userErrors { code field }
    }
}";
const DELETE: &str = "mutation ($id: ID!) {
    notificationDelete(id: $id) { deletedNotificationId viewer { unreadNotificationCount } userErrors { code field } }
}";
const MARK_ALL: &str = "mutation ($before: DateTime, $kind: [NotificationKind!]) {
    notificationsMarkAllRead(before: $before, kind: $kind) {
        updatedCount viewer { unreadNotificationCount } userErrors { code field }
    }
}";

#[tokio::test]
async fn a_new_user_is_welcomed_in_their_language() {
    everywhere(async |world| {
        let (ann, anya) = (user(), user());
        world.welcome(&ann, "en-GB", 1).await;
        world.welcome(&anya, "ru", 1).await;
        let inbox = world.inbox(&ann, Value::Null).await;
        assert_eq!((&inbox["id"], &inbox["unreadNotificationCount"]), (&json!(ann.id), &json!(1)));
        let welcome = &inbox["notifications"]["nodes"][0];
        assert_eq!(welcome["kind"], "WELCOME");
        assert_eq!(welcome["title"], "Welcome, Ann!");
        assert!(welcome["body"].as_str().unwrap().contains("**first post**"));
        assert_eq!((&welcome["count"], &welcome["actor"], &welcome["readAt"]), (&json!(1), &json!(null), &json!(null)));
        assert_eq!(welcome["createdAt"], "2026-03-01T12:00:00+00:00");
        let inbox = world.inbox(&anya, Value::Null).await;
        assert_eq!(inbox["notifications"]["nodes"][0]["title"], "Добро пожаловать, Ann!");
    })
    .await;
}

#[tokio::test]
async fn an_event_that_comes_twice_has_one_effect_and_nonsense_none() {
    everywhere(async |world| {
        let ann = user();
        let deleted = record(UserDeleted { user_id: ann.key });
        let nonsense = Record { key: "?".into(), payload: b"nonsense".to_vec() };
        let mut dead = world.deps.bus.consumer("test", &[&*dead_letters(users::TOPIC)]).await.unwrap();
        world.deps.bus.publish(users::TOPIC, vec![nonsense, deleted.clone(), deleted]).await.unwrap();
        assert_eq!(world.welcome(&ann, "en", 2).await.len(), 2);
        let letter = within(dead.next()).await.unwrap();
        let letter: Value = serde_json::from_slice(&letter.payload).unwrap();
        assert_eq!((&letter["group"], &letter["payload"]), (&json!("notifications"), &json!("nonsense")));
    })
    .await;
}

#[tokio::test]
async fn what_is_read_can_be_unread_again() {
    everywhere(async |world| {
        let ann = user();
        let id = world.welcome(&ann, "en", 2).await.remove(0);
        let update = async |is_read: Value| {
            let variables = json!({ "id": id, "input": { "isRead": is_read } });
            let result = world.ask(&ann.viewer, UPDATE, variables).await["notificationUpdate"].take();
            assert_eq!(result["userErrors"], json!([]));
            (result["notification"]["readAt"].clone(), result["viewer"]["unreadNotificationCount"].clone())
        };
        let read = (json!("2026-03-01T12:00:00+00:00"), json!(1));
        assert_eq!(update(json!(true)).await, read);
        world.deps.clock.advance(Duration::seconds(1));
        assert_eq!(update(json!(true)).await, read);
        assert_eq!(update(Value::Null).await, read);
        assert_eq!(update(json!(false)).await, (Value::Null, json!(2)));
    })
    .await;
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    everywhere(async |world| {
        let ann = user();
        world.welcome(&ann, "en", 2).await;
        world.deps.clock.advance(Duration::seconds(1));
        let all = world.welcome(&ann, "en", 2).await;
        world.ask(&ann.viewer, UPDATE, json!({ "id": all[0], "input": { "isRead": true } })).await;

        let list = async |filter: Value| {
            let mut inbox = world.inbox(&ann, filter).await["notifications"].take();
            let ids = ids_of(&inbox["nodes"]);
            assert_eq!(inbox["totalCount"].take(), json!(ids.len()));
            ids
        };
        assert_eq!(list(json!({ "isRead": true })).await, all[..1]);
        assert_eq!(list(json!({ "isRead": false })).await, all[1..]);
        assert_eq!(list(json!({ "kind": ["WELCOME"] })).await, all);
        assert_eq!(list(json!({ "kind": [] })).await, [""; 0]);
        assert_eq!(list(json!({ "createdAt": { "from": "2026-03-01T12:00:01Z" } })).await, all[..2]);
        assert_eq!(list(json!({ "createdAt": { "to": "2026-03-01T12:00:01Z" } })).await, all[2..]);

        let query = "query ($of: [_Any!]!, $after: String) { _entities(representations: $of) { ... on Viewer {
            notifications(first: 3, after: $after) { nodes { id } pageInfo { endCursor hasNextPage } }
        } } }";
        let of = json!([{ "__typename": "Viewer", "id": ann.id }]);
        let (first, statements) = world.count(world.ask(&ann.viewer, query, json!({ "of": of }))).await;
        let first = &first["_entities"][0]["notifications"];
        assert_eq!((ids_of(&first["nodes"]), statements), (all[..3].to_vec(), 1));
        assert_eq!(first["pageInfo"]["hasNextPage"], true);
        let after = &first["pageInfo"]["endCursor"];
        let rest = world.ask(&ann.viewer, query, json!({ "of": of, "after": after })).await;
        let rest = &rest["_entities"][0]["notifications"];
        assert_eq!(ids_of(&rest["nodes"]), all[3..]);
        assert_eq!(rest["pageInfo"]["hasNextPage"], false);
    })
    .await;
}

#[tokio::test]
async fn all_are_marked_read_at_once() {
    everywhere(async |world| {
        let (ann, bob) = (user(), user());
        world.welcome(&bob, "en", 1).await;
        world.welcome(&ann, "en", 2).await;
        world.deps.clock.advance(Duration::seconds(1));
        world.welcome(&ann, "en", 1).await;
        let mark = async |variables: Value| {
            let result = world.ask(&ann.viewer, MARK_ALL, variables).await["notificationsMarkAllRead"].take();
            assert_eq!(result["userErrors"], json!([]));
            (result["updatedCount"].clone(), result["viewer"]["unreadNotificationCount"].clone())
        };
        assert_eq!(mark(json!({ "kind": [] })).await, (json!(0), json!(3)));
        assert_eq!(mark(json!({ "before": "2026-03-01T12:00:01Z" })).await, (json!(2), json!(1)));
        assert_eq!(mark(json!({ "kind": ["WELCOME"] })).await, (json!(1), json!(0)));
        assert_eq!(mark(json!({})).await, (json!(0), json!(0)));
        assert_eq!(world.inbox(&bob, Value::Null).await["unreadNotificationCount"], 1);
    })
    .await;
}

#[tokio::test]
async fn nobody_reads_or_changes_another_ones() {
    everywhere(async |world| {
        let (ann, bob) = (user(), user());
        let id = world.welcome(&ann, "en", 1).await.remove(0);
        let admin = hansa_kit::testing::viewer(ids::new(), &["admin", "staff"]);
        let missing = ids::encode("notification", ids::new()).to_string();
        let cases = [(&bob.viewer, &id), (&admin, &id), (&ann.viewer, &missing), (&ann.viewer, &ann.id)];
        for (viewer, id) in cases {
            let data =
                world.ask(viewer, "query ($id: ID!) { notification(id: $id) { id } }", json!({ "id": id })).await;
            assert_eq!(data["notification"], Value::Null);
            let refusal = json!([{ "code": "NOT_FOUND", "field": ["id"] }]);
            let data = world.ask(viewer, UPDATE, json!({ "id": id, "input": { "isRead": true } })).await;
            assert_eq!(data["notificationUpdate"]["userErrors"], refusal);
            let data = world.ask(viewer, DELETE, json!({ "id": id })).await;
            assert_eq!(data["notificationDelete"]["userErrors"], refusal);
        }
        let data = world.ask(&ann.viewer, DELETE, json!({ "id": id })).await;
        let deleted =
            json!({ "deletedNotificationId": id, "viewer": { "unreadNotificationCount": 0 }, "userErrors": [] });
        assert_eq!(data["notificationDelete"], deleted);

        let nobody = Viewer::Anonymous;
        let id = json!({ "id": id, "input": {} });
        for query in [UPDATE, DELETE, MARK_ALL, "query ($id: ID!) { notification(id: $id) { id } }"] {
            let response = world.execute(&nobody, query, id.clone()).await;
            assert_eq!(crate::world::code(&response), "UNAUTHENTICATED");
        }
    })
    .await;
}

#[tokio::test]
async fn a_user_who_is_gone_leaves_nothing_behind() {
    everywhere(async |world| {
        let (ann, bob) = (user(), user());
        world.welcome(&ann, "en", 2).await;
        world.welcome(&bob, "en", 1).await;
        let mut news = world.deps.signals.news("notifications", ann.key);
        world.deps.bus.publish(users::TOPIC, vec![record(UserDeleted { user_id: ann.key })]).await.unwrap();
        within(news.wait()).await;
        assert_eq!(world.inbox(&ann, Value::Null).await["notifications"]["totalCount"], 0);
        assert_eq!(world.inbox(&bob, Value::Null).await["notifications"]["totalCount"], 1);
    })
    .await;
}

#[tokio::test]
async fn impossible_times_are_refused() {
    everywhere(async |world| {
        let ann = user();
        let of = json!([{ "__typename": "Viewer", "id": ann.id }]);
        let query = "query ($of: [_Any!]!, $after: String) { _entities(representations: $of) {
            ... on Viewer { notifications(after: $after) { nodes { id } } }
        } }";
        for year in ["-200000", "+200000"] {
            let time = format!("{year}-01-01T00:00:00Z");
            let after = OpaqueCursor((time.clone(), ann.key)).encode_cursor();
            let response = world.execute(&ann.viewer, query, json!({ "of": of, "after": after })).await;
            assert_eq!(code(&response), "BAD_USER_INPUT");
            let response = world.execute(&ann.viewer, MARK_ALL, json!({ "before": time })).await;
            assert_eq!(code(&response), "BAD_USER_INPUT");
        }
    })
    .await;
}
