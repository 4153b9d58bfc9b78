//! `Query.node` and `Query.nodes`: any object by its global id (GraphQL Global Object Identification specification).
//!
//! A subgraph in the router's own process. By an id's prefix it knows the type and who owns it; whether there is such an
//! object, and whether the caller may see it, the owner says: it is asked, in the caller's name and once for all ids of
//! an operation, before the object is handed out. Gone, forbidden and malformed alike are null.

use crate::error::{Code, Error, GraphQLError};
use crate::execute::unavailable;
use crate::operation::Variables;
use crate::operation::collect::{Collected, Collector};
use crate::operation::document::choose;
use crate::request::GraphQLRequest;
use crate::transport::{self, Subgraph, Transport};
use axum::Json;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use graphql_tools::parser::parse_query;
use graphql_tools::static_graphql::query;
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HOST};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The subgraph's name.
pub const NAME: &str = "router";

/// How many ids `nodes` takes at most.
pub const MOST: usize = 100;

/// How long the owners may take; their own limits are shorter as a rule.
const PATIENCE: Duration = Duration::from_secs(60);

/// A type whose objects have global ids of the form `PREFIX_…`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NodeType {
    /// What the ids begin with, without the last `_`.
    pub prefix: String,
    /// The object type. Its `@key` is `id`.
    #[serde(rename = "type")]
    pub name: String,
    /// The subgraph that owns it: its entity resolver gives null for what is not there or not the caller's to see.
    pub subgraph: String,
}

/// The subgraph's SDL.
pub fn sdl(types: &[NodeType]) -> String {
    let mut sdl = format!(
        r#"extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@listSize"])

type Query {{
  "The object of this id; null when there is none that the caller may see."
  node(
    "The global id."
    id: ID!
  ): Node
  "The objects of these ids, in their order; null in place of one that is not there or not the caller's to see."
  nodes(
    "The global ids, {MOST} at most."
    ids: [ID!]!
  ): [Node] @listSize(assumedSize: {MOST})
}}

"What has a global id."
interface Node {{
  "The global id."
  id: ID!
}}
"#
    );
    for name in types.iter().map(|ty| &ty.name).collect::<BTreeSet<_>>() {
        // Writing to a text does not fail.
        let _ =
            write!(sdl, "\ntype {name} implements Node @key(fields: \"id\", resolvable: false) {{\n  id: ID!\n}}\n");
    }
    sdl
}

/// The subgraph, over those that own the types.
///
/// # Errors
/// [`Error::Config`] for a type whose owner is not among them.
pub fn subgraph(types: &[NodeType], owners: &[Arc<Subgraph>], config: &transport::Config) -> Result<Subgraph, Error> {
    let owners: HashMap<_, _> = owners.iter().map(|owner| (owner.name.clone(), owner.clone())).collect();
    if let Some(orphan) = types.iter().find(|ty| !owners.contains_key(&ty.subgraph)) {
        let why =
            format!("nodes: {} is said to be of the subgraph \"{}\", which is not there", orphan.name, orphan.subgraph);
        return Err(Error::Config(why));
    }
    let nodes =
        Nodes { sdl: sdl(types), types: types.iter().map(|ty| (ty.prefix.clone(), ty.clone())).collect(), owners };
    let routes = axum::Router::new().route("/graphql", post(answer)).with_state(Arc::new(nodes));
    Subgraph::new(NAME, format!("http://{NAME}/graphql"), Transport::Local(routes), config)
}

struct Nodes {
    sdl: String,
    /// By prefix.
    types: HashMap<String, NodeType>,
    /// By name.
    owners: HashMap<String, Arc<Subgraph>>,
}

/// What the owners said: of which type each id is, and who gave no answer.
#[derive(Default)]
struct Known<'n> {
    types: HashMap<String, &'n str>,
    failures: BTreeMap<&'n str, GraphQLError>,
}

