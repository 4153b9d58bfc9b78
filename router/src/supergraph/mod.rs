//! Where the schema comes from: composition, the schema that clients see, and the planner over it.

pub mod apart;
mod api;
mod circles;
mod compose;
pub(crate) mod entry;
mod features;
pub mod federation;
mod link;
mod lists;
mod live;
mod overridden;
mod repair;
mod report;
pub(crate) mod required;
mod requires;
mod sdl;

pub use api::{ApiSchema, api_schema_sdl};
pub use compose::compose;
pub use live::{Config, Live, Problem, Reason, Source, Status, compose_now, keep};

use crate::error::Error;
use crate::execute::Pages;
use crate::operation;
use crate::panics;
use crate::transport::Subgraph;
use entry::Entries;
use hive_router_query_planner::planner::Planner;
use hive_router_query_planner::utils::parsing::safe_parse_schema;
use required::Required;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// What one subgraph says its schema is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub struct SubgraphSdl {
    /// The subgraph's name.
    pub name: String,
    /// Its URL as written into the supergraph.
    pub url: String,
    /// Its federation SDL (`_service { sdl }`).
    pub sdl: String,
}

/// A composed schema and what serves it. Immutable; a new composition makes a new one.
pub struct Supergraph {
    /// The composed document.
    pub sdl: String,
    /// The schema that clients see.
    pub api: ApiSchema,
    /// Plans operations; `planner.supergraph` knows every type.
    pub planner: Planner,
    /// The fields that only the planner knows.
    pub(crate) required: Required,
    /// Started when it is needed for the first time.
    entries: OnceLock<Option<Entries>>,
    /// The subgraphs by name, as plans call them.
    pub subgraphs: BTreeMap<String, Arc<Subgraph>>,
    /// Which fields need which rights.
    pub authorization: operation::Rules,
    /// The input types, for the coercion of variables.
    pub inputs: Arc<operation::InputTypes>,
    /// The labels under which fields move from one subgraph to another.
    pub overrides: operation::Overrides,
    /// The operations prepared so far.
    pub operations: operation::Cache,
    /// What answers are written on.
    pub pages: Pages,
}

impl Supergraph {
    /// Reads a supergraph document and starts a planner over it. Blocks for as long as it computes: up to seconds for
    /// a large one.
    ///
    /// # Errors
    /// [`Error::Supergraph`] for a document that cannot be read, or that names a subgraph that is not given.
    pub fn new(sdl: String, subgraphs: impl IntoIterator<Item = Arc<Subgraph>>) -> Result<Self, Error> {
        let subgraphs: BTreeMap<_, _> =
            subgraphs.into_iter().map(|subgraph| (subgraph.name.clone(), subgraph)).collect();
        let sdl = link::plain(sdl)?;
        let mut document = safe_parse_schema(&sdl).map_err(|error| Error::Supergraph(error.to_string()))?;
        features::check(&document)?;
        let api = ApiSchema::from_supergraph(&sdl)?;
        let authorization = operation::Rules::from_supergraph(&document);
        overridden::share_keys(&mut document);
        let required = Required::set_apart(&mut document);
        // The planner is young, and trusts a supergraph more than a document from elsewhere deserves.
        let planner = panics::handle(|| Planner::new_from_supergraph(&document, Default::default()))
            .map_err(|why| Error::Supergraph(format!("the planner panicked over it: {why}")))?
            .map_err(|error| Error::Supergraph(error.to_string()))?;
        let unknown = planner.supergraph.known_subgraphs.values().find(|name| !subgraphs.contains_key(*name));
        if let Some(name) = unknown {
            return Err(Error::Supergraph(format!("it names the subgraph \"{name}\", which is not configured")));
        }
        let inputs = Arc::new(operation::InputTypes::new(&api));
        let overrides = operation::Overrides::new(&planner.supergraph, &[]);
        let operations = operation::Cache::default();
        let entries = OnceLock::new();
        Ok(Self {
            sdl,
            api,
            planner,
            required,
            entries,
            subgraphs,
            authorization,
            inputs,
            overrides,
            operations,
            pages: Pages::default(),
        })
    }

    /// Where plans can begin besides the roots. Blocks for as long as a planner takes to start if it is the first time;
    /// nothing if it does not.
    pub(crate) fn entries(&self) -> Option<&Entries> {
        self.entries.get_or_init(|| Entries::new(&self.sdl)).as_ref()
    }

    /// The same with these labels of `@override` in force. A percentage needs no naming.
    pub fn with_override_labels(mut self, labels: &[String]) -> Self {
        self.overrides = operation::Overrides::new(&self.planner.supergraph, labels);
        self
    }
}

/// The names and URLs of the subgraphs that a supergraph document names.
fn endpoints(sdl: &str) -> Result<Vec<(String, String)>, Error> {
    let document = graphql_core::parse(sdl).map_err(|error| Error::Supergraph(error.message))?;
    let graphs = document.definitions.iter().filter_map(|definition| match definition {
        graphql_core::Definition::EnumTypeDefinition(graphs) if graphs.name.value == "join__Graph" => {
            Some(&graphs.values)
        }
        _ => None,
    });
    let directives = graphs.flatten().flat_map(|graph| &graph.directives).filter(|d| d.name.value == "join__graph");
    let text = |directive: &graphql_core::Directive, name: &str| match sdl::argument(directive, name) {
        Some(graphql_core::Value::String(value)) => Some(value.value.clone()),
        _ => None,
    };
    Ok(directives.filter_map(|d| Some((text(d, "name")?, text(d, "url")?))).collect())
}
