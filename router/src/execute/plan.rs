//! A plan prepared for execution: all that does not depend on a request is done once.

use super::data::{Data, ObjectId, Room, Value};
use super::fragments;
use super::likeness;
use super::names::{Name, Names, TYPENAME};
use super::path::{Path, Paths};
use super::projection::Condition;
use super::represent::Representation;
use super::shape::Shape;
use super::write::write_plain;
use hive_router_query_planner::ast::document::Document;
use hive_router_query_planner::ast::operation::SubgraphFetchOperation;
use hive_router_query_planner::ast::selection_item::SelectionItem;
use hive_router_query_planner::ast::selection_set::SelectionSet;
use hive_router_query_planner::planner::plan_nodes::{
    BatchFetchNode, CustomScalarPaths, EntityBatchAlias, FetchNode, FetchNodePathSegment, FetchRewrite,
    FlattenNodePath, PlanNode, QueryPlan,
};
use hive_router_query_planner::state::supergraph_state::{OperationKind, SupergraphDefinition, SupergraphState};
use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::AtomicUsize;

/// A plan prepared for execution.
#[derive(Debug)]
pub struct Plan {
    /// The plan as the planner made it; print it with `Display`, or serialise it.
    pub source: QueryPlan,
    /// What each event of a subscription comes from.
    pub(super) subscription: Option<Fetch>,
    /// What is fetched; for a subscription, what is fetched for each event.
    pub(super) root: Node,
    /// Interfaces that some subgraph takes for objects (`@interfaceObject`).
    pub(super) interfaces: HashSet<String>,
    /// The response keys of the operation and of its fetches.
    pub(super) names: Names,
}

impl Plan {
    /// The subgraph that a fetch goes to.
    pub(crate) fn subgraph(&self, index: usize) -> Option<&str> {
        fn find(node: &Node, index: usize) -> Option<&str> {
            match node {
                Node::Fetch(fetch) => (fetch.index == index).then_some(fetch.service.as_str()),
                Node::Sequence(nodes) | Node::Parallel(nodes) => nodes.iter().find_map(|node| find(node, index)),
                Node::Condition(_, met, unmet) => met.iter().chain(unmet).find_map(|node| find(node, index)),
            }
        }
        find(&self.root, index)
    }

    /// Whether some fetch may go to a subgraph like this, by its name.
    pub(crate) fn asks_any(&self, is_meant: &impl Fn(&str) -> bool) -> bool {
        fn any(node: &Node, is_meant: &impl Fn(&str) -> bool) -> bool {
            match node {
                Node::Fetch(fetch) => is_meant(&fetch.service),
                Node::Sequence(nodes) | Node::Parallel(nodes) => nodes.iter().any(|node| any(node, is_meant)),
                Node::Condition(_, met, unmet) => met.iter().chain(unmet).any(|node| any(node, is_meant)),
            }
        }
        any(&self.root, is_meant)
    }
}

/// What to do, and in which order.
#[derive(Debug)]
pub(super) enum Node {
    /// One request to a subgraph.
    Fetch(Box<Fetch>),
    /// One after the other.
    Sequence(Vec<Node>),
    /// All at once.
    Parallel(Vec<Node>),
    /// If the variable is true, the first, otherwise the second.
    Condition(String, Option<Box<Node>>, Option<Box<Node>>),
}

/// One request to a subgraph.
#[derive(Debug)]
pub(super) struct Fetch {
    /// Its number in the plan.
    pub(super) index: usize,
    /// The subgraph's name.
    pub(super) service: String,
    /// It asks for something if all conditions of one of these hold.
    pub(super) asks: Vec<Vec<Condition>>,
    /// Queries may be repeated, mutations may not.
    pub(super) idempotent: bool,
    /// The request body up to the variables: `{"query":"…","variables":{`.
    pub(super) prefix: Vec<u8>,
    /// The client's variables that it uses.
    pub(super) variables: Vec<Variable>,
    /// What the `data` of the answer looks like.
    pub(super) shape: Shape,
    /// How much it holds.
    pub(super) room: Room,
    /// What is done with the answer.
    pub(super) target: Target,
}

/// A variable of a fetch.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Variable {
    pub(super) name: String,
    /// The name as JSON with its colon.
    pub(super) key: Vec<u8>,
}

/// Where the answer of a fetch goes.
#[derive(Debug)]
pub(super) enum Target {
    /// Root fields, for the root of the data or for every object at the path; `shares` as in [`Entities`].
    Fields { at: Option<Paths>, keys: Vec<String>, renames: Vec<Rename>, shares: bool },
    /// Entities, for the objects that they were asked for.
    Entities(Vec<Entities>),
}

