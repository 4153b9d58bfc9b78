//! What an operation costs, known before it runs: the sum of what its fields weigh, times the sizes of the lists they are
//! in (IBM, "GraphQL Cost Directives Specification", <https://ibm.github.io/graphql-specs/cost-spec.html>).
//!
//! Without `@cost` an object, interface or union weighs 1, a leaf nothing, and a field of a mutation 10 besides. A list
//! without `@listSize` is taken for one of the configured size, and a field with `first` or `last` for one by Relay's
//! Cursor Connections Specification. `@cost` on arguments counts where they are given; on fields of input objects it does
//! not. An introspection costs what it may tell of the schema.
//!
//! Sizes may depend on variables, and so may `@skip` and `@include`. The rest is added up once, when the operation is
//! prepared: of most operations nothing but one number is left.

use super::Variables;
use crate::error::{Code, GraphQLError};
use crate::limits;
use crate::supergraph::{ApiSchema, Supergraph};
use graphql_tools::static_graphql::{query, schema};
use hive_router_query_planner::ast::operation::OperationDefinition;
use hive_router_query_planner::ast::selection_item::SelectionItem;
use hive_router_query_planner::ast::selection_set::{FieldSelection, SelectionSet};
use hive_router_query_planner::ast::value::Value;
use hive_router_query_planner::federation_spec::demand_control::ListSizeDirective;
use hive_router_query_planner::state::supergraph_state::{
    OperationKind, SupergraphDefinition, SupergraphField, TypeNode,
};
use std::collections::BTreeMap;

/// What a field of a mutation weighs more than one of a query.
const MUTATION: u64 = 10;

/// The arguments that slice a connection, and its fields that are as long as they say (Relay, "Cursor Connections").
const RELAY_ARGUMENTS: [&str; 2] = ["first", "last"];
const RELAY_LISTS: [&str; 2] = ["edges", "nodes"];

/// The cost of an operation as a function of its variables.
#[derive(Clone, Debug)]
pub struct Cost(Term);

#[derive(Clone, Debug, PartialEq)]
enum Term {
    Constant(u64),
    Sum(Vec<Term>),
    /// The greatest: only one of them comes true.
    Max(Vec<Term>),
    Times(Size, Box<Term>),
    /// Nothing if the variable is true (`skip`), or if it is false.
    Unless {
        variable: String,
        is: bool,
        term: Box<Term>,
    },
}

/// How long a list may be.
#[derive(Clone, Debug, PartialEq)]
enum Size {
    Fixed(u64),
    /// As long as the greatest of the slicing arguments says.
    Sliced {
        /// The greatest of those that the document itself gives.
        written: Option<u64>,
        /// The variables that hold the others, and where in their values.
        variables: Vec<(String, Vec<String>)>,
        /// Without any.
        otherwise: u64,
    },
}

impl Cost {
    /// The program for an operation, normalised with nothing taken out, and for the introspections that it has: how
    /// many, and how deep lists nest in them.
    ///
    /// # Errors
    /// GRAPHQL_VALIDATION_FAILED where `@listSize` wants one slicing argument and there is none, or several.
    pub(super) fn compile(
        supergraph: &Supergraph,
        limits: &limits::Operation,
        operation: &OperationDefinition,
        introspections: (usize, usize),
    ) -> Result<Self, GraphQLError> {
        let schema = &supergraph.planner.supergraph;
        let root = match operation.operation_kind {
            Some(OperationKind::Mutation) => schema.mutation_type.as_deref(),
            Some(OperationKind::Subscription) => schema.subscription_type.as_deref(),
            Some(OperationKind::Query) | None => None,
        };
        let compiler = Compiler { supergraph, assumed: limits.assumed_list_size };
        let fields = compiler.selections(&operation.selection_set, root.unwrap_or(&schema.query_type), &[])?;
        Ok(Self(Term::sum([fields, Term::Constant(introspection(&supergraph.api, introspections))])))
    }

    /// The cost with these variables.
    pub fn of(&self, variables: &Variables) -> u64 {
        self.0.value(variables)
    }

    /// The cost, if it is the same whatever the variables are.
    pub(super) fn constant(&self) -> Option<u64> {
        match self.0 {
            Term::Constant(cost) => Some(cost),
            _ => None,
        }
    }
}

