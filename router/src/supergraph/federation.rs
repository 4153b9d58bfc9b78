//! A federation named in the configuration: subgraphs that the router composes itself.

use super::Source;
use crate::builtin::{self, nodes::NodeType};
use crate::error::Error;
use crate::transport::{self, Client, Subgraph, Transport};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The subgraphs to compose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// By name.
    pub subgraphs: BTreeMap<String, Member>,
    /// The types that `node` and `nodes` find. Without any there are no such fields.
    pub nodes: Vec<NodeType>,
    /// Whether there is `rateLimit`, which says what the caller has left of `limits.rate`.
    pub rate_limit: bool,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Where it is reached: absolute, http or https; its path defaults to `/graphql`.
    pub url: String,
    /// A file with its federation SDL. Without one the subgraph is asked (`_service { sdl }`).
    #[serde(default)]
    pub sdl: Option<PathBuf>,
}

impl Config {
    /// The same with relative paths taken from this folder.
    pub fn relative_to(mut self, folder: &Path) -> Self {
        for file in self.subgraphs.values_mut().filter_map(|member| member.sdl.as_mut()) {
            *file = folder.join(&*file);
        }
        self
    }

    /// The subgraphs, reached over HTTP, that of the router's own among them if it has something to find.
    ///
    /// # Errors
    /// [`Error::Config`] for a URL, a type's owner, or settings of a subgraph that cannot be used.
    pub fn subgraphs(&self, settings: &transport::Config) -> Result<Vec<Arc<Subgraph>>, Error> {
        settings.check_names(self.subgraphs.keys().map(String::as_str))?;
        let client = Client::new()?;
        let subgraph = |(name, member): (&String, &Member)| {
            let subgraph = Subgraph::new(name, &member.url, Transport::Http(client.clone()), settings)?;
            Ok(Arc::new(match &member.sdl {
                Some(file) => subgraph.with_sdl(file),
                None => subgraph,
            }))
        };
        let mut subgraphs = self.subgraphs.iter().map(subgraph).collect::<Result<Vec<_>, Error>>()?;
        let fields = builtin::Fields { nodes: self.nodes.clone(), rate_limit: self.rate_limit };
        if !fields.is_empty() {
            subgraphs.push(Arc::new(builtin::subgraph(&fields, &subgraphs, settings)?));
        }
        Ok(subgraphs)
    }

    /// Where the supergraph comes from.
    ///
    /// # Errors
    /// As [`Config::subgraphs`].
    pub fn source(&self, settings: &transport::Config) -> Result<Source, Error> {
        Ok(Source::Compose(self.subgraphs(settings)?))
    }
}
