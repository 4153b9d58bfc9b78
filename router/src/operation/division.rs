//! What the planner cannot plan at once is planned piece by piece: it fails over some operations, or gets them wrong, that
//! it plans the parts of. The pieces are the root fields, what is below the outermost entities, and, where an entity's fields cannot be
//! planned together, each of these. A piece below an entity is planned from its key on, and runs when the entities are
//! known. That may be more requests than one plan would be, but it is an answer.

use super::{called, required, supply};
use crate::execute::possible_types;
use crate::panics;
use crate::supergraph::Supergraph;
use crate::supergraph::entry;
use hive_router_query_planner::ast::operation::OperationDefinition;
use hive_router_query_planner::ast::selection_item::SelectionItem;
use hive_router_query_planner::ast::selection_set::{FieldSelection, InlineFragmentSelection, SelectionSet};
use hive_router_query_planner::graph::PlannerOverrideContext;
use hive_router_query_planner::planner::Planner;
use hive_router_query_planner::planner::plan_nodes::{
    FlattenNodePath, FlattenNodePathSegment as Segment, ParallelNode, PlanNode, QueryPlan, SequenceNode,
};
use hive_router_query_planner::state::supergraph_state::{
    OperationKind, SupergraphDefinition, SupergraphState, TypeNode,
};
use hive_router_query_planner::utils::cancellation::CancellationToken;
use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};

/// How often the planner is asked for pieces of one operation.
const MAX_PIECES: usize = 100;

/// Plans an operation, at once if the planner can. The log calls it by its document.
///
/// # Errors
/// How the planner fails over the operation at once, if it cannot be planned in pieces either.
pub(super) fn plan(
    supergraph: &Supergraph,
    operation: &OperationDefinition,
    context: &dyn Fn() -> PlannerOverrideContext,
    limit: &CancellationToken,
    document: &str,
) -> Result<QueryPlan, String> {
    let division = Division { supergraph, context, limit, pieces: Cell::new(0) };
    let node = match division.try_plan(&supergraph.planner, operation) {
        Ok(node) => node,
        Err(why) => {
            tracing::info!(document, why, "an operation is planned piece by piece");
            division.roots(operation).ok_or(why)?
        }
    };
    Ok(QueryPlan { kind: "QueryPlan", node: Some(node) })
}

struct Division<'d> {
    supergraph: &'d Supergraph,
    context: &'d dyn Fn() -> PlannerOverrideContext,
    limit: &'d CancellationToken,
    pieces: Cell<usize>,
}

