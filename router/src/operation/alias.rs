//! Keeps the names that a client gives apart from the schema's: plans fetch keys and required fields by their own names,
//! which an alias must not take from them.

use super::document::is_introspection;
use graphql_tools::static_graphql::query::{Definition, Document, Selection, SelectionSet, TypeCondition};
use hive_router_query_planner::state::supergraph_state::SupergraphState;

/// Marks a response key that the client gets without it.
const MARK: &str = "_client_alias_";

/// Marks every alias that is the name of some field.
pub(super) fn set_apart(document: &mut Document, schema: &SupergraphState) {
    for definition in &mut document.definitions {
        match definition {
            Definition::Fragment(fragment) => {
                let TypeCondition::On(on) = &fragment.type_condition;
                if !on.starts_with("__") {
                    mark(&mut fragment.selection_set, schema);
                }
            }
            Definition::Operation(operation) => mark(super::selections_mut(operation), schema),
        }
    }
}

fn mark(selections: &mut SelectionSet, schema: &SupergraphState) {
    for selection in &mut selections.items {
        match selection {
            Selection::Field(field) if is_introspection(&field.name) => {}
            Selection::Field(field) => {
                // The planner takes `name: name` and `name` for different things.
                field.alias.take_if(|alias| *alias == field.name);
                if let Some(alias) = &mut field.alias
                    && (alias.starts_with(MARK) || is_field(alias, schema))
                {
                    alias.insert_str(0, MARK);
                }
                mark(&mut field.selection_set, schema);
            }
            Selection::InlineFragment(fragment) => mark(&mut fragment.selection_set, schema),
            Selection::FragmentSpread(_) => {}
        }
    }
}

fn is_field(name: &str, schema: &SupergraphState) -> bool {
    schema.definitions.values().any(|definition| definition.fields().contains_key(name))
}

/// A response key as the client gave it.
pub(crate) fn given(key: &str) -> &str {
    key.strip_prefix(MARK).unwrap_or(key)
}
