//! Plans over a schema that has a field for each choice of arguments in `@requires` ([`Required`]). Subgraphs are asked
//! for the field itself, with these arguments and under the choice's name, and told the value by the field's. Where one
//! request would have to tell two choices of one field, it becomes several.

use crate::execute::possible_types;
use crate::supergraph::required::{Required, field_set};
use hive_router_query_planner::ast::document::Document;
use hive_router_query_planner::ast::operation::SubgraphFetchOperation;
use hive_router_query_planner::ast::selection_item::SelectionItem;
use hive_router_query_planner::ast::selection_set::{FieldSelection, InlineFragmentSelection, SelectionSet};
use hive_router_query_planner::planner::plan_nodes::{
    BatchFetchNode, EntityBatch, FetchNode, FetchNodePathSegment, FetchRewrite, FlattenNode, ParallelNode, PlanNode,
};
use hive_router_query_planner::state::supergraph_state::SupergraphState;
use std::collections::BTreeSet;

const TYPENAME: &str = "__typename";

/// How the names begin that the planner gives by itself where fields clash.
const OWN: &str = "_internal_qp_alias_";

/// Whether everything that a plan asks for by a name of the planner's own gets its right name back at once. Otherwise the
/// planner takes whatever has that name in one place to have it in others, and the plan may tell subgraphs anything.
pub(super) fn is_certain(plan: &PlanNode) -> bool {
    match plan {
        PlanNode::Fetch(fetch) => is_renamed(&fetch.operation, fetch.output_rewrites.iter().flatten()),
        PlanNode::BatchFetch(fetch) => {
            let rewrites = fetch.entity_batch.aliases.iter().flat_map(|alias| &alias.output_rewrites).flatten();
            is_renamed(&fetch.operation, rewrites)
        }
        PlanNode::Flatten(flatten) => is_certain(&flatten.node),
        PlanNode::Sequence(sequence) => sequence.nodes.iter().all(is_certain),
        PlanNode::Parallel(parallel) => parallel.nodes.iter().all(is_certain),
        PlanNode::Condition(condition) => {
            condition.if_clause.iter().chain(&condition.else_clause).all(|node| is_certain(node))
        }
        PlanNode::Subscription(subscription) => {
            let primary = &subscription.primary;
            is_renamed(&primary.operation, primary.output_rewrites.iter().flatten())
        }
        // The planner never defers.
        PlanNode::Defer(_) => true,
    }
}

fn is_renamed<'p>(operation: &SubgraphFetchOperation, rewrites: impl Iterator<Item = &'p FetchRewrite>) -> bool {
    if !operation.document_str.contains(OWN) {
        return true;
    }
    let renamed: BTreeSet<&str> = rewrites
        .filter_map(|rewrite| match rewrite {
            FetchRewrite::KeyRenamer(renamer) => match renamer.path.last() {
                Some(FetchNodePathSegment::Key(key)) => Some(key.as_str()),
                _ => None,
            },
            FetchRewrite::ValueSetter(_) => None,
        })
        .collect();
    let is_own = |part: &&str| part.starts_with(OWN);
    let mut names = operation.document_str.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(is_own);
    names.all(|name| renamed.contains(name))
}

/// Settles what a plan asks for and tells.
pub(super) fn settle(plan: &mut PlanNode, required: &Required, schema: &SupergraphState) {
    if !required.is_empty() {
        Settling { required, schema }.node(plan);
    }
}

struct Settling<'s> {
    required: &'s Required,
    schema: &'s SupergraphState,
}

/// The fields of an entity that one request can ask for.
#[derive(Default)]
struct Group {
    /// By type and name.
    fields: BTreeSet<(String, String)>,
    /// What they require.
    choices: BTreeSet<String>,
}