impl Division<'_> {
    fn try_plan(&self, planner: &Planner, operation: &OperationDefinition) -> Result<PlanNode, String> {
        let plan = || planner.plan_from_normalized_operation(operation, (self.context)(), self.limit);
        let plan = panics::handle(plan).map_err(|why| format!("the planner panicked: {why}"))?;
        let mut node = plan.map_err(|error| error.to_string())?.node.unwrap_or_else(|| sequence(Vec::new()));
        supply::complete(&mut node, &planner.supergraph);
        let schema = &planner.supergraph;
        let root = schema.root_type_name(operation.operation_kind.as_ref()).map_err(|error| error.to_string())?;
        called::complete(&mut node, &operation.selection_set, root, schema);
        if !required::is_certain(&node) {
            return Err("the planner mixes up fields".into());
        }
        if asks_for_interfaces(&node, schema) && tells_members(&operation.selection_set, root, schema) {
            return Err("the planner mixes up the members of interfaces that are objects elsewhere".into());
        }
        Ok(node)
    }

    /// What the planner makes of a piece, unless it fails.
    fn attempt(&self, planner: &Planner, operation: &OperationDefinition) -> Option<PlanNode> {
        self.pieces.set(self.pieces.get() + 1);
        if self.pieces.get() > MAX_PIECES { None } else { self.try_plan(planner, operation).ok() }
    }

    /// Plans each root field of a query by itself, and what cannot be without what is below entities.
    fn roots(&self, operation: &OperationDefinition) -> Option<PlanNode> {
        let items = &operation.selection_set.items;
        if items.len() < 2 || operation.operation_kind.as_ref().is_some_and(|kind| !kind.is_query()) {
            return self.divided(operation);
        }
        let root = |item: &SelectionItem| {
            let selection_set = SelectionSet { items: vec![item.clone()] };
            let operation = OperationDefinition { selection_set, ..operation.clone() };
            self.attempt(&self.supergraph.planner, &operation).or_else(|| self.divided(&operation))
        };
        items.iter().map(root).collect::<Option<_>>().map(parallel)
    }

    fn divided(&self, operation: &OperationDefinition) -> Option<PlanNode> {
        let root = self.supergraph.planner.supergraph.root_type_name(operation.operation_kind.as_ref()).ok()?;
        let mut pieces = Pieces { operation, planned: Vec::new() };
        let selection_set = self.reduced(&operation.selection_set, root, &[], &mut pieces)?;
        if pieces.planned.is_empty() && selection_set.to_string() == operation.selection_set.to_string() {
            return None;
        }
        let outer =
            self.attempt(&self.supergraph.planner, &OperationDefinition { selection_set, ..operation.clone() })?;
        Some(sequence(vec![outer, parallel(pieces.planned)]))
    }

    /// Plans what is selected of entities at a place: at once, or else field by field. Gives what has to be known of them.
    fn piece(
        &self,
        set: &SelectionSet,
        of: &str,
        at: &[Segment],
        operation: &OperationDefinition,
    ) -> Option<(PlanNode, SelectionSet)> {
        if let Some(planned) = self.entered(set, of, at, operation) {
            return Some(planned);
        }
        if let [item] = set.items.as_slice() {
            let mut pieces = Pieces { operation, planned: Vec::new() };
            let alone = SelectionSet { items: vec![item.clone()] };
            let outer = self.reduced(&alone, of, at, &mut pieces)?;
            if pieces.planned.is_empty() {
                return None;
            }
            let (outer, needed) = self.entered(&outer, of, at, operation)?;
            return Some((sequence(vec![outer, parallel(pieces.planned)]), needed));
        }
        let (mut nodes, mut needed) = (Vec::new(), SelectionSet::default());
        for item in &set.items {
            let (node, also) = self.piece(&SelectionSet { items: vec![item.clone()] }, of, at, operation)?;
            nodes.push(node);
            add(&mut needed, also);
        }
        Some((parallel(nodes), needed))
    }

    /// What the planner makes of a piece that begins at entities.
    fn entered(
        &self,
        set: &SelectionSet,
        of: &str,
        at: &[Segment],
        operation: &OperationDefinition,
    ) -> Option<(PlanNode, SelectionSet)> {
        let entries = self.supergraph.entries()?;
        let field =
            FieldSelection { name: entry::root_field(of), selections: set.clone(), ..FieldSelection::default() };
        let entering = OperationDefinition {
            operation_kind: Some(OperationKind::Query),
            selection_set: SelectionSet { items: vec![SelectionItem::Field(field)] },
            ..operation.clone()
        };
        let node = self.attempt(&entries.planner, &entering)?;
        let mut needed = SelectionSet::default();
        Some((moved(node, at, &mut needed)?, needed))
    }

    /// Selections with the outermost entities below them reduced to what their pieces have to know.
    fn reduced(&self, set: &SelectionSet, on: &str, at: &[Segment], pieces: &mut Pieces<'_>) -> Option<SelectionSet> {
        let schema = &self.supergraph.planner.supergraph;
        let parent = schema.definitions.get(on)?;
        let mut hoisted = SelectionSet::default();
        let reduce = |item: &SelectionItem| match item {
            SelectionItem::Field(field) if field.selections.is_empty() => Some(item.clone()),
            SelectionItem::Field(field) => {
                let definition = parent.fields().get(&field.name)?;
                let mut at = [at, &[Segment::Field(field.selection_identifier().to_owned())]].concat();
                if is_list(&definition.field_type) {
                    at.push(Segment::List);
                }
                let below = self.below(&field.selections, definition.field_type.inner_type(), &at, pieces)?;
                Some(SelectionItem::Field(field.with_new_selections(below)))
            }
            SelectionItem::InlineFragment(fragment) => {
                let on = &fragment.type_condition;
                let at = [at, &[Segment::TypeCondition(possible_types(on, schema))]].concat();
                let mut below = self.below(&fragment.selections, on, &at, pieces)?;
                below.items.retain(|item| !hoist(item, parent, &mut hoisted));
                Some(SelectionItem::InlineFragment(fragment.with_new_selections(below)))
            }
            SelectionItem::FragmentSpread(_) => None,
        };
        let items = set.items.iter().map(reduce).collect::<Option<_>>()?;
        let mut reduced = SelectionSet { items };
        add(&mut reduced, hoisted);
        Some(reduced)
    }

    /// The same of the selections of objects of a type, which may be entities.
    fn below(&self, set: &SelectionSet, of: &str, at: &[Segment], pieces: &mut Pieces<'_>) -> Option<SelectionSet> {
        let typename = SelectionItem::Field(FieldSelection::new_typename());
        let Some(known) = self.supergraph.entries().and_then(|entries| entries.known(of)) else {
            let mut reduced = self.reduced(set, of, at, pieces)?;
            add(&mut reduced, SelectionSet { items: vec![typename] });
            return Some(reduced);
        };
        // The piece is planned as if these were there already, whatever they are called.
        let is_known =
            |item: &&SelectionItem| name(item).is_some_and(|name| name == "__typename" || known.contains(name));
        let (known, rest): (Vec<_>, Vec<_>) = set.items.iter().cloned().partition(|item| is_known(&item));
        let mut reduced = SelectionSet { items: vec![typename] };
        add(&mut reduced, SelectionSet { items: known });
        if !rest.is_empty() {
            let (node, needed) = self.piece(&SelectionSet { items: rest }, of, at, pieces.operation)?;
            pieces.planned.push(node);
            add(&mut reduced, needed);
        }
        Some(reduced)
    }
}

