//! A GraphQL request and who sends it, as the stages hand them on.

use hansa_token::Claims;
use http::HeaderMap;
use serde::Deserialize;
use std::sync::Arc;

/// The parameters of a GraphQL request (GraphQL over HTTP, "Request Parameters").
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GraphQLRequest {
    /// The document; may be absent only with a persisted document.
    #[serde(default)]
    pub query: Option<String>,
    /// Which operation of the document to run.
    #[serde(default)]
    pub operation_name: Option<String>,
    /// Values of the operation's variables.
    #[serde(default)]
    pub variables: Option<serde_json::Map<String, serde_json::Value>>,
    /// Protocol extensions.
    #[serde(default)]
    pub extensions: Option<serde_json::Map<String, serde_json::Value>>,
}

/// Who sends the request and what of it travels on to subgraphs.
#[derive(Clone, Debug, Default)]
pub struct RequestContext {
    /// The verified claims; `None` for an anonymous caller.
    pub claims: Option<Arc<Claims>>,
    /// Headers to send along to subgraphs: `authorization`, `traceparent`, `x-request-id`, …
    pub forward: HeaderMap,
}