async fn answer(State(nodes): State<Arc<Nodes>>, mut headers: HeaderMap, body: Bytes) -> Json<Value> {
    for name in [ACCEPT, CONTENT_TYPE, CONTENT_LENGTH, HOST] {
        headers.remove(name);
    }
    let answer = match serde_json::from_slice::<GraphQLRequest>(&body) {
        Ok(request) => nodes.answer(request, &headers).await,
        Err(_) => Err(GraphQLError::new(Code::BadRequest, "not a GraphQL request")),
    };
    Json(answer.unwrap_or_else(|error| json!({ "data": null, "errors": [error] })))
}

impl Nodes {
    async fn answer(&self, request: GraphQLRequest, headers: &HeaderMap) -> Result<Value, GraphQLError> {
        let text = request.query.unwrap_or_default();
        let document = parse_query::<String>(&text);
        let document =
            document.map_err(|_| GraphQLError::new(Code::GraphqlParseFailed, "not a document"))?.into_static();
        let operation = choose(&document, request.operation_name.as_deref())?;
        let variables = request.variables.unwrap_or_default().into_iter().collect();
        let collector = Collector::new(&document, &variables);
        let fields = collector.collect(&[operation.selection_set()], |condition| condition == "Query");

        let asked: Vec<Vec<String>> = fields.iter().map(|field| ids(field.first, &variables)).collect();
        let wanted = asked.iter().filter(|ids| ids.len() <= MOST).flatten();
        let known = self.ask(wanted.map(String::as_str).collect(), headers).await;

        let mut data = Map::new();
        let mut errors = Vec::new();
        for (field, ids) in fields.iter().zip(&asked) {
            let path = json!(field.key);
            let value = match field.first.name.as_str() {
                "__typename" => "Query".into(),
                "_service" => self.service(&collector, field),
                "nodes" if ids.len() > MOST => {
                    let mut error = GraphQLError::new(Code::BadUserInput, format!("`ids` has more than {MOST} ids."));
                    error.path = Some(vec![path]);
                    errors.push(error);
                    Value::Null
                }
                "nodes" => {
                    let places = ids.iter().enumerate().map(|(index, id)| (id, vec![path.clone(), index.into()]));
                    places.map(|(id, path)| self.node(&known, &collector, field, id, path, &mut errors)).collect()
                }
                _ => ids
                    .first()
                    .map_or(Value::Null, |id| self.node(&known, &collector, field, id, vec![path], &mut errors)),
            };
            data.insert(field.key.to_owned(), value);
        }
        Ok(if errors.is_empty() { json!({ "data": data }) } else { json!({ "data": data, "errors": errors }) })
    }

    /// The type that an id is of, if it is of one at all.
    fn type_of(&self, id: &str) -> Option<&NodeType> {
        self.types.get(id.rsplit_once('_')?.0)
    }