/// Refuses an operation that costs too much.
///
/// # Errors
/// COST_LIMIT_EXCEEDED, with the cost and the limit in `extensions.cost`.
pub(crate) fn check(cost: u64, limits: &limits::Operation) -> Result<(), GraphQLError> {
    let max = limits.max_cost;
    if cost <= max {
        return Ok(());
    }
    let mut error = GraphQLError::new(
        Code::CostLimitExceeded,
        format!("The operation may cost {cost}, and {max} is the most. Ask for fewer fields, or for shorter lists."),
    );
    error.extensions.insert("cost".into(), serde_json::json!({ "estimated": cost, "max": max }));
    Err(error)
}

impl Term {
    fn sum(terms: impl IntoIterator<Item = Term>) -> Term {
        let mut known: u64 = 0;
        let mut open = Vec::new();
        for term in terms {
            match term {
                Term::Constant(cost) => known = known.saturating_add(cost),
                term => open.push(term),
            }
        }
        match open.is_empty() {
            true => Term::Constant(known),
            false if known == 0 && open.len() == 1 => open.remove(0),
            false => {
                open.extend((known > 0).then_some(Term::Constant(known)));
                Term::Sum(open)
            }
        }
    }

    fn max(terms: impl IntoIterator<Item = Term>) -> Term {
        let mut known: u64 = 0;
        let mut open = Vec::new();
        for term in terms {
            match term {
                Term::Constant(cost) => known = known.max(cost),
                term => open.push(term),
            }
        }
        if open.is_empty() {
            return Term::Constant(known);
        }
        open.push(Term::Constant(known));
        Term::Max(open)
    }

    fn times(size: Size, term: Term) -> Term {
        match (size, term) {
            (_, Term::Constant(0)) => Term::Constant(0),
            (Size::Fixed(1), term) => term,
            (Size::Fixed(size), Term::Constant(cost)) => Term::Constant(cost.saturating_mul(size)),
            (size, term) => Term::Times(size, Box::new(term)),
        }
    }

    fn unless(self, variable: Option<&String>, is: bool) -> Term {
        match variable {
            Some(variable) if self != Term::Constant(0) => {
                Term::Unless { variable: variable.clone(), is, term: Box::new(self) }
            }
            _ => self,
        }
    }

    fn value(&self, variables: &Variables) -> u64 {
        match self {
            Term::Constant(cost) => *cost,
            Term::Sum(terms) => terms.iter().fold(0, |sum: u64, term| sum.saturating_add(term.value(variables))),
            Term::Max(terms) => terms.iter().map(|term| term.value(variables)).max().unwrap_or(0),
            Term::Times(size, term) => term.value(variables).saturating_mul(size.value(variables)),
            Term::Unless { variable, is, .. } if variables.is_true(variable) == *is => 0,
            Term::Unless { term, .. } => term.value(variables),
        }
    }
}

impl Size {
    fn value(&self, variables: &Variables) -> u64 {
        match self {
            Size::Fixed(size) => *size,
            Size::Sliced { written, variables: slices, otherwise } => {
                let given = slices.iter().filter_map(|(name, path)| {
                    let value = path.iter().try_fold(variables.get(name)?, |value, field| value.get(field))?;
                    value.as_u64()
                });
                given.chain(*written).max().unwrap_or(*otherwise)
            }
        }
    }
}

struct Compiler<'c> {
    supergraph: &'c Supergraph,
    assumed: u64,
}

/// A field below, and how long it is because of a field above.
type Sized<'s> = (&'s [String], &'s Size);

