//! Mail commands: what any service asks the mailer to send.

use crate::Event;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The topic of mail commands. It has one partition, for mail goes out in one order.
pub const TOPIC: &str = "hansa.mail";

/// A mail to send.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct MailRequested {
    /// The recipient's account.
    pub recipient_id: Uuid,
    /// The recipient's address.
    pub to: String,
    /// The language to write in, an RFC 5646 tag; English where a template lacks it.
    pub locale: String,
    /// What to say.
    pub message: Message,
}

/// The templates, each with what it needs to be filled in.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(tag = "template", rename_all = "snake_case")]
pub enum Message {
    /// The welcome to a new account.
    Welcome {
        /// What to call the recipient.
        display_name: String,
        /// Their login name.
        username: String,
    },
}

impl Event for MailRequested {
    const TYPE: &'static str = "mail.mail.requested";
    const TOPIC: &'static str = TOPIC;
    const SOURCE: &'static str = "/hansa/mail";
    fn subject(&self) -> String {
        self.recipient_id.to_string()
    }
}
