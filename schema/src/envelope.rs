//! The envelope of every event: CloudEvents 1.0, JSON format.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

/// A type of event.
pub trait Event: Serialize + DeserializeOwned + JsonSchema {
    /// The CloudEvents `type`: publisher, noun, past participle.
    const TYPE: &'static str;
    /// The topic it is published on; one a publisher.
    const TOPIC: &'static str;
    /// The CloudEvents `source`.
    const SOURCE: &'static str;

    /// The aggregate it tells of: partition key and CloudEvents `subject`. Events of one aggregate keep their order.
    fn subject(&self) -> String;
}

/// A CloudEvents 1.0 envelope with its data. Extension attributes that it does not know are passed over.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Envelope<T> {
    /// Always `1.0`.
    pub specversion: String,
    /// Unique over all events; consumers deduplicate by it.
    pub id: Uuid,
    /// The publishing service.
    pub source: String,
    /// [`Event::TYPE`].
    pub r#type: String,
    /// [`Event::subject`].
    pub subject: String,
    /// When it happened.
    pub time: DateTime<Utc>,
    /// Always `application/json`.
    pub datacontenttype: String,
    /// The trace that it belongs to, if any (CloudEvents extension "Distributed Tracing").
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// What happened.
    pub data: T,
}

impl<T: Event> Envelope<T> {
    /// Wraps an event that happened at `time`.
    pub fn new(id: Uuid, time: DateTime<Utc>, data: T) -> Self {
        Self {
            specversion: "1.0".into(),
            id,
            source: T::SOURCE.into(),
            r#type: T::TYPE.into(),
            subject: data.subject(),
            time,
            datacontenttype: "application/json".into(),
            traceparent: None,
            data,
        }
    }
}