impl Settling<'_> {
    fn node(&self, node: &mut PlanNode) {
        match node {
            PlanNode::Fetch(fetch) => self.fetch(fetch),
            PlanNode::BatchFetch(fetch) => {
                let mut parts = self.batch_parts(fetch);
                match parts.as_mut_slice() {
                    [] => self.batch(fetch),
                    parts => parts.iter_mut().for_each(|part| self.batch(part)),
                }
                if !parts.is_empty() {
                    *node = parallel(parts.into_iter().map(PlanNode::BatchFetch));
                }
            }
            PlanNode::Flatten(flatten) => {
                let parts = match flatten.node.as_ref() {
                    PlanNode::Fetch(fetch) => self.parts(fetch),
                    _ => Vec::new(),
                };
                if parts.is_empty() {
                    return self.node(&mut flatten.node);
                }
                let part = |mut part: FetchNode| {
                    self.fetch(&mut part);
                    PlanNode::Flatten(FlattenNode { node: Box::new(PlanNode::Fetch(part)), path: flatten.path.clone() })
                };
                *node = parallel(parts.into_iter().map(part));
            }
            PlanNode::Sequence(sequence) => sequence.nodes.iter_mut().for_each(|node| self.node(node)),
            PlanNode::Parallel(parallel) => parallel.nodes.iter_mut().for_each(|node| self.node(node)),
            PlanNode::Condition(condition) => {
                let clauses = condition.if_clause.iter_mut().chain(&mut condition.else_clause);
                clauses.for_each(|node| self.node(node));
            }
            PlanNode::Subscription(subscription) => self.fetch(&mut subscription.primary),
            // The planner never defers.
            PlanNode::Defer(_) => {}
        }
    }

    fn fetch(&self, fetch: &mut FetchNode) {
        self.ask(&mut fetch.operation);
        fetch.requires.iter_mut().for_each(|requires| self.tell(requires));
    }

    fn batch(&self, fetch: &mut BatchFetchNode) {
        self.ask(&mut fetch.operation);
        fetch.entity_batch.aliases.iter_mut().for_each(|alias| self.tell(&mut alias.requires));
    }

    /// Asks for the fields that choices stand for.
    fn ask(&self, operation: &mut SubgraphFetchOperation) {
        let mut document = operation.document.clone();
        let fragments = document.fragments.iter_mut().map(|fragment| &mut fragment.selection_set);
        let mut chosen = false;
        for set in fragments.chain([&mut document.operation.selection_set]) {
            each_field(set, &mut |field| {
                if let Some(choice) = self.required.get(&field.name) {
                    let name = std::mem::replace(&mut field.name, choice.field.name.clone());
                    field.alias.get_or_insert(name);
                    field.arguments.clone_from(&choice.field.arguments);
                    chosen = true;
                }
            });
        }
        if chosen {
            *operation = SubgraphFetchOperation::from_anonymous_operation(document);
        }
    }

    /// In a representation it is the other way round: the name is the key in the data, the alias is the field.
    fn tell(&self, requires: &mut SelectionSet) {
        each_field(requires, &mut |field| {
            if let Some(choice) = self.required.get(&field.name) {
                field.alias = Some(choice.field.name.clone());
            }
        });
    }

    /// The requests that a request has to become; none if it can stay as it is.
    fn parts(&self, fetch: &FetchNode) -> Vec<FetchNode> {
        let Some(requires) = &fetch.requires else { return Vec::new() };
        let groups = self.groups(requires, &fetch.operation, "_entities", &fetch.service_name);
        let part = |group: &Group| {
            let operation = part(&fetch.operation, |field| Some(group.asked(field, &fetch.operation)));
            let variable_usages = used(fetch.variable_usages.as_ref(), &operation);
            let requires = Some(group.told(requires, self.required));
            FetchNode { operation, requires, variable_usages, ..fetch.clone() }
        };
        groups.iter().map(part).collect()
    }

    /// The same for a request with several `_entities`: each that cannot stay becomes requests of its own.
    fn batch_parts(&self, fetch: &BatchFetchNode) -> Vec<BatchFetchNode> {
        let groups = |key: &str, requires| self.groups(requires, &fetch.operation, key, &fetch.service_name);
        let aliases = fetch.entity_batch.aliases.iter();
        let grouped: Vec<_> = aliases.map(|alias| (alias, groups(&alias.alias, &alias.requires))).collect();
        if grouped.iter().all(|(_, groups)| groups.is_empty()) {
            return Vec::new();
        }
        let of = |operation: SubgraphFetchOperation, aliases| {
            let variable_usages = used(fetch.variable_usages.as_ref(), &operation);
            BatchFetchNode { operation, entity_batch: EntityBatch { aliases }, variable_usages, ..fetch.clone() }
        };
        let mut parts = Vec::new();
        let (apart, staying): (Vec<_>, Vec<_>) = grouped.into_iter().partition(|(_, groups)| !groups.is_empty());
        for (alias, groups) in &apart {
            for group in groups {
                let is_this = |field: &FieldSelection| field.selection_identifier() == alias.alias;
                let asked = |field: &_| is_this(field).then(|| group.asked(field, &fetch.operation));
                let mut alias = (*alias).clone();
                alias.requires = group.told(&alias.requires, self.required);
                parts.push(of(part(&fetch.operation, asked), vec![alias]));
            }
        }
        if !staying.is_empty() {
            let stays = |field: &FieldSelection| {
                let key = field.selection_identifier();
                staying.iter().any(|(alias, _)| alias.alias == key).then(|| field.selections.clone())
            };
            let aliases = staying.iter().map(|(alias, _)| (*alias).clone()).collect();
            parts.push(of(part(&fetch.operation, stays), aliases));
        }
        parts
    }

    /// Groups the fields of the entities under a key so that no group requires two choices of one field; no groups if
    /// they do not anyway.
    fn groups(
        &self,
        requires: &SelectionSet,
        operation: &SubgraphFetchOperation,
        key: &str,
        service: &str,
    ) -> Vec<Group> {
        let mut choices = BTreeSet::new();
        self.collect(requires, &mut choices);
        if !self.clash(&choices) {
            return Vec::new();
        }
        let items = &operation.document.operation.selection_set.items;
        let mut fields = BTreeSet::new();
        for item in items {
            match item {
                SelectionItem::Field(field) if field.selection_identifier() == key => {
                    entity_fields(&written_out(&field.selections, operation), "", &mut fields);
                }
                _ => {}
            }
        }
        let mut groups = vec![Group::default()];
        for (on, field) in fields {
            let required = self.required_by(&on, &field, service);
            let fits = |group: &Group| !self.clash(&group.choices.union(&required).cloned().collect());
            let index = groups.iter().position(fits).unwrap_or_else(|| {
                groups.push(Group::default());
                groups.len() - 1
            });
            groups[index].fields.insert((on, field));
            groups[index].choices.extend(required);
        }
        groups.retain(|group| !group.fields.is_empty());
        groups
    }

    /// The choices that a subgraph requires for a field of a type.
    fn required_by(&self, on: &str, field: &str, service: &str) -> BTreeSet<String> {
        let mut types = possible_types(on, self.schema);
        types.insert(on.to_owned());
        let fields = types.iter().filter_map(|name| self.schema.definitions.get(name)?.fields().get(field));
        let in_graph = |graph: &Option<String>| {
            graph.as_ref().and_then(|graph| self.schema.known_subgraphs.get(graph)).is_some_and(|name| name == service)
        };
        let joins = fields.flat_map(|field| &field.join_field).filter(|join| in_graph(&join.graph_id));
        let mut choices = BTreeSet::new();
        for set in joins.filter_map(|join| field_set(join.requires.as_deref()?)) {
            self.collect(&set, &mut choices);
        }
        choices
    }

    fn collect(&self, set: &SelectionSet, choices: &mut BTreeSet<String>) {
        for item in &set.items {
            match item {
                SelectionItem::Field(field) => {
                    if self.required.get(&field.name).is_some() {
                        choices.insert(field.name.clone());
                    }
                    self.collect(&field.selections, choices);
                }
                SelectionItem::InlineFragment(fragment) => self.collect(&fragment.selections, choices),
                SelectionItem::FragmentSpread(_) => {}
            }
        }
    }

    /// Whether two of these are choices of one field.
    fn clash(&self, choices: &BTreeSet<String>) -> bool {
        let mut places = BTreeSet::new();
        !choices.iter().filter_map(|choice| self.required.get(choice)).all(|choice| places.insert(&choice.place))
    }
}

