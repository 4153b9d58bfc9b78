//! Documents that clients name instead of sending them: trusted ones, which the operator lists, and automatic ones, which
//! clients leave with the router (Apollo, "Automatic Persisted Queries").
//!
//! A request names a document by `documentId` (GraphQL over HTTP, appendix "Persisted Documents"), by `doc_id` or `id` as
//! Relay's clients do, or by `extensions.persistedQuery.sha256Hash` as Apollo's do.
//!
//! Automatic documents are kept in memory, by each replica for itself: a replica that does not know one says so, and the
//! client sends it again, which every client of the protocol does unasked.

mod trusted;

use crate::error::{Code, Error, GraphQLError};
use crate::request::GraphQLRequest;
use arc_swap::ArcSwap;
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use trusted::Trusted;

/// What an automatic document weighs besides its text, in bytes (estimated).
const OVERHEAD: usize = 256;

/// Which documents are run, and where they are.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What trusted documents are for.
    pub mode: Mode,
    /// The trusted documents: a folder of `.graphql` files, each named by its file name without the ending, or a JSON
    /// manifest: Apollo's, or an object of texts by id as Relay and GraphQL Code Generator write it. Each document is also
    /// named by the SHA-256 of its text.
    pub path: Option<PathBuf>,
    /// Whether mode `only` refuses texts even if they are those of trusted documents.
    pub require_id: bool,
    /// How often the trusted documents are looked at for changes, in seconds.
    pub poll_seconds: u64,
    /// Documents that clients leave with the router.
    pub automatic: Automatic,
}

/// What trusted documents are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// There are none.
    #[default]
    Off,
    /// They can be named; any other document is run as well.
    Allow,
    /// Like `allow`, and the log tells of every document that `only` would refuse.
    Log,
    /// No other document is run, and automatic ones are off.
    Only,
}

/// Documents that clients leave with the router.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Automatic {
    /// Whether clients may.
    pub enabled: bool,
    /// How much they may take together, in bytes (estimated). Those that were not used for longest go first.
    pub max_bytes: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mode: Mode::Off,
            path: None,
            require_id: false,
            poll_seconds: 10,
            automatic: Automatic { enabled: true, max_bytes: 32 << 20 },
        }
    }
}

impl Default for Automatic {
    fn default() -> Self {
        Config::default().automatic
    }
}

impl Config {
    /// Refuses values that cannot work; the message names the field.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        let problem = match self.mode {
            Mode::Off if self.path.is_some() => "documents.path needs a documents.mode other than off",
            Mode::Allow | Mode::Log | Mode::Only if self.path.is_none() => "documents.mode needs documents.path",
            Mode::Off | Mode::Allow | Mode::Log if self.require_id => {
                "documents.require_id needs the documents.mode only"
            }
            _ if self.poll_seconds == 0 => "documents.poll_seconds must be greater than 0",
            _ => return Ok(()),
        };
        Err(Error::Config(problem.into()))
    }
}

/// The documents that requests may name.
pub(crate) struct Documents {
    mode: Mode,
    require_id: bool,
    trusted: Arc<ArcSwap<Trusted>>,
    /// By the SHA-256 of the text. Only documents that proved valid are in it.
    automatic: Option<Cache<String, Arc<str>>>,
}

/// Under which hash the document of a request is to be kept once it proves valid.
#[derive(Debug, PartialEq)]
pub(crate) struct Registration(String);

impl Documents {
    /// Reads the trusted documents, and keeps them up to date until shutdown. Needs a Tokio runtime.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) fn start(config: &Config, shutdown: CancellationToken) -> Result<Self, Error> {
        let documents = Self::new(config)?;
        if let Some(path) = config.path.clone() {
            let poll = Duration::from_secs(config.poll_seconds);
            let keeping = trusted::keep(documents.trusted.clone(), path, poll);
            tokio::spawn(async move { shutdown.run_until_cancelled(keeping).await });
        }
        Ok(documents)
    }

    fn new(config: &Config) -> Result<Self, Error> {
        let trusted = config.path.as_deref().map_or(Ok(Trusted::default()), trusted::load)?;
        let is_open = config.automatic.enabled && config.mode != Mode::Only;
        let weight = |_: &String, text: &Arc<str>| u32::try_from(text.len() + OVERHEAD).unwrap_or(u32::MAX);
        let automatic =
            is_open.then(|| Cache::builder().max_capacity(config.automatic.max_bytes).weigher(weight).build());
        Ok(Self {
            mode: config.mode,
            require_id: config.require_id,
            trusted: Arc::new(ArcSwap::from_pointee(trusted)),
            automatic,
        })
    }

    /// Puts the document that a request names into its `query`, or judges the one that it sends. What is to be kept is
    /// given to [`Documents::keep`] when it has proved valid.
    ///
    /// # Errors
    /// PERSISTED_QUERY_NOT_FOUND, PERSISTED_QUERY_NOT_SUPPORTED, PERSISTED_QUERY_ID_REQUIRED, QUERY_NOT_IN_SAFELIST;
    /// BAD_REQUEST for a hash that is none or that is not the text's.
    pub(crate) fn resolve(&self, request: &mut GraphQLRequest) -> Result<Option<Registration>, GraphQLError> {
        let hash = request.extensions.as_ref().and_then(|extensions| extensions.get("persistedQuery"));
        let hash = hash.map(sha256_hash).transpose()?;
        let Some(text) = &request.query else {
            let id = request.document_id.as_deref().or(hash.as_deref());
            request.query = id.map(|id| self.find(id)).transpose()?;
            return Ok(None);
        };
        self.judge(text, request.operation_name.as_deref())?;
        match hash {
            Some(hash) if hash != sha256(text) => Err(bad_request("provided sha does not match query")),
            Some(hash) if self.automatic.is_some() => Ok(Some(Registration(hash))),
            _ => Ok(None),
        }
    }

    /// Keeps the document of a request that proved valid.
    pub(crate) fn keep(&self, registration: Registration, text: &str) {
        if let Some(automatic) = &self.automatic
            && !automatic.contains_key(&registration.0)
        {
            automatic.insert(registration.0, text.into());
        }
    }

    fn find(&self, id: &str) -> Result<String, GraphQLError> {
        let trusted = self.trusted.load();
        let text = trusted.by_id(id).cloned();
        let text = text.or_else(|| self.automatic.as_ref()?.get(id.strip_prefix("sha256:").unwrap_or(id)));
        match text {
            Some(text) => Ok(text.as_ref().to_owned()),
            // Both messages are what clients go by.
            None if self.mode == Mode::Off && self.automatic.is_none() => {
                Err(GraphQLError::new(Code::PersistedQueryNotSupported, "PersistedQueryNotSupported"))
            }
            None => Err(GraphQLError::new(Code::PersistedQueryNotFound, "PersistedQueryNotFound")),
        }
    }

    /// Whether a text may be run.
    fn judge(&self, text: &str, operation: Option<&str>) -> Result<(), GraphQLError> {
        match self.mode {
            Mode::Off | Mode::Allow => Ok(()),
            Mode::Only if self.require_id => {
                let message = "Only documents that the server knows are run, and by their ids.";
                Err(GraphQLError::new(Code::PersistedQueryIdRequired, message))
            }
            _ if self.trusted.load().holds(text) => Ok(()),
            Mode::Log => {
                tracing::warn!(operation, sha256 = sha256(text), "a document is not a trusted one");
                Ok(())
            }
            Mode::Only => {
                let message = "Only documents that the server knows are run.";
                Err(GraphQLError::new(Code::QueryNotInSafelist, message))
            }
        }
    }
}

