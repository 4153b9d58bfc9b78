use crate::{
    chat::{DELETE, SEND, UPDATE, text},
    running::{Events, World, code, everywhere},
    world::Person,
};
use chrono::Duration;
use futures::future::join_all;
use hansa_kit::{Viewer, streams};
use serde_json::{Value, json};

/// Statements that a subscription without `after` sends before it waits: it is seen (2), its start, the head, the rows.
pub const UNTIL_WAITING: usize = 5;
/// One of a conversation looks first whether it may.
pub const UNTIL_WAITING_IN_ONE: usize = UNTIL_WAITING + 1;

const EVENTS: &str = "subscription ($in: ID, $after: String) { conversationEvents(conversationId: $in, after: $after) {
    __typename
    ... on MessageSent { cursor occurredAt message { id body sender { id } conversation { id unreadCount } } }
    ... on MessageChanged { cursor message { id body } }
    ... on ConversationRead { cursor reader { id } upToMessageId conversation { id unreadCount } }
    ... on StreamGap { cursor reason missedCount }
} }";

impl World {
    fn events(&self, user: &Person, conversation: Option<&str>, after: Option<&str>) -> Events {
        self.watch(&user.viewer, EVENTS, json!({ "in": conversation, "after": after }))
    }
}

#[tokio::test]
async fn participants_hear_what_happens_in_order() {
    everywhere(async |world| {
        let [ann, bob, eve] = world.users().await;
        let (mut ours, mut own, mut others) =
            (world.events(&bob, None, None), world.events(&ann, None, None), world.events(&eve, None, None));
        let waiting = world.statements(3 * UNTIL_WAITING);
        let scenario = async {
            waiting.await;
            let message = world.write(&ann, &bob, "Helo").await;
            let id = text(&message["conversation"]["id"]);
            world.change(&ann, UPDATE, json!({ "id": message["id"], "body": "Hello" })).await;
            world.mark_read(&bob, &id, &message["id"]).await;
            world.mark_read(&bob, &id, &message["id"]).await; // changes nothing and is not told
            world.change(&ann, DELETE, json!({ "id": message["id"] })).await;
            world.write(&bob, &eve, "Psst").await;
            (text(&message["id"]), id)
        };
        let (sent, first, (id, conversation), psst) = tokio::join!(ours.next(), own.next(), scenario, others.next());
        for event in [&sent, &first] {
            assert_eq!((&event["__typename"], &event["message"]["id"]), (&json!("MessageSent"), &json!(id)));
        }
        assert_eq!(psst["message"]["body"], "Psst");
        for events in [&mut ours, &mut own] {
            let event = events.next().await;
            assert_eq!((&event["__typename"], &event["message"]["id"]), (&json!("MessageChanged"), &json!(id)));
            let event = events.next().await;
            assert_eq!((&event["__typename"], &event["reader"]["id"]), (&json!("ConversationRead"), &json!(bob.id)));
            assert_eq!((&event["upToMessageId"], &event["conversation"]["id"]), (&json!(id), &json!(conversation)));
            let event = events.next().await;
            assert_eq!(event["message"], json!({ "id": id, "body": null }));
        }
        assert_eq!(ours.next().await["message"]["body"], "Psst");
    })
    .await;
}

/// Everything in a conversation is told to each participant in the order of its messages, none missing, none twice.
#[tokio::test]
async fn the_stream_has_the_order_of_the_messages() {
    everywhere(async |world| {
        let users = world.users::<3>().await;
        let group = world.group(&users[0], &[&users[1], &users[2]]).await;
        let other = world.group(&users[2], &[&users[1], &users[0]]).await;
        // Behind what told of the two groups.
        let mut streams: Vec<_> = users.iter().map(|user| world.events(user, Some(&group), Some("Mg"))).collect();
        let writing = users.iter().enumerate().map(async |(number, user)| {
            for step in 0..15 {
                for group in [&group, &other] {
                    let input = json!({ "input": { "conversationId": group, "body": format!("{number} {step}") } });
                    assert_eq!(world.change(user, SEND, input).await["userErrors"], json!([]));
                }
            }
        });
        let reading = streams.iter_mut().map(async |events| {
            let mut heard = Vec::new();
            for _ in 0..45 {
                heard.push(text(&events.next().await["message"]["id"]));
            }
            heard
        });
        let (_, heard) = tokio::join!(join_all(writing), join_all(reading));
        let fields = "messages(first: 100) { nodes { id } }";
        let kept = world.conversation(&users[0], &group, fields).await;
        let kept: Vec<_> = kept["messages"]["nodes"].as_array().unwrap().iter().map(|one| text(&one["id"])).collect();
        for heard in heard {
            assert_eq!(heard, kept);
        }
    })
    .await;
}

