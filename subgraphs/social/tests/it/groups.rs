use crate::{
    chat::{SEND, bodies, text},
    live::{SET, TYPING, UNTIL_WAITING, UNTIL_WAITING_IN_ONE},
    running::{World, code, everywhere, refusal},
    world::Person,
};
use futures::future::join_all;
use hansa_kit::Viewer;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};

const LEAVE: &str = "mutation ($id: ID!) { conversationLeave(id: $id) {
    conversation { id unreadCount participants { user { id } } } userErrors { code field message } } }";
const MUTE: &str = "mutation ($id: ID!) { conversationMute(id: $id) { userErrors { code field } } }";

impl World {
    async fn leave(&self, user: &Person, group: &str) -> Value {
        let payload = self.change(user, LEAVE, json!({ "id": group })).await;
        assert_eq!(payload["userErrors"], json!([]));
        payload["conversation"].clone()
    }

    async fn say(&self, sender: &Person, group: &str, body: &str) -> Value {
        self.send(sender, json!({ "conversationId": group, "body": body })).await
    }

    /// How many rows there are of conversations, participants and messages.
    async fn rows(&self) -> i64 {
        let sql = "SELECT (SELECT COUNT(*) FROM conversation) + (SELECT COUNT(*) FROM participant) + \
                   (SELECT COUNT(*) FROM message) AS number";
        let statement = Statement::from_string(self.database.get_database_backend(), sql);
        self.database.query_one_raw(statement).await.unwrap().unwrap().try_get("", "number").unwrap()
    }
}