/// The hash of `extensions.persistedQuery`, in small letters.
fn sha256_hash(extension: &Value) -> Result<String, GraphQLError> {
    let extension: Option<&Map<String, Value>> = extension.as_object();
    let version = extension.and_then(|extension| extension.get("version"));
    if version.is_some_and(|version| *version != 1) {
        return Err(bad_request("extensions.persistedQuery has a version other than 1"));
    }
    let hash = extension.and_then(|extension| extension.get("sha256Hash")).and_then(Value::as_str).unwrap_or_default();
    match hash.len() == 64 && hash.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        true => Ok(hash.to_ascii_lowercase()),
        false => Err(bad_request("extensions.persistedQuery.sha256Hash is no SHA-256")),
    }
}

fn sha256(text: &str) -> String {
    format!("{:x}", Sha256::digest(text))
}

fn bad_request(message: &'static str) -> GraphQLError {
    GraphQLError::new(Code::BadRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request(text: Option<&str>, hash: &str) -> GraphQLRequest {
        let extensions = json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } });
        GraphQLRequest {
            query: text.map(str::to_owned),
            extensions: extensions.as_object().cloned(),
            ..GraphQLRequest::default()
        }
    }

    #[test]
    fn automatic_documents_are_bounded() {
        let automatic = Automatic { enabled: true, max_bytes: 64 << 10 };
        let documents = Documents::new(&Config { automatic, ..Config::default() }).unwrap();
        for number in 0..1_000 {
            let text = format!("{{ a{number}: __typename }} #{}", "x".repeat(1_000));
            let registration = documents.resolve(&mut request(Some(&text), &sha256(&text))).unwrap().unwrap();
            documents.keep(registration, &text);
        }
        let automatic = documents.automatic.unwrap();
        automatic.run_pending_tasks();
        assert!(automatic.weighted_size() <= 64 << 10, "{}", automatic.weighted_size());
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        let documents = Documents::new(&Config::default()).unwrap();
        let refused = |extensions: Value| {
            let extensions = json!({ "persistedQuery": extensions }).as_object().cloned();
            let mut request = GraphQLRequest { extensions, ..GraphQLRequest::default() };
            documents.resolve(&mut request).unwrap_err().code().unwrap().to_owned()
        };
        let hash = sha256("{ a }");
        for extension in [
            json!(null),
            json!(1),
            json!({}),
            json!({ "version": 2, "sha256Hash": hash }),
            json!({ "version": 1, "sha256Hash": "abc" }),
            json!({ "version": 1, "sha256Hash": "é".repeat(32) }),
            json!({ "version": 1, "sha256Hash": 7 }),
        ] {
            assert_eq!(refused(extension.clone()), "BAD_REQUEST", "{extension}");
        }
        assert_eq!(refused(json!({ "sha256Hash": hash })), "PERSISTED_QUERY_NOT_FOUND");
        let stolen = documents.resolve(&mut request(Some("{ b }"), &hash)).unwrap_err();
        assert_eq!(stolen.code(), Some("BAD_REQUEST"));
        assert!(documents.resolve(&mut request(Some("{ a }"), &hash.to_uppercase())).unwrap().is_some());
    }

    #[test]
    fn modes_need_their_settings() {
        let with = |mode, path: Option<&str>, require_id| Config {
            mode,
            path: path.map(PathBuf::from),
            require_id,
            ..Config::default()
        };
        assert!(with(Mode::Only, Some("documents"), true).validate().is_ok());
        for (config, field) in [
            (with(Mode::Only, None, false), "documents.path"),
            (with(Mode::Off, Some("documents"), false), "documents.mode"),
            (with(Mode::Log, Some("documents"), true), "documents.require_id"),
            (Config { poll_seconds: 0, ..Config::default() }, "documents.poll_seconds"),
        ] {
            assert!(config.validate().unwrap_err().to_string().contains(field), "{config:?}");
        }
    }
}