impl Group {
    /// What of the fields of an `_entities` is asked for.
    fn asked(&self, entities: &FieldSelection, operation: &SubgraphFetchOperation) -> SelectionSet {
        let mut asked = written_out(&entities.selections, operation);
        self.retain(&mut asked, "");
        asked
    }

    fn retain(&self, set: &mut SelectionSet, on: &str) {
        set.items.retain_mut(|item| match item {
            SelectionItem::Field(field) => {
                field.name == TYPENAME || self.fields.contains(&(on.to_owned(), field.name.clone()))
            }
            SelectionItem::InlineFragment(fragment) => {
                self.retain(&mut fragment.selections, &fragment.type_condition);
                !fragment.selections.is_empty()
            }
            SelectionItem::FragmentSpread(_) => true,
        });
    }

    /// What of a representation is told.
    fn told(&self, requires: &SelectionSet, required: &Required) -> SelectionSet {
        let mut told = requires.clone();
        self.retain_told(&mut told, required);
        told
    }

    fn retain_told(&self, set: &mut SelectionSet, required: &Required) {
        set.items.retain_mut(|item| match item {
            SelectionItem::Field(field) => {
                let is_leaf = field.selections.is_empty();
                self.retain_told(&mut field.selections, required);
                let is_chosen = required.get(&field.name).is_none() || self.choices.contains(&field.name);
                is_chosen && (is_leaf || !field.selections.is_empty())
            }
            SelectionItem::InlineFragment(fragment) => {
                self.retain_told(&mut fragment.selections, required);
                !fragment.selections.is_empty()
            }
            SelectionItem::FragmentSpread(_) => true,
        });
    }
}