/// One `_entities` field of a fetch.
#[derive(Debug)]
pub(super) struct Entities {
    /// Its response key.
    pub(super) key: String,
    /// The number of the key.
    pub(super) name: Name,
    /// The variable that holds the representations; fields with the same one ask for the same entities.
    pub(super) variable: Variable,
    /// Where the entities are in the data.
    pub(super) at: Paths,
    /// What the subgraph needs to know of each.
    pub(super) representation: Representation,
    /// How long the text of all representations was the last time, in bytes.
    pub(super) last_size: AtomicUsize,
    pub(super) renames: Vec<Rename>,
    /// Whether several objects may have the same entity. If what is below it could be asked for more, differently for
    /// each object, they may not.
    pub(super) shares: bool,
}

/// Gives a field of an answer the name that the client asked for.
#[derive(Debug)]
pub(super) struct Rename {
    path: Vec<RenameSegment>,
    name: Name,
    to: String,
}

#[derive(Debug)]
enum RenameSegment {
    Field(Name, String),
    Types(Types),
}

/// The names that objects of some types may have as `__typename`, in the order of their bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Types(Vec<String>);

impl Types {
    /// The given types, the types that they may be at run time, and the interfaces that an `@interfaceObject` may call
    /// them by.
    pub(super) fn of<'n>(names: impl Iterator<Item = &'n String>, schema: &SupergraphState) -> Self {
        let mut types = BTreeSet::new();
        for name in names {
            types.extend(possible_types(name, schema));
            types.extend(schema.interface_object_types_in_subgraphs.keys().filter_map(|interface| {
                let members = schema.interface_members(interface)?;
                members.contains(name).then(|| interface.clone())
            }));
            types.insert(name.clone());
        }
        Self(types.into_iter().collect())
    }

    pub(super) fn contains(&self, name: &[u8]) -> bool {
        self.0.binary_search_by(|known| known.as_bytes().cmp(name)).is_ok()
    }

    /// Whether an object may have one of these types: it says so, or says nothing.
    pub(super) fn allow(&self, data: &Data, object: ObjectId) -> bool {
        let name = data.get(object, Name::TYPENAME).and_then(|name| data.json(name));
        if let Some([b'"', name @ .., b'"']) = name { self.contains(name) } else { true }
    }
}

/// The object types that a value of this type may have.
pub(crate) fn possible_types(name: &str, schema: &SupergraphState) -> BTreeSet<String> {
    match schema.definitions.get(name) {
        Some(SupergraphDefinition::Union(union)) => union.types.iter().cloned().collect(),
        Some(SupergraphDefinition::Interface(_)) => schema.interface_members(name).cloned().unwrap_or_default(),
        _ => BTreeSet::from([name.to_owned()]),
    }
}

impl Plan {
    /// Prepares a plan made by the planner over this schema. `names` are those of the projection.
    pub fn compile(mut source: QueryPlan, schema: &SupergraphState, names: Names) -> Plan {
        let mut compiler = Compiler { schema, names, fetches: 0, subscription: None };
        let mut root = source.node.as_mut().map_or(Node::Sequence(Vec::new()), |node| compiler.node(node, None));
        let Compiler { names, mut subscription, .. } = compiler;
        likeness::classify(&mut root, subscription.as_mut());
        let interfaces = schema.interface_object_types_in_subgraphs.keys().cloned().collect();
        Plan { source, subscription, root, interfaces, names }
    }
}

struct Compiler<'s> {
    schema: &'s SupergraphState,
    names: Names,
    fetches: usize,
    subscription: Option<Fetch>,
}

