//! Events of the posts service.

use crate::Event;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The topic of the posts service.
pub const TOPIC: &str = "hansa.posts";
const SOURCE: &str = "/hansa/posts";

/// A post was published.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct PostCreated {
    /// The post.
    pub post_id: Uuid,
    /// Who wrote it.
    pub author_id: Uuid,
}

impl Event for PostCreated {
    const TYPE: &'static str = "posts.post.created";
    const TOPIC: &'static str = TOPIC;
    const SOURCE: &'static str = SOURCE;
    fn subject(&self) -> String {
        self.post_id.to_string()
    }
}

/// A post's text changed.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct PostUpdated {
    /// The post.
    pub post_id: Uuid,
    /// Who wrote it.
    pub author_id: Uuid,
}

impl Event for PostUpdated {
    const TYPE: &'static str = "posts.post.updated";
    const TOPIC: &'static str = TOPIC;
    const SOURCE: &'static str = SOURCE;
    fn subject(&self) -> String {
        self.post_id.to_string()
    }
}

/// A post is gone.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct PostDeleted {
    /// The post.
    pub post_id: Uuid,
    /// Who wrote it.
    pub author_id: Uuid,
}

impl Event for PostDeleted {
    const TYPE: &'static str = "posts.post.deleted";
    const TOPIC: &'static str = TOPIC;
    const SOURCE: &'static str = SOURCE;
    fn subject(&self) -> String {
        self.post_id.to_string()
    }
}
