//! Which fields need which rights, and what is left of an operation for a caller who lacks some (Apollo federation
//! directives `@authenticated`, `@requiresScopes`, `@policy`).
//!
//! A field needs what it says itself, what the type it is on says, and what the type it returns says. A field of an
//! interface needs besides what the same field of each implementation needs: with fewer rights it can be asked for in
//! fragments on the implementations that are open.

use super::Variables;
use crate::error::{Code, GraphQLError};
use graphql_tools::static_graphql::{query, schema};
use hansa_token::Claims;
use hive_router_query_planner::ast::operation::OperationDefinition;
use hive_router_query_planner::ast::selection_item::SelectionItem;
use hive_router_query_planner::ast::selection_set::{FieldSelection, SelectionSet};
use hive_router_query_planner::state::supergraph_state::SupergraphState;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};

/// A need's number in [`Rules`].
pub(super) type NeedId = u32;

/// Which fields of a supergraph need which rights.
#[derive(Debug, Default)]
pub struct Rules {
    needs: Vec<Need>,
    /// By type, then by field. Fields that need nothing are absent. `__typename` stands for the type itself.
    fields: HashMap<String, HashMap<String, BTreeSet<NeedId>>>,
}

/// One thing that a caller has to have. Without a token none is met.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Need {
    /// `@authenticated`: a token.
    SignedIn,
    /// `@requiresScopes`: all scopes of one of the lists.
    Scopes(Vec<Vec<String>>),
    /// `@policy`: all policies of one of the lists. A policy is met by the role of the same name.
    Policies(Vec<Vec<String>>),
}

impl Need {
    fn is_met(&self, claims: Option<&Claims>) -> bool {
        let Some(claims) = claims else { return false };
        match self {
            Self::SignedIn => true,
            Self::Scopes(alternatives) => {
                alternatives.iter().any(|scopes| scopes.iter().all(|scope| claims.has_scope(scope)))
            }
            Self::Policies(alternatives) => {
                alternatives.iter().any(|policies| policies.iter().all(|policy| claims.roles.contains(policy)))
            }
        }
    }
}

/// What sets callers apart for one operation: those who lack the same rights get the same plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Lacks {
    needs: BTreeSet<NeedId>,
    /// Whether that is for want of a token; says nothing when nothing is lacking.
    anonymous: bool,
}

impl Lacks {
    /// Whether the caller may see everything.
    pub(super) fn nothing(&self) -> bool {
        self.needs.is_empty()
    }
}

/// A field that the caller may not see.
#[derive(Debug)]
pub struct Denied {
    /// What the client is told. Its path names the field without positions in lists; each null that it causes is told of with its own.
    pub error: GraphQLError,
    /// On objects of which types; elsewhere the same key may be open.
    pub types: BTreeSet<String>,
    /// It is part of the operation if all conditions of one of these lists hold.
    alternatives: Vec<Vec<Condition>>,
}

/// That a Boolean variable has this value.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Condition {
    variable: String,
    is: bool,
}

impl Denied {
    /// Whether the field is part of the operation with these variables.
    pub(super) fn applies(&self, variables: &Variables) -> bool {
        self.alternatives
            .iter()
            .any(|conditions| conditions.iter().all(|condition| variables.is_true(&condition.variable) == condition.is))
    }
}

/// What is left of an operation.
pub(super) struct Permitted {
    /// What is to be fetched; `None` when that is nothing.
    pub(super) operation: Option<OperationDefinition>,
    pub(super) denied: Vec<Denied>,
}

impl Rules {
    /// Reads the rules from a supergraph document that calls directives by their own names.
    pub fn from_supergraph(document: &schema::Document) -> Self {
        let mut rules = Self::default();
        let types: Vec<&schema::TypeDefinition> = document
            .definitions
            .iter()
            .filter_map(|definition| match definition {
                schema::Definition::TypeDefinition(definition) => Some(definition),
                _ => None,
            })
            .collect();
        let of_types: HashMap<&str, BTreeSet<NeedId>> = types
            .iter()
            .map(|ty| (ty.name(), rules.read(type_directives(ty))))
            .filter(|(_, needs)| !needs.is_empty())
            .collect();
        let of_type = |name: &str| of_types.get(name).into_iter().flatten().copied();

        for ty in &types {
            let (fields, _) = composite(ty);
            let mut needing: HashMap<String, BTreeSet<NeedId>> = HashMap::new();
            for field in fields {
                let mut needs = rules.read(&field.directives);
                needs.extend(of_type(ty.name()));
                needs.extend(of_type(field.field_type.inner_type()));
                needing.insert(field.name.clone(), needs);
            }
            needing.insert("__typename".to_owned(), of_type(ty.name()).collect());
            rules.fields.insert(ty.name().to_owned(), needing);
        }
        for implementation in &types {
            let (_, interfaces) = composite(implementation);
            let Some(of_implementation) = rules.fields.get(implementation.name()).cloned() else { continue };
            for interface in interfaces {
                for (field, needs) in rules.fields.get_mut(interface).into_iter().flatten() {
                    // Which implementation it is may be known.
                    if field != "__typename" {
                        needs.extend(of_implementation.get(field).into_iter().flatten());
                    }
                }
            }
        }
        for fields in rules.fields.values_mut() {
            fields.retain(|_, needs| !needs.is_empty());
        }
        rules.fields.retain(|_, fields| !fields.is_empty());
        rules
    }

