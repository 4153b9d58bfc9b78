use crate::{
    chat::{CREATE, DELETE, SEND, bodies, text},
    running::{World, everywhere, refusal},
    world::{Person, stranger},
};
use chrono::Duration;
use futures::future::join_all;
use serde_json::{Value, json};

const MUTE: &str = "mutation ($id: ID!, $until: DateTime) { conversationMute(id: $id, until: $until) {
    conversation { isMuted } userErrors { code field } } }";

#[tokio::test]
async fn a_group_is_made_of_whom_its_creator_chooses() {
    everywhere(async |world| {
        let [ann, bob, eve] = world.users().await;
        let ids = [&bob.id, &eve.id, &bob.id, &ann.id];
        let input = json!({ "input": { "participantIds": ids, "title": " Trip ", "idempotencyKey": "k" } });
        let made = world.change(&ann, CREATE, input.clone()).await;
        assert_eq!(made["userErrors"], json!([]));
        let group = &made["conversation"];
        assert_eq!((&group["kind"], &group["title"]), (&json!("GROUP"), &json!("Trip")));
        assert_eq!(group["participants"].as_array().unwrap().len(), 3);
        assert_eq!(world.change(&ann, CREATE, input).await["conversation"]["id"], group["id"]);
        let other = json!({ "input": { "participantIds": [bob.id], "idempotencyKey": "k" } });
        let refused = world.change(&ann, CREATE, other).await;
        assert_eq!(refusal(&refused).0, "IDEMPOTENCY_KEY_REUSED");

        let message = world.send(&eve, json!({ "conversationId": group["id"], "body": "Hi all" })).await;
        assert_eq!(message["recipient"], Value::Null);
        for (user, unread) in [(&ann, 1), (&bob, 1), (&eve, 0)] {
            assert_eq!(world.unread(user, &text(&group["id"])).await, (unread, unread));
        }
    })
    .await;
}

#[tokio::test]
async fn groups_that_cannot_be_are_refused() {
    everywhere(async |world| {
        let [ann, bob] = world.users().await;
        let many: Vec<_> = (0..30).map(|_| stranger().id).collect();
        let people = "input.participantIds";
        let create = async |input: Value| refusal(&world.change(&ann, CREATE, json!({ "input": input })).await);
        for (input, code, field) in [
            (json!({ "participantIds": [] }), "BLANK", people),
            (json!({ "participantIds": [ann.id] }), "BLANK", people),
            (json!({ "participantIds": [bob.id, stranger().id] }), "NOT_FOUND", people),
            (json!({ "participantIds": [bob.id, "nonsense"] }), "NOT_FOUND", people),
            (json!({ "participantIds": many }), "LIMIT_EXCEEDED", people),
            (json!({ "participantIds": [bob.id], "title": "x".repeat(101) }), "TOO_LONG", "input.title"),
        ] {
            assert_eq!(create(input).await, (code.to_owned(), field.to_owned()));
        }
        world.block(&bob, &ann).await;
        assert_eq!(create(json!({ "participantIds": [bob.id] })).await, ("BLOCKED".into(), people.into()));
    })
    .await;
}

#[tokio::test]
async fn nobody_begins_more_conversations_than_they_may() {
    everywhere(async |world| {
        let [ann, bob, eve] = world.users().await;
        for _ in 0..60 {
            world.group(&ann, &[&bob]).await;
        }
        let group = json!({ "input": { "participantIds": [bob.id] } });
        assert_eq!(refusal(&world.change(&ann, CREATE, group).await).0, "LIMIT_EXCEEDED");
        let message = json!({ "input": { "recipientId": eve.id, "body": "x" } });
        assert_eq!(refusal(&world.change(&ann, SEND, message.clone()).await).0, "LIMIT_EXCEEDED");
        world.write(&eve, &ann, "I may").await;
        world.write(&ann, &eve, "and so may you, here").await;
        world.deps.clock.advance(Duration::hours(24));
        world.write(&ann, &bob, "a day later").await;
    })
    .await;
}

#[tokio::test]
async fn two_who_write_first_at_once_have_one_conversation() {
    everywhere(async |world| {
        for _ in 0..5 {
            let [ann, bob] = world.users().await;
            let send = async |from: &Person, to: &Person| {
                let input = json!({ "input": { "recipientId": to.id, "body": "first" } });
                text(&world.change(from, SEND, input).await["message"]["conversation"]["id"])
            };
            let (a, b, c, d) = tokio::join!(send(&ann, &bob), send(&bob, &ann), send(&ann, &bob), send(&bob, &ann));
            assert!([&b, &c, &d].iter().all(|id| **id == a));
            let seen = world.own(&ann, "conversations { totalCount nodes { messages { totalCount } } }").await;
            let page = json!({ "totalCount": 1, "nodes": [{ "messages": { "totalCount": 4 } }] });
            assert_eq!(seen["conversations"], page);
            assert_eq!((world.unread(&ann, &a).await, world.unread(&bob, &a).await), ((2, 2), (2, 2)));
        }
    })
    .await;
}

