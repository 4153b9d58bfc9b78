//! Keys that a plan tells subgraphs of and has not asked for. Where an interface is an object in some subgraph and objects
//! of it lead to others, the planner asks for their `__typename` alone, and for their key by that same key. The fetch that
//! comes upon the objects is made to ask for what is missing, if its subgraph has it.

use hive_router_query_planner::ast::operation::SubgraphFetchOperation;
use hive_router_query_planner::ast::selection_item::SelectionItem;
use hive_router_query_planner::ast::selection_set::{FieldSelection, InlineFragmentSelection, SelectionSet};
use hive_router_query_planner::planner::plan_nodes::{FlattenNodePath, FlattenNodePathSegment, PlanNode};
use hive_router_query_planner::state::supergraph_state::SupergraphState;
use std::collections::{BTreeMap, BTreeSet};

const TYPENAME: &str = "__typename";

/// Completes a plan that tells members of interfaces that are objects elsewhere.
pub(super) fn complete(plan: &mut PlanNode, schema: &SupergraphState) {
    if schema.interface_object_types_in_subgraphs.is_empty() {
        return;
    }
    let mut reading = Reading { schema, known: Place::default(), fetches: 0, missing: BTreeMap::new() };
    reading.node(plan, &[]);
    let missing = reading.missing;
    if !missing.is_empty() {
        add_to(plan, &missing, &mut 0);
    }
}

/// What is known at a place of the data, whatever the types of the objects there.
#[derive(Default)]
struct Place {
    below: BTreeMap<String, Place>,
    /// Who asks for something there.
    sources: Vec<Source>,
}

/// A selection of a fetch.
#[derive(Clone)]
struct Source {
    /// The number of the fetch in the plan.
    fetch: usize,
    service: String,
    /// The type of the objects, or the condition on it.
    on: String,
    /// The response keys that lead there in the fetch.
    way: Vec<String>,
}

/// Fields to add to a fetch: the way to them, the type that has them, and their name.
type Missing = BTreeSet<(Vec<String>, String, String)>;

struct Reading<'s> {
    schema: &'s SupergraphState,
    known: Place,
    /// How many fetches have been read.
    fetches: usize,
    missing: BTreeMap<usize, Missing>,
}

impl Reading<'_> {
    fn node(&mut self, node: &PlanNode, at: &[&str]) {
        match node {
            PlanNode::Fetch(fetch) => {
                let entities = fetch.requires.as_ref().map(|requires| {
                    self.require(requires, at);
                    "_entities"
                });
                self.fetch(&fetch.service_name, &fetch.operation, entities, at);
                self.fetches += 1;
            }
            PlanNode::BatchFetch(fetch) => {
                let aliases = &fetch.entity_batch.aliases;
                for alias in aliases {
                    alias.merge_paths.iter().for_each(|path| self.require(&alias.requires, &keys(path)));
                }
                for alias in aliases {
                    for path in &alias.merge_paths {
                        self.fetch(&fetch.service_name, &fetch.operation, Some(&alias.alias), &keys(path));
                    }
                }
                self.fetches += 1;
            }
            PlanNode::Flatten(flatten) => self.node(&flatten.node, &keys(&flatten.path)),
            PlanNode::Sequence(nodes) => nodes.nodes.iter().for_each(|node| self.node(node, at)),
            PlanNode::Parallel(nodes) => nodes.nodes.iter().for_each(|node| self.node(node, at)),
            PlanNode::Condition(_) | PlanNode::Subscription(_) | PlanNode::Defer(_) => {}
        }
    }

    /// Notes what a fetch asks for: everything, or what is below one of its `_entities`.
    fn fetch(&mut self, service: &str, operation: &SubgraphFetchOperation, entities: Option<&str>, at: &[&str]) {
        let document = &operation.document;
        let Ok(set) = document.operation.selection_set.inline_fragment_spreads(&document.fragments) else { return };
        let root = self.schema.root_type_name(document.operation.operation_kind.as_ref()).ok();
        let (set, way, on) = match entities {
            None => (set, Vec::new(), root.unwrap_or_default().to_owned()),
            Some(key) => {
                let entities = set.items.into_iter().find_map(|item| match item {
                    SelectionItem::Field(field) if field.selection_identifier() == key => Some(field.selections),
                    _ => None,
                });
                (entities.unwrap_or_default(), vec![key.to_owned()], String::new())
            }
        };
        let source = Source { fetch: self.fetches, service: service.to_owned(), on, way };
        let place = at.iter().fold(&mut self.known, |place, key| place.below.entry((*key).to_owned()).or_default());
        note(self.schema, place, &set, source);
    }

    /// Looks for what a fetch requires at a place.
    fn require(&mut self, requires: &SelectionSet, at: &[&str]) {
        let Some(place) = at.iter().try_fold(&self.known, |place, key| place.below.get(*key)) else { return };
        let mut fields = Vec::new();
        leaves(requires, &mut fields);
        for field in fields.into_iter().filter(|field| *field != TYPENAME && !place.below.contains_key(*field)) {
            let source = place.sources.iter().find(|source| self.has(source, field));
            if let Some(Source { fetch, on, way, .. }) = source {
                let missing = self.missing.entry(*fetch).or_default();
                missing.insert((way.clone(), on.clone(), field.to_owned()));
            }
        }
    }

    /// Whether the subgraph of a source can tell a field of the objects there.
    fn has(&self, source: &Source, field: &str) -> bool {
        let Some(definition) = self.schema.definitions.get(&source.on) else { return false };
        let Some(field) = definition.fields().get(field) else { return false };
        let graphs = field.resolvable_in_graphs(definition);
        graphs.iter().any(|graph| self.schema.known_subgraphs.get(graph) == Some(&source.service))
    }
}

