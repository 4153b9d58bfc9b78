//! From a document's text to everything that is known of it before it runs: parsed, validated, authorised, planned.

pub(crate) mod alias;
mod authorization;
mod cache;
mod called;
pub(crate) mod collect;
mod conditions;
pub mod cost;
mod division;
pub(crate) mod document;
mod expansion;
mod introspection;
mod measure;
mod members;
mod merging;
mod names;
mod overrides;
mod pace;
mod required;
mod resumption;
mod supply;
mod variables;

pub use authorization::{Denied, Rules};
pub use cache::Cache;
pub use cost::Cost;
pub use hive_router_query_planner::state::supergraph_state::OperationKind;
pub use overrides::Overrides;
pub(crate) use resumption::AFTER_VARIABLE;
pub use resumption::Resumption;
pub use variables::{InputTypes, Program, Variables};

use crate::error::{Code, GraphQLError};
use crate::execute::{Names, Plan, Projection};
use crate::limits;
use crate::request::GraphQLRequest;
use crate::supergraph::Supergraph;
use crate::telemetry::metrics;
use ::metrics::Histogram;
use authorization::{Lacks, Permitted};
use document::{is_introspection, operation_name};
use graphql_tools::static_graphql::query;
use hansa_token::Claims;
use hive_router_query_planner::ast::normalization::{create_normalized_document, normalize_operation_mut};
use hive_router_query_planner::ast::operation::OperationDefinition;
use hive_router_query_planner::ast::selection_item::SelectionItem;
use hive_router_query_planner::ast::selection_set::SelectionSet;
use hive_router_query_planner::planner::plan_nodes::{PlanNode, QueryPlan, SequenceNode};
use hive_router_query_planner::utils::cancellation::CancellationToken;
use overrides::Draw;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long planning one operation may take.
const PLANNING_LIMIT: Duration = Duration::from_secs(5);

/// How many times the limit on fields an operation may have when its fragments are written out for every type.
const EXPANSION: usize = 2;

/// All that is known of one operation. Prepared once, then cached as long as its supergraph lives.
pub struct Operation {
    /// Query, mutation or subscription.
    pub kind: OperationKind,
    /// Its name in the document.
    pub name: Option<String>,
    /// The SHA-256 of the document's text, in hexadecimal: what names it in logs.
    pub hash: String,
    /// The fetches; `None` when nothing is to be fetched (introspection, `__typename`, or every field denied): the
    /// answer is then the projection of an empty object.
    pub plan: Option<Plan>,
    /// The shape of the answer. Compiled from the client's own document (parsed and validated, not normalised, so that
    /// the client's order is kept) with the denied fields still in it (they are absent from the fetched data, so they
    /// become null, and null their parent when non-null) and with `__schema` and `__type` (take their bytes from
    /// [`Operation::introspect`]).
    pub projection: Arc<Projection>,
    /// The variables' types and defaults.
    pub variables: Arc<Program>,
    /// What it costs.
    pub cost: Arc<Cost>,
    /// How a durable stream is gone on with; `None` of anything else.
    pub resumption: Option<Resumption>,
    /// How long it takes, of those times when nothing goes wrong.
    pub(crate) duration: Histogram,
    denied: Vec<Denied>,
    /// The document, if it asks for the schema.
    introspection: Option<Arc<query::Document>>,
}

impl Operation {
    /// The fields that the caller may not see and that are not skipped with these variables. Their positions in the
    /// answer hold null, even when a subgraph told them for another field's sake; a missing non-null field at such a
    /// path deserves no second error.
    pub fn denied<'a>(&'a self, variables: &'a Variables) -> impl Iterator<Item = &'a Denied> {
        self.denied.iter().filter(|denied| denied.applies(variables))
    }

    /// The answers to `__schema` and `__type` at the root, by response key.
    pub fn introspect(&self, supergraph: &Supergraph, variables: &Variables) -> Vec<(String, Box<RawValue>)> {
        let Some(document) = &self.introspection else { return Vec::new() };
        match document::choose(document, self.name.as_deref()) {
            Ok(operation) => introspection::answer(&supergraph.api, document, operation, variables),
            Err(_) => Vec::new(),
        }
    }
}

