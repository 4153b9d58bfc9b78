//! Configuration: defaults, then `hansa.toml`, then `HANSA_` variables (`__` nests), then the command line.

use crate::{registry::Subgraphs, telemetry::Telemetry};
use anyhow::{Context, bail};
use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
    value::Value,
};
use hansa_kit::{bus, signals};
use serde::{Deserialize, Serialize};
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

/// Everything that can be configured.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where SQLite files and other data are kept.
    pub data: PathBuf,
    /// The HTTP server.
    pub server: hansa_router::server::Config,
    /// Logging.
    pub log: Log,
    /// What the process tells of itself besides its log.
    pub telemetry: Telemetry,
    /// Who issues access tokens.
    pub identity: Identity,
    /// The event bus.
    pub bus: bus::Config,
    /// Live signals between replicas.
    pub signals: signals::Config,
    /// The router.
    pub router: hansa_router::Config,
    /// URLs of subgraphs that run elsewhere, by name: `http://HOST:PORT/NAME/graphql`.
    pub subgraph_urls: std::collections::BTreeMap<String, url::Url>,
    /// The subgraphs.
    pub subgraphs: Subgraphs,
    /// The mailer.
    pub mailer: hansa_mailer::Config,
    /// The embedded mailbox at `/mail`.
    pub mailbox: Mailbox,
    /// GraphiQL at `/`.
    pub playground: Playground,
}

/// Logging.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// Which events, in the syntax of `tracing_subscriber::EnvFilter`.
    pub filter: String,
    /// How they are written.
    pub format: LogFormat,
}

/// How log events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Who issues access tokens, and where what is needed to check them is read.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Identity {
    /// What is accepted.
    pub token: hansa_token::Config,
    /// Base URL of the users service (`http://HOST:PORT/users`); not needed where it runs in the same process.
    pub url: Option<url::Url>,
    /// For a router that stands alone: the signing keys (JWKS) of an issuer that is not the users service. Its tokens
    /// need no session, and are accepted until they expire.
    pub keys_url: Option<url::Url>,
}

/// GraphiQL. It can do no more than any other client: where nobody should try the API out, switch off introspection too.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Playground {
    /// Whether routers serve it.
    pub enabled: bool,
}

impl Default for Playground {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// The embedded mailbox.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mailbox {
    /// Shown without being asked for only by `hansa up` on a loopback address.
    pub enabled: Option<bool>,
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: "info,sea_orm_migration=warn,sqlx=warn".into(), format: LogFormat::Text }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 4000)),
            data: "data".into(),
            server: hansa_router::server::Config::default(),
            log: Log::default(),
            telemetry: Telemetry::default(),
            identity: Identity::default(),
            bus: bus::Config::default(),
            signals: signals::Config::default(),
            router: hansa_router::Config::default(),
            subgraph_urls: std::collections::BTreeMap::new(),
            subgraphs: Subgraphs::default(),
            mailer: hansa_mailer::Config::default(),
            mailbox: Mailbox::default(),
            playground: Playground::default(),
        }
    }
}

