//! `@skip` and `@include`, settled before an operation is planned: every combination of their variables' values has a
//! plan of its own, that fetches what is included and no more. The planner handles conditions too, but gets wrong what
//! stands in one place under several of them.

use super::document;
use graphql_tools::static_graphql::query::{self, Definition, Selection, SelectionSet, Value};
use std::collections::{BTreeSet, HashMap};

/// The variables that the conditions of a document go by.
pub(super) fn variables(document: &query::Document) -> Vec<String> {
    let mut names = BTreeSet::new();
    let operations = document::operations(document).map(query::OperationDefinition::selection_set);
    let sets = operations.chain(document::fragments(document).map(|fragment| &fragment.selection_set));
    sets.for_each(|set| collect(set, &mut names));
    names.into_iter().collect()
}

/// Puts the variables' values in their place.
pub(super) fn settle(document: &mut query::Document, values: &HashMap<&str, bool>) {
    for definition in &mut document.definitions {
        match definition {
            Definition::Fragment(fragment) => settle_in(&mut fragment.selection_set, values),
            Definition::Operation(operation) => settle_in(super::selections_mut(operation), values),
        }
    }
}

fn collect(set: &SelectionSet, names: &mut BTreeSet<String>) {
    for selection in &set.items {
        let (directives, below) = match selection {
            Selection::Field(field) => (&field.directives, Some(&field.selection_set)),
            Selection::InlineFragment(fragment) => (&fragment.directives, Some(&fragment.selection_set)),
            Selection::FragmentSpread(spread) => (&spread.directives, None),
        };
        let values =
            directives.iter().filter(|directive| is_condition(directive)).flat_map(|condition| &condition.arguments);
        names.extend(
            values.filter_map(|(_, value)| if let Value::Variable(name) = value { Some(name.clone()) } else { None }),
        );
        if let Some(below) = below {
            collect(below, names);
        }
    }
}

fn settle_in(set: &mut SelectionSet, values: &HashMap<&str, bool>) {
    for selection in &mut set.items {
        let (directives, below) = match selection {
            Selection::Field(field) => (&mut field.directives, Some(&mut field.selection_set)),
            Selection::InlineFragment(fragment) => (&mut fragment.directives, Some(&mut fragment.selection_set)),
            Selection::FragmentSpread(spread) => (&mut spread.directives, None),
        };
        for (_, value) in directives.iter_mut().filter(|it| is_condition(it)).flat_map(|it| &mut it.arguments) {
            if let Value::Variable(name) = value {
                *value = Value::Boolean(values.get(name.as_str()).copied().unwrap_or(false));
            }
        }
        if let Some(below) = below {
            settle_in(below, values);
        }
    }
}

fn is_condition(directive: &query::Directive) -> bool {
    matches!(directive.name.as_str(), "skip" | "include")
}