#[tokio::test]
async fn conversations_are_listed_by_what_happened_last() {
    everywhere(async |world| {
        let [ann, bob, eve, joe] = world.users().await;
        let first = text(&world.write(&ann, &bob, "1").await["conversation"]["id"]);
        let second = text(&world.write(&eve, &ann, "2").await["conversation"]["id"]);
        world.deps.clock.advance(Duration::seconds(1));
        let third = world.group(&joe, &[&ann, &bob]).await;
        world.write(&bob, &ann, "4").await;
        let list = async |arguments: &str| {
            let fields = format!("conversations{arguments} {{ nodes {{ id }} pageInfo {{ hasNextPage endCursor }} }}");
            world.own(&ann, &fields).await["conversations"].take()
        };
        let ids =
            |page: &Value| page["nodes"].as_array().unwrap().iter().map(|one| text(&one["id"])).collect::<Vec<_>>();
        assert_eq!(ids(&list("").await), [&*first, &third, &second]);
        let page = list("(first: 2)").await;
        assert_eq!(ids(&page), [&*first, &third]);
        assert_eq!(page["pageInfo"]["hasNextPage"], true);
        let rest = list(&format!("(first: 2, after: {})", page["pageInfo"]["endCursor"])).await;
        assert_eq!((ids(&rest), &rest["pageInfo"]["hasNextPage"]), (vec![second], &json!(false)));
    })
    .await;
}

#[tokio::test]
async fn what_is_read_stays_read() {
    everywhere(async |world| {
        let [ann, bob, eve] = world.users().await;
        let group = world.group(&ann, &[&bob]).await;
        let mut messages = Vec::new();
        for number in 0..4 {
            let body = json!({ "conversationId": group, "body": number.to_string() });
            messages.push(world.send(&ann, body).await["id"].clone());
        }
        world.send(&bob, json!({ "conversationId": group, "body": "mine" })).await;
        assert_eq!((world.unread(&ann, &group).await, world.unread(&bob, &group).await), ((1, 1), (4, 4)));

        let read = world.mark_read(&bob, &group, &messages[2]).await;
        assert_eq!(read["conversation"]["unreadCount"], 1);
        let of_bob = |payload: &Value| {
            let all = payload["conversation"]["participants"].as_array().unwrap();
            all.iter().find(|one| one["user"]["id"] == bob.id).unwrap()["lastReadMessageId"].clone()
        };
        assert_eq!(of_bob(&read), messages[2]);
        let back = world.mark_read(&bob, &group, &messages[0]).await;
        assert_eq!((&back["conversation"]["unreadCount"], of_bob(&back)), (&json!(1), messages[2].clone()));
        let last = world.outbox().await.pop().unwrap();
        assert_eq!((&*last.0, &last.1["unread_count"]), ("social.conversation.read", &json!(1)));

        // Deleted: read, unread, and never counted.
        for (message, unread) in [(&messages[0], 1), (&messages[3], 0)] {
            world.change(&ann, DELETE, json!({ "id": message })).await;
            assert_eq!(world.unread(&bob, &group).await, (unread, unread));
        }
        let elsewhere = world.write(&ann, &eve, "x").await;
        for (user, message) in [(&bob, &elsewhere["id"]), (&eve, &messages[0])] {
            assert_eq!(refusal(&world.mark_read(user, &group, message).await).0, "NOT_FOUND");
        }
    })
    .await;
}

/// What is unread by counting, whatever is kept.
async fn recount(world: &World, user: &Person, group: &str) -> i64 {
    let fields =
        "participants { user { id } lastReadMessageId } messages(first: 100) { nodes { id deletedAt sender { id } } }";
    let seen = world.conversation(user, group, fields).await;
    let own = seen["participants"].as_array().unwrap().iter().find(|one| one["user"]["id"] == user.id).unwrap();
    let messages = seen["messages"]["nodes"].as_array().unwrap();
    let read = messages.iter().position(|message| message["id"] == own["lastReadMessageId"]);
    let behind = messages.iter().skip(read.map_or(0, |read| read + 1));
    let unread = behind.filter(|one| one["deletedAt"].is_null() && one["sender"]["id"] != user.id).count();
    i64::try_from(unread).unwrap()
}

