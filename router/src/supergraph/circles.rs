//! Fields that require each other, or what only a key leads to that requires them. The composer goes round in such circles
//! until the stack overflows, which ends the process: they are found before.

use super::SubgraphSdl;
use super::report;
use super::requires::{Coordinate, Types, field_set, object_fields};
use super::sdl::{Composite, Subgraph, argument, composites};
use graphql_core::{Definition, Directive, Selection, SelectionSet, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What fields require.
#[derive(Default)]
struct Requirements {
    /// What each requires, whichever subgraph says so, and the first that does.
    fields: BTreeMap<Coordinate, (usize, BTreeSet<Coordinate>)>,
    /// Which of that is not required, but a key to it.
    keys: BTreeSet<(Coordinate, Coordinate)>,
}

/// What a subgraph knows of a type.
#[derive(Default)]
struct Part {
    /// The fields that it resolves and requires nothing for.
    plain: BTreeSet<String>,
    /// The fields that it resolves and requires something for.
    requiring: BTreeSet<String>,
    /// The fields of the keys by which it can be entered.
    keys: Vec<BTreeSet<String>>,
}

/// Says of fields that require each other in a circle that they do.
pub(super) fn problems(sdls: &[SubgraphSdl], subgraphs: &[Subgraph]) -> Vec<String> {
    let requirements = Requirements::of(subgraphs);
    let (mut done, mut problems) = (BTreeSet::new(), Vec::new());
    for start in requirements.fields.keys() {
        if let Some(circle) = requirements.circle(start, &mut Vec::new(), &mut done) {
            let (ty, field) = &circle[0];
            let sdl = &sdls[requirements.fields[&circle[0]].0];
            let message = requirements.tell(&circle);
            let help = "take one of the fields out of a @requires of the circle";
            let at = report::find(&sdl.sdl, (ty, Some(field)));
            problems.push(report::problem("REQUIRES_CIRCULAR", &message, sdl, at, Some(help)));
        }
    }
    problems
}

/// Puts keys first that hold fields which require something: the composer tries the last first, and the others lead it into
/// no circle.
pub(super) fn order_keys(subgraphs: &mut [Subgraph]) {
    let fields = Requirements::of(subgraphs).fields;
    for definition in subgraphs.iter_mut().flat_map(|subgraph| &mut subgraph.document.definitions) {
        let (name, directives) = match definition {
            Definition::ObjectTypeDefinition(t) => (&t.name.value, &mut t.directives),
            Definition::ObjectTypeExtension(t) => (&t.name.value, &mut t.directives),
            Definition::InterfaceTypeDefinition(t) => (&t.name.value, &mut t.directives),
            Definition::InterfaceTypeExtension(t) => (&t.name.value, &mut t.directives),
            _ => continue,
        };
        let requires = |field: &String| fields.contains_key(&(name.clone(), field.clone()));
        directives.sort_by_key(|directive| !key(directive).is_some_and(|key| key.iter().any(requires)));
    }
}

impl Requirements {
    fn of(subgraphs: &[Subgraph]) -> Self {
        let all: Vec<Types> = subgraphs.iter().map(|subgraph| Types::of(&subgraph.document)).collect();
        let parts: Vec<_> = subgraphs.iter().zip(&all).map(|(subgraph, types)| parts(subgraph, types)).collect();
        let overridden = overridden(subgraphs);
        let mut requirements = Self::default();
        for (index, (subgraph, types)) in subgraphs.iter().zip(&all).enumerate() {
            for (ty, field) in object_fields(&subgraph.document) {
                let coordinate = (ty.to_owned(), field.name.value.clone());
                let sets = field.directives.iter().filter(|directive| directive.name.value == "requires");
                for set in sets.filter_map(field_set) {
                    if overridden.contains(&(&subgraph.name, ty, &field.name.value)) {
                        continue;
                    }
                    let (_, required) =
                        requirements.fields.entry(coordinate.clone()).or_insert((index, BTreeSet::new()));
                    types.collect(&set, ty, &all, required);
                    for key in keys_on_the_way(&parts, index, ty, names(&set)) {
                        let key = (ty.to_owned(), key);
                        if required.insert(key.clone()) {
                            requirements.keys.insert((coordinate.clone(), key));
                        }
                    }
                }
            }
        }
        requirements
    }

    /// A circle that a field leads to, through fields that have not been gone through.
    fn circle(
        &self,
        at: &Coordinate,
        way: &mut Vec<Coordinate>,
        done: &mut BTreeSet<Coordinate>,
    ) -> Option<Vec<Coordinate>> {
        if let Some(begins) = way.iter().position(|known| known == at) {
            return Some(way[begins..].to_vec());
        }
        let (_, required) = self.fields.get(at).filter(|_| !done.contains(at))?;
        way.push(at.clone());
        let found = required.iter().find_map(|next| self.circle(next, way, done));
        way.pop();
        done.insert(at.clone());
        found
    }

    fn tell(&self, circle: &[Coordinate]) -> String {
        let mut message = String::new();
        for (from, to) in circle.iter().zip(circle.iter().cycle().skip(1)) {
            let is_key = self.keys.contains(&(from.clone(), to.clone()));
            let how = if is_key { "requires what is found by" } else { "requires" };
            message += &format!("\"{}.{}\" {how} ", from.0, from.1);
        }
        format!("{message}\"{}.{}\": none can be resolved first", circle[0].0, circle[0].1)
    }
}

/// The fields of keys that require something themselves and are tried on the way to fields of a type: of the keys to
/// subgraphs that have them, and that what a subgraph knows by itself does not lead to.
fn keys_on_the_way(parts: &[BTreeMap<String, Part>], at: usize, ty: &str, wanted: Vec<String>) -> BTreeSet<String> {
    let of_type: Vec<(usize, &Part)> =
        parts.iter().enumerate().filter_map(|(index, parts)| Some((index, parts.get(ty)?))).collect();
    let known = known(&of_type, at);
    let (mut wanted, mut seen, mut tried) = (wanted, BTreeSet::new(), BTreeSet::new());
    while let Some(field) = wanted.pop() {
        for (index, part) in &of_type {
            let has = part.plain.contains(&field) || part.requiring.contains(&field);
            if !has || *index == at || part.keys.iter().any(|key| key.is_subset(&known)) {
                continue;
            }
            for key in part.keys.iter().flatten().filter(|key| !known.contains(*key)) {
                if of_type.iter().any(|(_, part)| part.requiring.contains(key)) {
                    tried.insert(key.clone());
                }
                if seen.insert(key.clone()) {
                    wanted.push(key.clone());
                }
            }
        }
    }
    tried
}

/// What is known of an object that is in one subgraph, there and where that leads to, if nothing is required for it.
fn known(of_type: &[(usize, &Part)], at: usize) -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    loop {
        let before = known.len();
        for (index, part) in of_type {
            if *index == at || part.keys.iter().any(|key| key.is_subset(&known)) {
                known.extend(part.plain.iter().cloned());
            }
        }
        if known.len() == before {
            return known;
        }
    }
}

