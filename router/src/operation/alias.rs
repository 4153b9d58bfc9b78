//! Keeps the names that a client gives apart from the schema's, and from each other: plans fetch keys and required fields
//! by their own names, which an alias must not take from them, and take what has one name in one place for one field,
//! which it need not be for objects of different types.

use super::document::is_introspection;
use graphql_tools::static_graphql::query::{
    Definition, Document, Field, Selection, SelectionSet, TypeCondition, Value,
};
use hive_router_query_planner::state::supergraph_state::SupergraphState;
use std::collections::HashMap;

/// Marks a response key that the client gets without it. A number and another underscore follow.
const MARK: &str = "_client_alias_";

/// Gives a field an alias with the mark if its response key is another field's name, or means another field or other
/// arguments elsewhere in the document.
pub(super) fn set_apart(document: &mut Document, schema: &SupergraphState) {
    let mut keys = Keys { schema, known: HashMap::new() };
    for definition in &mut document.definitions {
        match definition {
            Definition::Fragment(fragment) => {
                let TypeCondition::On(on) = &fragment.type_condition;
                if !on.starts_with("__") {
                    keys.mark(&mut fragment.selection_set);
                }
            }
            Definition::Operation(operation) => keys.mark(super::selections_mut(operation)),
        }
    }
}

struct Keys<'s> {
    schema: &'s SupergraphState,
    /// What each response key means: the fields with their arguments.
    known: HashMap<String, Vec<String>>,
}

impl Keys<'_> {
    fn mark(&mut self, selections: &mut SelectionSet) {
        for selection in &mut selections.items {
            match selection {
                Selection::Field(field) => {
                    self.mark_field(field);
                    if !is_introspection(&field.name) {
                        self.mark(&mut field.selection_set);
                    }
                }
                Selection::InlineFragment(fragment) => self.mark(&mut fragment.selection_set),
                Selection::FragmentSpread(_) => {}
            }
        }
    }

    fn mark_field(&mut self, field: &mut Field) {
        // The planner takes `name: name` and `name` for different things, and values in another order.
        field.alias.take_if(|alias| *alias == field.name);
        sort(&mut field.arguments);
        let key = field.alias.as_ref().unwrap_or(&field.name);
        let number = self.number(key, meaning(field));
        let is_taken = field.alias.as_ref().is_some_and(|alias| alias.starts_with(MARK) || self.is_field(alias));
        if number > 0 || is_taken {
            field.alias = Some(format!("{MARK}{number}_{key}"));
        }
    }

    /// The number of a meaning among those of its key.
    fn number(&mut self, key: &str, meaning: String) -> usize {
        let known = match self.known.get_mut(key) {
            Some(known) => known,
            None => self.known.entry(key.to_owned()).or_default(),
        };
        known.iter().position(|known| *known == meaning).unwrap_or_else(|| {
            known.push(meaning);
            known.len() - 1
        })
    }

    fn is_field(&self, name: &str) -> bool {
        self.schema.definitions.values().any(|definition| definition.fields().contains_key(name))
    }
}

/// Puts arguments, or the fields of an input object, in order, and what is below them.
fn sort(fields: &mut [(String, Value)]) {
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    fields.iter_mut().for_each(|(_, value)| sort_value(value));
}

fn sort_value(value: &mut Value) {
    match value {
        Value::Object(fields) => sort(fields),
        Value::List(items) => items.iter_mut().for_each(sort_value),
        _ => {}
    }
}

/// A field's name and arguments.
fn meaning(field: &Field) -> String {
    let mut meaning = field.name.clone();
    for (name, value) in &field.arguments {
        meaning.push_str(&format!(" {name}:{value}"));
    }
    meaning
}

/// A response key as the client gave it.
pub(crate) fn given(key: &str) -> &str {
    let Some(marked) = key.strip_prefix(MARK) else { return key };
    marked.split_once('_').map_or(key, |(_, given)| given)
}
