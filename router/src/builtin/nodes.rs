//! `Query.node` and `Query.nodes`: any object by its global id (GraphQL Global Object Identification specification).
//!
//! By an id's prefix the type and who owns it are known; whether there is such an object, and whether the caller may see
//! it, the owner says: it is asked, in the caller's name and once for all ids of an operation, before the object is handed
//! out. Gone, forbidden and malformed alike are null.

use crate::error::{Code, Error, GraphQLError};
use crate::execute::unavailable;
use crate::operation::Variables;
use crate::operation::collect::{Collected, Collector};
use crate::transport::Subgraph;
use graphql_tools::static_graphql::query;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

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

/// The fields of `Query`.
pub(super) fn fields() -> String {
    format!(
        r#"  "The object of this id; null when there is none that the caller may see."
  node(
    "The global id."
    id: ID!
  ): Node
  "The objects of these ids, in their order; null in place of one that is not there or not the caller's to see."
  nodes(
    "The global ids, {MOST} at most."
    ids: [ID!]!
  ): [Node] @listSize(assumedSize: {MOST})
"#
    )
}

/// The types that they need.
pub(super) fn types(types: &[NodeType]) -> String {
    let mut sdl = String::from(
        r#"
"What has a global id."
interface Node {
  "The global id."
  id: ID!
}
"#,
    );
    for name in types.iter().map(|ty| &ty.name).collect::<BTreeSet<_>>() {
        // Writing to a text does not fail.
        let _ =
            write!(sdl, "\ntype {name} implements Node @key(fields: \"id\", resolvable: false) {{\n  id: ID!\n}}\n");
    }
    sdl
}

/// Who owns which objects.
pub(super) struct Nodes {
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

/// What was asked for, and what is known of it.
pub(super) struct Found<'n> {
    nodes: &'n Nodes,
    variables: &'n Variables,
    known: Known<'n>,
}

impl Nodes {
    /// # Errors
    /// [`Error::Config`] for a type whose owner is not there.
    pub(super) fn new(types: &[NodeType], owners: &[Arc<Subgraph>]) -> Result<Self, Error> {
        let owners: HashMap<_, _> = owners.iter().map(|owner| (owner.name.clone(), owner.clone())).collect();
        if let Some(orphan) = types.iter().find(|ty| !owners.contains_key(&ty.subgraph)) {
            let why = format!(
                "nodes: {} is said to be of the subgraph \"{}\", which is not there",
                orphan.name, orphan.subgraph
            );
            return Err(Error::Config(why));
        }
        Ok(Self { types: types.iter().map(|ty| (ty.prefix.clone(), ty.clone())).collect(), owners })
    }

    /// Asks the owners for all that these fields ask for.
    pub(super) async fn find<'n>(
        &'n self,
        collector: &Collector<'n>,
        fields: &[Collected<'_>],
        headers: &HeaderMap,
    ) -> Found<'n> {
        let variables = collector.variables;
        let asked: Vec<Vec<String>> = fields.iter().map(|field| ids(field.first, variables)).collect();
        let wanted = asked.iter().filter(|ids| ids.len() <= MOST).flatten();
        let known = self.ask(wanted.map(String::as_str).collect(), headers).await;
        Found { nodes: self, variables, known }
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
}

impl Found<'_> {
    /// The value of `node` or `nodes`.
    pub(super) fn value(
        &self,
        collector: &Collector<'_>,
        field: &Collected<'_>,
        errors: &mut Vec<GraphQLError>,
    ) -> Value {
        let (path, ids) = (json!(field.key), ids(field.first, self.variables));
        match field.first.name.as_str() {
            "nodes" if ids.len() > MOST => {
                let mut error = GraphQLError::new(Code::BadUserInput, format!("`ids` has more than {MOST} ids."));
                error.path = Some(vec![path]);
                errors.push(error);
                Value::Null
            }
            "nodes" => {
                let places = ids.iter().enumerate().map(|(index, id)| (id, vec![path.clone(), index.into()]));
                places.map(|(id, path)| self.node(collector, field, id, path, errors)).collect()
            }
            _ => ids.first().map_or(Value::Null, |id| self.node(collector, field, id, vec![path], errors)),
        }
    }

    fn node(
        &self,
        collector: &Collector<'_>,
        field: &Collected<'_>,
        id: &str,
        path: Vec<Value>,
        errors: &mut Vec<GraphQLError>,
    ) -> Value {
        let Some(name) = self.known.types.get(id) else {
            let failure = self.nodes.type_of(id).and_then(|ty| self.known.failures.get(ty.subgraph.as_str()));
            errors.extend(failure.map(|error| GraphQLError { path: Some(path), ..error.clone() }));
            return Value::Null;
        };
        let fields = collector.collect(&field.selections, |condition| condition == *name || condition == "Node");
        let value = |field: &Collected<'_>| if field.first.name == "__typename" { *name } else { id };
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