fn note(schema: &SupergraphState, place: &mut Place, set: &SelectionSet, source: Source) {
    place.sources.push(source.clone());
    for item in &set.items {
        match item {
            SelectionItem::Field(field) => {
                let key = field.selection_identifier();
                let below = place.below.entry(key.to_owned()).or_default();
                if let Some(of) = schema.field_return_type_name(&source.on, &field.name) {
                    let way = [source.way.as_slice(), &[key.to_owned()]].concat();
                    note(schema, below, &field.selections, Source { on: of.to_owned(), way, ..source.clone() });
                }
            }
            SelectionItem::InlineFragment(fragment) => {
                note(
                    schema,
                    place,
                    &fragment.selections,
                    Source { on: fragment.type_condition.clone(), ..source.clone() },
                );
            }
            SelectionItem::FragmentSpread(_) => {}
        }
    }
}

/// The names of the fields of a field set that have none below, through its fragments.
fn leaves<'s>(set: &'s SelectionSet, names: &mut Vec<&'s str>) {
    for item in &set.items {
        match item {
            SelectionItem::Field(field) if field.selections.is_empty() => names.push(&field.name),
            SelectionItem::Field(_) | SelectionItem::FragmentSpread(_) => {}
            SelectionItem::InlineFragment(fragment) => leaves(&fragment.selections, names),
        }
    }
}

/// The response keys of a path.
pub(super) fn keys(path: &FlattenNodePath) -> Vec<&str> {
    let keys = path.as_slice().iter().filter_map(|segment| match segment {
        FlattenNodePathSegment::Field(key) => Some(key.as_str()),
        FlattenNodePathSegment::List | FlattenNodePathSegment::TypeCondition(_) => None,
    });
    keys.collect()
}

/// Adds what is missing to the fetches of a plan, which are numbered as they are read.
fn add_to(node: &mut PlanNode, missing: &BTreeMap<usize, Missing>, fetches: &mut usize) {
    let mut add = |operation: &mut SubgraphFetchOperation| {
        if let Some(fields) = missing.get(fetches) {
            ask(operation, fields);
        }
        *fetches += 1;
    };
    match node {
        PlanNode::Fetch(fetch) => add(&mut fetch.operation),
        PlanNode::BatchFetch(fetch) => add(&mut fetch.operation),
        PlanNode::Flatten(flatten) => add_to(&mut flatten.node, missing, fetches),
        PlanNode::Sequence(nodes) => nodes.nodes.iter_mut().for_each(|node| add_to(node, missing, fetches)),
        PlanNode::Parallel(nodes) => nodes.nodes.iter_mut().for_each(|node| add_to(node, missing, fetches)),
        PlanNode::Condition(_) | PlanNode::Subscription(_) | PlanNode::Defer(_) => {}
    }
}

fn ask(operation: &mut SubgraphFetchOperation, missing: &Missing) {
    let mut document = operation.document.clone();
    let Ok(mut set) = document.operation.selection_set.inline_fragment_spreads(&document.fragments) else { return };
    for (way, on, field) in missing {
        let field = FieldSelection { name: field.clone(), ..FieldSelection::default() };
        let selections = SelectionSet { items: vec![SelectionItem::Field(field)] };
        let (type_condition, skip_if, include_if) = (on.clone(), None, None);
        let fragment = InlineFragmentSelection { type_condition, selections, skip_if, include_if };
        add_below(&mut set, way, &SelectionItem::InlineFragment(fragment));
    }
    document.operation.selection_set = set;
    document.fragments.clear();
    *operation = SubgraphFetchOperation::from_anonymous_operation(document);
}

/// Adds to the selections that these response keys lead to, in whichever fragments they stand.
fn add_below(set: &mut SelectionSet, way: &[String], item: &SelectionItem) {
    let Some((key, rest)) = way.split_first() else {
        set.items.push(item.clone());
        return;
    };
    for known in &mut set.items {
        match known {
            SelectionItem::Field(field) if field.selection_identifier() == key => {
                add_below(&mut field.selections, rest, item);
            }
            SelectionItem::InlineFragment(fragment) => add_below(&mut fragment.selections, way, item),
            SelectionItem::Field(_) | SelectionItem::FragmentSpread(_) => {}
        }
    }
}
