//! A GraphQL request and who sends it, as the stages hand them on.

use crate::rate::RateLimit;
use hansa_token::Claims;
use http::HeaderMap;
use serde::Deserialize;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::watch;

/// The parameters of a GraphQL request (GraphQL over HTTP, "Request Parameters").
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object with the member query")]
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
    /// What the caller has left, for whoever asks; only while an operation runs that does.
    pub(crate) rate: Option<RateLimit>,
}

/// Who reads a stream: a socket's token may be renewed while its operations run.
#[derive(Clone, Debug)]
pub struct Caller(watch::Receiver<Arc<RequestContext>>);

impl Caller {
    /// A caller who stays as they are.
    pub fn fixed(context: RequestContext) -> Self {
        Self(watch::channel(Arc::new(context)).1)
    }

    /// A caller who is renewed by the sender.
    pub(crate) fn renewable(contexts: watch::Receiver<Arc<RequestContext>>) -> Self {
        Self(contexts)
    }

    /// As of now.
    pub fn now(&self) -> Arc<RequestContext> {
        self.0.borrow().clone()
    }

    /// Completes when the caller has been renewed since the last time, perhaps never. Cancel safe.
    pub async fn renewed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }
}