/// The fields of entities, by type and name.
fn entity_fields(set: &SelectionSet, on: &str, fields: &mut BTreeSet<(String, String)>) {
    for item in &set.items {
        match item {
            SelectionItem::Field(field) if field.name == TYPENAME => {}
            SelectionItem::Field(field) => {
                fields.insert((on.to_owned(), field.name.clone()));
            }
            SelectionItem::InlineFragment(fragment) => {
                entity_fields(&fragment.selections, &fragment.type_condition, fields);
            }
            SelectionItem::FragmentSpread(_) => {}
        }
    }
}

/// The selections of entities, with the fragments that have names written out around their fields.
fn written_out(entities: &SelectionSet, operation: &SubgraphFetchOperation) -> SelectionSet {
    let items = entities.items.iter().filter_map(|item| {
        let fragment = match item {
            SelectionItem::Field(_) => return Some(item.clone()),
            SelectionItem::InlineFragment(fragment) => fragment.clone(),
            SelectionItem::FragmentSpread(name) => {
                let fragment = operation.document.fragments.iter().find(|fragment| fragment.name == *name)?;
                let (type_condition, selections) = (fragment.type_condition.clone(), fragment.selection_set.clone());
                InlineFragmentSelection { type_condition, selections, skip_if: None, include_if: None }
            }
        };
        let selections = written_out(&fragment.selections, operation);
        Some(SelectionItem::InlineFragment(fragment.with_new_selections(selections)))
    });
    SelectionSet { items: items.collect() }
}

/// An operation with this of each of its `_entities`, and the fragments and variables that this needs.
fn part(
    operation: &SubgraphFetchOperation,
    keep: impl Fn(&FieldSelection) -> Option<SelectionSet>,
) -> SubgraphFetchOperation {
    let mut document = operation.document.clone();
    let kept = &mut document.operation.selection_set;
    kept.items.retain_mut(|item| match item {
        SelectionItem::Field(field) => keep(field).map(|selections| field.selections = selections).is_some(),
        _ => true,
    });
    let fragments = |name: &str| document.fragments.iter().find(|fragment| fragment.name == name);
    let (mut reached, mut pending) = (BTreeSet::new(), vec![&*kept]);
    while let Some(set) = pending.pop() {
        for item in &set.items {
            match item {
                SelectionItem::Field(field) => pending.push(&field.selections),
                SelectionItem::InlineFragment(fragment) => pending.push(&fragment.selections),
                SelectionItem::FragmentSpread(name) => {
                    if reached.insert(name.clone()) {
                        pending.extend(fragments(name).map(|fragment| &fragment.selection_set));
                    }
                }
            }
        }
    }
    document.fragments.retain(|fragment| reached.contains(&fragment.name));
    let used = variables(&document);
    document.operation.variable_definitions.iter_mut().for_each(|all| all.retain(|known| used.contains(&known.name)));
    SubgraphFetchOperation::from_anonymous_operation(document)
}

/// The variables that a document uses.
fn variables(document: &Document) -> BTreeSet<String> {
    let fragments = document.fragments.iter().map(|fragment| &fragment.selection_set);
    fragments.chain([&document.operation.selection_set]).flat_map(SelectionSet::variable_usages).collect()
}

/// Those of the client's variables that an operation uses.
fn used(usages: Option<&BTreeSet<String>>, operation: &SubgraphFetchOperation) -> Option<BTreeSet<String>> {
    let used = variables(&operation.document);
    usages.map(|usages| usages.intersection(&used).cloned().collect())
}

fn each_field(set: &mut SelectionSet, change: &mut impl FnMut(&mut FieldSelection)) {
    for item in &mut set.items {
        match item {
            SelectionItem::Field(field) => {
                change(field);
                each_field(&mut field.selections, change);
            }
            SelectionItem::InlineFragment(fragment) => each_field(&mut fragment.selections, change),
            SelectionItem::FragmentSpread(_) => {}
        }
    }
}

fn parallel(nodes: impl Iterator<Item = PlanNode>) -> PlanNode {
    PlanNode::Parallel(ParallelNode { nodes: nodes.collect() })
}