#[tokio::test]
async fn who_leaves_a_group_has_it_no_more() {
    everywhere(async |world| {
        let [ann, bob, eve] = world.users().await;
        let group = world.group(&ann, &[&bob, &eve]).await;
        let message = world.say(&ann, &group, "1").await;
        world.say(&eve, &group, "2").await;
        world.say(&bob, &group, "3").await;
        assert_eq!(world.unread(&eve, &group).await, (2, 2));

        let left = world.leave(&eve, &group).await;
        let ids: Vec<_> = left["participants"].as_array().unwrap().iter().map(|one| text(&one["user"]["id"])).collect();
        assert_eq!((ids.len(), ids.contains(&eve.id), &left["unreadCount"]), (2, false, &json!(0)));
        let (event, data) = world.outbox().await.pop().unwrap();
        assert_eq!((&*event, &data["reader_id"]), ("social.conversation.read", &json!(eve.key)));
        assert_eq!(data["unread_count"], 0);

        let own = world.own(&eve, "unreadMessageCount conversations { totalCount nodes { id } }").await;
        assert_eq!(own, json!({ "unreadMessageCount": 0, "conversations": { "totalCount": 0, "nodes": [] } }));
        let entities = "query ($of: [_Any!]!) { _entities(representations: $of) { __typename } }";
        let of =
            json!([{ "__typename": "Conversation", "id": group }, { "__typename": "Message", "id": message["id"] }]);
        let seen = world.ask(&eve.viewer, entities, json!({ "of": of })).await;
        assert_eq!(seen["_entities"], json!([null, null]));
        assert_eq!(world.conversation(&eve, &group, "id").await, Value::Null);
        let input = json!({ "input": { "conversationId": group, "body": "x" } });
        for refused in [
            world.change(&eve, SEND, input).await,
            world.mark_read(&eve, &group, &message["id"]).await,
            world.change(&eve, MUTE, json!({ "id": group })).await,
            world.change(&eve, SET, json!({ "id": group, "is": true })).await,
            world.change(&eve, LEAVE, json!({ "id": group })).await,
        ] {
            assert_eq!(refused["userErrors"][0]["code"], "NOT_FOUND");
        }

        let seen = world.conversation(&bob, &group, "messages { nodes { body sender { id } } }").await;
        assert_eq!(bodies(&seen["messages"]), ["1", "2", "3"]);
        assert_eq!(seen["messages"]["nodes"][1]["sender"]["id"], eve.id);
        world.say(&bob, &group, "4").await;
        assert_eq!(world.outbox().await.pop().unwrap().1["notify_ids"], json!([ann.key]));
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_left_is_refused() {
    everywhere(async |world| {
        let [ann, bob, eve] = world.users().await;
        let direct = text(&world.write(&ann, &bob, "1").await["conversation"]["id"]);
        let group = world.group(&ann, &[&bob]).await;
        let leave = async |user, id: &str| refusal(&world.change(user, LEAVE, json!({ "id": id })).await);
        assert_eq!(leave(&bob, &direct).await, ("INVALID_STATE".into(), "id".into()));
        assert_eq!(leave(&eve, &group).await, ("NOT_FOUND".into(), "id".into()));
        assert_eq!(leave(&ann, "nonsense").await, ("NOT_FOUND".into(), "id".into()));
        let anonymous = world.execute(&Viewer::Anonymous, LEAVE, json!({ "id": group })).await;
        assert_eq!(code(&anonymous), "UNAUTHENTICATED");
        assert_eq!(world.unread(&bob, &direct).await, (1, 1));
    })
    .await;
}

#[tokio::test]
async fn a_group_of_nobody_is_deleted() {
    everywhere(async |world| {
        let [ann, bob] = world.users().await;
        for is_left in [true, false] {
            let group = world.group(&ann, &[&bob]).await;
            world.say(&ann, &group, "1").await;
            world.say(&bob, &group, "2").await;
            world.leave(&ann, &group).await;
            assert_eq!(world.rows().await, 1 + 1 + 2);
            if is_left {
                world.leave(&bob, &group).await;
            } else {
                world.delete(&bob).await;
            }
            assert_eq!(world.rows().await, 0);
        }
    })
    .await;
}

/// Whoever has left is erased with the rest: their words, and what they count.
#[tokio::test]
async fn who_has_left_and_is_gone_leaves_no_words_behind() {
    everywhere(async |world| {
        let [ann, bob] = world.users().await;
        let group = world.group(&ann, &[&bob]).await;
        world.say(&ann, &group, "words").await;
        world.leave(&ann, &group).await;
        assert_eq!(world.unread(&bob, &group).await, (1, 1));
        world.delete(&ann).await;
        assert_eq!(world.unread(&bob, &group).await, (0, 0));
        let seen = world.conversation(&bob, &group, "messages { nodes { body sender { id } } }").await;
        assert_eq!(seen["messages"]["nodes"], json!([{ "body": null, "sender": null }]));
    })
    .await;
}

/// A message whose conversation is not asked for, which its sender may have left when it is answered.
const SAY: &str =
    "mutation ($input: MessageSendInput!) { messageSend(input: $input) { message { id } userErrors { code } } }";
const EVENTS: &str = "subscription ($in: ID, $after: String) { conversationEvents(conversationId: $in, after: $after) {
    __typename ... on StreamEvent { cursor occurredAt }
    ... on MessageSent { message { body } }
    ... on ConversationChanged { conversation { id participants { user { id } } } }
} }";

#[tokio::test]
async fn a_new_group_and_who_leaves_it_are_told() {
    everywhere(async |world| {
        let users = world.users::<3>().await;
        let [ann, bob, eve] = &users;
        let mut streams = users.each_ref().map(|user| world.watch(&user.viewer, EVENTS, json!({})));
        let waiting = world.statements(users.len() * UNTIL_WAITING);
        let reading = join_all(streams.iter_mut().map(|events| events.next()));
        let (told, group) = tokio::join!(reading, async {
            waiting.await;
            world.group(ann, &[bob, eve]).await
        });
        for event in &told {
            assert_eq!(
                (&event["__typename"], &event["conversation"]["id"]),
                (&json!("ConversationChanged"), &json!(group))
            );
            assert_eq!(event["conversation"]["participants"].as_array().unwrap().len(), 3);
        }

        let [of_ann, of_bob, of_eve] = &mut streams;
        let mut in_group = world.watch(&eve.viewer, EVENTS, json!({ "in": group }));
        let waiting = world.statements(UNTIL_WAITING_IN_ONE);
        let mut typing = world.watch(&ann.viewer, TYPING, json!({ "in": group }));
        let (hello, _) = tokio::join!(in_group.next(), async {
            waiting.await;
            world.say(ann, &group, "Hello").await;
        });
        assert_eq!(hello["message"]["body"], "Hello");
        let listening = world.statements(3);
        let (stopped, _) = tokio::join!(typing.next(), async {
            listening.await;
            world.leave(eve, &group).await;
        });
        assert_eq!((&stopped["user"]["id"], &stopped["isTyping"]), (&json!(eve.id), &json!(false)));
        for events in [of_ann, of_bob] {
            assert_eq!(events.next().await["message"]["body"], "Hello");
            let event = events.next().await;
            assert_eq!(
                (&event["__typename"], &event["conversation"]["id"]),
                (&json!("ConversationChanged"), &json!(group))
            );
            assert_eq!(event["conversation"]["participants"].as_array().unwrap().len(), 2);
        }

        // What is said from now on reaches none of the streams that eve has open, nor one that she resumes.
        world.say(bob, &group, "without you").await;
        world.write(bob, eve, "to you").await;
        let mut resumed = world.watch(&eve.viewer, EVENTS, json!({ "after": "MA" }));
        for events in [of_eve, &mut resumed] {
            assert_eq!(events.next().await["message"]["body"], "to you");
        }
        let refused = world.watch(&eve.viewer, EVENTS, json!({ "in": group })).response().await;
        assert_eq!(code(&refused), "FORBIDDEN");
    })
    .await;
}

#[tokio::test]
async fn a_group_that_all_leave_at_once_is_gone() {
    everywhere(async |world| {
        for _ in 0..3 {
            let users = world.users::<4>().await;
            let group = world.group(&users[0], &[&users[1], &users[2], &users[3]]).await;
            let work = users.iter().map(async |user| {
                let input = json!({ "input": { "conversationId": group, "body": "x" } });
                let send = || world.change(user, SAY, input.clone());
                assert_eq!(send().await["userErrors"], json!([]));
                let (leave, id) = (|| world.change(user, LEAVE, json!({ "id": group })), json!(group));
                let (_, one, other) = tokio::join!(send(), leave(), leave());
                let mut left = [&one, &other].map(|payload| payload["conversation"]["id"].clone());
                left.sort_by_key(Value::is_null);
                assert_eq!(left, [id, Value::Null]);
                let refused = send().await;
                assert_eq!(refused["userErrors"][0]["code"], "NOT_FOUND");
            });
            join_all(work).await;
            assert_eq!(world.rows().await, 0);
        }
    })
    .await;
}
