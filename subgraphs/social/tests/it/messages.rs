use crate::{
    chat::{DELETE, SEND, UPDATE, bodies, text},
    running::{code, everywhere, refusal},
    world::stranger,
};
use hansa_kit::Viewer;
use serde_json::{Value, json};

#[tokio::test]
async fn a_first_message_begins_the_conversation_of_two() {
    everywhere(async |world| {
        let [ann, bob] = world.users().await;
        let first = world.write(&ann, &bob, "  Hello, *Bob* \n").await;
        assert_eq!((&first["body"], &first["sentAt"]), (&json!("Hello, *Bob*"), &json!("2026-03-01T12:00:01+00:00")));
        assert_eq!((&first["sender"]["id"], &first["recipient"]["id"]), (&json!(ann.id), &json!(bob.id)));
        assert_eq!((&first["editedAt"], &first["deletedAt"]), (&Value::Null, &Value::Null));
        assert_eq!((&first["conversation"]["kind"], &first["conversation"]["title"]), (&json!("DIRECT"), &Value::Null));
        let id = text(&first["conversation"]["id"]);

        let answer = json!({ "conversationId": id, "body": "Hi", "replyToId": first["id"] });
        let answer = world.send(&bob, answer).await;
        assert_eq!(answer["replyTo"], json!({ "id": first["id"], "body": "Hello, *Bob*" }));
        assert_eq!(answer["recipient"]["id"], ann.id);
        assert_eq!(world.write(&bob, &ann, "again").await["conversation"]["id"], id);

        for user in [&ann, &bob] {
            let fields = "messages { totalCount nodes { body } } lastMessage { body } participants { user { id } }";
            let seen = world.conversation(user, &id, fields).await;
            assert_eq!(bodies(&seen["messages"]), ["Hello, *Bob*", "Hi", "again"]);
            assert_eq!((&seen["messages"]["totalCount"], &seen["lastMessage"]["body"]), (&json!(3), &json!("again")));
            assert_eq!(seen["participants"].as_array().unwrap().len(), 2);
        }
        let (kind, event) = world.outbox().await.remove(0);
        assert_eq!(kind, "social.message.sent");
        assert_eq!((&event["sender_id"], &event["notify_ids"]), (&json!(ann.key), &json!([bob.key])));
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused() {
    everywhere(async |world| {
        let [ann, bob, eve] = world.users().await;
        let message = world.write(&ann, &bob, "Hello").await;
        let id = text(&message["conversation"]["id"]);
        let elsewhere = world.write(&ann, &eve, "Psst").await;
        let long = "я".repeat(10_001);
        let [to, body] = ["input.recipientId", "input.body"];
        for (input, code, field) in [
            (json!({ "recipientId": bob.id, "body": " \n" }), "BLANK", body),
            (json!({ "recipientId": bob.id, "body": long }), "TOO_LONG", body),
            (json!({ "body": "x" }), "INVALID", "input"),
            (json!({ "recipientId": bob.id, "conversationId": id, "body": "x" }), "INVALID", "input"),
            (json!({ "recipientId": ann.id, "body": "x" }), "CANNOT_TARGET_SELF", to),
            (json!({ "recipientId": stranger().id, "body": "x" }), "NOT_FOUND", to),
            (json!({ "recipientId": "nonsense", "body": "x" }), "NOT_FOUND", to),
            (json!({ "conversationId": elsewhere["id"], "body": "x" }), "NOT_FOUND", "input.conversationId"),
            (
                json!({ "conversationId": id, "body": "x", "replyToId": elsewhere["id"] }),
                "NOT_FOUND",
                "input.replyToId",
            ),
            (json!({ "conversationId": id, "body": "x", "replyToId": "?" }), "NOT_FOUND", "input.replyToId"),
            (json!({ "recipientId": bob.id, "body": "x", "idempotencyKey": "" }), "BLANK", "input.idempotencyKey"),
        ] {
            let payload = world.change(&ann, SEND, json!({ "input": input })).await;
            assert_eq!(refusal(&payload), (code.to_owned(), field.to_owned()));
        }
        let intruding = world.change(&eve, SEND, json!({ "input": { "conversationId": id, "body": "x" } })).await;
        assert_eq!(refusal(&intruding), ("NOT_FOUND".into(), "input.conversationId".into()));
        let input = json!({ "input": { "recipientId": bob.id, "body": "x" } });
        assert_eq!(code(&world.execute(&Viewer::Anonymous, SEND, input).await), "UNAUTHENTICATED");
        let seen = world.conversation(&bob, &id, "messages { nodes { body } }").await;
        assert_eq!(bodies(&seen["messages"]), ["Hello"]);
    })
    .await;
}

#[tokio::test]
async fn a_message_that_is_sent_again_is_sent_once() {
    everywhere(async |world| {
        let [ann, bob] = world.users().await;
        let input = json!({ "recipientId": bob.id, "body": "once", "idempotencyKey": "k" });
        let first = world.send(&ann, input.clone()).await;
        assert_eq!(world.send(&ann, input.clone()).await["id"], first["id"]);
        let id = text(&first["conversation"]["id"]);
        assert_eq!(world.unread(&bob, &id).await, (1, 1));
        let other = json!({ "recipientId": bob.id, "body": "twice", "idempotencyKey": "k" });
        let refused = world.change(&ann, SEND, json!({ "input": other })).await;
        assert_eq!(refusal(&refused), ("IDEMPOTENCY_KEY_REUSED".into(), "input.idempotencyKey".into()));

        // At once, from several devices.
        let input = json!({ "input": { "conversationId": id, "body": "many", "idempotencyKey": "l" } });
        let sent = (0..8).map(|_| world.change(&ann, SEND, input.clone()));
        let sent = futures::future::join_all(sent).await;
        assert!(sent.iter().all(|payload| payload["message"]["id"] == sent[0]["message"]["id"]), "{sent:?}");
        assert_eq!(world.unread(&bob, &id).await, (2, 2));
    })
    .await;
}

#[tokio::test]
async fn one_changes_and_deletes_ones_own_messages() {
    everywhere(async |world| {
        let [ann, bob, eve] = world.users().await;
        let message = world.write(&ann, &bob, "Helo").await;
        let id = text(&message["conversation"]["id"]);
        let change =
            async |user, body: &str| world.change(user, UPDATE, json!({ "id": message["id"], "body": body })).await;
        let changed = change(&ann, " Hello ").await;
        assert_eq!(changed["message"]["body"], "Hello");
        assert_eq!(changed["message"]["editedAt"], "2026-03-01T12:00:01+00:00");
        assert_eq!(refusal(&change(&bob, "x").await), ("FORBIDDEN".into(), "id".into()));
        assert_eq!(refusal(&change(&eve, "x").await), ("NOT_FOUND".into(), "id".into()));
        assert_eq!(refusal(&change(&ann, " ").await), ("BLANK".into(), "body".into()));

        let delete = async |user| world.change(user, DELETE, json!({ "id": message["id"] })).await;
        assert_eq!(refusal(&delete(&bob).await), ("FORBIDDEN".into(), "id".into()));
        assert_eq!(refusal(&delete(&eve).await), ("NOT_FOUND".into(), "id".into()));
        assert_eq!(world.unread(&bob, &id).await, (1, 1));
        for _ in 0..2 {
            let deleted = delete(&ann).await;
            assert_eq!(deleted["userErrors"], json!([]));
            assert_eq!(deleted["message"]["body"], Value::Null);
            assert_eq!(deleted["message"]["deletedAt"], "2026-03-01T12:00:01+00:00");
            assert_eq!(world.unread(&bob, &id).await, (0, 0));
        }
        assert_eq!(refusal(&change(&ann, "back").await), ("NOT_FOUND".into(), "id".into()));
        let seen = world.conversation(&bob, &id, "lastMessage { id body sender { id } }").await;
        assert_eq!(seen["lastMessage"], json!({ "id": message["id"], "body": null, "sender": { "id": ann.id } }));
    })
    .await;
}

#[tokio::test]
async fn messages_are_paged_from_both_ends() {
    everywhere(async |world| {
        let [ann, bob] = world.users().await;
        let mut id = String::new();
        for number in 1..=25 {
            id = text(&world.write(&ann, &bob, &number.to_string()).await["conversation"]["id"]);
        }
        let page = async |arguments: &str| {
            let fields = format!(
                "messages{arguments} {{ totalCount nodes {{ body }}
                    pageInfo {{ hasPreviousPage hasNextPage startCursor endCursor }} }}"
            );
            world.conversation(&bob, &id, &fields).await["messages"].take()
        };
        let summary = |page: &Value| {
            let bodies = bodies(page);
            let info = &page["pageInfo"];
            let ends = (bodies.first().cloned().unwrap_or_default(), bodies.last().cloned().unwrap_or_default());
            (ends, bodies.len(), (info["hasPreviousPage"].as_bool().unwrap(), info["hasNextPage"].as_bool().unwrap()))
        };
        let expected = |first: &str, last: &str, number, has| ((first.to_owned(), last.to_owned()), number, has);

        let newest = page("").await;
        assert_eq!(newest["totalCount"], 25);
        assert_eq!(summary(&newest), expected("6", "25", 20, (true, false)));
        let before = text(&newest["pageInfo"]["startCursor"]);
        let older = page(&format!("(last: 3, before: \"{before}\")")).await;
        assert_eq!(summary(&older), expected("3", "5", 3, (true, true)));
        let before = text(&older["pageInfo"]["startCursor"]);
        assert_eq!(
            summary(&page(&format!("(last: 3, before: \"{before}\")")).await),
            expected("1", "2", 2, (false, true))
        );
        let oldest = page("(first: 2)").await;
        assert_eq!(summary(&oldest), expected("1", "2", 2, (false, true)));
        let after = text(&oldest["pageInfo"]["endCursor"]);
        assert_eq!(
            summary(&page(&format!("(first: 50, after: \"{after}\")")).await),
            expected("3", "25", 23, (true, false))
        );
        let between = format!("(last: 100, after: \"{after}\", before: \"{before}\")");
        assert_eq!(summary(&page(&between).await), expected("", "", 0, (true, true)));

        for arguments in ["(first: 1, last: 1)", "(last: 101)", "(first: -1)", "(before: \"?\")"] {
            let query =
                format!("query ($id: ID!) {{ conversation(id: $id) {{ messages{arguments} {{ totalCount }} }} }}");
            let response = world.execute(&bob.viewer, &query, json!({ "id": id })).await;
            assert_eq!(code(&response), "BAD_USER_INPUT", "{arguments}");
        }
    })
    .await;
}

#[tokio::test]
async fn strangers_see_no_message() {
    everywhere(async |world| {
        let [ann, bob, eve] = world.users().await;
        let message = world.write(&ann, &bob, "secret").await;
        let (id, conversation) = (&message["id"], &message["conversation"]["id"]);
        let query = "query ($id: ID!, $conversation: ID!, $of: [_Any!]!) {
            message(id: $id) { body } conversation(id: $conversation) { lastMessage { body } }
            _entities(representations: $of) { __typename }
        }";
        let of = json!([{ "__typename": "Message", "id": id }, { "__typename": "Conversation", "id": conversation }]);
        let variables = json!({ "id": id, "conversation": conversation, "of": of });
        let seen = world.ask(&bob.viewer, query, variables.clone()).await;
        assert_eq!(seen["message"]["body"], "secret");
        assert_eq!(seen["conversation"]["lastMessage"]["body"], "secret");
        assert_eq!(seen["_entities"], json!([{ "__typename": "Message" }, { "__typename": "Conversation" }]));
        let nothing = json!({ "message": null, "conversation": null, "_entities": [null, null] });
        assert_eq!(world.ask(&eve.viewer, query, variables).await, nothing);

        let entities = "query ($of: [_Any!]!) { _entities(representations: $of) { __typename } }";
        let seen = world.ask(&Viewer::Anonymous, entities, json!({ "of": of })).await;
        assert_eq!(seen["_entities"], json!([null, null]));
        for (field, id) in [("message", id), ("conversation", conversation)] {
            let query = format!("query ($id: ID!) {{ {field}(id: $id) {{ id }} }}");
            let response = world.execute(&Viewer::Anonymous, &query, json!({ "id": id })).await;
            assert_eq!(code(&response), "UNAUTHENTICATED");
        }

        // One batch of two callers.
        let (ours, theirs) = tokio::join!(
            world.ask(&bob.viewer, "query ($id: ID!) { message(id: $id) { body } }", json!({ "id": id })),
            world.ask(&eve.viewer, "query ($id: ID!) { message(id: $id) { body } }", json!({ "id": id })),
        );
        assert_eq!((&ours["message"]["body"], &theirs["message"]), (&json!("secret"), &Value::Null));
    })
    .await;
}