    /// Asks the owners which of these objects there are for the caller.
    async fn ask(&self, ids: BTreeSet<&str>, headers: &HeaderMap) -> Known<'_> {
        let mut by_owner: BTreeMap<&str, Vec<(&str, &NodeType)>> = BTreeMap::new();
        for id in ids {
            if let Some(ty) = self.type_of(id) {
                by_owner.entry(&ty.subgraph).or_default().push((id, ty));
            }
        }
        let asking = by_owner.iter().filter_map(|(name, wanted)| {
            let owner = self.owners.get(*name)?;
            Some(async move { (*name, wanted, exist(owner, wanted, headers).await) })
        });
        let mut known = Known::default();
        for (owner, wanted, outcome) in futures::future::join_all(asking).await {
            match outcome {
                Ok(exist) => {
                    let there = wanted.iter().zip(exist).filter(|(_, exists)| *exists);
                    known.types.extend(there.map(|((id, ty), _)| ((*id).to_owned(), ty.name.as_str())));
                }
                Err(error) => {
                    known.failures.insert(owner, error);
                }
            }
        }
        known
    }

    fn node(
        &self,
        known: &Known<'_>,
        collector: &Collector<'_>,
        field: &Collected<'_>,
        id: &str,
        path: Vec<Value>,
        errors: &mut Vec<GraphQLError>,
    ) -> Value {
        let Some(name) = known.types.get(id) else {
            let failure = self.type_of(id).and_then(|ty| known.failures.get(ty.subgraph.as_str()));
            errors.extend(failure.map(|error| GraphQLError { path: Some(path), ..error.clone() }));
            return Value::Null;
        };
        let fields = collector.collect(&field.selections, |condition| condition == *name || condition == "Node");
        let value = |field: &Collected<'_>| if field.first.name == "__typename" { *name } else { id };
        fields.iter().map(|field| (field.key.to_owned(), Value::from(value(field)))).collect()
    }

    fn service(&self, collector: &Collector<'_>, field: &Collected<'_>) -> Value {
        let fields = collector.collect(&field.selections, |condition| condition == "_Service");
        let value = |field: &Collected<'_>| if field.first.name == "sdl" { &self.sdl } else { "_Service" };
        fields.iter().map(|field| (field.key.to_owned(), Value::from(value(field)))).collect()
    }
}

/// Asks one owner which of its objects there are for the caller, in their order.
async fn exist(owner: &Subgraph, wanted: &[(&str, &NodeType)], headers: &HeaderMap) -> Result<Vec<bool>, GraphQLError> {
    #[derive(Deserialize)]
    struct Answer {
        data: Option<Data>,
    }
    #[derive(Deserialize)]
    struct Data {
        _entities: Vec<Option<Entity>>,
    }
    #[derive(Deserialize)]
    struct Entity {
        __typename: String,
    }
    let representations: Vec<_> = wanted.iter().map(|(id, ty)| json!({ "__typename": ty.name, "id": id })).collect();
    let body = json!({
        "query": "query($representations:[_Any!]!){_entities(representations:$representations){__typename}}",
        "variables": { "representations": representations },
    });
    let bytes = owner.fetch(body.to_string().into(), headers, true, Instant::now() + PATIENCE).await;
    let bytes = bytes.map_err(|reason| unavailable(&owner.name, &reason))?;
    let answer = serde_json::from_slice::<Answer>(&bytes).ok().and_then(|answer| answer.data);
    match answer {
        Some(data) if data._entities.len() == wanted.len() => {
            let same = |(entity, (_, ty)): (&Option<Entity>, &(&str, &NodeType))| {
                entity.as_ref().is_some_and(|entity| entity.__typename == ty.name)
            };
            Ok(data._entities.iter().zip(wanted).map(same).collect())
        }
        _ => {
            tracing::warn!(subgraph = owner.name, "an answer to a request for entities cannot be used");
            let message = format!("The service \"{}\" cannot say which objects there are.", owner.name);
            Err(GraphQLError::new(Code::SubgraphError, message))
        }
    }
}

/// The ids that a field asks for.
fn ids(field: &query::Field, variables: &Variables) -> Vec<String> {
    let argument = field.arguments.iter().find(|(name, _)| matches!(name.as_str(), "id" | "ids"));
    let mut ids = Vec::new();
    if let Some((_, value)) = argument {
        collect_ids(value, variables, &mut ids);
    }
    ids
}

fn collect_ids(value: &query::Value, variables: &Variables, ids: &mut Vec<String>) {
    let one = |value: &Value| match value {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    };
    match value {
        query::Value::String(id) => ids.push(id.clone()),
        query::Value::Int(id) => ids.extend(id.as_i64().map(|id| id.to_string())),
        query::Value::List(items) => items.iter().for_each(|item| collect_ids(item, variables, ids)),
        query::Value::Variable(name) => match variables.get(name) {
            Some(Value::Array(items)) => ids.extend(items.iter().filter_map(one)),
            Some(value) => ids.extend(one(value)),
            None => {}
        },
        _ => {}
    }
}
