//! The specifications that a supergraph is written by. One that decides what may be done, or how, and that the router
//! does not know, would be passed over in silence: such a supergraph is refused (link specification,
//! <https://specs.apollo.dev/link/v1.0/#Purpose>).

use crate::error::Error;
use graphql_tools::static_graphql::{query, schema};

/// Those that are known, by the beginnings of their URLs.
const KNOWN: [&str; 9] = [
    "https://specs.apollo.dev/link/",
    "https://specs.apollo.dev/core/",
    "https://specs.apollo.dev/join/",
    "https://specs.apollo.dev/tag/",
    "https://specs.apollo.dev/inaccessible/",
    "https://specs.apollo.dev/authenticated/",
    "https://specs.apollo.dev/requiresScopes/",
    "https://specs.apollo.dev/policy/",
    "https://specs.apollo.dev/cost/",
];

/// Refuses a supergraph that cannot be served without a specification that is not known.
///
/// # Errors
/// [`Error::Supergraph`] names the specification.
pub(super) fn check(document: &schema::Document) -> Result<(), Error> {
    let schemas = document.definitions.iter().filter_map(|definition| match definition {
        schema::Definition::SchemaDefinition(schema) => Some(&schema.directives),
        _ => None,
    });
    let links = schemas.flatten().filter(|directive| matches!(directive.name.as_str(), "link" | "core"));
    let needed = links.filter(|link| matches!(argument(link, "for"), Some("EXECUTION" | "SECURITY")));
    let mut urls = needed.filter_map(|link| argument(link, "url").or_else(|| argument(link, "feature")));
    match urls.find(|url| !KNOWN.iter().any(|known| url.starts_with(known))) {
        Some(url) => Err(Error::Supergraph(format!("it needs {url}, which this router does not support"))),
        None => Ok(()),
    }
}

fn argument<'d>(directive: &'d schema::Directive, name: &str) -> Option<&'d str> {
    directive.arguments.iter().find(|(argument, _)| argument == name).and_then(|(_, value)| match value {
        query::Value::String(text) | query::Value::Enum(text) => Some(text.as_str()),
        _ => None,
    })
}
