//! Events of the users service.

use crate::Event;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The topic of the users service.
pub const TOPIC: &str = "hansa.users";
const SOURCE: &str = "/hansa/users";

/// Somebody registered, or an administrator created an account.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct AccountRegistered {
    /// The new user.
    pub user_id: Uuid,
    /// Their login name.
    pub username: String,
    /// What to call them.
    pub display_name: String,
    /// Where mail to them goes.
    pub email: String,
    /// Their language, an RFC 5646 tag.
    pub locale: String,
}

impl Event for AccountRegistered {
    const TYPE: &'static str = "users.account.registered";
    const TOPIC: &'static str = TOPIC;
    const SOURCE: &'static str = SOURCE;
    fn subject(&self) -> String {
        self.user_id.to_string()
    }
}

/// An account's public facts or address changed.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct UserUpdated {
    /// Whose.
    pub user_id: Uuid,
    /// Their login name now.
    pub username: String,
    /// What to call them now.
    pub display_name: String,
    /// Where mail to them goes now.
    pub email: String,
    /// Their language now, an RFC 5646 tag.
    pub locale: String,
}

impl Event for UserUpdated {
    const TYPE: &'static str = "users.user.updated";
    const TOPIC: &'static str = TOPIC;
    const SOURCE: &'static str = SOURCE;
    fn subject(&self) -> String {
        self.user_id.to_string()
    }
}

/// An account is gone. Consumers erase what they keep of the user.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct UserDeleted {
    /// Whose.
    pub user_id: Uuid,
}

impl Event for UserDeleted {
    const TYPE: &'static str = "users.user.deleted";
    const TOPIC: &'static str = TOPIC;
    const SOURCE: &'static str = SOURCE;
    fn subject(&self) -> String {
        self.user_id.to_string()
    }
}
