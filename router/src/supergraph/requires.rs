//! Fragments on interfaces inside `@requires(fields:)`: the composer finds no way to what is in them, though there is
//! one. Written out for the object types that the subgraph knows, they say the same, and it does.

use super::sdl::{Subgraph, named};
use graphql_core::{
    Definition, Document, FieldDefinition, InlineFragment, NamedType, Selection, SelectionSet, Value, parse, print,
    strip_ignored_characters,
};
use std::collections::BTreeMap;

/// What is known of a subgraph's types.
struct Types {
    /// The types of fields by type and field.
    fields: BTreeMap<(String, String), String>,
    /// The object types that implement each interface.
    implementations: BTreeMap<String, Vec<String>>,
}

/// Writes fragments on interfaces inside `@requires` out for the object types.
pub(super) fn expand(subgraph: &mut Subgraph) {
    let types = Types::of(&subgraph.document);
    let requires = subgraph.directive("requires");
    for definition in &mut subgraph.document.definitions {
        let (name, fields) = match definition {
            Definition::ObjectTypeDefinition(t) => (&t.name.value, &mut t.fields),
            Definition::ObjectTypeExtension(t) => (&t.name.value, &mut t.fields),
            _ => continue,
        };
        let directives = fields.iter_mut().flat_map(|field| &mut field.directives);
        for directive in directives.filter(|directive| directive.name.value == requires) {
            for argument in directive.arguments.iter_mut().filter(|argument| argument.name.value == "fields") {
                let Value::String(text) = &mut argument.value else { continue };
                if let Some(expanded) = types.expand_text(&text.value, name) {
                    text.value = expanded;
                }
            }
        }
    }
}

impl Types {
    fn of(document: &Document) -> Self {
        let mut types = Self { fields: BTreeMap::new(), implementations: BTreeMap::new() };
        for definition in &document.definitions {
            let (name, fields, interfaces): (_, &[FieldDefinition], &[NamedType]) = match definition {
                Definition::ObjectTypeDefinition(t) => (&t.name.value, &t.fields, &t.interfaces),
                Definition::ObjectTypeExtension(t) => (&t.name.value, &t.fields, &t.interfaces),
                Definition::InterfaceTypeDefinition(t) => (&t.name.value, &t.fields, &[]),
                Definition::InterfaceTypeExtension(t) => (&t.name.value, &t.fields, &[]),
                _ => continue,
            };
            for field in fields {
                types.fields.insert((name.clone(), field.name.value.clone()), named(&field.ty).to_owned());
            }
            for interface in interfaces {
                types.implementations.entry(interface.name.value.clone()).or_default().push(name.clone());
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