    fn read(&mut self, directives: &[schema::Directive]) -> BTreeSet<NeedId> {
        directives.iter().filter_map(need).map(|need| self.intern(need)).collect()
    }

    fn intern(&mut self, need: Need) -> NeedId {
        let position = self.needs.iter().position(|known| *known == need).unwrap_or_else(|| {
            self.needs.push(need);
            self.needs.len() - 1
        });
        NeedId::try_from(position).unwrap_or(NeedId::MAX)
    }

    fn needs_of(&self, ty: &str, field: &str) -> Option<&BTreeSet<NeedId>> {
        self.fields.get(ty)?.get(field)
    }

    /// All needs of the fields of an operation.
    pub(super) fn needs(&self, operation: &OperationDefinition, schema: &SupergraphState) -> BTreeSet<NeedId> {
        let mut needs = BTreeSet::new();
        if !self.fields.is_empty() {
            self.collect(&operation.selection_set, root_type(operation, schema), schema, &mut needs);
        }
        needs
    }

    fn collect(&self, selections: &SelectionSet, ty: &str, schema: &SupergraphState, needs: &mut BTreeSet<NeedId>) {
        for item in &selections.items {
            match item {
                SelectionItem::Field(field) => {
                    needs.extend(self.needs_of(ty, &field.name).into_iter().flatten());
                    if let Some(inner) = schema.field_return_type_name(ty, &field.name) {
                        self.collect(&field.selections, inner, schema, needs);
                    }
                }
                SelectionItem::InlineFragment(fragment) => {
                    self.collect(&fragment.selections, &fragment.type_condition, schema, needs);
                }
                SelectionItem::FragmentSpread(_) => {}
            }
        }
    }

    /// Which of these needs the caller does not meet.
    pub(super) fn lacking(&self, needs: &BTreeSet<NeedId>, claims: Option<&Claims>) -> Lacks {
        let is_met = |id: NeedId| self.needs.get(id as usize).is_some_and(|need| need.is_met(claims));
        let needs: BTreeSet<NeedId> = needs.iter().copied().filter(|id| !is_met(*id)).collect();
        let anonymous = !needs.is_empty() && claims.is_none();
        Lacks { needs, anonymous }
    }

    /// Takes out of a normalised operation what the caller may not see and what the router answers itself.
    ///
    /// # Errors
    /// For `__schema` or `__type` below the root.
    pub(super) fn permit(
        &self,
        operation: &OperationDefinition,
        lacks: &Lacks,
        schema: &SupergraphState,
    ) -> Result<Permitted, GraphQLError> {
        let mut pruning = Pruning { rules: self, lacks, schema, path: vec![], conditions: vec![], denied: vec![] };
        let selections = pruning.selections(&operation.selection_set, root_type(operation, schema))?;
        let operation =
            (!selections.is_empty()).then(|| OperationDefinition { selection_set: selections, ..operation.clone() });
        Ok(Permitted { operation, denied: pruning.denied })
    }
}

fn root_type<'s>(operation: &OperationDefinition, schema: &'s SupergraphState) -> &'s str {
    schema.root_type_name(operation.operation_kind.as_ref()).unwrap_or(&schema.query_type)
}

struct Pruning<'p> {
    rules: &'p Rules,
    lacks: &'p Lacks,
    schema: &'p SupergraphState,
    path: Vec<Value>,
    conditions: Vec<Condition>,
    denied: Vec<Denied>,
}