/// The pieces of an operation that begin at entities.
struct Pieces<'o> {
    operation: &'o OperationDefinition,
    planned: Vec<PlanNode>,
}

/// Whether a plan asks a subgraph that takes an interface for an object.
fn asks_for_interfaces(node: &PlanNode, schema: &SupergraphState) -> bool {
    let takes = |service: &str| {
        let graphs = schema.interface_object_types_in_subgraphs.values().flatten();
        graphs.filter_map(|graph| schema.known_subgraphs.get(graph)).any(|name| name == service)
    };
    let any = |nodes: &[PlanNode]| nodes.iter().any(|node| asks_for_interfaces(node, schema));
    match node {
        PlanNode::Fetch(fetch) => takes(&fetch.service_name),
        PlanNode::BatchFetch(fetch) => takes(&fetch.service_name),
        PlanNode::Flatten(flatten) => asks_for_interfaces(&flatten.node, schema),
        PlanNode::Sequence(sequence) => any(&sequence.nodes),
        PlanNode::Parallel(parallel) => any(&parallel.nodes),
        // Conditions have been settled; what of a subscription is told by members is not looked into.
        PlanNode::Condition(_) | PlanNode::Subscription(_) | PlanNode::Defer(_) => true,
    }
}

/// Whether fragments on several members of an interface ask one subgraph that takes it for an object
/// (`@interfaceObject`): the planner then asks it for the fields of one member only.
fn tells_members(set: &SelectionSet, on: &str, schema: &SupergraphState) -> bool {
    let mut asked: HashMap<&str, &str> = HashMap::new();
    for item in &set.items {
        let (below, of) = match item {
            SelectionItem::Field(field) => (&field.selections, schema.field_return_type_name(on, &field.name)),
            SelectionItem::InlineFragment(fragment) => {
                let member = fragment.type_condition.as_str();
                if told(fragment, schema).into_iter().any(|graph| *asked.entry(graph).or_insert(member) != member) {
                    return true;
                }
                (&fragment.selections, Some(member))
            }
            SelectionItem::FragmentSpread(_) => continue,
        };
        if of.is_some_and(|of| tells_members(below, of, schema)) {
            return true;
        }
    }
    false
}

