//! Composition of subgraphs into a supergraph.

use super::{SubgraphSdl, report, sdl};
use crate::error::Error;
use federation_composition::{CompositionResult, ServiceDefinition, compose_services};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Composes subgraphs into a supergraph document. Blocks for as long as it computes: tens of milliseconds for twenty
/// subgraphs, seconds for a hundred.
///
/// # Errors
/// [`Error::Composition`] says what does not fit, where and in which subgraph.
pub fn compose(subgraphs: &[SubgraphSdl]) -> Result<String, Error> {
    let mut services = Vec::with_capacity(subgraphs.len());
    let mut problems = Vec::new();
    for subgraph in subgraphs {
        match sdl::prepare(subgraph) {
            Ok(document) => {
                services.push(ServiceDefinition::new(subgraph.name.as_str(), document).with_url(subgraph.url.as_str()));
            }
            Err(messages) => problems.extend(messages),
        }
    }
    if !problems.is_empty() {
        return Err(Error::Composition(problems.join("\n")));
    }
    // The composer is young: a defect in it must not take the router down.
    match catch_unwind(AssertUnwindSafe(|| compose_services(&services))) {
        Ok(Ok(CompositionResult::Success(supergraph))) => Ok(supergraph.supergraph_sdl().to_owned()),
        Ok(Ok(CompositionResult::Failure(failure))) => {
            Err(Error::Composition(report::composition_errors(subgraphs, failure.errors())))
        }
        Ok(Err(error)) => Err(Error::Composition(error.to_string())),
        Err(_) => Err(Error::Composition("the composer panicked; its log says where".into())),
    }
}
