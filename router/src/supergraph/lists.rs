//! Fields that are lists in one subgraph and not in another: the composer lets them pass when their types are different
//! besides, as a union and a member of it are.

use super::SubgraphSdl;
use super::report;
use super::sdl::{Subgraph, composites};
use graphql_core::{Type, print};
use std::collections::BTreeMap;

/// Says of fields that are lists of different depths.
pub(super) fn differences(sdls: &[SubgraphSdl], subgraphs: &[Subgraph]) -> Vec<String> {
    let mut known: BTreeMap<(&str, &str), (usize, &Type)> = BTreeMap::new();
    let mut problems = Vec::new();
    for (index, (sdl, subgraph)) in sdls.iter().zip(subgraphs).enumerate() {
        let composites = composites(&subgraph.document);
        for (ty, field) in composites.flat_map(|it| it.fields.iter().map(move |field| (it.name, field))) {
            let coordinate = (subgraph.root(ty), field.name.value.as_str());
            let (first, first_type) = *known.entry(coordinate).or_insert((index, &field.ty));
            if depth(first_type) != depth(&field.ty) {
                let (there, here) = (print(first_type), print(&field.ty));
                let message = format!(
                    "\"{}.{}\" is \"{there}\" in subgraph \"{}\" and \"{here}\" in subgraph \"{}\"",
                    coordinate.0, coordinate.1, sdls[first].name, sdl.name
                );
                let at = report::find(&sdl.sdl, (ty, Some(coordinate.1)));
                let help = Some("give it the same type in every subgraph");
                problems.push(report::problem("FIELD_TYPE_MISMATCH", &message, sdl, at, help));
            }
        }
    }
    problems
}

/// How many lists there are around a type.
fn depth(ty: &Type) -> usize {
    match ty {
        Type::Named(_) => 0,
        Type::List(list) => 1 + depth(&list.ty),
        Type::NonNull(of) => depth(&of.ty),
    }
}
