//! Fragments of fetches. What a fetch asks for more than once the planner makes a fragment, on the type that the
//! supergraph has there. A subgraph may have one of its members instead, and not know the type at all: so fragments on
//! interfaces and unions are written out again.

use hive_router_query_planner::ast::fragment::FragmentDefinition;
use hive_router_query_planner::ast::operation::SubgraphFetchOperation;
use hive_router_query_planner::ast::selection_item::SelectionItem;
use hive_router_query_planner::ast::selection_set::SelectionSet;
use hive_router_query_planner::state::supergraph_state::{SupergraphDefinition, SupergraphState};

/// Writes the fragments on abstract types out where they are used.
pub(super) fn write_out(operation: &mut SubgraphFetchOperation, schema: &SupergraphState) {
    let is_abstract = |fragment: &FragmentDefinition| {
        let definition = schema.definitions.get(&fragment.type_condition);
        matches!(definition, Some(SupergraphDefinition::Interface(_) | SupergraphDefinition::Union(_)))
    };
    if !operation.document.fragments.iter().any(is_abstract) {
        return;
    }
    let mut document = operation.document.clone();
    let (gone, kept) = document.fragments.into_iter().partition::<Vec<_>, _>(is_abstract);
    document.fragments = kept;
    replace(&mut document.operation.selection_set, &gone);
    document.fragments.iter_mut().for_each(|fragment| replace(&mut fragment.selection_set, &gone));
    *operation = SubgraphFetchOperation::from_anonymous_operation(document);
}

/// Puts what these fragments hold in their places.
fn replace(selections: &mut SelectionSet, fragments: &[FragmentDefinition]) {
    for mut item in std::mem::take(&mut selections.items) {
        match &mut item {
            SelectionItem::Field(field) => replace(&mut field.selections, fragments),
            SelectionItem::InlineFragment(fragment) => replace(&mut fragment.selections, fragments),
            SelectionItem::FragmentSpread(name) => {
                if let Some(fragment) = fragments.iter().find(|fragment| fragment.name == *name) {
                    let mut held = fragment.selection_set.clone();
                    replace(&mut held, fragments);
                    selections.items.append(&mut held.items);
                    continue;
                }
            }
        }
        selections.items.push(item);
    }
}