impl Config {
    /// Reads the configuration. A `file` that is named must be there.
    ///
    /// # Errors
    /// When a source cannot be read, or holds a field that is unknown or of the wrong type; the message names it.
    pub fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        let toml = match file {
            Some(file) if !file.exists() => bail!("the configuration file {} does not exist", file.display()),
            Some(file) => Toml::file_exact(file),
            None => Toml::file("hansa.toml"),
        };
        // Variables of the command line itself and of the test suite are not configuration.
        let environment =
            Env::prefixed("HANSA_").filter(|key| key != "config" && !key.starts_with("test_")).split("__");
        let defaults = Figment::from(Serialized::defaults(Self::default()));
        let mut figment = defaults.clone().merge(toml).merge(environment.clone());
        // What looks like a number is a text where a text is expected.
        for (key, value) in environment.iter() {
            let (expected, given) = (defaults.find_value(key.as_str()), figment.find_value(key.as_str()));
            if matches!((expected, given), (Ok(Value::String(..)), Ok(Value::Num(..) | Value::Bool(..)))) {
                figment = figment.merge((key.as_str(), value));
            }
        }
        let config: Self = figment.extract().context("the configuration cannot be used")?;
        Ok(config.relative_to(file))
    }

    /// Takes paths of the router from the folder of the file, where there is one.
    fn relative_to(mut self, file: Option<&Path>) -> Self {
        if let Some(folder) = file.and_then(Path::parent) {
            self.router.federation = self.router.federation.relative_to(folder);
            self.router.subgraphs = self.router.subgraphs.relative_to(folder);
        }
        self
    }

    /// Fills in what follows from other fields, and refuses what cannot work.
    ///
    /// # Errors
    /// With a message that names the field.
    pub fn validate(&mut self) -> anyhow::Result<()> {
        let data = self.data.clone();
        let mailer = (hansa_mailer::NAME, &mut self.mailer.database);
        for (name, database) in self.subgraphs.databases_mut().into_iter().chain([mailer]) {
            if database.url.is_empty() {
                database.url = sqlite_url(&data, name);
            }
            if !database.url.starts_with("sqlite:") && !database.url.starts_with("postgres") {
                bail!("the database URL of {name} must begin with sqlite: or postgres:");
            }
            if database.max_connections == 0 {
                bail!("max_connections of {name} must be at least 1");
            }
        }
        if self.mailer.interval_ms == 0 {
            bail!("mailer.interval_ms must be at least 1");
        }
        self.server.validate()?;
        self.router.validate()?;
        self.subgraphs.users.token = self.identity.token.clone();
        Ok(())
    }

    /// Makes the data folder, for this user alone: databases hold password hashes and signing keys.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create_data_folder(&self) -> anyhow::Result<()> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.data).with_context(|| format!("the data folder {}", self.data.display()))
    }

    /// GraphiQL, if it is served.
    pub fn playground(&self) -> axum::Router {
        if self.playground.enabled { hansa_playground::routes() } else { axum::Router::new() }
    }

    /// Whether the mailbox is shown: always or never if that is said, otherwise on loopback addresses only.
    pub fn shows_mailbox(&self) -> bool {
        self.mailer.smtp.url.is_none() && self.mailbox.enabled.unwrap_or(self.listen.ip().is_loopback())
    }

    /// The configuration as TOML-like JSON, with what could be a secret left out.
    ///
    /// # Errors
    /// When it cannot be written, which a test rules out.
    pub fn redacted(&self) -> anyhow::Result<String> {
        let mut value = serde_json::to_value(self)?;
        redact(&mut value);
        Ok(serde_json::to_string_pretty(&value)?)
    }
}

/// The URL of a service's SQLite file.
pub fn sqlite_url(data: &Path, name: &str) -> String {
    format!("sqlite://{}?mode=rwc", data.join(format!("{name}.db")).display())
}

fn redact(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(fields) => fields.values_mut().for_each(redact),
        serde_json::Value::Array(items) => items.iter_mut().for_each(redact),
        serde_json::Value::String(text) => {
            if let Ok(url) = url::Url::parse(text)
                && let Some(redacted) = redact_url(url)
            {
                *text = redacted.into();
            }
        }
        _ => {}
    }
}

/// Without the password, wherever the URL has it; `None` if it has none.
fn redact_url(mut url: url::Url) -> Option<url::Url> {
    const REDACTED: &str = "redacted";
    let is_secret = |key: &str| key.to_ascii_lowercase().contains("password");
    let in_authority = url.password().is_some() && url.set_password(Some(REDACTED)).is_ok();
    let in_query = url.query_pairs().any(|(key, _)| is_secret(&key));
    if in_query {
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let shown =
            |(key, value): (String, String)| if is_secret(&key) { (key, REDACTED.to_owned()) } else { (key, value) };
        url.query_pairs_mut().clear().extend_pairs(pairs.into_iter().map(shown));
    }
    (in_authority || in_query).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hansa_router::transport::Secret;

    #[test]
    fn passwords_are_not_printed() {
        let mut config = Config::default();
        config.subgraphs.users.database.url = "postgres://hansa:s3cret@db/users".into();
        config.subgraphs.posts.database.url = "postgres://hansa@db/posts?password=s3cret&sslmode=require".into();
        config.mailer.smtp.url = Some("smtps://hansa:s3cret@mail".into());
        config.router.subgraphs.headers.insert("x-key".into(), Secret::Given("s3cret".into()));
        let printed = config.redacted().unwrap();
        assert!(!printed.contains("s3cret"));
        assert!(printed.contains("postgres://hansa:redacted@db/users"));
        assert!(printed.contains("postgres://hansa@db/posts?password=redacted&sslmode=require"));
    }

    #[test]
    fn mailbox_is_for_loopback_only_unless_switched_on() {
        let mut config = Config::default();
        assert!(config.shows_mailbox());
        config.listen = "0.0.0.0:4000".parse().unwrap();
        assert!(!config.shows_mailbox());
        config.mailbox.enabled = Some(true);
        assert!(config.shows_mailbox());
    }
}
