use crate::world::{code, everywhere, record, user, within};
use chrono::Duration;
use hansa_kit::{Viewer, streams};
use hansa_schema::users::{self, UserDeleted};
use serde_json::{Value, json};

/// Statements that a subscription without `after` sends before it waits: its start, the head, the rows.
const UNTIL_WAITING: usize = 3;

#[tokio::test]
async fn a_subscriber_hears_what_happens_from_now_on() {
    everywhere(async |world| {
        let (ann, bob) = (user(), user());
        world.welcome(&ann, "en", 1).await;
        let mut events = world.watch(&ann.viewer, None);
        let waiting = world.statements(UNTIL_WAITING);
        let scenario = async {
            waiting.await;
            world.welcome(&bob, "en", 1).await;
            world.welcome(&ann, "en", 1).await
        };
        let (event, ids) = tokio::join!(events.next(), scenario);
        assert_eq!(event["__typename"], "NotificationReceived");
        assert_eq!(event["notification"]["id"], ids[0]);
        assert_eq!(event["unreadCount"], 2);
        assert_eq!(event["occurredAt"], "2026-03-01T12:00:00+00:00");

        let change = |field: &str| format!("mutation ($id: ID!) {{ {field} {{ userErrors {{ code }} }} }}");
        let read = change("notificationUpdate(id: $id, input: { isRead: true })");
        world.ask(&ann.viewer, &read, json!({ "id": ids[1] })).await;
        let event = events.next().await;
        assert_eq!(event["__typename"], "NotificationChanged");
        assert_eq!((&event["notification"]["id"], &event["unreadCount"]), (&json!(ids[1]), &json!(1)));

        world.ask(&ann.viewer, &read, json!({ "id": ids[1] })).await; // changes nothing and is not told
        world.ask(&ann.viewer, &change("notificationDelete(id: $id)"), json!({ "id": ids[1] })).await;
        let event = events.next().await;
        assert_eq!((&event["notification"], &event["deletedNotificationId"]), (&Value::Null, &json!(ids[1])));

        let all = "mutation { notificationsMarkAllRead { updatedCount } }";
        world.ask(&ann.viewer, all, json!({})).await;
        let event = events.next().await;
        assert_eq!((&event["notification"], &event["deletedNotificationId"]), (&Value::Null, &Value::Null));
        assert_eq!(event["unreadCount"], 0);
    })
    .await;
}

#[tokio::test]
async fn nothing_is_missed_while_away() {
    everywhere(async |world| {
        let (ann, bob) = (user(), user());
        let mut events = world.watch(&ann.viewer, None);
        let waiting = world.statements(UNTIL_WAITING);
        let (first, _) = tokio::join!(events.next(), async {
            waiting.await;
            world.welcome(&ann, "en", 1).await;
        });
        drop(events);
        world.welcome(&bob, "en", 3).await;
        let newest = world.welcome(&ann, "en", 150).await.remove(0);
        let mut events = world.watch(&ann.viewer, first["cursor"].as_str());
        let (mut ids, mut last) = (Vec::new(), Value::Null);
        for _ in 0..150 {
            let event = events.next().await;
            ids.push(event["notification"]["id"].as_str().unwrap().to_owned());
            last = event["cursor"].clone();
        }
        assert!(ids.is_sorted_by(|a, b| a < b)); // ids increase in the order they were made in
        assert_eq!(ids[149], newest);

        // Two subscriptions of one user each hear everything, the second from where it likes.
        let mut other = world.watch(&ann.viewer, last.as_str());
        let newest = world.welcome(&ann, "en", 1).await.remove(0);
        for events in [&mut events, &mut other] {
            assert_eq!(events.next().await["notification"]["id"], newest);
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_not_kept_any_more_is_a_gap() {
    everywhere(async |world| {
        let ann = user();
        let mut events = world.watch(&ann.viewer, None);
        let waiting = world.statements(UNTIL_WAITING);
        let (first, _) = tokio::join!(events.next(), async {
            waiting.await;
            world.welcome(&ann, "en", 3).await;
        });
        drop(events);
        world.deps.clock.advance(streams::RETENTION + Duration::seconds(1));
        world.welcome(&ann, "en", 1).await;
        streams::prune(&world.database, world.deps.clock.now()).await.unwrap();

        let mut events = world.watch(&ann.viewer, first["cursor"].as_str());
        let gap = events.next().await;
        assert_eq!((&gap["__typename"], &gap["reason"]), (&json!("StreamGap"), &json!("RETENTION_EXCEEDED")));
        assert_eq!(gap["missedCount"], 2);
        assert_eq!(events.next().await["__typename"], "NotificationReceived");
        let mut resumed = world.watch(&ann.viewer, gap["cursor"].as_str());
        assert_eq!(resumed.next().await["__typename"], "NotificationReceived");
    })
    .await;
}

#[tokio::test]
async fn a_user_who_is_gone_leaves_no_events_behind() {
    everywhere(async |world| {
        let ann = user();
        let mut events = world.watch(&ann.viewer, None);
        let waiting = world.statements(UNTIL_WAITING);
        let (first, _) = tokio::join!(events.next(), async {
            waiting.await;
            world.welcome(&ann, "en", 2).await;
        });
        events.next().await;
        let mut news = world.deps.signals.news("notifications", ann.key);
        let deleted = record(UserDeleted { user_id: ann.key });
        world.deps.bus.publish(users::TOPIC, vec![deleted]).await.unwrap();
        within(news.wait()).await;
        let mut resumed = world.watch(&ann.viewer, first["cursor"].as_str());
        for events in [&mut events, &mut resumed] {
            let event = events.next().await;
            assert_eq!((&event["__typename"], &event["reason"]), (&json!("StreamGap"), &json!("SOURCE_RESET")));
        }
    })
    .await;
}

#[tokio::test]
async fn strangers_and_foreign_cursors_are_refused() {
    everywhere(async |world| {
        let response = world.watch(&Viewer::Anonymous, None).response().await;
        assert_eq!(code(&response), "UNAUTHENTICATED");
        let response = world.watch(&user().viewer, Some("?")).response().await;
        assert_eq!(code(&response), "BAD_USER_INPUT");
    })
    .await;
}
