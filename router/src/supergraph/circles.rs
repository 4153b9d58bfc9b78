//! Fields that require each other. The composer goes round in such circles until the stack overflows, which ends the
//! process: they are found before. So it does, at times, where a field of a key requires what that key is tried for, though
//! other keys lead there: those are put where it tries them first.

use super::SubgraphSdl;
use super::report;
use super::requires::{Coordinate, Types, field_set, object_fields};
use super::sdl::{Composite, Subgraph, argument, composites};
use graphql_core::{Definition, Directive, Selection, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What each field requires, whichever subgraph says so, and the first that does.
type Requirements = BTreeMap<Coordinate, (usize, BTreeSet<Coordinate>)>;

/// Says of fields that require each other in a circle that they do.
pub(super) fn problems(sdls: &[SubgraphSdl], subgraphs: &[Subgraph]) -> Vec<String> {
    let requirements = requirements(subgraphs);
    let (mut done, mut problems) = (BTreeSet::new(), Vec::new());
    for start in requirements.keys() {
        if let Some(circle) = circle(start, &requirements, &mut Vec::new(), &mut done) {
            let name = |(ty, field): &Coordinate| format!("\"{ty}.{field}\"");
            let ways: Vec<String> = circle.iter().chain(&circle[..1]).map(name).collect();
            let message = format!("{}: none can be resolved first", ways.join(" requires "));
            let (ty, field) = &circle[0];
            let sdl = &sdls[requirements[&circle[0]].0];
            let help = "take one of the fields out of a @requires of the circle";
            let at = report::find(&sdl.sdl, (ty, Some(field)));
            problems.push(report::problem("REQUIRES_CIRCULAR", &message, sdl, at, Some(help)));
        }
    }
    problems
}

/// The fields of keys that require something, as `Type.field`: the composer may go round in circles over them.
pub(super) fn keys_that_require(subgraphs: &[Subgraph]) -> Vec<String> {
    let requirements = requirements(subgraphs);
    let mut fields = BTreeSet::new();
    for Composite { name, directives, .. } in subgraphs.iter().flat_map(|subgraph| composites(&subgraph.document)) {
        let names = directives.iter().flat_map(key).map(|field| (name.to_owned(), field));
        fields.extend(names.filter(|coordinate| requirements.contains_key(coordinate)));
    }
    fields.into_iter().map(|(ty, field)| format!("{ty}.{field}")).collect()
}

/// Puts keys first that hold fields which require something: the composer tries the last first, and the others lead it into
/// no circle.
pub(super) fn order_keys(subgraphs: &mut [Subgraph]) {
    let requirements = requirements(subgraphs);
    for definition in subgraphs.iter_mut().flat_map(|subgraph| &mut subgraph.document.definitions) {
        let (name, directives) = match definition {
            Definition::ObjectTypeDefinition(t) => (&t.name.value, &mut t.directives),
            Definition::ObjectTypeExtension(t) => (&t.name.value, &mut t.directives),
            Definition::InterfaceTypeDefinition(t) => (&t.name.value, &mut t.directives),
            Definition::InterfaceTypeExtension(t) => (&t.name.value, &mut t.directives),
            _ => continue,
        };
        let requires = |field: &String| requirements.contains_key(&(name.clone(), field.clone()));
        directives.sort_by_key(|directive| !key(directive).iter().any(requires));
    }
}

/// The fields of a key.
fn key(directive: &Directive) -> Vec<String> {
    let set = Some(directive).filter(|directive| directive.name.value == "key").and_then(field_set);
    let names = set.into_iter().flat_map(|set| set.selections).filter_map(|selection| match selection {
        Selection::Field(field) => Some(field.name.value),
        _ => None,
    });
    names.collect()
}

/// A circle that a field leads to, through fields that have not been gone through.
fn circle(
    at: &Coordinate,
    requirements: &Requirements,
    way: &mut Vec<Coordinate>,
    done: &mut BTreeSet<Coordinate>,
) -> Option<Vec<Coordinate>> {
    if let Some(begins) = way.iter().position(|known| known == at) {
        return Some(way[begins..].to_vec());
    }
    let (_, required) = requirements.get(at).filter(|_| !done.contains(at))?;
    way.push(at.clone());
    let found = required.iter().find_map(|next| circle(next, requirements, way, done));
    way.pop();
    done.insert(at.clone());
    found
}

fn requirements(subgraphs: &[Subgraph]) -> Requirements {
    let all: Vec<Types> = subgraphs.iter().map(|subgraph| Types::of(&subgraph.document)).collect();
    let overridden = overridden(subgraphs);
    let mut requirements = Requirements::new();
    for (index, (subgraph, types)) in subgraphs.iter().zip(&all).enumerate() {
        for (ty, field) in object_fields(&subgraph.document) {
            let coordinate = (ty.to_owned(), field.name.value.clone());
            let sets = field.directives.iter().filter(|directive| directive.name.value == "requires");
            for set in sets.filter_map(field_set) {
                if !overridden.contains(&(&subgraph.name, ty, &field.name.value)) {
                    let (_, required) = requirements.entry(coordinate.clone()).or_insert((index, BTreeSet::new()));
                    types.collect(&set, ty, &all, required);
                }
            }
        }
    }
    requirements
}

/// The fields that others take over for good: subgraph, type and field.
fn overridden(subgraphs: &[Subgraph]) -> BTreeSet<(&str, &str, &str)> {
    let mut overridden = BTreeSet::new();
    for subgraph in subgraphs {
        for (ty, field) in object_fields(&subgraph.document) {
            let overrides = field.directives.iter().filter(|directive| directive.name.value == "override");
            for directive in overrides.filter(|directive| argument(directive, "label").is_none()) {
                if let Some(Value::String(from)) = argument(directive, "from") {
                    overridden.insert((from.value.as_str(), ty, field.name.value.as_str()));
                }
            }
        }
    }
    overridden
}
