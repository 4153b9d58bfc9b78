//! What tests do in conversations.

use crate::{running::World, world::Person};
use chrono::Duration;
use serde_json::{Value, json};

pub const SEND: &str = "mutation ($input: MessageSendInput!) { messageSend(input: $input) {
    message {
        id body sentAt editedAt deletedAt sender { id } recipient { id } replyTo { id body }
        conversation { id kind title unreadCount }
    }
    userErrors { code field message }
} }";
pub const CREATE: &str = "mutation ($input: ConversationCreateInput!) { conversationCreate(input: $input) {
    conversation { id kind title participants { user { id } joinedAt } } userErrors { code field message }
} }";
pub const READ: &str = "mutation ($id: ID!, $upTo: ID!) { conversationMarkRead(id: $id, upToMessageId: $upTo) {
    conversation { id unreadCount participants { user { id } lastReadAt lastReadMessageId } }
    userErrors { code field }
} }";
pub const DELETE: &str =
    "mutation ($id: ID!) { messageDelete(id: $id) { message { id body deletedAt } userErrors { code field } } }";
pub const UPDATE: &str = "mutation ($id: ID!, $body: String!) { messageUpdate(id: $id, body: $body) {
    message { id body editedAt } userErrors { code field } } }";

impl World {
    /// Sends a message, a second after the one before, and returns it.
    pub async fn send(&self, sender: &Person, input: Value) -> Value {
        self.deps.clock.advance(Duration::seconds(1));
        let mut payload = self.change(sender, SEND, json!({ "input": input })).await;
        assert_eq!(payload["userErrors"], json!([]), "{input}");
        payload["message"].take()
    }

    /// Writes to somebody, and returns the message.
    pub async fn write(&self, sender: &Person, recipient: &Person, body: &str) -> Value {
        self.send(sender, json!({ "recipientId": recipient.id, "body": body })).await
    }

    /// Makes a group and returns its id.
    pub async fn group(&self, creator: &Person, others: &[&Person]) -> String {
        let ids: Vec<_> = others.iter().map(|user| &user.id).collect();
        let payload = self.change(creator, CREATE, json!({ "input": { "participantIds": ids } })).await;
        assert_eq!(payload["userErrors"], json!([]));
        text(&payload["conversation"]["id"])
    }

    /// What the user sees of a conversation.
    pub async fn conversation(&self, user: &Person, id: &str, fields: &str) -> Value {
        let query = format!("query ($id: ID!) {{ conversation(id: $id) {{ {fields} }} }}");
        self.ask(&user.viewer, &query, json!({ "id": id })).await["conversation"].take()
    }

    /// The user's unread count of a conversation and over all.
    pub async fn unread(&self, user: &Person, id: &str) -> (i64, i64) {
        let one = self.conversation(user, id, "unreadCount").await["unreadCount"].as_i64().unwrap();
        (one, self.own(user, "unreadMessageCount").await["unreadMessageCount"].as_i64().unwrap())
    }

    pub async fn mark_read(&self, user: &Person, id: &str, up_to: &Value) -> Value {
        self.change(user, READ, json!({ "id": id, "upTo": up_to })).await
    }
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a string: {value}")).to_owned()
}

/// The bodies of these messages.
pub fn bodies(messages: &Value) -> Vec<String> {
    messages["nodes"].as_array().unwrap().iter().map(|message| text(&message["body"])).collect()
}