impl Compiler<'_> {
    fn selections(&self, selections: &SelectionSet, parent: &str, sized: &[Sized<'_>]) -> Result<Term, GraphQLError> {
        let mut terms = Vec::new();
        // An object is of one type only. Fragments on interfaces and unions may all apply.
        let mut by_object: BTreeMap<&str, Vec<Term>> = BTreeMap::new();
        for item in &selections.items {
            match item {
                SelectionItem::Field(field) => terms.push(self.field(field, parent, sized)?),
                SelectionItem::InlineFragment(fragment) => {
                    let on = fragment.type_condition.as_str();
                    let inside = self.selections(&fragment.selections, on, sized)?;
                    let inside = inside.unless(fragment.skip_if.as_ref(), true);
                    let inside = inside.unless(fragment.include_if.as_ref(), false);
                    match self.definition(on) {
                        Some(SupergraphDefinition::Object(_)) if on != parent => {
                            by_object.entry(on).or_default().push(inside);
                        }
                        _ => terms.push(inside),
                    }
                }
                SelectionItem::FragmentSpread(_) => {}
            }
        }
        terms.push(Term::max(by_object.into_values().map(Term::sum)));
        Ok(Term::sum(terms))
    }

    fn field(&self, field: &FieldSelection, parent: &str, sized: &[Sized<'_>]) -> Result<Term, GraphQLError> {
        let definitions = self.fields(parent, &field.name);
        let Some(definition) = definitions.first() else { return Ok(Term::Constant(0)) };
        let returned = definition.field_type.inner_type();
        let directive = definitions.iter().find_map(|definition| definition.list_size.as_ref());
        let slicing = match directive {
            Some(directive) => Some(self.slicing(directive, field, parent)?),
            None => self.relay(definition, field, parent),
        };
        let lists: Vec<Vec<String>> = match directive {
            Some(directive) => directive.sized_fields.clone().unwrap_or_default(),
            None => RELAY_LISTS.map(|name| vec![name.to_owned()]).into(),
        };
        let from_above = sized.iter().filter(|(path, _)| path.first() == Some(&field.name));
        let own = from_above.clone().find(|(path, _)| path.len() == 1).map(|(_, size)| (*size).clone());
        let is_list = definition.field_type.is_list();
        let below =
            slicing.iter().filter(|_| !is_list).flat_map(|size| lists.iter().map(move |path| (&path[..], size)));
        let below: Vec<Sized> = from_above
            .filter(|(path, _)| path.len() > 1)
            .map(|(path, size)| (&path[1..], *size))
            .chain(below)
            .collect();

        let inside = self.selections(&field.selections, returned, &below)?;
        let size = match is_list {
            true => own.or(slicing).unwrap_or(Size::Fixed(self.assumed)),
            false => Size::Fixed(1),
        };
        let weight = definitions.iter().map(|definition| self.weight(definition)).max().unwrap_or(0);
        let mutation = self.supergraph.planner.supergraph.mutation_type.as_deref() == Some(parent);
        let arguments = field.arguments.iter().flat_map(|arguments| arguments.keys());
        let arguments = arguments.filter_map(|name| definition.cost_by_arguments.get(name)).map(|cost| cost.weight);
        let besides = arguments.fold(if mutation { MUTATION } else { 0 }, u64::saturating_add);
        let term = Term::sum([Term::times(size, Term::sum([Term::Constant(weight), inside])), Term::Constant(besides)]);
        Ok(term.unless(field.skip_if.as_ref(), true).unless(field.include_if.as_ref(), false))
    }

    /// The definitions of a field: of an interface the implementations' too, which may say more.
    fn fields(&self, parent: &str, name: &str) -> Vec<&SupergraphField> {
        let schema = &self.supergraph.planner.supergraph;
        let of = |ty: &str| schema.definitions.get(ty).and_then(|definition| definition.fields().get(name));
        let members = match self.definition(parent) {
            Some(SupergraphDefinition::Interface(_)) => schema.interface_members(parent),
            _ => None,
        };
        let members = members.into_iter().flatten().filter_map(|member| of(member));
        of(parent).into_iter().chain(members).collect()
    }

    /// What one value of the field weighs, without what is selected of it.
    fn weight(&self, field: &SupergraphField) -> u64 {
        let (directive, otherwise) = match self.definition(field.field_type.inner_type()) {
            Some(SupergraphDefinition::Object(object)) => (object.cost.as_ref(), 1),
            Some(SupergraphDefinition::Interface(_) | SupergraphDefinition::Union(_)) => (None, 1),
            Some(SupergraphDefinition::Enum(leaf)) => (leaf.cost.as_ref(), 0),
            Some(SupergraphDefinition::Scalar(leaf)) => (leaf.cost.as_ref(), 0),
            _ => (None, 0),
        };
        field.cost.as_ref().or(directive).map_or(otherwise, |cost| cost.weight)
    }

    /// The size that `@listSize` gives.
    fn slicing(
        &self,
        directive: &ListSizeDirective,
        field: &FieldSelection,
        parent: &str,
    ) -> Result<Size, GraphQLError> {
        let assumed = directive.assumed_size.map_or(self.assumed, |size| size as u64);
        let Some(paths) = &directive.slicing_arguments else { return Ok(Size::Fixed(assumed)) };
        let given = paths.iter().filter(|path| literal(field, path).is_some_and(|value| *value != Value::Null)).count();
        let by_default = paths.iter().filter(|path| self.default_of(field, parent, path).is_some()).count();
        if directive.require_one_slicing_argument && given != 1 && (given > 1 || by_default != 1) {
            let names: Vec<_> = paths.iter().map(|path| path.join(".")).collect();
            let message = format!("Field \"{}\" needs exactly one of: {}.", field.name, names.join(", "));
            return Err(GraphQLError::new(Code::GraphqlValidationFailed, message));
        }
        Ok(self.sliced(paths, field, parent, assumed))
    }

    /// The size of a connection that says nothing of it.
    fn relay(&self, definition: &SupergraphField, field: &FieldSelection, parent: &str) -> Option<Size> {
        let is_int = |ty: &TypeNode| !ty.is_list() && ty.inner_type() == "Int";
        let slices = |name: &&str| definition.argument_types.get(*name).is_some_and(is_int);
        let paths: Vec<_> =
            RELAY_ARGUMENTS.iter().filter(|name| slices(name)).map(|name| vec![(*name).to_owned()]).collect();
        (!paths.is_empty()).then(|| self.sliced(&paths, field, parent, self.assumed))
    }

    fn sliced(&self, paths: &[Vec<String>], field: &FieldSelection, parent: &str, assumed: u64) -> Size {
        let mut written = None;
        let mut variables = Vec::new();
        for path in paths {
            match literal(field, path) {
                Some(Value::Int(size)) => written = written.max(u64::try_from(*size).ok()),
                Some(Value::Variable(name)) => variables.push((name.clone(), below_variable(field, path))),
                _ => {}
            }
        }
        let otherwise = paths.iter().filter_map(|path| self.default_of(field, parent, path)).max().unwrap_or(assumed);
        match written {
            Some(size) if variables.is_empty() => Size::Fixed(size),
            None if variables.is_empty() => Size::Fixed(otherwise),
            written => Size::Sliced { written, variables, otherwise },
        }
    }

    /// What the schema gives an argument that is not given.
    fn default_of(&self, field: &FieldSelection, parent: &str, path: &[String]) -> Option<u64> {
        let [argument] = path else { return None };
        let is_null = |value: &Value| *value == Value::Null;
        if field.arguments.as_ref().and_then(|arguments| arguments.get_argument(argument)).is_some_and(is_null) {
            return None;
        }
        let fields = match self.supergraph.api.type_by_name(parent)? {
            schema::TypeDefinition::Object(object) => &object.fields,
            schema::TypeDefinition::Interface(interface) => &interface.fields,
            _ => return None,
        };
        let field = fields.iter().find(|candidate| candidate.name == field.name)?;
        match field.arguments.iter().find(|candidate| candidate.name == *argument)?.default_value.as_ref()? {
            query::Value::Int(size) => u64::try_from(size.as_i64()?).ok(),
            _ => None,
        }
    }

    fn definition(&self, name: &str) -> Option<&SupergraphDefinition> {
        self.supergraph.planner.supergraph.definitions.get(name)
    }
}

/// What introspections cost: each about as much as the schema has fields, and with every further list that nests in it
/// as many times more as a type has fields.
fn introspection(api: &ApiSchema, (count, lists): (usize, usize)) -> u64 {
    let fields_of = |ty: &schema::TypeDefinition| match ty {
        schema::TypeDefinition::Object(object) => object.fields.len(),
        schema::TypeDefinition::Interface(interface) => interface.fields.len(),
        schema::TypeDefinition::InputObject(input) => input.fields.len(),
        schema::TypeDefinition::Enum(definition) => definition.values.len(),
        schema::TypeDefinition::Scalar(_) | schema::TypeDefinition::Union(_) => 1,
    };
    if count == 0 {
        return 0;
    }
    let fields: u64 = api.types().map(|ty| fields_of(ty) as u64).sum();
    let each = fields.div_ceil((api.types().count() as u64).max(1));
    let times = (1..lists).fold(1, |times: u64, _| times.saturating_mul(each));
    fields.saturating_mul(times).saturating_mul(count as u64)
}

/// What the document gives at a path of arguments: the variable, if it gives one anywhere on the way.
fn literal<'f>(field: &'f FieldSelection, path: &[String]) -> Option<&'f Value> {
    let (argument, rest) = path.split_first()?;
    let given = field.arguments.as_ref()?.get_argument(argument)?;
    rest.iter().try_fold(given, |value, name| match value {
        Value::Object(fields) => fields.get(name),
        Value::Variable(_) => Some(value),
        _ => None,
    })
}

/// The part of a path of arguments that lies within a variable's value.
fn below_variable(field: &FieldSelection, path: &[String]) -> Vec<String> {
    let is_variable = |length: &usize| matches!(literal(field, &path[..*length]), Some(Value::Variable(_)));
    let above = (1..=path.len()).find(is_variable).unwrap_or(path.len());
    path[above..].to_vec()
}