/// What metrics and logs call a kind of operation: `query`, `mutation` or `subscription`.
pub(crate) fn kind(kind: &OperationKind) -> &'static str {
    match kind {
        OperationKind::Query => "query",
        OperationKind::Mutation => "mutation",
        OperationKind::Subscription => "subscription",
    }
}

/// Prepares an operation, or finds it prepared.
///
/// # Errors
/// What is wrong with the document, for clients.
pub async fn prepare(
    supergraph: &Arc<Supergraph>,
    limits: &limits::Operation,
    request: &GraphQLRequest,
    claims: Option<&Claims>,
) -> Result<Arc<Operation>, Vec<GraphQLError>> {
    let Some(text) = request.query.as_deref() else {
        return Err(vec![GraphQLError::new(Code::BadRequest, "The request has no query.")]);
    };
    let name = request.operation_name.as_deref().filter(|name| !name.is_empty());
    let variables = request.variables.as_ref();
    supergraph.operations.get(supergraph, limits, text, name, variables, claims).await.map_err(|errors| errors.to_vec())
}

/// Coerces the variable values that a client sent.
///
/// # Errors
/// `BAD_USER_INPUT`, one for each value that does not fit.
pub fn coerce(operation: &Operation, variables: Option<&Map<String, Value>>) -> Result<Variables, Vec<GraphQLError>> {
    operation.variables.coerce(variables)
}

/// What is known of an operation whoever asks for it.
struct Blueprint {
    kind: OperationKind,
    name: Option<String>,
    hash: String,
    /// The operation as the planner wants it, with nothing taken out.
    normalized: OperationDefinition,
    projection: Arc<Projection>,
    /// The response keys of the projection.
    names: Names,
    variables: Arc<Program>,
    cost: Arc<Cost>,
    introspection: Option<Arc<query::Document>>,
    needs: BTreeSet<authorization::NeedId>,
    /// The variables of its conditions.
    conditions: Vec<String>,
    /// The document, if it has conditions: it is normalised again for their values.
    document: Option<Arc<query::Document>>,
}

impl Blueprint {
    /// Parses, measures, validates, normalises and adds up the cost.
    fn new(
        supergraph: &Supergraph,
        limits: &limits::Operation,
        text: &str,
        name: Option<&str>,
    ) -> Result<Self, Vec<GraphQLError>> {
        let mut document = document::parse(text, limits).map_err(|error| vec![error])?;
        measure::check(&document, limits)?;
        document::validate(&supergraph.api, &document)?;
        let conditions = conditions::variables(&document);
        if conditions.len() > limits.max_conditions {
            let message = format!("The document has more than {} variables for conditions.", limits.max_conditions);
            return Err(vec![GraphQLError::new(Code::OperationTooComplex, message)]);
        }
        let schema = &supergraph.planner.supergraph;
        alias::set_apart(&mut document, schema);
        let document = Arc::new(document);
        let operation = document::choose(&document, name).map_err(|error| vec![error])?;
        let most = limits.max_fields.saturating_mul(EXPANSION);
        expansion::check(schema, &document, operation, most).map_err(|error| vec![error])?;

        let normalized = normalize(supergraph, &document, name)?;
        let introspections = measure::introspections(&document, operation);
        let cost = Cost::compile(supergraph, limits, &normalized, introspections).map_err(|error| vec![error])?;
        // Planning is the dearest part: not for what will be refused whatever its variables are.
        cost.constant().map_or(Ok(()), |cost| cost::check(cost, limits)).map_err(|error| vec![error])?;
        let mut names = Names::default();
        let max_size = limits.max_response_bytes;
        let projection = Projection::compile(&mut names, &supergraph.planner, &document, operation, max_size);
        Ok(Self {
            kind: normalized.operation_kind.clone().unwrap_or(OperationKind::Query),
            name: operation_name(operation).map(str::to_owned),
            hash: hash(text),
            needs: supergraph.authorization.needs(&normalized, schema),
            normalized,
            projection: Arc::new(projection),
            names,
            variables: Arc::new(Program::compile(operation.variable_definitions(), &supergraph.inputs)),
            cost: Arc::new(cost),
            introspection: asks_for_schema(&document).then(|| document.clone()),
            document: (!conditions.is_empty()).then(|| document.clone()),
            conditions,
        })
    }

