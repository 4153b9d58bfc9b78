//! A document's text: parsed, measured against the limits, validated.

use super::merging;
use crate::error::{Code, GraphQLError, Location};
use crate::limits;
use crate::supergraph::ApiSchema;
use graphql_tools::parser::Pos;
use graphql_tools::parser::query::parse_query_with_token_limit;
use graphql_tools::static_graphql::query;
use graphql_tools::validation::rules::{NoFragmentsCycle, ValidationRule, default_rules_validation_plan};
use graphql_tools::validation::utils::ValidationError;
use graphql_tools::validation::validate::{ValidationPlan, validate as validate_document};
use std::collections::BTreeSet;

/// Parses a document.
pub(super) fn parse(text: &str, limits: &limits::Operation) -> Result<query::Document, GraphQLError> {
    let document = parse_query_with_token_limit::<String>(text, limits.max_tokens);
    document.map(|document| document.into_static()).map_err(|error| {
        let position = error.0.position;
        let explanation = error.to_string();
        if explanation.contains("Token limit exceeded") {
            let message = format!("The document has more than {} tokens.", limits.max_tokens);
            return GraphQLError::new(Code::OperationTooComplex, message);
        }
        // The first line says where, which the location does better.
        let what: Vec<&str> = explanation.lines().skip(1).map(str::trim).filter(|line| !line.is_empty()).collect();
        let message = format!("Syntax error: {}", what.join("; "));
        located(GraphQLError::new(Code::GraphqlParseFailed, message), position)
    })
}

/// Checks a document against the schema that clients see (GraphQL spec, "Validation").
pub(super) fn validate(api: &ApiSchema, document: &query::Document) -> Result<(), Vec<GraphQLError>> {
    let missing: Vec<_> = operations(document).filter_map(|operation| missing_root(api, operation)).collect();
    if !missing.is_empty() {
        return Err(missing);
    }
    // Before the other rules: what has cycles has no size.
    let cycles: Vec<Box<dyn ValidationRule>> = vec![Box::new(NoFragmentsCycle::new())];
    let mut errors = validate_document(&api.document, document, &ValidationPlan::from(cycles));
    if errors.is_empty() {
        let mut plan = default_rules_validation_plan();
        plan.rules.retain(|rule| rule.error_code() != "OverlappingFieldsCanBeMerged");
        errors = validate_document(&api.document, document, &plan);
    }
    // Some rules report in the order of a hash map.
    let place = |error: &ValidationError| error.locations.first().map(|position| (position.line, position.column));
    errors.sort_by(|a, b| (place(a), &a.message).cmp(&(place(b), &b.message)));
    errors.truncate(100);
    if errors.is_empty() {
        merging::check(api, document)?;
        let several: Vec<_> = operations(document).filter_map(|operation| several_roots(document, operation)).collect();
        return if several.is_empty() { Ok(()) } else { Err(several) };
    }
    Err(errors
        .into_iter()
        .map(|error| {
            let mut reported = GraphQLError::new(Code::GraphqlValidationFailed, error.message);
            reported.locations = error.locations.into_iter().map(location).collect();
            reported
        })
        .collect())
}

/// The error of an operation of a kind that the schema does not have; the validation rules take the root for given.
fn missing_root(api: &ApiSchema, operation: &query::OperationDefinition) -> Option<GraphQLError> {
    let (kind, position) = match operation {
        query::OperationDefinition::Mutation(mutation) if api.document.mutation_type().is_none() => {
            ("mutation", mutation.position)
        }
        query::OperationDefinition::Subscription(subscription) if api.document.subscription_type().is_none() => {
            ("subscription", subscription.position)
        }
        _ => return None,
    };
    let message = format!("The schema has no {kind}s.");
    Some(located(GraphQLError::new(Code::GraphqlValidationFailed, message), position))
}

/// The error of a subscription with several response names at its root (GraphQL spec, "Single Root Field"): the library's
/// rule goes by the names of fields and lets aliases of one field pass.
fn several_roots(document: &query::Document, operation: &query::OperationDefinition) -> Option<GraphQLError> {
    let query::OperationDefinition::Subscription(subscription) = operation else { return None };
    let mut names = BTreeSet::new();
    response_names(document, &subscription.selection_set, &mut names);
    let message = "A subscription must select one root field only.";
    (names.len() > 1).then(|| located(GraphQLError::new(Code::GraphqlValidationFailed, message), subscription.position))
}

/// The response names of a selection set, through its fragments. The document is valid, so that these end.
fn response_names<'d>(document: &'d query::Document, set: &'d query::SelectionSet, names: &mut BTreeSet<&'d str>) {
    for selection in &set.items {
        match selection {
            query::Selection::Field(field) => {
                names.insert(field.alias.as_deref().unwrap_or(&field.name));
            }
            query::Selection::InlineFragment(inline) => response_names(document, &inline.selection_set, names),
            query::Selection::FragmentSpread(spread) => fragments(document)
                .filter(|fragment| fragment.name == spread.fragment_name)
                .for_each(|fragment| response_names(document, &fragment.selection_set, names)),
        }
    }
}

/// The operation that `operationName` chooses (GraphQL spec, "GetOperation").
pub(crate) fn choose<'d>(
    document: &'d query::Document,
    name: Option<&str>,
) -> Result<&'d query::OperationDefinition, GraphQLError> {
    let mut operations = operations(document);
    let not_found = |message: String| GraphQLError::new(Code::OperationNotFound, message);
    match name {
        Some(name) => operations
            .find(|operation| operation_name(operation) == Some(name))
            .ok_or_else(|| not_found(format!("The document has no operation named \"{name}\"."))),
        None => {
            let operation = operations.next().ok_or_else(|| not_found("The document has no operation.".into()))?;
            match operations.next() {
                None => Ok(operation),
                Some(_) => Err(not_found("The document has several operations: say which by operationName.".into())),
            }
        }
    }
}

/// The operations of a document.
pub(super) fn operations(document: &query::Document) -> impl Iterator<Item = &query::OperationDefinition> {
    document.definitions.iter().filter_map(|definition| match definition {
        query::Definition::Operation(operation) => Some(operation),
        query::Definition::Fragment(_) => None,
    })
}

/// The fragments of a document.
pub(super) fn fragments(document: &query::Document) -> impl Iterator<Item = &query::FragmentDefinition> {
    document.definitions.iter().filter_map(|definition| match definition {
        query::Definition::Fragment(fragment) => Some(fragment),
        query::Definition::Operation(_) => None,
    })
}

/// An operation's name.
pub(super) fn operation_name(operation: &query::OperationDefinition) -> Option<&str> {
    match operation {
        query::OperationDefinition::SelectionSet(_) => None,
        query::OperationDefinition::Query(operation) => operation.name.as_deref(),
        query::OperationDefinition::Mutation(operation) => operation.name.as_deref(),
        query::OperationDefinition::Subscription(operation) => operation.name.as_deref(),
    }
}

/// Says where an error is.
pub(super) fn located(mut error: GraphQLError, position: Pos) -> GraphQLError {
    error.locations = vec![location(position)];
    error
}

pub(super) fn location(position: Pos) -> Location {
    Location { line: position.line, column: position.column }
}

/// Whether a field is answered by the router itself, from the schema.
pub(super) fn is_introspection(field: &str) -> bool {
    matches!(field, "__schema" | "__type")
}
