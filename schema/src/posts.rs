//! Events of the posts service.

use crate::Event;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The topic of the posts service.
pub const TOPIC: &str = "hansa.posts";
const SOURCE: &str = "/hansa/posts";

/// A post was published: from now on those may read it whom its visibility lets. Drafts and schedules are not told.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct PostPublished {
    /// The post.
    pub post_id: Uuid,
    /// Who wrote it.
    pub author_id: Uuid,
}

impl Event for PostPublished {
    const TYPE: &'static str = "posts.post.published";
    const TOPIC: &'static str = TOPIC;
    const SOURCE: &'static str = SOURCE;
    fn subject(&self) -> String {
        self.post_id.to_string()
    }
}

/// The text or the visibility of a published post changed.
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

/// A moderator took a post down: nobody but its author reads it any more.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct PostHidden {
    /// The post.
    pub post_id: Uuid,
    /// Who wrote it.
    pub author_id: Uuid,
    /// Who did it.
    pub moderator_id: Uuid,
    /// Why, in the moderator's words.
    pub reason: String,
}

impl Event for PostHidden {
    const TYPE: &'static str = "posts.post.hidden";
    const TOPIC: &'static str = TOPIC;
    const SOURCE: &'static str = SOURCE;
    fn subject(&self) -> String {
        self.post_id.to_string()
    }
}

/// A moderator brought back a post that was taken down.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct PostUnhidden {
    /// The post.
    pub post_id: Uuid,
    /// Who wrote it.
    pub author_id: Uuid,
    /// Who did it.
    pub moderator_id: Uuid,
}

impl Event for PostUnhidden {
    const TYPE: &'static str = "posts.post.unhidden";
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
