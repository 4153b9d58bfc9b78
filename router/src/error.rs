//! Errors: what can go wrong in the router, and the closed set of codes that clients see.

use http::HeaderMap;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// `extensions.code` of an error that the router itself raises. Codes of subgraphs pass through unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    /// The HTTP request is not a well-formed GraphQL request.
    BadRequest,
    /// The request's media type is not one the endpoint reads.
    UnsupportedMediaType,
    /// None of the media types in `Accept` can be produced.
    NotAcceptable,
    /// The HTTP method is not allowed for this operation.
    MethodNotAllowed,
    /// A request that a browser could send across origins without a preflight.
    CsrfPrevented,
    /// The body is larger than the limit.
    RequestTooLarge,
    /// The body did not arrive in time.
    RequestTimeout,
    /// The document is not syntactically valid.
    GraphqlParseFailed,
    /// The document does not validate against the schema.
    GraphqlValidationFailed,
    /// The document that a request names is not known; Apollo's clients send it then.
    PersistedQueryNotFound,
    /// No document can be named.
    PersistedQueryNotSupported,
    /// The document is not one of those that are trusted.
    QueryNotInSafelist,
    /// Documents have to be named.
    PersistedQueryIdRequired,
    /// `operationName` is missing or names no operation.
    OperationNotFound,
    /// A variable's value does not fit its type.
    BadUserInput,
    /// The operation exceeds a limit (depth, aliases, tokens, root fields, …).
    OperationTooComplex,
    /// The operation may cost more than the limit; `extensions.cost` says how much.
    CostLimitExceeded,
    /// The answer is larger than the limit. A mutation was executed all the same.
    ResponseTooLarge,
    /// Too many requests.
    RateLimited,
    /// The client did not read a stream as fast as others who share it: it has to subscribe again.
    SlowConsumer,
    /// Introspection is switched off.
    IntrospectionDisabled,
    /// The field needs a signed-in caller.
    Unauthenticated,
    /// The caller lacks a scope that the field needs.
    Forbidden,
    /// The access token is malformed, forged or meant for somebody else.
    TokenInvalid,
    /// The access token has expired.
    TokenExpired,
    /// The session of the access token was ended.
    TokenRevoked,
    /// The signing keys could not be read, so that no token can be checked.
    KeysUnavailable,
    /// A subgraph reported an error without a code of its own, or gave a value that the schema does not allow.
    SubgraphError,
    /// A subgraph could not be reached or answered nonsense.
    SubgraphUnavailable,
    /// A subgraph did not answer in time.
    SubgraphTimeout,
    /// No supergraph has been composed yet.
    SupergraphUnavailable,
    /// The request ran out of time.
    Timeout,
    /// The server is shutting down.
    ShuttingDown,
    /// A defect of the router. Details are in its log only.
    Internal,
}

/// A GraphQL error as clients see it (GraphQL spec, "Errors").
#[derive(Clone, Debug, Serialize)]
pub struct GraphQLError {
    /// What went wrong, for people.
    pub message: Cow<'static, str>,
    /// Where in the document, when known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub locations: Vec<Location>,
    /// Which response field it concerns, when known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Vec<serde_json::Value>>,
    /// Machine-readable details; always holds `code`.
    pub extensions: serde_json::Map<String, serde_json::Value>,
    /// What an answer by HTTP says of it in headers.
    #[serde(skip)]
    pub(crate) headers: Option<Box<HeaderMap>>,
}

/// A position in a GraphQL document, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Location {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl GraphQLError {
    /// An error with a code and no path.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        let mut extensions = serde_json::Map::new();
        extensions.insert("code".into(), serde_json::to_value(code).unwrap_or_default());
        Self { message: message.into(), locations: Vec::new(), path: None, extensions, headers: None }
    }

    /// The code it carries.
    pub fn code(&self) -> Option<&str> {
        self.extensions.get("code").and_then(|code| code.as_str())
    }
}

/// What can stop the router itself, as opposed to a request.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration cannot be used.
    #[error("configuration: {0}")]
    Config(String),
    /// The subgraphs do not compose.
    #[error("composition failed:\n{0}")]
    Composition(String),
    /// The supergraph cannot be read or planned over.
    #[error("supergraph: {0}")]
    Supergraph(String),
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}
