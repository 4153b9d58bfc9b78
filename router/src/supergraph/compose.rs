//! Composition of subgraphs into a supergraph.

use super::{SubgraphSdl, apart, circles, lists, repair, report, requires, sdl};
use crate::error::Error;
use crate::panics;
use federation_composition::{CompositionResult, ServiceDefinition, compose_services};
use std::path::Path;

/// Composes subgraphs into a supergraph document. Blocks for as long as it computes: tens of milliseconds for twenty
/// subgraphs, seconds for a hundred.
///
/// # Errors
/// [`Error::Composition`] says what does not fit, where and in which subgraph.
pub fn compose(subgraphs: &[SubgraphSdl]) -> Result<String, Error> {
    compose_prepared(subgraphs, prepare(subgraphs)?)
}

fn compose_prepared(subgraphs: &[SubgraphSdl], mut prepared: Vec<sdl::Subgraph>) -> Result<String, Error> {
    circles::order_keys(&mut prepared);
    let service = |(subgraph, prepared): (&SubgraphSdl, &sdl::Subgraph)| {
        ServiceDefinition::new(subgraph.name.as_str(), prepared.document.clone()).with_url(subgraph.url.as_str())
    };
    let services: Vec<_> = subgraphs.iter().zip(&prepared).map(service).collect();
    // The composer is young: a defect in it must not take the router down.
    match panics::handle(|| compose_services(&services)) {
        Ok(Ok(CompositionResult::Success(supergraph))) => {
            let differences = lists::differences(subgraphs, &prepared);
            if !differences.is_empty() {
                return Err(Error::Composition(differences.join("\n")));
            }
            let composed = supergraph.supergraph_sdl().to_owned();
            let repaired = repair::repair(supergraph.into_supergraph_document_node(), &prepared);
            Ok(repaired.map_or(composed, |document| graphql_core::print(&document)))
        }
        Ok(Ok(CompositionResult::Failure(failure))) => {
            Err(Error::Composition(report::composition_errors(subgraphs, &prepared, failure.errors())))
        }
        Ok(Err(error)) => Err(Error::Composition(error.to_string())),
        Err(why) => Err(Error::Composition(format!("the composer panicked: {why}"))),
    }
}

/// The same, in a process of its own where the composer may exhaust the stack: by this program (see [`apart`]), if there
/// is one.
pub(super) fn compose_by(program: Option<&Path>, subgraphs: &[SubgraphSdl]) -> Result<String, Error> {
    let Some(program) = program else { return compose(subgraphs) };
    let prepared = prepare(subgraphs)?;
    let fields = circles::keys_that_require(&prepared);
    if fields.is_empty() { compose_prepared(subgraphs, prepared) } else { apart::composed(program, subgraphs, &fields) }
}

/// What the composer gets; or what it need not be asked.
fn prepare(subgraphs: &[SubgraphSdl]) -> Result<Vec<sdl::Subgraph>, Error> {
    let mut prepared = Vec::with_capacity(subgraphs.len());
    let mut problems = Vec::new();
    for subgraph in subgraphs {
        match sdl::prepare(subgraph) {
            Ok(subgraph) => prepared.push(subgraph),
            Err(messages) => problems.extend(messages),
        }
    }
    if problems.is_empty() {
        problems = circles::problems(subgraphs, &prepared);
        problems.extend(subgraphs.iter().zip(&prepared).flat_map(|(sdl, subgraph)| requires::provided(sdl, subgraph)));
    }
    if problems.is_empty() { Ok(prepared) } else { Err(Error::Composition(problems.join("\n"))) }
}
