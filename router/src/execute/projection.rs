//! What the client's answer looks like: compiled once from the client's own document, so that it is written in the
//! client's order (GraphQL spec, "CollectFields"), with the types that null propagation needs.

use super::data::LastPlace;
use super::names::{Name, Names, TYPENAME};
use super::page::{Prefix, prefix};
use super::plan::possible_types;
use crate::operation::{Variables, alias::given};
use graphql_tools::parser::{query, schema};
use hive_router_query_planner::planner::Planner;
use hive_router_query_planner::state::supergraph_state::{
    OperationKind, SupergraphDefinition, SupergraphField, SupergraphState, TypeNode,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

const BUILT_IN_SCALARS: [&str; 5] = ["Boolean", "Float", "ID", "Int", "String"];

/// The shape of an answer.
#[derive(Debug)]
pub struct Projection {
    pub(super) root: Selection,
    /// The name of the root type.
    pub(super) root_type: String,
    /// Interfaces that some subgraph takes for objects (`@interfaceObject`): an object that is called by one of these
    /// names has a type that nobody has told.
    pub(super) interfaces: HashSet<String>,
    /// What fields depend on.
    pub(super) conditions: Vec<Condition>,
    /// How large the last answer was, in bytes; the next one will be like it.
    pub(super) last_size: AtomicUsize,
    /// How large an answer may be, in bytes.
    pub(super) max_size: usize,
}

/// The fields of an object, in the order of the answer. A key may be there more than once, each time under another
/// condition: its first field that applies says where it stands, and the others that apply add to its children.
#[derive(Debug, Default)]
pub(super) struct Selection {
    pub(super) fields: Vec<Field>,
}

/// A field under one condition.
#[derive(Debug)]
pub(super) struct Field {
    /// Its response key.
    pub(super) key: String,
    /// The number of its key.
    pub(super) name: Name,
    /// What stands before its value.
    pub(super) prefix: Prefix,
    /// Where objects have it.
    pub(super) place: LastPlace,
    /// Whether its key is in the selection more than once.
    pub(super) repeated: bool,
    /// The object types it applies to; `None` is all.
    types: Option<Arc<BTreeSet<String>>>,
    /// Their positions in [`Projection::conditions`]; all must hold.
    conditions: Vec<usize>,
    /// What it gives on the type that the client selects it on.
    definition: Definition,
    /// What it gives on those object types that promise more than their interface does, by type.
    narrower: BTreeMap<String, Definition>,
    pub(super) children: Selection,
    /// Fields that write every value alike have the same number.
    pub(super) manner: usize,
    /// Whether it is there for every object, once, and is no list and no custom scalar: nothing of it depends on anything.
    pub(super) is_plain: bool,
}

/// How a field writes its value: two that do it alike give the same text for the same value.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Manner {
    definition: Definition,
    narrower: BTreeMap<String, Definition>,
    children: Vec<(Name, Scope, usize)>,
}

/// The type of a field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Definition {
    /// Without its innermost name.
    pub(super) wrapping: Wrapping,
    pub(super) kind: Kind,
}

/// An `@include` or `@skip`: whether the variable must be true.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Condition {
    pub(super) variable: String,
    pub(super) is: bool,
}

impl Condition {
    pub(super) fn holds(&self, variables: &Variables) -> bool {
        variables.is_true(&self.variable) == self.is
    }
}

/// Lists and non-nulls around a named type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wrapping {
    Named { nullable: bool },
    List { nullable: bool, of: Box<Wrapping> },
}

/// What is inside the lists and non-nulls.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// `__typename`.
    Typename,
    /// `__schema` or `__type`, answered by the router itself.
    Introspection,
    /// A custom scalar: any JSON.
    Scalar,
    /// A scalar that every schema has: never a list or an object.
    BuiltIn,
    /// The values that clients may see.
    Enum(Arc<BTreeSet<String>>),
    Object(String),
    /// An interface or a union, and the object types that clients may see of it.
    Abstract(Arc<BTreeSet<String>>),
}

