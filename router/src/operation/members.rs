//! Fields of interfaces that some member computes from what other subgraphs have (`@requires`). Asked of the interface,
//! they are asked for where the interface is, which the planner takes to have them; asked of each member, they are planned.

use super::division::add;
use crate::execute::possible_types;
use hive_router_query_planner::ast::selection_item::SelectionItem;
use hive_router_query_planner::ast::selection_set::{FieldSelection, InlineFragmentSelection, SelectionSet};
use hive_router_query_planner::state::supergraph_state::{SupergraphDefinition, SupergraphState};

/// Asks for such fields of each member, at every depth below objects of a type.
pub(super) fn ask(set: &mut SelectionSet, on: &str, schema: &SupergraphState) {
    if matches!(schema.definitions.get(on), Some(SupergraphDefinition::Interface(_))) {
        let items = std::mem::take(&mut set.items);
        let is_required =
            |item: &SelectionItem| matches!(item, SelectionItem::Field(field) if requires(field, on, schema));
        let (required, rest): (Vec<_>, Vec<_>) = items.into_iter().partition(is_required);
        set.items = rest;
        for item in required {
            for member in possible_types(on, schema) {
                add_for(set, member, &item);
            }
        }
    }
    for item in &mut set.items {
        match item {
            SelectionItem::Field(field) if field.selections.is_empty() => {}
            SelectionItem::Field(field) => {
                if let Some(of) = schema.field_return_type_name(on, &field.name) {
                    ask(&mut field.selections, of, schema);
                }
            }
            SelectionItem::InlineFragment(fragment) => ask(&mut fragment.selections, &fragment.type_condition, schema),
            SelectionItem::FragmentSpread(_) => {}
        }
    }
}

/// Whether some member of an interface requires something for a field.
fn requires(field: &FieldSelection, interface: &str, schema: &SupergraphState) -> bool {
    possible_types(interface, schema).iter().any(|member| {
        let definition = schema.definitions.get(member).and_then(|member| member.fields().get(&field.name));
        definition.is_some_and(|field| field.join_field.iter().any(|join| join.requires.is_some()))
    })
}

/// Selects a field of a member.
fn add_for(set: &mut SelectionSet, member: String, item: &SelectionItem) {
    let selections = SelectionSet { items: vec![item.clone()] };
    let known = set.items.iter_mut().find_map(|known| match known {
        SelectionItem::InlineFragment(known)
            if known.type_condition == member && known.skip_if.is_none() && known.include_if.is_none() =>
        {
            Some(known)
        }
        _ => None,
    });
    match known {
        Some(known) => add(&mut known.selections, selections),
        None => set.items.push(SelectionItem::InlineFragment(InlineFragmentSelection {
            type_condition: member,
            selections,
            skip_if: None,
            include_if: None,
        })),
    }
}