impl Compiler<'_> {
    fn node(&mut self, node: &mut PlanNode, at: Option<&FlattenNodePath>) -> Node {
        match node {
            PlanNode::Fetch(fetch) => Node::Fetch(Box::new(self.fetch(fetch, at))),
            PlanNode::BatchFetch(fetch) => Node::Fetch(Box::new(self.batch(fetch))),
            PlanNode::Flatten(flatten) => self.node(&mut flatten.node, Some(&flatten.path)),
            PlanNode::Sequence(sequence) => {
                Node::Sequence(sequence.nodes.iter_mut().map(|node| self.node(node, at)).collect())
            }
            PlanNode::Parallel(parallel) => {
                Node::Parallel(parallel.nodes.iter_mut().map(|node| self.node(node, at)).collect())
            }
            PlanNode::Condition(condition) => {
                let met = condition.if_clause.as_mut().map(|node| Box::new(self.node(node, at)));
                let unmet = condition.else_clause.as_mut().map(|node| Box::new(self.node(node, at)));
                Node::Condition(condition.condition.clone(), met, unmet)
            }
            PlanNode::Subscription(subscription) => {
                self.subscription = Some(self.fetch(&mut subscription.primary, None));
                Node::Sequence(Vec::new())
            }
            // The planner never defers.
            PlanNode::Defer(_) => Node::Sequence(Vec::new()),
        }
    }

    fn fetch(&mut self, fetch: &mut FetchNode, at: Option<&FlattenNodePath>) -> Fetch {
        fragments::write_out(&mut fetch.operation, self.schema);
        let renames = self.renames(fetch.output_rewrites.as_deref());
        let mut shape = self.shape(&fetch.operation, fetch.custom_scalar_paths.as_ref());
        let target = match &fetch.requires {
            None => Target::Fields {
                at: at.map(|path| self.paths([path])),
                keys: response_keys(&fetch.operation),
                renames,
                shares: shape.is_flat(),
            },
            Some(requires) => Target::Entities(vec![Entities {
                key: "_entities".into(),
                name: self.names.intern("_entities"),
                variable: Variable::new("representations"),
                at: self.paths(at),
                representation: self.representation(requires, fetch.input_rewrites.as_deref()),
                last_size: AtomicUsize::new(0),
                renames,
                shares: shape.below("_entities").is_some_and(|shape| shape.is_flat()),
            }]),
        };
        Fetch {
            index: self.number(),
            service: fetch.service_name.clone(),
            asks: asks(&fetch.operation.document.operation.selection_set),
            idempotent: fetch.operation_kind.as_ref().is_none_or(OperationKind::is_query),
            prefix: prefix(&fetch.operation),
            variables: fetch.variable_usages.iter().flatten().map(|name| Variable::new(name)).collect(),
            shape,
            room: Room::default(),
            target,
        }
    }

    fn batch(&mut self, fetch: &mut BatchFetchNode) -> Fetch {
        fragments::write_out(&mut fetch.operation, self.schema);
        let mut shape = self.shape(&fetch.operation, fetch.custom_scalar_paths.as_ref());
        let entities = fetch.entity_batch.aliases.iter().map(|alias| self.entities(alias, &mut shape)).collect();
        Fetch {
            index: self.number(),
            service: fetch.service_name.clone(),
            asks: asks(&fetch.operation.document.operation.selection_set),
            idempotent: fetch.operation_kind.as_ref().is_none_or(OperationKind::is_query),
            prefix: prefix(&fetch.operation),
            variables: fetch.variable_usages.iter().flatten().map(|name| Variable::new(name)).collect(),
            shape,
            room: Room::default(),
            target: Target::Entities(entities),
        }
    }

    fn entities(&mut self, alias: &EntityBatchAlias, shape: &mut Shape) -> Entities {
        Entities {
            key: alias.alias.clone(),
            name: self.names.intern(&alias.alias),
            variable: Variable::new(&alias.representations_variable_name),
            at: self.paths(&alias.merge_paths),
            representation: self.representation(&alias.requires, alias.input_rewrites.as_deref()),
            last_size: AtomicUsize::new(0),
            renames: self.renames(alias.output_rewrites.as_deref()),
            shares: shape.below(&alias.alias).is_some_and(|shape| shape.is_flat()),
        }
    }

    fn paths<'p>(&mut self, paths: impl IntoIterator<Item = &'p FlattenNodePath>) -> Paths {
        let paths = paths.into_iter().map(|path| Path::compile(path, self.schema, &mut self.names));
        Paths::new(paths.collect())
    }

    fn representation(&mut self, requires: &SelectionSet, rewrites: Option<&[FetchRewrite]>) -> Representation {
        Representation::compile(requires, rewrites, self.schema, &mut self.names)
    }

    fn shape(&mut self, operation: &SubgraphFetchOperation, custom_scalars: Option<&CustomScalarPaths>) -> Shape {
        let Document { operation, fragments } = &operation.document;
        Shape::compile(&operation.selection_set, fragments, custom_scalars, &mut self.names)
    }

    fn renames(&mut self, rewrites: Option<&[FetchRewrite]>) -> Vec<Rename> {
        let mut segment = |segment: &FetchNodePathSegment| match segment {
            FetchNodePathSegment::Key(key) => RenameSegment::Field(self.names.intern(key), key.clone()),
            FetchNodePathSegment::TypenameEquals(types) => RenameSegment::Types(Types::of(types.iter(), self.schema)),
        };
        let renamers = rewrites.unwrap_or_default().iter().filter_map(|rewrite| match rewrite {
            FetchRewrite::KeyRenamer(renamer) => Some(renamer),
            // The planner sets values in representations only.
            FetchRewrite::ValueSetter(_) => None,
        });
        let paths: Vec<_> = renamers
            .map(|renamer| (renamer.path.iter().map(&mut segment).collect(), renamer.rename_key_to.clone()))
            .collect();
        paths.into_iter().map(|(path, to)| Rename { path, name: self.names.intern(&to), to }).collect()
    }

    fn number(&mut self) -> usize {
        self.fetches += 1;
        self.fetches - 1
    }
}