impl Projection {
    /// Compiles the projection of an operation as the client wrote it: valid, its fragments still in `document`. Adds
    /// its response keys to `names`. Answers that are larger than `max_size`, in bytes, are refused.
    pub fn compile(
        names: &mut Names,
        planner: &Planner,
        document: &query::Document<'static, String>,
        operation: &query::OperationDefinition<'static, String>,
        max_size: usize,
    ) -> Projection {
        let (kind, selections) = match operation {
            query::OperationDefinition::SelectionSet(selections) => (OperationKind::Query, selections),
            query::OperationDefinition::Query(query) => (OperationKind::Query, &query.selection_set),
            query::OperationDefinition::Mutation(mutation) => (OperationKind::Mutation, &mutation.selection_set),
            query::OperationDefinition::Subscription(subscription) => {
                (OperationKind::Subscription, &subscription.selection_set)
            }
        };
        let root_type = planner.supergraph.root_type_name(Some(&kind)).unwrap_or_default().to_owned();
        let mut compiler = Compiler::new(names, planner, document);
        let mut root = Selection::default();
        compiler.collect(selections, &root_type, &Scope::default(), &mut root);
        root.finish(&mut BTreeMap::new());
        let interfaces = planner.supergraph.interface_object_types_in_subgraphs.keys().cloned().collect();
        let last_size = AtomicUsize::new(0);
        Projection { root, root_type, interfaces, conditions: compiler.conditions, last_size, max_size }
    }
}

/// The conditions of the fragments around a field.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Scope {
    types: Option<Arc<BTreeSet<String>>>,
    conditions: Vec<usize>,
}

struct Compiler<'c> {
    names: &'c mut Names,
    conditions: Vec<Condition>,
    schema: &'c SupergraphState,
    consumer: &'c schema::Document<'static, String>,
    fragments: HashMap<&'c str, &'c query::FragmentDefinition<'static, String>>,
    possible: HashMap<String, Arc<BTreeSet<String>>>,
    enums: HashMap<String, Arc<BTreeSet<String>>>,
    /// The object types that clients may see.
    visible: Option<HashSet<&'c str>>,
}

impl<'c> Compiler<'c> {
    fn new(names: &'c mut Names, planner: &'c Planner, document: &'c query::Document<'static, String>) -> Self {
        let fragments = document.definitions.iter().filter_map(|definition| match definition {
            query::Definition::Fragment(fragment) => Some((fragment.name.as_str(), fragment)),
            query::Definition::Operation(_) => None,
        });
        Self {
            names,
            conditions: Vec::new(),
            schema: &planner.supergraph,
            consumer: &planner.consumer_schema.document,
            fragments: fragments.collect(),
            possible: HashMap::new(),
            enums: HashMap::new(),
            visible: None,
        }
    }

    fn collect(
        &mut self,
        selections: &'c query::SelectionSet<'static, String>,
        parent: &str,
        scope: &Scope,
        into: &mut Selection,
    ) {
        for selection in &selections.items {
            match selection {
                query::Selection::Field(field) => {
                    if let Some(scope) = self.under(scope, &field.directives) {
                        self.field(field, parent, scope, into);
                    }
                }
                query::Selection::InlineFragment(fragment) => {
                    let on = fragment.type_condition.as_ref().map(|condition| condition.as_ref().as_str());
                    if let Some(scope) = self.under(scope, &fragment.directives) {
                        self.fragment(on, &fragment.selection_set, parent, scope, into);
                    }
                }
                query::Selection::FragmentSpread(spread) => {
                    let fragment = self.fragments.get(spread.fragment_name.as_str()).copied();
                    if let (Some(fragment), Some(scope)) = (fragment, self.under(scope, &spread.directives)) {
                        let on = fragment.type_condition.as_ref().as_str();
                        self.fragment(Some(on), &fragment.selection_set, parent, scope, into);
                    }
                }
            }
        }
    }

    fn fragment(
        &mut self,
        on: Option<&str>,
        selections: &'c query::SelectionSet<'static, String>,
        parent: &str,
        mut scope: Scope,
        into: &mut Selection,
    ) {
        match on {
            Some(on) if on != parent => {
                let types = self.possible(on);
                scope.types = Some(match scope.types {
                    Some(outer) => Arc::new(outer.intersection(&types).cloned().collect()),
                    None => types,
                });
                self.collect(selections, on, &scope, into);
            }
            _ => self.collect(selections, parent, &scope, into),
        }
    }