impl Pruning<'_> {
    fn selections(&mut self, selections: &SelectionSet, ty: &str) -> Result<SelectionSet, GraphQLError> {
        let mut items = Vec::with_capacity(selections.items.len());
        for item in &selections.items {
            let (skip_if, include_if) = match item {
                SelectionItem::Field(field) => (&field.skip_if, &field.include_if),
                SelectionItem::InlineFragment(fragment) => (&fragment.skip_if, &fragment.include_if),
                SelectionItem::FragmentSpread(_) => continue,
            };
            let outer = self.conditions.len();
            let condition = |variable: &String, is| Condition { variable: variable.clone(), is };
            self.conditions.extend(skip_if.iter().map(|variable| condition(variable, false)));
            self.conditions.extend(include_if.iter().map(|variable| condition(variable, true)));
            let kept = match item {
                SelectionItem::Field(field) => self.field(field, ty)?.map(SelectionItem::Field),
                SelectionItem::InlineFragment(fragment) => {
                    let inside = self.selections(&fragment.selections, &fragment.type_condition)?;
                    (!inside.is_empty()).then(|| {
                        let mut fragment = fragment.clone();
                        fragment.selections = inside;
                        SelectionItem::InlineFragment(fragment)
                    })
                }
                SelectionItem::FragmentSpread(_) => None,
            };
            self.conditions.truncate(outer);
            items.extend(kept);
        }
        Ok(SelectionSet { items })
    }

    fn field(&mut self, field: &FieldSelection, ty: &str) -> Result<Option<FieldSelection>, GraphQLError> {
        let at_root = self.path.is_empty();
        if field.name.starts_with("__") && (at_root || field.name != "__typename") {
            return match at_root {
                // The router knows the answer.
                true => Ok(None),
                false => Err(GraphQLError::new(
                    Code::GraphqlValidationFailed,
                    format!("\"{}\" can be asked for at the root of a query only.", field.name),
                )),
            };
        }
        self.path.push(Value::String(field.selection_identifier().to_owned()));
        let needs = self.rules.needs_of(ty, &field.name);
        let kept = if needs.is_some_and(|needs| !needs.is_disjoint(&self.lacks.needs)) {
            self.deny(ty, &field.name);
            None
        } else {
            let mut kept = field.clone();
            if let Some(inner) = self.schema.field_return_type_name(ty, &field.name)
                && !field.selections.is_empty()
            {
                kept.selections = self.selections(&field.selections, inner)?;
                if kept.selections.is_empty() {
                    // Whether the object is there must be known even if nothing of it may be seen.
                    kept.selections.items.push(SelectionItem::Field(FieldSelection::new_skipped_typename()));
                }
            }
            Some(kept)
        };
        self.path.pop();
        Ok(kept)
    }

    fn deny(&mut self, ty: &str, field: &str) {
        let conditions = self.conditions.clone();
        let mut types = self.schema.interface_members(ty).cloned().unwrap_or_default();
        types.insert(ty.to_owned());
        let same = |denied: &&mut Denied| denied.error.path.as_ref() == Some(&self.path) && denied.types == types;
        if let Some(known) = self.denied.iter_mut().find(same) {
            known.alternatives.push(conditions);
            return;
        }
        let (code, why) = match self.lacks.anonymous {
            true => (Code::Unauthenticated, "needs a signed-in caller"),
            false => (Code::Forbidden, "needs rights that the caller lacks"),
        };
        let mut error = GraphQLError::new(code, format!("{ty}.{field} {why}."));
        error.path = Some(self.path.clone());
        self.denied.push(Denied { error, types, alternatives: vec![conditions] });
    }
}

/// What a directive asks for.
fn need(directive: &schema::Directive) -> Option<Need> {
    let lists = |name: &str| argument(directive, name).map(lists_of_texts).unwrap_or_default();
    match directive.name.as_str() {
        "authenticated" => Some(Need::SignedIn),
        "requiresScopes" => Some(Need::Scopes(lists("scopes"))),
        "policy" => Some(Need::Policies(lists("policies"))),
        _ => None,
    }
}

fn argument<'d>(directive: &'d schema::Directive, name: &str) -> Option<&'d query::Value> {
    directive.arguments.iter().find(|(argument, _)| argument == name).map(|(_, value)| value)
}

/// `[["a", "b"], ["c"]]`. What is no text cannot be met, so that a mistake closes rather than opens.
fn lists_of_texts(value: &query::Value) -> Vec<Vec<String>> {
    let items = |value: &query::Value| match value {
        query::Value::List(items) => items.clone(),
        single => vec![single.clone()],
    };
    let lists = items(value);
    lists
        .iter()
        .map(|list| {
            items(list)
                .iter()
                .map(|item| match item {
                    query::Value::String(text) => text.clone(),
                    other => other.to_string(),
                })
                .collect()
        })
        .collect()
}

fn type_directives(ty: &schema::TypeDefinition) -> &[schema::Directive] {
    match ty {
        schema::TypeDefinition::Object(ty) => &ty.directives,
        schema::TypeDefinition::Interface(ty) => &ty.directives,
        schema::TypeDefinition::Scalar(ty) => &ty.directives,
        schema::TypeDefinition::Enum(ty) => &ty.directives,
        schema::TypeDefinition::Union(ty) => &ty.directives,
        schema::TypeDefinition::InputObject(ty) => &ty.directives,
    }
}

/// The fields of a type and the interfaces that it implements.
fn composite(ty: &schema::TypeDefinition) -> (&[schema::Field], &[String]) {
    match ty {
        schema::TypeDefinition::Object(ty) => (&ty.fields, &ty.implements_interfaces),
        schema::TypeDefinition::Interface(ty) => (&ty.fields, &ty.implements_interfaces),
        _ => (&[], &[]),
    }
}