fn prefix(operation: &SubgraphFetchOperation) -> Vec<u8> {
    let mut prefix = b"{\"query\":".to_vec();
    write_plain(operation.document_str.as_str(), &mut prefix);
    prefix.extend_from_slice(b",\"variables\":{");
    prefix
}

/// The conditions under which each field of a fetch is included; those of fields that are there only to tell types
/// apart do not count.
fn asks(selections: &SelectionSet) -> Vec<Vec<Condition>> {
    fn collect(selections: &SelectionSet, outer: &[Condition], asks: &mut Vec<Vec<Condition>>) {
        for item in &selections.items {
            let under = |skip: &Option<String>, include: &Option<String>| {
                let condition = |variable: &String, is| Condition { variable: variable.clone(), is };
                let skip = skip.iter().map(|variable| condition(variable, false));
                let include = include.iter().map(|variable| condition(variable, true));
                outer.iter().cloned().chain(skip).chain(include).collect::<Vec<_>>()
            };
            match item {
                SelectionItem::Field(field) if field.name == TYPENAME => {}
                SelectionItem::Field(field) if field.name == "_entities" => collect(&field.selections, outer, asks),
                SelectionItem::Field(field) => asks.push(under(&field.skip_if, &field.include_if)),
                SelectionItem::InlineFragment(fragment) => {
                    collect(&fragment.selections, &under(&fragment.skip_if, &fragment.include_if), asks);
                }
                SelectionItem::FragmentSpread(_) => asks.push(outer.to_vec()),
            }
        }
    }
    let mut asks = Vec::new();
    collect(selections, &[], &mut asks);
    if asks.is_empty() {
        // Types are all it asks for.
        asks.push(Vec::new());
    }
    asks
}

/// The root fields that a fetch answers, by response key.
fn response_keys(operation: &SubgraphFetchOperation) -> Vec<String> {
    let items = &operation.document.operation.selection_set.items;
    let keys = items.iter().filter_map(|item| match item {
        SelectionItem::Field(field) => Some(field.selection_identifier().to_owned()),
        SelectionItem::InlineFragment(_) | SelectionItem::FragmentSpread(_) => None,
    });
    keys.collect()
}

impl Variable {
    fn new(name: &str) -> Self {
        let mut key = Vec::new();
        write_plain(name, &mut key);
        key.push(b':');
        Self { name: name.to_owned(), key }
    }
}

impl Rename {
    /// Applies it to an answer, or to one entity of an answer.
    pub(super) fn apply(&self, data: &mut Data, value: Value) {
        self.apply_from(&self.path, data, value);
    }

    fn apply_from(&self, path: &[RenameSegment], data: &mut Data, value: Value) {
        match (value, path) {
            (Value::List(list), _) => {
                for nth in 0..data.items(list).len() {
                    let item = data.items(list)[nth];
                    self.apply_from(path, data, item);
                }
            }
            (Value::Object(object), [RenameSegment::Field(from, _)]) => data.rename(object, *from, self.name),
            (Value::Object(object), [RenameSegment::Field(name, _), rest @ ..]) => {
                if let Some(value) = data.get(object, *name) {
                    self.apply_from(rest, data, value);
                }
            }
            (Value::Object(object), [RenameSegment::Types(types), rest @ ..]) if types.allow(data, object) => {
                self.apply_from(rest, data, value);
            }
            _ => {}
        }
    }

    /// The client's name for the last of these keys of an answer, if it is the renamed one.
    pub(super) fn renamed(&self, keys: &[&str]) -> Option<&str> {
        let fields = self.path.iter().filter_map(|segment| match segment {
            RenameSegment::Field(_, key) => Some(key.as_str()),
            RenameSegment::Types(_) => None,
        });
        fields.eq(keys.iter().copied()).then_some(&self.to)
    }
}