    fn field(&mut self, field: &'c query::Field<'static, String>, parent: &str, scope: Scope, into: &mut Selection) {
        let key = field.alias.as_ref().unwrap_or(&field.name);
        let own = |nullable, kind| Definition { wrapping: Wrapping::Named { nullable }, kind };
        let (definition, of) = match field.name.as_str() {
            TYPENAME => (own(false, Kind::Typename), ""),
            "__schema" | "__type" => (own(true, Kind::Introspection), ""),
            name => {
                // A validated document has no unknown fields.
                let Some(found) = self.find(parent, name) else { return };
                (self.definition(found), found.field_type.inner_type())
            }
        };
        let narrower = self.narrower(parent, &field.name, scope.types.as_deref());
        let Scope { types, conditions } = scope;
        let leaf = !matches!(definition.kind, Kind::Object(_) | Kind::Abstract(_));
        if leaf && into.with_key(key).any(|field| field.covers(types.as_deref(), &conditions)) {
            return;
        }
        // Only the last one of this key can take more: what is added after another must be written after it.
        let last = into.fields.iter().rposition(|known| known.key == *key);
        let same = |index: &usize| into.fields[*index].types == types && into.fields[*index].conditions == conditions;
        let index = last.filter(same).unwrap_or_else(|| {
            into.push(Field {
                key: key.clone(),
                name: self.names.intern(key),
                prefix: Prefix::of(&prefix(given(key))),
                place: LastPlace::default(),
                repeated: false,
                types,
                conditions,
                definition,
                narrower,
                children: Selection::default(),
                manner: 0,
                is_plain: false,
            })
        });
        if !leaf {
            self.collect(&field.selection_set, of, &Scope::default(), &mut into.fields[index].children);
        }
    }

    fn find(&self, parent: &str, name: &str) -> Option<&'c SupergraphField> {
        self.schema.definitions.get(parent)?.fields().get(name)
    }

    fn definition(&mut self, field: &SupergraphField) -> Definition {
        Definition { wrapping: wrapping(field), kind: self.kind(field.field_type.inner_type()) }
    }

    /// What a field of an interface gives on those of these object types (`None` is all) that say it otherwise. The
    /// planner goes by it and asks for no `__typename` where it names an object.
    fn narrower(&mut self, parent: &str, name: &str, types: Option<&BTreeSet<String>>) -> BTreeMap<String, Definition> {
        let Some(SupergraphDefinition::Interface(_)) = self.schema.definitions.get(parent) else {
            return BTreeMap::new();
        };
        let Some(general) = self.find(parent, name) else { return BTreeMap::new() };
        let possible = self.possible(parent);
        let found = possible.iter().filter(|object| types.is_none_or(|types| types.contains(*object)));
        let found = found.filter_map(|object| Some((object, self.find(object, name)?)));
        let narrower: Vec<_> = found.filter(|(_, found)| found.field_type != general.field_type).collect();
        narrower.into_iter().map(|(object, found)| (object.clone(), self.definition(found))).collect()
    }

    /// The scope inside something with these directives; `None` if it is never included.
    fn under(&mut self, scope: &Scope, directives: &[query::Directive<'static, String>]) -> Option<Scope> {
        let mut scope = scope.clone();
        for directive in directives {
            let is = match directive.name.as_str() {
                "include" => true,
                "skip" => false,
                _ => continue,
            };
            match directive.arguments.iter().find_map(|(name, value)| (name == "if").then_some(value)) {
                Some(query::Value::Boolean(value)) if *value != is => return None,
                Some(query::Value::Variable(variable)) => {
                    let condition = self.condition(Condition { variable: variable.clone(), is });
                    if !scope.conditions.contains(&condition) {
                        scope.conditions.push(condition);
                    }
                }
                _ => {}
            }
        }
        Some(scope)
    }

    fn condition(&mut self, condition: Condition) -> usize {
        self.conditions.iter().position(|known| *known == condition).unwrap_or_else(|| {
            self.conditions.push(condition);
            self.conditions.len() - 1
        })
    }

    fn kind(&mut self, name: &str) -> Kind {
        match self.schema.definitions.get(name) {
            Some(SupergraphDefinition::Object(_)) => Kind::Object(name.to_owned()),
            Some(SupergraphDefinition::Interface(_) | SupergraphDefinition::Union(_)) => {
                let possible = self.possible(name);
                let visible = self.visible();
                let seen = possible.iter().filter(|name| visible.contains(name.as_str())).cloned();
                Kind::Abstract(Arc::new(seen.collect()))
            }
            Some(SupergraphDefinition::Enum(_)) => Kind::Enum(self.enum_values(name)),
            _ if BUILT_IN_SCALARS.contains(&name) => Kind::BuiltIn,
            _ => Kind::Scalar,
        }
    }

    fn possible(&mut self, name: &str) -> Arc<BTreeSet<String>> {
        if let Some(known) = self.possible.get(name) {
            return known.clone();
        }
        let types = Arc::new(possible_types(name, self.schema));
        self.possible.insert(name.to_owned(), types.clone());
        types
    }

    fn enum_values(&mut self, name: &str) -> Arc<BTreeSet<String>> {
        let consumer = self.consumer;
        let values = || {
            let definition = consumer.definitions.iter().find_map(|definition| match definition {
                schema::Definition::TypeDefinition(schema::TypeDefinition::Enum(found)) if found.name == name => {
                    Some(found)
                }
                _ => None,
            });
            Arc::new(definition.iter().flat_map(|found| &found.values).map(|value| value.name.clone()).collect())
        };
        self.enums.entry(name.to_owned()).or_insert_with(values).clone()
    }

    fn visible(&mut self) -> &HashSet<&'c str> {
        let consumer = self.consumer;
        self.visible.get_or_insert_with(|| {
            let objects = consumer.definitions.iter().filter_map(|definition| match definition {
                schema::Definition::TypeDefinition(schema::TypeDefinition::Object(object)) => {
                    Some(object.name.as_str())
                }
                _ => None,
            });
            objects.collect()
        })
    }
}