#[tokio::test]
async fn a_cursor_is_good_for_one_conversation_and_for_all() {
    everywhere(async |world| {
        let [ann, bob, eve] = world.users().await;
        let message = world.write(&ann, &bob, "1").await;
        let id = text(&message["conversation"]["id"]);
        let mut one = world.events(&bob, Some(&id), None);
        let waiting = world.statements(UNTIL_WAITING_IN_ONE);
        let (event, _) = tokio::join!(one.next(), async {
            waiting.await;
            world.write(&eve, &bob, "elsewhere").await;
            world.write(&ann, &bob, "2").await;
        });
        assert_eq!(event["message"]["body"], "2");
        world.write(&eve, &bob, "elsewhere").await;
        world.write(&ann, &bob, "3").await;
        let cursor = event["cursor"].as_str();
        assert_eq!(world.events(&bob, Some(&id), cursor).next().await["message"]["body"], "3");
        let mut all = world.events(&bob, None, cursor);
        assert_eq!(all.next().await["message"]["body"], "elsewhere");
        assert_eq!(all.next().await["message"]["body"], "3");

        world.deps.clock.advance(streams::RETENTION + Duration::seconds(1));
        world.write(&ann, &bob, "4").await;
        streams::prune(&world.database, world.deps.clock.now()).await.unwrap();
        let mut late = world.events(&bob, Some(&id), cursor);
        let gap = late.next().await;
        assert_eq!((&gap["__typename"], &gap["missedCount"]), (&json!("StreamGap"), &json!(2)));
        assert_eq!(late.next().await["message"]["body"], "4");
    })
    .await;
}

#[tokio::test]
async fn what_a_block_hides_is_not_told() {
    everywhere(async |world| {
        let [ann, bob, eve] = world.users().await;
        let before = world.write(&eve, &bob, "from now on").await;
        let mut events = world.events(&bob, None, Some("MA"));
        assert_eq!(events.next().await["message"]["id"], before["id"]);
        world.write(&ann, &bob, "hidden").await;
        world.block(&bob, &ann).await;
        world.write(&eve, &bob, "told").await;
        let mut resumed = world.events(&bob, None, Some("MQ"));
        assert_eq!(resumed.next().await["message"]["body"], "told");
    })
    .await;
}

#[tokio::test]
async fn strangers_hear_nothing() {
    everywhere(async |world| {
        let [ann, bob, eve] = world.users().await;
        let id = text(&world.write(&ann, &bob, "1").await["conversation"]["id"]);
        let refused = async |viewer: &Viewer, subscription: &str, variables: Value| {
            code(&world.watch(viewer, subscription, variables).response().await)
        };
        assert_eq!(refused(&Viewer::Anonymous, EVENTS, json!({})).await, "UNAUTHENTICATED");
        assert_eq!(refused(&eve.viewer, EVENTS, json!({ "in": id })).await, "FORBIDDEN");
        assert_eq!(refused(&eve.viewer, EVENTS, json!({ "in": "nonsense" })).await, "FORBIDDEN");
        assert_eq!(refused(&eve.viewer, EVENTS, json!({ "after": "?" })).await, "BAD_USER_INPUT");
        assert_eq!(refused(&eve.viewer, TYPING, json!({ "in": id })).await, "FORBIDDEN");
        world.block(&bob, &ann).await;
        for subscription in [EVENTS, TYPING] {
            assert_eq!(refused(&ann.viewer, subscription, json!({ "in": id })).await, "FORBIDDEN");
        }
        let mut gone = world.events(&bob, None, Some("MQ"));
        world.delete(&bob).await;
        assert_eq!(gone.next().await["reason"], "SOURCE_RESET");
    })
    .await;
}

pub const TYPING: &str =
    "subscription ($in: ID!) { typingEvents(conversationId: $in) { user { id } isTyping expiresAt } }";
pub const SET: &str = "mutation ($id: ID!, $is: Boolean!) { conversationTypingSet(id: $id, isTyping: $is) {
    isAccepted userErrors { code } } }";

#[tokio::test]
async fn typing_is_told_to_the_others() {
    everywhere(async |world| {
        let [ann, bob, eve] = world.users().await;
        let id = text(&world.write(&ann, &bob, "1").await["conversation"]["id"]);
        let set = async |user, is_typing: bool| world.change(user, SET, json!({ "id": id, "is": is_typing })).await;
        let mut events = world.watch(&bob.viewer, TYPING, json!({ "in": id }));
        let listening = world.statements(3); // it listens before it is seen
        let (first, _) = tokio::join!(events.next(), async {
            listening.await;
            set(&bob, true).await; // one's own is not told
            assert_eq!(set(&ann, true).await["isAccepted"], true);
        });
        let at = "2026-03-01T12:00:07+00:00";
        assert_eq!(first, json!({ "user": { "id": ann.id }, "isTyping": true, "expiresAt": at }));
        set(&ann, false).await;
        assert_eq!(events.next().await["isTyping"], false);
        assert_eq!(set(&eve, true).await["userErrors"][0]["code"], "NOT_FOUND");

        let mut many = Vec::new();
        for _ in 0..20 {
            many.push(world.user().await);
        }
        let crowd = world.group(&ann, &many.iter().collect::<Vec<_>>()).await;
        let payload = world.change(&ann, SET, json!({ "id": crowd, "is": true })).await;
        assert_eq!(payload, json!({ "isAccepted": false, "userErrors": [] }));

        world.block(&ann, &bob).await;
        assert_eq!(set(&ann, true).await["userErrors"][0]["code"], "BLOCKED");
    })
    .await;
}