#[tokio::test]
async fn unread_counts_are_exact_whatever_happens_at_once() {
    everywhere(async |world| {
        let users = world.users::<3>().await;
        let group = world.group(&users[0], &[&users[1], &users[2]]).await;
        let work = users.iter().enumerate().map(async |(number, user)| {
            let mut own = Vec::new();
            for step in 0..12 {
                let input = json!({ "input": { "conversationId": group, "body": format!("{number} {step}") } });
                own.push(world.change(user, SEND, input).await["message"]["id"].clone());
                if step % 3 == 2 {
                    world.change(user, DELETE, json!({ "id": own[step / 2] })).await;
                }
                if (step + number) % 2 == 0 {
                    let last = world.conversation(user, &group, "lastMessage { id }").await["lastMessage"]["id"].take();
                    let earlier = &own[step / 3];
                    let reads = [world.mark_read(user, &group, &last), world.mark_read(user, &group, earlier)];
                    join_all(reads).await;
                }
            }
        });
        join_all(work).await;
        for user in &users {
            let unread = recount(world, user, &group).await;
            assert_eq!(world.unread(user, &group).await, (unread, unread));
        }
        let seen = world.conversation(&users[0], &group, "messages(first: 100) { totalCount nodes { id } }").await;
        assert_eq!(seen["messages"]["totalCount"], 36);
        assert_eq!(seen["messages"]["nodes"].as_array().unwrap().len(), 36);
    })
    .await;
}

#[tokio::test]
async fn a_muted_conversation_is_silent() {
    everywhere(async |world| {
        let [ann, bob, eve] = world.users().await;
        let id = text(&world.write(&ann, &bob, "1").await["conversation"]["id"]);
        let mute = async |user, until: Value| world.change(user, MUTE, json!({ "id": id, "until": until })).await;
        let notified = async || world.outbox().await.pop().unwrap().1["notify_ids"].as_array().unwrap().len();
        assert_eq!(notified().await, 1);
        let muted = mute(&bob, Value::Null).await;
        assert_eq!(muted["conversation"]["isMuted"], true);
        world.write(&ann, &bob, "2").await;
        assert_eq!(notified().await, 0);
        assert_eq!(world.unread(&bob, &id).await, (2, 0));

        mute(&bob, json!("2026-03-01T12:00:10Z")).await;
        assert_eq!(world.unread(&bob, &id).await, (2, 0));
        world.deps.clock.advance(Duration::seconds(10));
        assert_eq!(world.unread(&bob, &id).await, (2, 2));
        world.write(&ann, &bob, "3").await;
        assert_eq!(notified().await, 1);
        mute(&bob, Value::Null).await;
        let unmuted = mute(&bob, json!("2026-01-01T00:00:00Z")).await;
        assert_eq!(unmuted["conversation"]["isMuted"], false);
        assert_eq!(refusal(&mute(&eve, Value::Null).await), ("NOT_FOUND".into(), "id".into()));
    })
    .await;
}

#[tokio::test]
async fn a_block_hides_the_conversation_of_two_until_it_is_lifted() {
    everywhere(async |world| {
        let [ann, bob] = world.users().await;
        let message = world.write(&ann, &bob, "Hello").await;
        let id = text(&message["conversation"]["id"]);
        let group = world.group(&ann, &[&bob]).await;
        world.block(&bob, &ann).await;
        for user in [&ann, &bob] {
            let fields = "conversations { totalCount nodes { id } } unreadMessageCount";
            let own = world.own(user, fields).await;
            assert_eq!(own["conversations"], json!({ "totalCount": 1, "nodes": [{ "id": group }] }));
            assert_eq!(own["unreadMessageCount"], 0);
            assert_eq!(world.conversation(user, &id, "id").await, Value::Null);
            let query = "query ($id: ID!) { message(id: $id) { body } }";
            let seen = world.ask(&user.viewer, query, json!({ "id": message["id"] })).await;
            assert_eq!(seen["message"], Value::Null);
            let refused = |payload: &Value| refusal(payload).0;
            for target in [
                json!({ "conversationId": id }),
                json!({ "recipientId": if user.id == ann.id { &bob.id } else { &ann.id } }),
            ] {
                let mut input = target;
                input["body"] = "x".into();
                assert_eq!(refused(&world.change(user, SEND, json!({ "input": input })).await), "BLOCKED");
            }
            assert_eq!(refused(&world.mark_read(user, &id, &message["id"]).await), "BLOCKED");
        }
        let spoken = world.send(&ann, json!({ "conversationId": group, "body": "to all" })).await;
        let seen = world.conversation(&bob, &group, "messages { nodes { body } }").await;
        assert_eq!(bodies(&seen["messages"]), [text(&spoken["body"])]);
        assert_eq!(world.outbox().await.pop().unwrap().1["notify_ids"], json!([])); // but nobody is called to read it

        let lift = "mutation ($id: ID!) { blockDelete(userId: $id) { userErrors { code } } }";
        world.change(&bob, lift, json!({ "id": ann.id })).await;
        let seen = world.conversation(&bob, &id, "unreadCount messages { nodes { body } }").await;
        assert_eq!((&seen["unreadCount"], bodies(&seen["messages"])), (&json!(1), vec!["Hello".to_owned()]));
    })
    .await;
}

