//! Who is told of messages, and when no more.

use crate::world::{User, World, everywhere, record, user};
use hansa_kit::{bus::Record, ids};
use hansa_schema::{
    social::{ConversationRead, MessageSent},
    users::{self, UserDeleted},
};
use serde_json::{Value, json};
use uuid::Uuid;

async fn told(world: &World, user: &User) -> Vec<Value> {
    let kind = json!({ "kind": ["MESSAGE_RECEIVED"] });
    world.inbox(user, kind).await["notifications"]["nodes"].as_array().unwrap().clone()
}

async fn known(world: &World, locale: &str) -> User {
    let user = user();
    world.welcome(&user, locale, 1).await;
    user
}

fn sent(conversation_id: Uuid, sender: &User, recipients: &[&User]) -> (Uuid, Record) {
    let message_id = ids::new();
    let notify_ids = recipients.iter().map(|user| user.key).collect();
    let sent_at = crate::world::noon();
    (message_id, record(MessageSent { message_id, conversation_id, sender_id: sender.key, notify_ids, sent_at }))
}

fn read(conversation_id: Uuid, reader: &User, unread_count: i64) -> Record {
    let up_to_message_id = ids::new();
    record(ConversationRead { conversation_id, reader_id: reader.key, up_to_message_id, unread_count })
}

#[tokio::test]
async fn a_conversation_has_one_unread_notification() {
    everywhere(async |world| {
        let (ann, anya, bob) = (known(world, "en").await, known(world, "ru").await, known(world, "en").await);
        let (here, there) = (ids::new(), ids::new());
        let messages: Vec<_> = (0..3).map(|_| sent(here, &bob, &[&ann, &anya])).collect();
        let last = messages[2].0;
        let mut records: Vec<_> = messages.into_iter().map(|(_, record)| record).collect();
        records.push(sent(there, &bob, &[&ann]).1);
        world.happen(records).await;

        let of_ann = told(world, &ann).await;
        assert_eq!(of_ann.iter().map(|one| &one["count"]).collect::<Vec<_>>(), [&json!(1), &json!(3)]);
        assert_eq!(
            (&of_ann[1]["title"], &of_ann[1]["actor"]["id"]),
            (&json!("Ann has written to you"), &json!(bob.id))
        );
        assert_eq!(of_ann[1]["subject"], json!({ "__typename": "Message", "id": ids::encode("message", last) }));
        let of_anya = told(world, &anya).await;
        assert_eq!((of_anya.len(), &of_anya[0]["title"]), (1, &json!("Ann пишет вам")));
        assert!(told(world, &bob).await.is_empty());

        // A part is read, then all; the next message is told anew.
        world.happen(vec![read(here, &ann, 1)]).await;
        let of_ann = told(world, &ann).await;
        assert_eq!((&of_ann[1]["count"], &of_ann[1]["readAt"]), (&json!(1), &Value::Null));
        world.happen(vec![read(here, &ann, 0)]).await;
        let of_ann = told(world, &ann).await;
        assert_eq!((of_ann.len(), of_ann[1]["readAt"].is_string(), &of_ann[0]["readAt"]), (2, true, &Value::Null));
        assert_eq!(told(world, &anya).await[0]["readAt"], Value::Null);
        world.happen(vec![sent(here, &anya, &[&ann]).1]).await;
        let of_ann = told(world, &ann).await;
        assert_eq!((of_ann.len(), &of_ann[0]["count"]), (3, &json!(1)));
    })
    .await;
}

#[tokio::test]
async fn nobody_is_told_by_or_of_who_is_gone() {
    everywhere(async |world| {
        let (ann, bob, eve) = (known(world, "en").await, known(world, "en").await, known(world, "en").await);
        world.deps.bus.publish(users::TOPIC, vec![record(UserDeleted { user_id: bob.key })]).await.unwrap();
        known(world, "en").await; // what comes behind has come
        world.happen(vec![sent(ids::new(), &bob, &[&ann]).1, sent(ids::new(), &eve, &[&bob]).1]).await;
        assert!(told(world, &ann).await.is_empty() && told(world, &bob).await.is_empty());
    })
    .await;
}
