//! Members of an interface that a plan tells subgraphs of which know the interface alone, and take it for an object
//! (`@interfaceObject`). There they have to be called by it, which the planner forgets of some: such a subgraph would not
//! know the type. And it tells them of one member at times where the operation asks of another, or of all, and of all where
//! the operation asks of one: that would cost nothing but errors of what nobody asked for.

use super::supply::keys;
use crate::execute::possible_types;
use hive_router_query_planner::ast::operation::SubgraphFetchOperation;
use hive_router_query_planner::ast::selection_item::SelectionItem;
use hive_router_query_planner::ast::selection_set::{InlineFragmentSelection, SelectionSet};
use hive_router_query_planner::planner::plan_nodes::{FetchNodePathSegment, FetchRewrite, PlanNode, ValueSetter};
use hive_router_query_planner::state::supergraph_state::SupergraphState;
use std::collections::BTreeSet;

/// Has the plan of an operation, whose selections are of this root type, tell those subgraphs of the members that it asks
/// for, each called by its interface.
pub(super) fn complete(node: &mut PlanNode, operation: &SelectionSet, root: &str, schema: &SupergraphState) {
    if !schema.interface_object_types_in_subgraphs.is_empty() {
        let mut required = BTreeSet::new();
        collect_required(node, &mut required);
        Calling { operation, root, schema, required }.node(node, &[]);
    }
}

struct Calling<'o> {
    operation: &'o SelectionSet,
    root: &'o str,
    schema: &'o SupergraphState,
    /// The names of all that fetches have to know of entities.
    required: BTreeSet<String>,
}

/// What is told of entities.
struct Told<'p> {
    requires: &'p mut SelectionSet,
    rewrites: &'p mut Option<Vec<FetchRewrite>>,
    /// The response keys that the fetch asks of them.
    asked: BTreeSet<String>,
}

impl Calling<'_> {
    fn node(&self, node: &mut PlanNode, at: &[&str]) {
        match node {
            PlanNode::Fetch(fetch) => {
                if let Some(requires) = &mut fetch.requires {
                    let asked = asked(&fetch.operation, "_entities");
                    let told = Told { requires, rewrites: &mut fetch.input_rewrites, asked };
                    self.call(told, &fetch.service_name, &[at]);
                }
            }
            PlanNode::BatchFetch(fetch) => {
                for alias in &mut fetch.entity_batch.aliases {
                    let places: Vec<Vec<&str>> = alias.merge_paths.iter().map(keys).collect();
                    let places: Vec<&[&str]> = places.iter().map(Vec::as_slice).collect();
                    let asked = asked(&fetch.operation, &alias.alias);
                    let told = Told { requires: &mut alias.requires, rewrites: &mut alias.input_rewrites, asked };
                    self.call(told, &fetch.service_name, &places);
                }
            }
            PlanNode::Flatten(flatten) => self.node(&mut flatten.node, &keys(&flatten.path)),
            PlanNode::Sequence(nodes) => nodes.nodes.iter_mut().for_each(|node| self.node(node, at)),
            PlanNode::Parallel(nodes) => nodes.nodes.iter_mut().for_each(|node| self.node(node, at)),
            PlanNode::Condition(_) | PlanNode::Subscription(_) | PlanNode::Defer(_) => {}
        }
    }

    fn call(&self, told: Told<'_>, service: &str, places: &[&[&str]]) {
        let mut items = Vec::with_capacity(told.requires.items.len());
        for item in std::mem::take(&mut told.requires.items) {
            let SelectionItem::InlineFragment(fragment) = item else {
                items.push(item);
                continue;
            };
            let Some(interface) = self.interface_for(&fragment.type_condition, service) else {
                items.push(SelectionItem::InlineFragment(fragment));
                continue;
            };
            for name in self.members(&fragment, interface, &told.asked, places) {
                set_typename(told.rewrites, &name, interface);
                let fragment = InlineFragmentSelection { type_condition: name, ..fragment.clone() };
                let item = SelectionItem::InlineFragment(fragment);
                if !items.contains(&item) {
                    items.push(item);
                }
            }
        }
        told.requires.items = items;
    }

    /// The members that the operation asks for what a fetch asks of some, or their interface for all of them.
    fn members(
        &self,
        fragment: &InlineFragmentSelection,
        interface: &str,
        asked: &BTreeSet<String>,
        places: &[&[&str]],
    ) -> BTreeSet<String> {
        let known = leaves(&fragment.selections);
        let mut members = BTreeSet::new();
        // Keys and the like are asked for in the name of fetches to come, of whichever members.
        for key in asked.iter().filter(|key| !known.contains(key.as_str())) {
            let mut those = BTreeSet::new();
            places.iter().for_each(|place| self.ask(self.operation, self.root, place, key, &mut those));
            if those.is_empty() || self.required.contains(key) {
                return BTreeSet::from([interface.to_owned()]);
            }
            members.append(&mut those);
        }
        let all = possible_types(interface, self.schema);
        members.retain(|member| all.contains(member));
        if members.is_empty() || members == all { BTreeSet::from([interface.to_owned()]) } else { members }
    }

    /// Notes the object types for which the operation asks for a response key at a place.
    fn ask(&self, set: &SelectionSet, on: &str, place: &[&str], asked: &str, members: &mut BTreeSet<String>) {
        for item in &set.items {
            match (item, place.split_first()) {
                (SelectionItem::Field(field), Some((key, rest))) if field.selection_identifier() == *key => {
                    if let Some(of) = self.schema.field_return_type_name(on, &field.name) {
                        self.ask(&field.selections, of, rest, asked, members);
                    }
                }
                (SelectionItem::Field(field), None) if field.selection_identifier() == asked => {
                    members.extend(possible_types(on, self.schema));
                }
                (SelectionItem::InlineFragment(fragment), _) => {
                    self.ask(&fragment.selections, &fragment.type_condition, place, asked, members);
                }
                (SelectionItem::Field(_) | SelectionItem::FragmentSpread(_), _) => {}
            }
        }
    }

    /// The interface that a subgraph takes for an object: this one, or that of this member, if it does not know the
    /// member itself.
    fn interface_for(&self, name: &str, service: &str) -> Option<&str> {
        let schema = self.schema;
        let (graph, _) = schema.known_subgraphs.iter().find(|(_, name)| *name == service)?;
        let knows = |name: &str| {
            let joins = schema.definitions.get(name).map(|definition| definition.join_types());
            joins.into_iter().flatten().any(|join| join.graph_id == *graph)
        };
        let mut known = schema.interface_object_types_in_subgraphs.iter().filter(|(_, graphs)| graphs.contains(graph));
        let (interface, _) = known.find(|(interface, _)| {
            let has = || schema.interface_members(interface).is_some_and(|members| members.contains(name));
            *interface == name || !knows(name) && has()
        })?;
        Some(interface)
    }
}

