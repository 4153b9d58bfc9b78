//! Two people chat through two routers and two replicas of social, while a replica is killed: neither loses a message nor
//! sees one twice.

use crate::{
    api::{data, post, register, text},
    distributed::{Engines, System},
    eventually,
    socket::{Heard, Socket},
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// Messages that each of the two sends.
const EACH: usize = 40;
/// After how many of one's messages the replicas are killed.
const KILLED_AFTER: usize = 12;

const SEND: &str = "mutation($input: MessageSendInput!) { messageSend(input: $input) {
    message { id conversation { id } } userErrors { code message } } }";
const EVENTS: &str = "subscription($after: String) { conversationEvents(after: $after) { __typename
    ... on MessageSent { cursor message { id body } } ... on StreamGap { cursor reason } } }";

/// One of the two: how they get in, in the order of their preference.
struct Person {
    entrances: [String; 2],
    token: String,
}

impl Person {
    /// Sends a message until it is sent, by whichever entrance answers: a key makes it one.
    async fn send(&self, input: &Value) -> Value {
        eventually("a message sent", async || {
            for url in &self.entrances {
                let body = json!({ "query": SEND, "variables": { "input": input } });
                let request =
                    reqwest::Client::new().post(format!("{url}/graphql")).bearer_auth(&self.token).json(&body);
                let Ok(response) = request.send().await else { continue };
                let Ok(answer) = response.json::<Value>().await else { continue };
                let payload = &answer["data"]["messageSend"];
                if payload["message"].is_object() {
                    return Some(payload["message"].clone());
                }
            }
            None
        })
        .await
    }

    /// Hears messages until there are `number`, going on behind the last cursor whenever the stream breaks off. Gives them,
    /// and how many streams it took.
    async fn hear(&self, number: usize, first: String, heard: mpsc::UnboundedSender<()>) -> (Vec<String>, usize) {
        let (mut cursor, mut bodies, mut streams) = (first, Vec::new(), 0);
        for entrance in self.entrances.iter().cycle() {
            if reqwest::get(format!("{entrance}/health")).await.is_err() {
                tokio::task::yield_now().await;
                continue;
            }
            streams += 1;
            let mut socket = Socket::open(entrance, &self.token).await;
            socket.subscribe("chat", EVENTS, json!({ "after": cursor })).await;
            while let Heard::Message(message) = socket.hear().await {
                let event = &message["payload"]["data"]["conversationEvents"];
                if message["type"] != "next" || event.is_null() {
                    break;
                }
                assert_eq!(event["__typename"], "MessageSent", "{message}");
                cursor = text(&event["cursor"]);
                bodies.push(text(&event["message"]["body"]));
                _ = heard.send(());
                if bodies.len() == number {
                    return (bodies, streams);
                }
            }
        }
        unreachable!("entrances go round")
    }
}

async fn user_id(url: &str, token: &str) -> String {
    text(&data(url, Some(token), "{ viewer { id user { id } } }", json!({})).await["viewer"]["user"]["id"])
}

#[tokio::test]
async fn nothing_is_lost_or_repeated_when_replicas_are_killed() {
    let Some(engines) = Engines::of_environment() else {
        eprintln!("no engines in the environment: run by tests/run");
        return;
    };
    let mut system = System::start(&engines).await;
    let [here, there] = system.entrances.clone();
    let (ann, bob) = (register(&here, "ann", "en").await, register(&there, "bob", "ru").await);
    let (ann_id, bob_id) = (user_id(&here, &ann.access).await, user_id(&there, &bob.access).await);
    let ann = Person { entrances: [here.clone(), there.clone()], token: ann.access };
    let bob = Person { entrances: [there, here], token: bob.access };

    // Each knows the other as soon as social has heard of them.
    let first = ann.send(&json!({ "recipientId": bob_id, "body": "begin", "idempotencyKey": "begin" })).await;
    let conversation = text(&first["conversation"]["id"]);
    bob.send(&json!({ "recipientId": ann_id, "body": "begun", "idempotencyKey": "begun" })).await;

    let say = async |person: &Person, name: &str, sent: mpsc::UnboundedSender<usize>| {
        for number in 0..EACH {
            let body = format!("{name} {number}");
            let input = json!({ "conversationId": conversation, "body": body, "idempotencyKey": body });
            person.send(&input).await;
            _ = sent.send(number);
        }
    };
    let (sent, mut progress) = mpsc::unbounded_channel();
    let (heard, mut told) = mpsc::unbounded_channel();
    let all = 2 * EACH + 2;
    let killing = async {
        while progress.recv().await.is_some_and(|number| number < KILLED_AFTER) {}
        told.recv().await.unwrap();
        // The first router and its social, without a warning: whoever is connected there has to go elsewhere.
        system.kill_first(&["router", "social"]).await;
    };
    let ((of_ann, streams), (of_bob, _), ..) = tokio::join!(
        ann.hear(all, crate::story::first_cursor(), heard),
        bob.hear(all, crate::story::first_cursor(), mpsc::unbounded_channel().0),
        say(&ann, "ann", sent),
        say(&bob, "bob", mpsc::unbounded_channel().0),
        killing,
    );

    assert_eq!(of_ann, of_bob);
    assert!(streams > 1, "nothing broke off");
    for name in ["ann", "bob"] {
        let own: Vec<_> = of_ann.iter().filter(|body| body.starts_with(name)).cloned().collect();
        assert_eq!(own, (0..EACH).map(|number| format!("{name} {number}")).collect::<Vec<_>>());
    }
    let kept = "query($id: ID!) { conversation(id: $id) { messages(last: 100) { totalCount nodes { body } } } }";
    let body = json!({ "query": kept, "variables": { "id": conversation } });
    let (_, answer) = post(&bob.entrances[0], Some(&bob.token), body).await;
    let messages = &answer["data"]["conversation"]["messages"];
    assert_eq!(messages["totalCount"], all, "{answer}");
    let bodies: Vec<_> = messages["nodes"].as_array().unwrap().iter().map(|one| text(&one["body"])).collect();
    assert_eq!(bodies, of_bob);
}
