//! How large an operation becomes when its fragments on interfaces and unions are written out for every type, as the
//! planner wants it. Types that refer to each other make that exponential in the depth, so it is estimated first.

use super::document::fragments;
use crate::error::{Code, GraphQLError};
use graphql_tools::static_graphql::query::{self, Selection};
use hive_router_query_planner::state::supergraph_state::{SupergraphDefinition, SupergraphState};
use std::collections::{BTreeSet, HashMap};

/// Refuses a valid operation that would have more fields than this when written out.
pub(super) fn check(
    schema: &SupergraphState,
    document: &query::Document,
    operation: &query::OperationDefinition,
    max_fields: usize,
) -> Result<(), GraphQLError> {
    let root = match operation {
        query::OperationDefinition::Mutation(_) => schema.mutation_type.as_deref(),
        query::OperationDefinition::Subscription(_) => schema.subscription_type.as_deref(),
        query::OperationDefinition::SelectionSet(_) | query::OperationDefinition::Query(_) => None,
    };
    let fragments = fragments(document).map(|fragment| (fragment.name.as_str(), fragment)).collect();
    let mut expansion = Expansion { schema, fragments, known: HashMap::new() };
    if expansion.selections(operation.selection_set(), root.unwrap_or(&schema.query_type)) <= max_fields {
        return Ok(());
    }
    let message = format!("The operation selects more than {max_fields} fields of the types its fragments stand for.");
    Err(GraphQLError::new(Code::OperationTooComplex, message))
}

struct Expansion<'d> {
    schema: &'d SupergraphState,
    fragments: HashMap<&'d str, &'d query::FragmentDefinition>,
    /// The sizes of fragments, by their name and the type around them.
    known: HashMap<(&'d str, String), usize>,
}

impl<'d> Expansion<'d> {
    fn selections(&mut self, selections: &'d query::SelectionSet, parent: &str) -> usize {
        selections.items.iter().fold(0, |size: usize, selection| {
            size.saturating_add(match selection {
                Selection::Field(field) => self.field(field, parent),
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.type_condition.as_ref().map(|condition| condition.as_ref().as_str());
                    let plain = fragment.directives.is_empty();
                    self.fragment(&fragment.selection_set, condition, parent, plain)
                }
                Selection::FragmentSpread(spread) => {
                    let key = (spread.fragment_name.as_str(), parent.to_owned());
                    match (self.known.get(&key), self.fragments.get(key.0).copied()) {
                        (Some(known), _) => *known,
                        (None, None) => 0,
                        (None, Some(fragment)) => {
                            let (on, plain) = (fragment.type_condition.as_ref(), spread.directives.is_empty());
                            let inside = self.fragment(&fragment.selection_set, Some(on), parent, plain);
                            self.known.insert(key, inside);
                            inside
                        }
                    }
                }
            })
        })
    }

    fn field(&mut self, field: &'d query::Field, parent: &str) -> usize {
        let inside = match self.schema.field_return_type_name(parent, &field.name) {
            Some(inner) => self.selections(&field.selection_set, inner),
            None => 0,
        };
        inside.saturating_add(1).saturating_mul(self.copies_of_field(&field.name, parent))
    }

    fn fragment(
        &mut self,
        selections: &'d query::SelectionSet,
        condition: Option<&str>,
        parent: &str,
        plain: bool,
    ) -> usize {
        let on = condition.unwrap_or(parent);
        let same = on == parent && (plain || condition.is_some());
        if same || self.members(parent).is_none() && self.members(on).is_some() {
            return self.selections(selections, parent);
        }
        let Some(members) = self.members(on) else { return self.selections(selections, on) };
        let possible: Vec<String> = match self.members(parent) {
            Some(around) => members.intersection(&around).cloned().collect(),
            None => members.into_iter().collect(),
        };
        // What is inside has about the same size on every type.
        let Some(first) = possible.first() else { return 0 };
        self.selections(selections, first).saturating_mul(possible.len())
    }

    /// The object types of an interface or union.
    fn members(&self, name: &str) -> Option<BTreeSet<String>> {
        match self.schema.definitions.get(name)? {
            SupergraphDefinition::Interface(_) => {
                Some(self.schema.interface_members(name).cloned().unwrap_or_default())
            }
            SupergraphDefinition::Union(union) => Some(union.types.iter().cloned().collect()),
            _ => None,
        }
    }

    /// A field of an interface is written out for every implementation unless all subgraphs have it for all of them.
    fn copies_of_field(&self, field: &str, parent: &str) -> usize {
        let Some(SupergraphDefinition::Interface(interface)) = self.schema.definitions.get(parent) else { return 1 };
        let members = self.members(parent).unwrap_or_default();
        let differs = |name: &String| {
            let field = self.schema.definitions.get(name).and_then(|definition| definition.fields().get(field));
            field.is_none_or(|field| {
                field
                    .join_field
                    .iter()
                    .any(|join| join.external || join.used_overridden || join.override_value.is_some())
            })
        };
        let scattered = interface.join_type.len() > 1
            && interface.fields.get(field).is_some_and(|field| !field.join_field.is_empty());
        if scattered || members.iter().any(differs) { members.len().max(1) } else { 1 }
    }
}