fn wrapping(field: &SupergraphField) -> Wrapping {
    fn wrap(node: &TypeNode, nullable: bool) -> Wrapping {
        match node {
            TypeNode::Named(_) => Wrapping::Named { nullable },
            TypeNode::List(of) => Wrapping::List { nullable, of: Box::new(wrap(of, true)) },
            TypeNode::NonNull(of) => wrap(of, false),
        }
    }
    wrap(&field.field_type, true)
}

impl Wrapping {
    pub(super) fn is_nullable(&self) -> bool {
        match self {
            Wrapping::Named { nullable } | Wrapping::List { nullable, .. } => *nullable,
        }
    }
}

impl Selection {
    /// The fields with this key.
    pub(super) fn with_key(&self, key: &str) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(move |field| field.key == key)
    }

    /// Gives fields that write alike the same number, and finds those that are plain.
    fn finish(&mut self, known: &mut BTreeMap<Manner, usize>) {
        for field in &mut self.fields {
            field.children.finish(known);
            field.is_plain = field.is_built_in() && field.is_alone();
            let children = field.children.fields.iter();
            let children = children.map(|child| {
                let Field { name, types, conditions, manner, .. } = child;
                (*name, Scope { types: types.clone(), conditions: conditions.clone() }, *manner)
            });
            let (definition, narrower) = (field.definition.clone(), field.narrower.clone());
            let next = known.len();
            let manner = Manner { definition, narrower, children: children.collect() };
            field.manner = *known.entry(manner).or_insert(next);
        }
    }

    /// Adds a field; gives its index.
    fn push(&mut self, mut field: Field) -> usize {
        for known in self.fields.iter_mut().filter(|known| known.key == field.key) {
            known.repeated = true;
            field.repeated = true;
        }
        self.fields.push(field);
        self.fields.len() - 1
    }
}

impl Field {
    /// Whether it is in the answer for an object of this type; a type that is not known fits unconditional fields only.
    /// `holds` says which of [`Projection::conditions`] do.
    pub(super) fn applies(&self, typename: Option<&str>, holds: &[bool]) -> bool {
        if self.types.is_none() && self.conditions.is_empty() {
            return true;
        }
        let fits = match (&self.types, typename) {
            (None, _) => true,
            (Some(types), Some(name)) => types.contains(name),
            (Some(_), None) => false,
        };
        fits && self.conditions.iter().all(|condition| holds[*condition])
    }

    /// Whether its value is one scalar of those that every schema has.
    fn is_built_in(&self) -> bool {
        let Definition { wrapping, kind } = &self.definition;
        matches!((wrapping, kind), (Wrapping::Named { .. }, Kind::BuiltIn)) && !self.narrows()
    }

    /// Whether it applies to every object, and no other has its key.
    fn is_alone(&self) -> bool {
        self.types.is_none() && self.conditions.is_empty() && !self.repeated
    }

    /// Whether it gives something else on some types.
    pub(super) fn narrows(&self) -> bool {
        !self.narrower.is_empty()
    }

    /// What it gives on an object of this type (GraphQL spec, "ExecuteField").
    pub(super) fn definition(&self, typename: Option<&str>) -> &Definition {
        if self.narrower.is_empty() {
            return &self.definition;
        }
        typename.and_then(|name| self.narrower.get(name)).unwrap_or(&self.definition)
    }

    /// Whether it applies wherever the other would.
    fn covers(&self, types: Option<&BTreeSet<String>>, conditions: &[usize]) -> bool {
        let all_types = match (self.types.as_deref(), types) {
            (None, _) => true,
            (Some(mine), Some(others)) => mine.is_superset(others),
            (Some(_), None) => false,
        };
        all_types && self.conditions.iter().all(|condition| conditions.contains(condition))
    }
}