/// Notes the names of all that fetches have to know of entities.
fn collect_required(node: &PlanNode, required: &mut BTreeSet<String>) {
    let mut note = |set: &SelectionSet| required.extend(leaves(set).into_iter().map(str::to_owned));
    match node {
        PlanNode::Fetch(fetch) => fetch.requires.iter().for_each(note),
        PlanNode::BatchFetch(fetch) => fetch.entity_batch.aliases.iter().for_each(|alias| note(&alias.requires)),
        PlanNode::Flatten(flatten) => collect_required(&flatten.node, required),
        PlanNode::Sequence(nodes) => nodes.nodes.iter().for_each(|node| collect_required(node, required)),
        PlanNode::Parallel(nodes) => nodes.nodes.iter().for_each(|node| collect_required(node, required)),
        PlanNode::Condition(_) | PlanNode::Subscription(_) | PlanNode::Defer(_) => {}
    }
}

/// The response keys that a fetch asks of the entities under this key.
fn asked(operation: &SubgraphFetchOperation, entities: &str) -> BTreeSet<String> {
    let document = &operation.document;
    let set = document.operation.selection_set.inline_fragment_spreads(&document.fragments).unwrap_or_default();
    let mut asked = BTreeSet::new();
    for item in &set.items {
        if let SelectionItem::Field(field) = item
            && field.selection_identifier() == entities
        {
            asked.extend(leaves(&field.selections).into_iter().map(str::to_owned));
        }
    }
    asked
}

/// The response keys of a selection, through its fragments, `__typename` apart.
fn leaves(set: &SelectionSet) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for item in &set.items {
        match item {
            SelectionItem::Field(field) if field.name != "__typename" => {
                names.insert(field.selection_identifier());
            }
            SelectionItem::InlineFragment(fragment) => names.extend(leaves(&fragment.selections)),
            SelectionItem::Field(_) | SelectionItem::FragmentSpread(_) => {}
        }
    }
    names
}

/// Has objects of a type called by an interface, if they are not.
fn set_typename(rewrites: &mut Option<Vec<FetchRewrite>>, name: &str, interface: &str) {
    let is = FetchNodePathSegment::TypenameEquals(BTreeSet::from([name.to_owned()]));
    let is_set = rewrites.iter().flatten().any(|rewrite| match rewrite {
        FetchRewrite::ValueSetter(setter) => setter.path.first() == Some(&is),
        FetchRewrite::KeyRenamer(_) => false,
    });
    if !is_set {
        let path = vec![is, FetchNodePathSegment::Key("__typename".into())];
        let setter = ValueSetter { path, set_value_to: interface.to_owned() };
        rewrites.get_or_insert_default().push(FetchRewrite::ValueSetter(setter));
    }
}