    /// What sets a request apart from others for the same operation.
    fn variant(
        &self,
        supergraph: &Supergraph,
        variables: Option<&Map<String, Value>>,
        claims: Option<&Claims>,
    ) -> Variant {
        let conditions = self.conditions.iter().map(|name| self.variables.is_true(name, variables));
        let lacks = supergraph.authorization.lacking(&self.needs, claims);
        Variant { lacks, draw: supergraph.overrides.draw(), conditions: conditions.collect() }
    }

    /// The operation as it is when its conditions' variables have these values.
    fn settle(
        &self,
        supergraph: &Supergraph,
        document: &query::Document,
        values: &[bool],
    ) -> Result<OperationDefinition, Vec<GraphQLError>> {
        let mut document = document.clone();
        let values: HashMap<&str, bool> =
            self.conditions.iter().map(String::as_str).zip(values.iter().copied()).collect();
        conditions::settle(&mut document, &values);
        normalize(supergraph, &document, self.name.as_deref())
    }

    /// Plans for callers who lack these rights, with this outcome of the draw for percentages and these conditions.
    fn plan(&self, supergraph: &Supergraph, variant: &Variant) -> Result<Operation, Vec<GraphQLError>> {
        let planner = &supergraph.planner;
        let settled = self.document.as_ref().map(|document| self.settle(supergraph, document, &variant.conditions));
        let settled = settled.transpose()?;
        let normalized = settled.as_ref().unwrap_or(&self.normalized);
        let permitted = supergraph.authorization.permit(normalized, &variant.lacks, &planner.supergraph);
        let Permitted { operation, denied } = permitted.map_err(|error| vec![error])?;
        let begun = Instant::now();
        let mut resumption = None;
        let plan = operation.map(|mut operation| {
            resumption = resumption::prepare(&mut operation, &planner.supergraph);
            let limit = CancellationToken::with_timeout(PLANNING_LIMIT);
            let context = || supergraph.overrides.context(variant.draw.unwrap_or_default());
            let plan = |operation| division::plan(supergraph, operation, &context, &limit, &self.hash);
            match series(&operation) {
                Some(steps) => steps.iter().map(plan).collect::<Result<_, _>>().map(one_after_the_other),
                None => plan(&operation),
            }
        });
        let mut plan = plan.transpose().map_err(|error| {
            if begun.elapsed() >= PLANNING_LIMIT {
                return vec![GraphQLError::new(Code::OperationTooComplex, "The operation takes too long to plan.")];
            }
            tracing::error!(document = self.hash, operation = self.name, error, "an operation cannot be planned");
            vec![GraphQLError::new(Code::Internal, "The operation cannot be planned.")]
        })?;
        if let Some(node) = plan.as_mut().and_then(|plan| plan.node.as_mut()) {
            required::settle(node, &supergraph.required, &planner.supergraph);
        }
        Ok(Operation {
            kind: self.kind.clone(),
            name: self.name.clone(),
            hash: self.hash.clone(),
            plan: plan.map(|plan| Plan::compile(plan, &planner.supergraph, self.names.clone())),
            projection: self.projection.clone(),
            variables: self.variables.clone(),
            cost: self.cost.clone(),
            resumption,
            duration: metrics::operation_duration(kind(&self.kind), "ok"),
            denied,
            introspection: self.introspection.clone(),
        })
    }
}

/// What sets requests for one operation apart: those that are equal in it have the same plan.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Variant {
    lacks: Lacks,
    /// Nothing when nothing is left to chance.
    draw: Option<Draw>,
    /// The values of [`Blueprint::conditions`].
    conditions: Vec<bool>,
}

/// The root fields of a mutation, each as a mutation of its own: everything below one has to be there before the next
/// begins (GraphQL spec, "Serial Execution"), while a plan of them all puts what is below them last.
fn series(operation: &OperationDefinition) -> Option<Vec<OperationDefinition>> {
    let items = &operation.selection_set.items;
    if operation.operation_kind != Some(OperationKind::Mutation) || items.len() < 2 {
        return None;
    }
    let mut keys = BTreeSet::new();
    let is_alone = |item: &SelectionItem| match item {
        SelectionItem::Field(field) => keys.insert(field.selection_identifier().to_owned()),
        _ => false,
    };
    // A field that is there twice is still run once.
    if !items.iter().all(is_alone) {
        return None;
    }
    let step = |item: &SelectionItem| {
        let selection_set = SelectionSet { items: vec![item.clone()] };
        OperationDefinition { selection_set, ..operation.clone() }
    };
    Some(items.iter().map(step).collect())
}

