//! Where mail goes: a server, or the embedded mailbox.

use crate::{Error, mailbox};
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    transport::smtp::{
        self,
        client::{Certificate, CertificateStore, Tls, TlsParameters},
    },
};
use sea_orm::DatabaseConnection;
use serde::{Deserialize, Serialize};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use url::Url;

/// How mail leaves.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `smtp://HOST:PORT`, `smtps://USER:PASSWORD@HOST` or `smtp://…?tls=required`; without it mail goes into the embedded
    /// mailbox.
    pub url: Option<String>,
    /// The certificates (PEM) that alone vouch for the server, in place of the well-known authorities.
    pub ca_file: Option<PathBuf>,
    /// Longest time for one message, in milliseconds.
    pub timeout_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { url: None, ca_file: None, timeout_ms: 30_000 }
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
pub(crate) struct Failure {
    /// Whether it never will be, or may be later.
    pub(crate) is_permanent: bool,
    /// The server's reply code, or the kind of fault: nothing personal, so that it may be logged.
    pub(crate) class: String,
    /// All that is known. It may quote the recipient's address.
    pub(crate) reason: String,
}

impl Failure {
    /// No attempt at this message can succeed.
    pub(crate) fn unsendable(error: &Error) -> Self {
        Self { is_permanent: true, class: "unsendable".into(), reason: error.to_string() }
    }

    fn temporary(class: &str, reason: impl ToString) -> Self {
        Self { is_permanent: false, class: class.into(), reason: reason.to_string() }
    }
}

/// Replies that refuse the session and not the message: somebody has to mend the configuration, and the mail can wait for
/// that (RFC 3207 section 4, RFC 4954 section 6).
const SESSION_REFUSED: [u16; 4] = [530, 534, 535, 538];

impl From<smtp::Error> for Failure {
    fn from(error: smtp::Error) -> Self {
        let class = match error.status() {
            Some(code) => code.to_string(),
            None if error.is_tls() => "tls".into(),
            None if error.is_response() => "unreadable reply".into(),
            None => "no session".into(),
        };
        let is_session = error.status().is_some_and(|code| SESSION_REFUSED.contains(&code.into()));
        Self { is_permanent: error.is_permanent() && !is_session, class, reason: error.to_string() }
    }
}

impl Smtp {
    /// Reads what the configuration names; connects to nothing yet.
    pub(crate) fn new(config: &Config, database: DatabaseConnection) -> Result<Self, Error> {
        let Some(url) = &config.url else {
            return Ok(Self::Mailbox(database));
        };
        let timeout = Duration::from_millis(config.timeout_ms);
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .map_err(|error| Error::Config(format!("smtp.url: {error}")))?
            .timeout(Some(timeout));
        if let Some(ca_file) = &config.ca_file {
            transport = transport.tls(private_tls(url, ca_file)?);
        }
        Ok(Self::Server { transport: transport.build(), timeout })
    }

    /// Hands a message over. What happened to it after a timeout nobody knows: it is sent again, under the same Message-ID.
    pub(crate) async fn send(&self, message: Message) -> Result<(), Failure> {
        match self {
            Self::Mailbox(database) => mailbox::receive(database, &message.formatted())
                .await
                .map_err(|error| Failure::temporary("mailbox", error)),
            Self::Server { transport, timeout } => {
                match tokio::time::timeout(*timeout, transport.send(message)).await {
                    Ok(result) => Ok(result.map(drop)?),
                    Err(_) => Err(Failure::temporary("timeout", "the server did not answer in time")),
                }
            }
        }
    }
}

/// What the URL says of TLS, with the certificates of `ca_file` as the only roots.
fn private_tls(url: &str, ca_file: &Path) -> Result<Tls, Error> {
    let refused = |reason: String| Error::Config(format!("smtp.ca_file: {reason}"));
    let url = Url::parse(url).map_err(|error| Error::Config(format!("smtp.url: {error}")))?;
    let pem = std::fs::read(ca_file).map_err(|error| refused(format!("{}: {error}", ca_file.display())))?;
    let roots = Certificate::from_pem(&pem).map_err(|error| refused(error.to_string()))?;
    let parameters = TlsParameters::builder(url.host_str().unwrap_or_default().to_owned())
        .certificate_store(CertificateStore::None)
        .add_root_certificate(roots)
        .build()
        .map_err(|error| refused(error.to_string()))?;
    let is_required = url.query_pairs().any(|pair| pair == ("tls".into(), "required".into()));
    match url.scheme() {
        "smtps" => Ok(Tls::Wrapper(parameters)),
        _ if is_required => Ok(Tls::Required(parameters)),
        _ => Err(refused("smtp.url must begin with smtps: or end in ?tls=required".into())),
    }
}