fn parts(subgraph: &Subgraph, types: &Types) -> BTreeMap<String, Part> {
    let mut parts: BTreeMap<String, Part> = BTreeMap::new();
    for Composite { name: ty, directives, fields, .. } in composites(&subgraph.document) {
        let part = parts.entry(ty.to_owned()).or_default();
        let keys: BTreeSet<String> = directives.iter().filter_map(key).flatten().collect();
        for field in fields {
            let name = &field.name.value;
            if field.directives.iter().any(|directive| directive.name.value == "requires") {
                part.requiring.insert(name.clone());
            } else if keys.contains(name) || !types.external.contains(&(ty.to_owned(), name.clone())) {
                part.plain.insert(name.clone());
            }
        }
        let is_resolvable = |directive: &&Directive| match argument(directive, "resolvable") {
            Some(Value::Boolean(resolvable)) => resolvable.value,
            _ => true,
        };
        part.keys.extend(directives.iter().filter(is_resolvable).filter_map(key));
    }
    parts
}

/// The fields of a key.
fn key(directive: &Directive) -> Option<BTreeSet<String>> {
    let set = Some(directive).filter(|directive| directive.name.value == "key").and_then(field_set)?;
    Some(names(&set).into_iter().collect())
}

/// The names of a field set, through its fragments.
fn names(set: &SelectionSet) -> Vec<String> {
    let names = set.selections.iter().flat_map(|selection| match selection {
        Selection::Field(field) => vec![field.name.value.clone()],
        Selection::InlineFragment(fragment) => names(&fragment.selection_set),
        Selection::FragmentSpread(_) => Vec::new(),
    });
    names.collect()
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