/// The subgraphs that could tell something of a fragment on a member of an interface, and take that for an object.
fn told<'s>(fragment: &InlineFragmentSelection, schema: &'s SupergraphState) -> BTreeSet<&'s str> {
    let mut told = BTreeSet::new();
    for (interface, graphs) in &schema.interface_object_types_in_subgraphs {
        let is_member = schema.interface_members(interface).is_some_and(|all| all.contains(&fragment.type_condition));
        let Some(definition) = schema.definitions.get(interface).filter(|_| is_member) else { continue };
        for field in fragment.selections.items.iter().filter_map(|item| definition.fields().get(name(item)?)) {
            let has = |graph: &&String| {
                let mut joins = field.join_field.iter().filter(|join| !join.external);
                field.join_field.is_empty() || joins.any(|join| join.graph_id.as_ref() == Some(*graph))
            };
            told.extend(graphs.iter().filter(has).map(String::as_str));
        }
    }
    told
}

/// Takes a field of a fragment that the type around has too: there it needs no telling of types.
fn hoist(item: &SelectionItem, around: &SupergraphDefinition, hoisted: &mut SelectionSet) -> bool {
    let SelectionItem::Field(field) = item else { return false };
    let is_plain = field.arguments.is_none() && field.selections.is_empty();
    let takes = is_plain && field.name != "__typename" && around.fields().contains_key(&field.name);
    if takes {
        add(hoisted, SelectionSet { items: vec![item.clone()] });
    }
    takes
}

/// A plan that began at entities, for those at a place. What it asks there of the subgraph that there is not, it needs.
fn moved(node: PlanNode, at: &[Segment], needed: &mut SelectionSet) -> Option<PlanNode> {
    let mut all = |nodes: Vec<PlanNode>| nodes.into_iter().map(|node| moved(node, at, needed)).collect::<Option<_>>();
    match node {
        PlanNode::Fetch(fetch) if fetch.service_name == entry::SERVICE => {
            let document = fetch.operation.document;
            for item in document.operation.selection_set.items {
                if let SelectionItem::Field(field) = item {
                    add(needed, field.selections.inline_fragment_spreads(&document.fragments).ok()?);
                }
            }
            Some(sequence(Vec::new()))
        }
        PlanNode::Flatten(mut flatten) => {
            flatten.path = moved_path(&flatten.path, at)?;
            Some(PlanNode::Flatten(flatten))
        }
        PlanNode::BatchFetch(mut fetch) => {
            for path in fetch.entity_batch.aliases.iter_mut().flat_map(|alias| &mut alias.merge_paths) {
                *path = moved_path(path, at)?;
            }
            Some(PlanNode::BatchFetch(fetch))
        }
        PlanNode::Sequence(nodes) => all(nodes.nodes).map(sequence),
        PlanNode::Parallel(nodes) => all(nodes.nodes).map(parallel),
        _ => None,
    }
}

fn moved_path(path: &FlattenNodePath, at: &[Segment]) -> Option<FlattenNodePath> {
    let (Segment::Field(_), rest) = path.as_slice().split_first()? else { return None };
    // It can only be made as it is read.
    let path = serde_json::to_value([at, rest].concat()).ok()?;
    serde_json::from_value(path).ok()
}

/// Adds what is not selected yet.
pub(super) fn add(set: &mut SelectionSet, more: SelectionSet) {
    for item in more.items {
        let SelectionItem::Field(field) = item else {
            set.items.push(item);
            continue;
        };
        let known = set.items.iter_mut().find_map(|known| match known {
            SelectionItem::Field(known) if known.selection_identifier() == field.selection_identifier() => Some(known),
            _ => None,
        });
        match known {
            Some(known) => add(&mut known.selections, field.selections),
            None => set.items.push(SelectionItem::Field(field)),
        }
    }
}

fn name(item: &SelectionItem) -> Option<&str> {
    match item {
        SelectionItem::Field(field) => Some(&field.name),
        SelectionItem::InlineFragment(_) | SelectionItem::FragmentSpread(_) => None,
    }
}

fn is_list(of: &TypeNode) -> bool {
    match of {
        TypeNode::List(_) => true,
        TypeNode::NonNull(of) => is_list(of),
        TypeNode::Named(_) => false,
    }
}

fn sequence(nodes: Vec<PlanNode>) -> PlanNode {
    PlanNode::Sequence(SequenceNode { nodes })
}

fn parallel(nodes: Vec<PlanNode>) -> PlanNode {
    PlanNode::Parallel(ParallelNode { nodes })
}
