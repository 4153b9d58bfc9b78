//! Subscriptions that can be gone on with after a break.
//!
//! By convention a subscription field with the argument `after: String`, whose events all have `cursor: String!`, is a
//! durable stream: it gives the events behind the cursor, or those from now on without one. The router asks such a field
//! for the cursors besides what the client asks for, and for `after` by a variable of its own.

use crate::execute::possible_types;
use crate::operation::Variables;
use hive_router_query_planner::ast::operation::{OperationDefinition, VariableDefinition};
use hive_router_query_planner::ast::selection_item::SelectionItem;
use hive_router_query_planner::ast::selection_set::{FieldSelection, InlineFragmentSelection, SelectionSet};
use hive_router_query_planner::ast::value::Value as Literal;
use hive_router_query_planner::state::supergraph_state::{
    OperationKind, SupergraphDefinition, SupergraphField, SupergraphState, TypeNode,
};
use serde_json::Value;

/// The variable of the upstream document that holds the cursor.
pub(crate) const AFTER_VARIABLE: &str = "_router_after";

const AFTER: &str = "after";
const CURSOR: &str = "cursor";

/// How a durable stream is gone on with.
#[derive(Clone, Debug)]
pub struct Resumption {
    /// The response key of its field upstream.
    pub(crate) key: String,
    start: Start,
}

/// Where the client wants the stream to begin.
#[derive(Clone, Debug)]
enum Start {
    Now,
    Variable(String),
    Behind(String),
}

impl Resumption {
    /// The `after` that the client gives; `None` when it gives none.
    pub(crate) fn after<'v>(&'v self, variables: &'v Variables) -> Option<&'v str> {
        match &self.start {
            Start::Now => None,
            Start::Variable(name) => variables.get(name).and_then(Value::as_str),
            Start::Behind(cursor) => Some(cursor),
        }
    }
}

/// Makes a subscription tell its cursors and take one, if its stream is durable.
pub(super) fn prepare(operation: &mut OperationDefinition, schema: &SupergraphState) -> Option<Resumption> {
    if operation.operation_kind != Some(OperationKind::Subscription) {
        return None;
    }
    let [SelectionItem::Field(field)] = operation.selection_set.items.as_mut_slice() else { return None };
    let root = schema.definitions.get(schema.subscription_type.as_deref()?)?;
    let definition = root.fields().get(&field.name)?;
    let variables = operation.variable_definitions.get_or_insert_default();
    if !is_durable(definition, schema) || variables.iter().any(|known| known.name == AFTER_VARIABLE) {
        return None;
    }
    let arguments = field.arguments.get_or_insert_default();
    let start = match arguments.get_argument(AFTER) {
        None | Some(Literal::Null) => Start::Now,
        Some(Literal::Variable(name)) => Start::Variable(name.clone()),
        Some(Literal::String(cursor)) => Start::Behind(cursor.clone()),
        Some(_) => return None,
    };
    arguments.add_argument(AFTER.into(), Literal::Variable(AFTER_VARIABLE.into()));
    let variable_type = TypeNode::Named("String".into());
    variables.push(VariableDefinition { name: AFTER_VARIABLE.into(), variable_type, default_value: None });
    ask_for_cursors(&mut field.selections, definition.field_type.inner_type(), schema);
    Some(Resumption { key: field.selection_identifier().to_owned(), start })
}

fn is_durable(field: &SupergraphField, schema: &SupergraphState) -> bool {
    let is_string = |ty: &TypeNode| *ty == TypeNode::Named("String".into());
    let has_cursor = |name: &String| {
        let fields = schema.definitions.get(name).map(SupergraphDefinition::fields);
        let cursor = fields.and_then(|fields| fields.get(CURSOR));
        cursor.is_some_and(|cursor| cursor.field_type.is_non_null() && is_string(cursor.field_type.unwrap_non_null()))
    };
    field.argument_types.get(AFTER).is_some_and(is_string)
        && !field.field_type.is_list()
        && possible_types(field.field_type.inner_type(), schema).iter().all(has_cursor)
}

fn ask_for_cursors(selections: &mut SelectionSet, of: &str, schema: &SupergraphState) {
    match schema.definitions.get(of) {
        Some(SupergraphDefinition::Object(_)) => ask_for_cursor(selections),
        _ => {
            for member in possible_types(of, schema) {
                let fragment = selections.items.iter_mut().find_map(|item| match item {
                    SelectionItem::InlineFragment(fragment)
                        if fragment.type_condition == member
                            && fragment.skip_if.is_none()
                            && fragment.include_if.is_none() =>
                    {
                        Some(&mut fragment.selections)
                    }
                    _ => None,
                });
                match fragment {
                    Some(selections) => ask_for_cursor(selections),
                    None => {
                        let mut selections_of_member = SelectionSet::default();
                        ask_for_cursor(&mut selections_of_member);
                        selections.items.push(SelectionItem::InlineFragment(InlineFragmentSelection {
                            type_condition: member,
                            selections: selections_of_member,
                            skip_if: None,
                            include_if: None,
                        }));
                    }
                }
            }
        }
    }
}

/// An alias of the client's cannot be in the way: those that are names of fields are set apart.
fn ask_for_cursor(selections: &mut SelectionSet) {
    let is_known = selections.items.iter().any(|item| match item {
        SelectionItem::Field(field) => {
            field.selection_identifier() == CURSOR && field.skip_if.is_none() && field.include_if.is_none()
        }
        _ => false,
    });
    if !is_known {
        let cursor = FieldSelection { name: CURSOR.into(), ..FieldSelection::default() };
        selections.items.push(SelectionItem::Field(cursor));
    }
}
