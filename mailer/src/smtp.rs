//! Where mail goes: a server, or the embedded mailbox.

use crate::{Error, mailbox};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use sea_orm::DatabaseConnection;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How mail leaves.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `smtp://HOST:PORT`, `smtps://USER:PASSWORD@HOST` or `smtp://…?tls=required`; without it mail goes into the embedded
    /// mailbox.
    pub url: Option<String>,
    /// Longest time for one message, in milliseconds.
    pub timeout_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { url: None, timeout_ms: 30_000 }
    }
}

/// The way out.
#[derive(Clone, Debug)]
pub(crate) enum Smtp {
    Mailbox(DatabaseConnection),
    Server { transport: AsyncSmtpTransport<Tokio1Executor>, timeout: Duration },
}

/// Why a message was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It may be accepted later.
    Temporary(String),
    /// It never will be.
    Permanent(String),
}

impl Smtp {
    pub(crate) fn new(config: &Config, database: DatabaseConnection) -> Result<Self, Error> {
        let Some(url) = &config.url else {
            return Ok(Self::Mailbox(database));
        };
        let timeout = Duration::from_millis(config.timeout_ms);
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .map_err(|error| Error::Config(format!("smtp.url: {error}")))?
            .timeout(Some(timeout))
            .build();
        Ok(Self::Server { transport, timeout })
    }

    /// Hands a message over. What happened to it after a timeout nobody knows: it is sent again, under the same Message-ID.
    pub(crate) async fn send(&self, message: Message) -> Result<(), Failure> {
        match self {
            Self::Mailbox(database) => mailbox::receive(database, &message.formatted())
                .await
                .map_err(|error| Failure::Temporary(error.to_string())),
            Self::Server { transport, timeout } => {
                match tokio::time::timeout(*timeout, transport.send(message)).await {
                    Ok(Ok(_)) => Ok(()),
                    Ok(Err(error)) if error.is_permanent() => Err(Failure::Permanent(error.to_string())),
                    Ok(Err(error)) => Err(Failure::Temporary(error.to_string())),
                    Err(_) => Err(Failure::Temporary("the server did not answer in time".into())),
                }
            }
        }
    }
}