#[tokio::test]
async fn whoever_is_gone_leaves_no_words_behind() {
    everywhere(async |world| {
        let [ann, bob, eve] = world.users().await;
        let direct = world.write(&ann, &bob, "secret").await;
        let id = text(&direct["conversation"]["id"]);
        let group = world.group(&ann, &[&bob, &eve]).await;
        world.send(&ann, json!({ "conversationId": group, "body": "words" })).await;
        world.send(&eve, json!({ "conversationId": group, "body": "stay" })).await;
        assert_eq!(world.unread(&bob, &group).await, (2, 3));
        world.delete(&ann).await;

        assert_eq!(world.unread(&bob, &group).await, (1, 1));
        let fields =
            "participants { user { id } } messages { nodes { body sender { id } deletedAt recipient { id } } }";
        let seen = world.conversation(&bob, &id, fields).await;
        assert_eq!(seen["participants"], json!([{ "user": { "id": bob.id } }]));
        let gone = "2026-03-01T12:00:03+00:00";
        let expected = json!([{ "body": null, "sender": null, "deletedAt": gone, "recipient": null }]);
        assert_eq!(seen["messages"]["nodes"], expected);
        let seen = world.conversation(&eve, &group, fields).await;
        assert_eq!(seen["participants"].as_array().unwrap().len(), 2);
        assert_eq!(seen["messages"]["nodes"][0]["body"], Value::Null);
        assert_eq!(seen["messages"]["nodes"][1]["body"], "stay");

        for input in [json!({ "conversationId": id, "body": "x" }), json!({ "recipientId": ann.id, "body": "x" })] {
            assert_eq!(refusal(&world.change(&bob, SEND, json!({ "input": input })).await).0, "NOT_FOUND");
        }
        // A token that outlives its account sends nothing.
        let late = json!({ "input": { "conversationId": group, "body": "x" } });
        assert_eq!(refusal(&world.change(&ann, SEND, late).await).0, "NOT_FOUND");
        let late = json!({ "input": { "recipientId": bob.id, "body": "x" } });
        assert_eq!(world.execute(&ann.viewer, SEND, late).await.errors.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_page_of_conversations_takes_the_same_statements_whatever_its_length() {
    everywhere(async |world| {
        let [ann, zoe] = world.users().await;
        world.write(&zoe, &ann, "one").await;
        let fields = "unreadMessageCount conversations(first: 50) { totalCount nodes {
            id kind unreadCount isMuted participants { user { id } lastReadAt }
            lastMessage { body sender { id } recipient { id } }
            messages(last: 3) { totalCount nodes { body sender { id } conversation { id } } }
        } }";
        let (one, for_one) = world.count(world.own(&ann, fields)).await;
        assert_eq!(one["conversations"]["nodes"].as_array().unwrap().len(), 1);
        // A longer list is resolved two objects at a time, and what they ask for is batched by the millisecond: how many
        // batches that makes depends on the machine.
        for number in 1..30 {
            let other = world.user().await;
            world.write(&other, &ann, &number.to_string()).await;
            world.write(&ann, &other, "yes?").await;
        }
        let (all, for_all) = world.count(world.own(&ann, fields)).await;
        assert_eq!(all["conversations"]["nodes"].as_array().unwrap().len(), 30);
        let last = &all["conversations"]["nodes"][0]["lastMessage"];
        assert_eq!((&last["sender"]["id"], last["recipient"].is_object()), (&json!(ann.id), true));
        // The conversations, their number, what is unread; participants, last messages, messages.
        assert_eq!((for_one, for_all), (6, 6));
    })
    .await;
}
