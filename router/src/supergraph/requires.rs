//! `@requires(fields:)`, made ready for the composer.
//!
//! It finds no way to what is in fragments on interfaces, though there is one. Written out for the object types that the
//! subgraph knows, they say the same, and it does. And it lets fields of interfaces be required that the subgraph resolves
//! itself, which the planner then fetches from nowhere.

use super::SubgraphSdl;
use super::report;
use super::sdl::{Composite, Subgraph, argument, composites, named};
use graphql_core::{
    Definition, Directive, Document, FieldDefinition, InlineFragment, NamedType, Selection, SelectionSet, Value, parse,
    print, strip_ignored_characters,
};
use std::collections::{BTreeMap, BTreeSet};

/// What is known of a subgraph's types.
pub(super) struct Types {
    /// The types of fields by type and field.
    fields: BTreeMap<(String, String), String>,
    /// The object types that implement each interface.
    implementations: BTreeMap<String, Vec<String>>,
    /// The fields that are `@external`, by themselves or with their type.
    pub external: BTreeSet<Coordinate>,
}

/// A field of a type.
pub(super) type Coordinate = (String, String);

/// Writes fragments on interfaces inside `@requires` out for the object types.
pub(super) fn expand(subgraph: &mut Subgraph) {
    let types = Types::of(&subgraph.document);
    for definition in &mut subgraph.document.definitions {
        let (name, fields) = match definition {
            Definition::ObjectTypeDefinition(t) => (&t.name.value, &mut t.fields),
            Definition::ObjectTypeExtension(t) => (&t.name.value, &mut t.fields),
            _ => continue,
        };
        let directives = fields.iter_mut().flat_map(|field| &mut field.directives);
        for directive in directives.filter(|directive| directive.name.value == "requires") {
            for argument in directive.arguments.iter_mut().filter(|argument| argument.name.value == "fields") {
                let Value::String(text) = &mut argument.value else { continue };
                if let Some(expanded) = types.expand_text(&text.value, name) {
                    text.value = expanded;
                }
            }
        }
    }
}

/// Says of fields of interfaces that are required and are not `@external`, nor anything on the way to them.
pub(super) fn provided(sdl: &SubgraphSdl, subgraph: &Subgraph) -> Vec<String> {
    let types = Types::of(&subgraph.document);
    let mut problems = Vec::new();
    for (ty, field) in object_fields(&subgraph.document) {
        let name = &field.name.value;
        for directive in field.directives.iter().filter(|directive| directive.name.value == "requires") {
            let Some(set) = field_set(directive) else { continue };
            let Some((interface, provided)) = types.provided(&set, ty) else { continue };
            let fields = argument(directive, "fields").map(print).unwrap_or_default();
            let called = subgraph.called.get("requires").map_or("requires", String::as_str);
            let message = format!(
                "[{}] On field \"{ty}.{name}\", for @{called}(fields: {fields}): field \"{interface}.{provided}\" should not \
                 be part of a @{called} since it is already provided by this subgraph (it is not marked @external)",
                sdl.name
            );
            let (code, at) = ("REQUIRES_FIELDS_MISSING_EXTERNAL", report::find(&sdl.sdl, (ty, Some(name))));
            problems.push(report::problem(code, &message, sdl, at, report::help(code)));
        }
    }
    problems
}

/// The fields of object types.
pub(super) fn object_fields(document: &Document) -> impl Iterator<Item = (&str, &FieldDefinition)> {
    let objects = composites(document).filter(|composite| !composite.is_interface);
    objects.flat_map(|object| object.fields.iter().map(move |field| (object.name, field)))
}

/// The `fields` of a directive.
pub(super) fn field_set(directive: &Directive) -> Option<SelectionSet> {
    let Some(Value::String(fields)) = argument(directive, "fields") else { return None };
    let document = parse(&format!("{{ {} }}", fields.value)).ok()?;
    document.definitions.into_iter().find_map(|definition| match definition {
        Definition::OperationDefinition(operation) => Some(operation.selection_set),
        _ => None,
    })
}

