//! The router's own subgraph, in its process: `node` and `nodes` ([`nodes`]), and `rateLimit` (`rate_limit`).

pub mod nodes;
mod rate_limit;

pub(crate) use rate_limit::{TOLD, told};

use crate::error::{Code, Error, GraphQLError};
use crate::operation::collect::{Collected, Collector};
use crate::operation::document::choose;
use crate::request::GraphQLRequest;
use crate::transport::{self, Subgraph, Transport};
use axum::Json;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use graphql_tools::parser::parse_query;
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HOST};
use nodes::{NodeType, Nodes};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The subgraph's name.
pub const NAME: &str = "router";

/// What the subgraph serves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// The types that `node` and `nodes` find. Without any there are no such fields.
    pub nodes: Vec<NodeType>,
    /// Whether there is `rateLimit`.
    pub rate_limit: bool,
}

impl Fields {
    /// Whether there is nothing to serve.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty() && !self.rate_limit
    }
}

/// The subgraph's SDL.
pub fn sdl(fields: &Fields) -> String {
    let mut sdl = String::from(
        "extend schema @link(url: \"https://specs.apollo.dev/federation/v2.9\", import: [\"@key\", \"@listSize\"])\n\n\
         type Query {\n",
    );
    if !fields.nodes.is_empty() {
        sdl += &nodes::fields();
    }
    if fields.rate_limit {
        sdl += rate_limit::FIELD;
    }
    sdl += "}\n";
    if !fields.nodes.is_empty() {
        sdl += &nodes::types(&fields.nodes);
    }
    if fields.rate_limit {
        sdl += rate_limit::TYPES;
    }
    sdl
}

/// The subgraph, over those that own the types of its nodes.
///
/// # Errors
/// [`Error::Config`] for a type whose owner is not among them.
pub fn subgraph(fields: &Fields, owners: &[Arc<Subgraph>], config: &transport::Config) -> Result<Subgraph, Error> {
    let builtin = Builtin { sdl: sdl(fields), nodes: Nodes::new(&fields.nodes, owners)? };
    // What is for one of the owners alone passes here on its way; from the others it is withheld there.
    let forward = config.forwarded().iter().map(ToString::to_string).collect();
    let config = transport::Config { forward, ..config.clone() };
    let routes = axum::Router::new().route("/graphql", post(answer)).with_state(Arc::new(builtin));
    Ok(Subgraph::new(NAME, format!("http://{NAME}/graphql"), Transport::Local(routes), &config)?.with_rate_limit())
}

struct Builtin {
    sdl: String,
    nodes: Nodes,
}

async fn answer(State(builtin): State<Arc<Builtin>>, mut headers: HeaderMap, body: Bytes) -> Json<Value> {
    for name in [ACCEPT, CONTENT_TYPE, CONTENT_LENGTH, HOST] {
        headers.remove(name);
    }
    let answer = match serde_json::from_slice::<GraphQLRequest>(&body) {
        Ok(request) => builtin.answer(request, headers).await,
        Err(_) => Err(GraphQLError::new(Code::BadRequest, "not a GraphQL request")),
    };
    Json(answer.unwrap_or_else(|error| json!({ "data": null, "errors": [error] })))
}

impl Builtin {
    async fn answer(&self, request: GraphQLRequest, mut headers: HeaderMap) -> Result<Value, GraphQLError> {
        let limit = rate_limit::take(&mut headers);
        let text = request.query.unwrap_or_default();
        let document = parse_query::<String>(&text);
        let document =
            document.map_err(|_| GraphQLError::new(Code::GraphqlParseFailed, "not a document"))?.into_static();
        let operation = choose(&document, request.operation_name.as_deref())?;
        let variables = request.variables.unwrap_or_default().into_iter().collect();
        let collector = Collector::new(&document, &variables);
        let asked = collector.collect(&[operation.selection_set()], |condition| condition == "Query");
        let nodes = self.nodes.find(&collector, &asked, &headers).await;

        let mut data = Map::new();
        let mut errors = Vec::new();
        for field in &asked {
            let value = match field.first.name.as_str() {
                "__typename" => "Query".into(),
                "_service" => fields(&collector, field, "_Service", |_| self.sdl.as_str().into()),
                "rateLimit" => rate_limit::value(limit.as_ref(), &collector, field),
                _ => nodes.value(&collector, field, &mut errors),
            };
            data.insert(field.key.to_owned(), value);
        }
        Ok(if errors.is_empty() { json!({ "data": data }) } else { json!({ "data": data, "errors": errors }) })
    }
}

/// An object of this type: what of it is selected.
fn fields(collector: &Collector<'_>, field: &Collected<'_>, ty: &str, value: impl Fn(&str) -> Value) -> Value {
    let fields = collector.collect(&field.selections, |condition| condition == ty);
    let value = |field: &Collected<'_>| match field.first.name.as_str() {
        "__typename" => ty.into(),
        name => value(name),
    };
    fields.iter().map(|field| (field.key.to_owned(), value(field))).collect()
}
