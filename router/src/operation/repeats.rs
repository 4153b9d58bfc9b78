//! How often a document repeats a response name in one place. Validation compares each such pair of fields ("Field
//! Selection Merging"), so that a few kilobytes of one name over and over would keep a processor busy for seconds.

use super::document;
use crate::error::{Code, GraphQLError};
use graphql_tools::static_graphql::query::{self, Selection, SelectionSet};
use std::collections::HashMap;

/// How often one response name may stand in one place, fragments written out. Generated clients with a fragment per
/// component reach some dozens.
const MAX_REPEATS: usize = 100;

/// Checks every operation and fragment of a document whose fragments have no cycles and whose size is within the limits.
pub(super) fn check(document: &query::Document) -> Result<(), GraphQLError> {
    let fragments = document::fragments(document).map(|fragment| (fragment.name.as_str(), fragment)).collect();
    let operations = document::operations(document).map(query::OperationDefinition::selection_set);
    let definitions = operations.chain(document::fragments(document).map(|fragment| &fragment.selection_set));
    for set in definitions {
        if exceeds(&[set], &fragments) {
            let message = format!("The document selects one response name more than {MAX_REPEATS} times in one place.");
            return Err(GraphQLError::new(Code::OperationTooComplex, message));
        }
    }
    Ok(())
}

type Fragments<'d> = HashMap<&'d str, &'d query::FragmentDefinition>;

/// Whether a name repeats too often in these sets, which select from one object, or below them.
fn exceeds<'d>(sets: &[&'d SelectionSet], fragments: &Fragments<'d>) -> bool {
    let mut places: HashMap<&str, Vec<&SelectionSet>> = HashMap::new();
    let mut pending = sets.to_vec();
    while let Some(set) = pending.pop() {
        for selection in &set.items {
            match selection {
                Selection::Field(field) => {
                    let place = places.entry(field.alias.as_deref().unwrap_or(&field.name)).or_default();
                    place.push(&field.selection_set);
                    if place.len() > MAX_REPEATS {
                        return true;
                    }
                }
                Selection::InlineFragment(inline) => pending.push(&inline.selection_set),
                Selection::FragmentSpread(spread) => {
                    pending.extend(fragments.get(spread.fragment_name.as_str()).map(|found| &found.selection_set));
                }
            }
        }
    }
    places.values().any(|sets| exceeds(sets, fragments))
}