impl Types {
    /// Notes the fields of a field set, at every depth, of all types that the objects there may have or go by.
    pub fn collect(&self, set: &SelectionSet, on: &str, all: &[Types], into: &mut BTreeSet<Coordinate>) {
        for selection in &set.selections {
            match selection {
                Selection::Field(field) => {
                    let name = &field.name.value;
                    into.insert((on.to_owned(), name.clone()));
                    for (interface, objects) in all.iter().flat_map(|types| &types.implementations) {
                        if interface == on {
                            into.extend(objects.iter().map(|object| (object.clone(), name.clone())));
                        } else if objects.iter().any(|object| object == on) {
                            into.insert((interface.clone(), name.clone()));
                        }
                    }
                    let of = self.fields.get(&(on.to_owned(), name.clone()));
                    if let (Some(of), Some(below)) = (of, &field.selection_set) {
                        self.collect(below, of, all, into);
                    }
                }
                Selection::InlineFragment(fragment) => {
                    let on = fragment.type_condition.as_ref().map_or(on, |named| &named.name.value);
                    self.collect(&fragment.selection_set, on, all, into);
                }
                Selection::FragmentSpread(_) => {}
            }
        }
    }

    /// A field of an interface in a field set that the subgraph resolves itself: the first.
    fn provided(&self, set: &SelectionSet, on: &str) -> Option<Coordinate> {
        set.selections.iter().find_map(|selection| match selection {
            Selection::Field(field) => {
                let coordinate = (on.to_owned(), field.name.value.clone());
                if self.external.contains(&coordinate) {
                    return None;
                }
                if let Some(below) = &field.selection_set {
                    return self.provided(below, self.fields.get(&coordinate)?);
                }
                let is_external = |object: &String| self.external.contains(&(object.clone(), coordinate.1.clone()));
                let objects = self.implementations.get(on)?;
                (self.fields.contains_key(&coordinate) && !objects.iter().any(is_external)).then_some(coordinate)
            }
            Selection::InlineFragment(fragment) => {
                let on = fragment.type_condition.as_ref().map_or(on, |named| &named.name.value);
                self.provided(&fragment.selection_set, on)
            }
            Selection::FragmentSpread(_) => None,
        })
    }

    pub fn of(document: &Document) -> Self {
        let mut types = Self { fields: BTreeMap::new(), implementations: BTreeMap::new(), external: BTreeSet::new() };
        let is_external = |directives: &[Directive]| directives.iter().any(|it| it.name.value == "external");
        for Composite { name, is_interface, interfaces, directives, fields } in composites(document) {
            for field in fields {
                let coordinate = (name.to_owned(), field.name.value.clone());
                if is_external(directives) || is_external(&field.directives) {
                    types.external.insert(coordinate.clone());
                }
                types.fields.insert(coordinate, named(&field.ty).to_owned());
            }
            for interface in interfaces.iter().filter(|_| !is_interface) {
                types.implementations.entry(interface.name.value.clone()).or_default().push(name.to_owned());
            }
        }
        types
    }

    /// The field set with its fragments written out; nothing when it has none on interfaces.
    fn expand_text(&self, fields: &str, on: &str) -> Option<String> {
        let mut document = parse(&format!("{{ {fields} }}")).ok()?;
        let [Definition::OperationDefinition(operation)] = document.definitions.as_mut_slice() else { return None };
        if !self.expand(&mut operation.selection_set, on) {
            return None;
        }
        let printed = strip_ignored_characters(&print(&operation.selection_set)).ok()?;
        Some(printed.strip_prefix('{')?.strip_suffix('}')?.to_owned())
    }

    fn expand(&self, selections: &mut SelectionSet, on: &str) -> bool {
        let mut changed = false;
        let mut expanded = Vec::with_capacity(selections.selections.len());
        for mut selection in std::mem::take(&mut selections.selections) {
            match &mut selection {
                Selection::Field(field) => {
                    let of = self.fields.get(&(on.to_owned(), field.name.value.clone()));
                    if let (Some(of), Some(below)) = (of, &mut field.selection_set) {
                        changed |= self.expand(below, of);
                    }
                }
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.type_condition.as_ref().map_or(on, |named| &named.name.value).to_owned();
                    changed |= self.expand(&mut fragment.selection_set, &condition);
                    if condition != on
                        && let Some(objects) = self.implementations.get(&condition)
                    {
                        let on_object = |object: &String| {
                            let type_condition = Some(NamedType::new(object.as_str()));
                            Selection::from(InlineFragment { type_condition, ..fragment.clone() })
                        };
                        expanded.extend(objects.iter().map(on_object));
                        changed = true;
                        continue;
                    }
                }
                Selection::FragmentSpread(_) => {}
            }
            expanded.push(selection);
        }
        selections.selections = expanded;
        changed
    }
}
