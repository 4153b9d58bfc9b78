use crate::world::{VIEWER, everywhere, user};
use hansa_kit::Viewer;
use serde_json::{Value, json};

#[tokio::test]
async fn entities_are_null_to_everybody_else() {
    everywhere(async |world| {
        let (ann, bob) = (user(), user());
        let id = world.welcome(&ann, "en", 1).await.remove(0);
        let of = json!([{ "__typename": "Viewer", "id": ann.id }, { "__typename": "Notification", "id": id }]);
        let query = "query ($of: [_Any!]!) { _entities(representations: $of) {
            ... on Viewer { unreadNotificationCount } ... on Notification { title }
        } }";
        let data = world.ask(&ann.viewer, query, json!({ "of": of })).await;
        assert_eq!(data["_entities"], json!([{ "unreadNotificationCount": 1 }, { "title": "Welcome, Ann!" }]));
        for other in [&bob.viewer, &Viewer::Anonymous] {
            let data = world.ask(other, query, json!({ "of": of })).await;
            assert_eq!(data["_entities"], json!([null, null]));
        }
        // The id of something else with the same key is no viewer.
        let of = json!([{ "__typename": "Viewer", "id": ann.id.replace("user_", "viewer_") }]);
        assert_eq!(world.ask(&ann.viewer, VIEWER, json!({ "of": of })).await["_entities"], json!([null]));
    })
    .await;
}

#[tokio::test]
async fn many_entities_are_read_by_one_statement() {
    everywhere(async |world| {
        let ann = user();
        let ids = world.welcome(&ann, "en", 20).await;
        let mut of: Vec<_> = ids.iter().map(|id| json!({ "__typename": "Notification", "id": id })).collect();
        of.push(json!({ "__typename": "Notification", "id": "nonsense" }));
        let query = "query ($of: [_Any!]!) { _entities(representations: $of) { ... on Notification { id } } }";
        let (data, statements) = world.count(world.ask(&ann.viewer, query, json!({ "of": of }))).await;
        assert_eq!(statements, 1);
        assert_eq!(data["_entities"][19], json!({ "id": ids[19] }));
        assert_eq!(data["_entities"][20], Value::Null);
    })
    .await;
}

#[test]
fn the_sdl_is_as_agreed() {
    let sdl = on_one_line(&hansa_notifications::sdl());
    for part in [
        "type Notification implements Node @key(fields: \"id\") { id: ID! kind: NotificationKind! title: String! \
         body: Markdown actor: User subject: NotificationSubject count: Int! createdAt: DateTime! readAt: DateTime }",
        "type Viewer @key(fields: \"id\") { id: ID! notifications( filter: NotificationFilter, first: Int = 20, \
         after: String ): NotificationConnection unreadNotificationCount: Int }",
        "type User @key(fields: \"id\", resolvable: false) { id: ID! }",
        "union NotificationSubject = User | Friendship",
        "type Friendship @key(fields: \"id\", resolvable: false) { id: ID! }",
        "notificationsMarkAllRead( before: DateTime, kind: [NotificationKind!] ): NotificationsMarkAllReadPayload",
        "notificationEvents( after: String ): NotificationEvent!",
        "union NotificationEvent = NotificationReceived | NotificationChanged | StreamGap",
        "type NotificationReceived implements StreamEvent { cursor: String! occurredAt: DateTime! \
         notification: Notification unreadCount: Int! }",
        "type StreamGap implements StreamEvent @shareable { cursor: String! occurredAt: DateTime! \
         reason: StreamGapReason! missedCount: Int }",
        "interface StreamEvent { cursor: String! occurredAt: DateTime! }",
    ] {
        assert!(sdl.contains(part), "{part} is not in {sdl}");
    }
}

/// The SDL without descriptions and with single spaces.
fn on_one_line(sdl: &str) -> String {
    let code: String = sdl.split("\"\"\"").step_by(2).collect();
    code.split_whitespace().collect::<Vec<_>>().join(" ")
}
