//! A GraphQL request and who sends it, as the stages hand them on.

use hansa_token::Claims;
use http::HeaderMap;
use serde::Deserialize;
use std::net::IpAddr;
use std::sync::Arc;

/// The parameters of a GraphQL request (GraphQL over HTTP, "Request Parameters").
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GraphQLRequest {
    /// The document; may be absent only if another member names it.
    #[serde(default)]
    pub query: Option<String>,
    /// The id of a document that the router knows.
    #[serde(default, alias = "doc_id", alias = "id")]
    pub document_id: Option<String>,
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

impl GraphQLRequest {
    /// Whether it has a document or names one.
    pub(crate) fn has_document(&self) -> bool {
        let names_one = |extensions: &serde_json::Map<_, _>| extensions.contains_key("persistedQuery");
        self.query.is_some() || self.document_id.is_some() || self.extensions.as_ref().is_some_and(names_one)
    }
}

/// Who sends the request and what of it travels on to subgraphs.
#[derive(Clone, Debug, Default)]
pub struct RequestContext {
    /// The verified claims; `None` for an anonymous caller.
    pub claims: Option<Arc<Claims>>,
    /// The client's address, when it is known.
    pub address: Option<IpAddr>,
    /// Headers to send along to subgraphs: `authorization`, `traceparent`, `x-request-id`, …
    pub forward: HeaderMap,
}