fn one_after_the_other(plans: Vec<QueryPlan>) -> QueryPlan {
    let nodes = plans.into_iter().filter_map(|plan| plan.node).collect();
    QueryPlan { kind: "QueryPlan", node: Some(PlanNode::Sequence(SequenceNode { nodes })) }
}

/// What names a document in logs.
fn hash(text: &str) -> String {
    format!("{:x}", Sha256::digest(text))
}

fn normalize(
    supergraph: &Supergraph,
    document: &query::Document,
    name: Option<&str>,
) -> Result<OperationDefinition, Vec<GraphQLError>> {
    let internal = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "an operation cannot be normalised");
        vec![GraphQLError::new(Code::Internal, "The operation cannot be planned.")]
    };
    let mut document = document.clone();
    for definition in &mut document.definitions {
        let selections = match definition {
            query::Definition::Fragment(fragment) => &mut fragment.selection_set,
            query::Definition::Operation(operation) => selections_mut(operation),
        };
        hollow_introspection(selections);
    }
    let schema = &supergraph.planner.supergraph;
    normalize_operation_mut(schema, &mut document, name, None, None).map_err(|error| internal(&error))?;
    let operation = document.definitions.into_iter().find_map(|definition| match definition {
        query::Definition::Operation(operation) => Some(operation),
        query::Definition::Fragment(_) => None,
    });
    let operation = operation.ok_or_else(|| internal(&"it is gone"))?;
    let mut operation = create_normalized_document(schema, operation, name.map(str::to_owned)).operation;
    for item in &mut operation.selection_set.items {
        if let SelectionItem::Field(field) = item {
            bare_typenames(&mut field.selections);
        }
    }
    if let Ok(root) = schema.root_type_name(operation.operation_kind.as_ref()) {
        members::ask(&mut operation.selection_set, root, schema);
    }
    Ok(operation)
}

/// Asks for `__typename` by its own name and always: the projection writes it where and as the client wants it, and the
/// planner does not notice when the client calls it like another field.
fn bare_typenames(selections: &mut SelectionSet) {
    let mut known = false;
    selections.items.retain_mut(|item| match item {
        SelectionItem::Field(field) if field.name == "__typename" => {
            (field.alias, field.skip_if, field.include_if) = (None, None, None);
            !std::mem::replace(&mut known, true)
        }
        SelectionItem::Field(field) => {
            bare_typenames(&mut field.selections);
            true
        }
        SelectionItem::InlineFragment(fragment) => {
            bare_typenames(&mut fragment.selections);
            true
        }
        SelectionItem::FragmentSpread(_) => true,
    });
}

/// Takes the selections out of `__schema` and `__type`: the planner knows nothing of the types below.
fn hollow_introspection(selections: &mut query::SelectionSet) {
    for selection in &mut selections.items {
        match selection {
            query::Selection::Field(field) if is_introspection(&field.name) => field.selection_set.items.clear(),
            query::Selection::Field(field) => hollow_introspection(&mut field.selection_set),
            query::Selection::InlineFragment(fragment) => hollow_introspection(&mut fragment.selection_set),
            query::Selection::FragmentSpread(_) => {}
        }
    }
}

fn selections_mut(operation: &mut query::OperationDefinition) -> &mut query::SelectionSet {
    match operation {
        query::OperationDefinition::SelectionSet(selections) => selections,
        query::OperationDefinition::Query(operation) => &mut operation.selection_set,
        query::OperationDefinition::Mutation(operation) => &mut operation.selection_set,
        query::OperationDefinition::Subscription(operation) => &mut operation.selection_set,
    }
}

fn asks_for_schema(document: &query::Document) -> bool {
    fn asks(selections: &query::SelectionSet) -> bool {
        selections.items.iter().any(|selection| match selection {
            query::Selection::Field(field) => is_introspection(&field.name) || asks(&field.selection_set),
            query::Selection::InlineFragment(fragment) => asks(&fragment.selection_set),
            query::Selection::FragmentSpread(_) => false,
        })
    }
    document::operations(document).any(|operation| asks(operation.selection_set()))
        || document::fragments(document).any(|fragment| asks(&fragment.selection_set))
}
