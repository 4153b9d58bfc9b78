//! The AsyncAPI 3.0 document of all events.

use crate::{Event, mail, posts, social, users};
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

struct Document {
    generator: SchemaGenerator,
    channels: Map<String, Value>,
    operations: Map<String, Value>,
    messages: Map<String, Value>,
}

impl Document {
    fn add<E: Event>(&mut self) {
        let name = E::schema_name().into_owned();
        let payload = self.generator.subschema_for::<E>();
        self.messages.insert(
            name.clone(),
            json!({
                "name": E::TYPE,
                "contentType": "application/cloudevents+json",
                "headers": {
                    "type": "object",
                    "properties": { "content-type": { "const": "application/cloudevents+json; charset=UTF-8" } }
                },
                "payload": {
                    "allOf": [
                        { "$ref": "#/components/schemas/CloudEvent" },
                        { "type": "object", "properties": {
                            "type": { "const": E::TYPE }, "source": { "const": E::SOURCE }, "data": payload
                        } }
                    ]
                }
            }),
        );
        let channel = self.channels.entry(E::TOPIC).or_insert_with(|| json!({ "address": E::TOPIC, "messages": {} }));
        channel["messages"][&name] = json!({ "$ref": format!("#/components/messages/{name}") });
        let escaped = E::TOPIC.replace('/', "~1");
        self.operations.insert(
            format!("publish{name}"),
            json!({
                "action": "send",
                "channel": { "$ref": format!("#/channels/{escaped}") },
                "messages": [{ "$ref": format!("#/channels/{escaped}/messages/{name}") }]
            }),
        );
    }
}

/// The AsyncAPI document of all events, as YAML.
///
/// # Errors
/// When a schema cannot be written as YAML, which a test rules out.
pub fn asyncapi() -> Result<String, serde_yaml_ng::Error> {
    let settings = SchemaSettings::draft07().with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut document = Document {
        generator: settings.into_generator(),
        channels: Map::new(),
        operations: Map::new(),
        messages: Map::new(),
    };
    document.add::<users::AccountRegistered>();
    document.add::<users::UserUpdated>();
    document.add::<users::UserDeleted>();
    document.add::<posts::PostPublished>();
    document.add::<posts::PostUpdated>();
    document.add::<posts::PostHidden>();
    document.add::<posts::PostUnhidden>();
    document.add::<posts::PostDeleted>();
    document.add::<social::FriendshipRequested>();
    document.add::<social::FriendshipAccepted>();
    document.add::<social::FriendshipEnded>();
    document.add::<social::FollowCreated>();
    document.add::<social::FollowDeleted>();
    document.add::<social::BlockCreated>();
    document.add::<social::BlockDeleted>();
    document.add::<social::MessageSent>();
    document.add::<social::ConversationRead>();
    document.add::<mail::MailRequested>();

    let mut schemas = document.generator.take_definitions(true);
    schemas.insert("CloudEvent".into(), cloud_event());
    serde_yaml_ng::to_string(&json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Hansa events",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Domain events and mail commands. Every message is a CloudEvents 1.0 envelope in JSON, keyed by its subject."
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": document.channels,
        "operations": document.operations,
        "components": { "messages": document.messages, "schemas": schemas }
    }))
}

fn cloud_event() -> Value {
    json!({
        "type": "object",
        "required": ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data"],
        "properties": {
            "specversion": { "const": "1.0" },
            "id": { "type": "string", "format": "uuid", "description": "Unique; consumers deduplicate by it." },
            "source": { "type": "string", "format": "uri-reference" },
            "type": { "type": "string" },
            "subject": { "type": "string", "description": "The aggregate; events of one keep their order." },
            "time": { "type": "string", "format": "date-time" },
            "datacontenttype": { "const": "application/json" },
            "traceparent": { "type": "string", "description": "The trace that it belongs to (W3C Trace Context)." },
            "data": {}
        }
    })
}
