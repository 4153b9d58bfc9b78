//! How long the names in a document are. They come back in answers, once for each item of a list, and in messages, once
//! for each operation: a long one is no more than a way to make much of little.

use graphql_tools::static_graphql::query::{
    Definition, Directive, Document, OperationDefinition, Selection, SelectionSet, Type, TypeCondition, Value,
    VariableDefinition,
};

/// Whether one of its names, of whatever kind, has more than so many bytes.
pub(super) fn has_longer(document: &Document, max: usize) -> bool {
    document.definitions.iter().any(|definition| match definition {
        Definition::Fragment(fragment) => {
            let TypeCondition::On(on) = &fragment.type_condition;
            is_longer(&fragment.name, max)
                || is_longer(on, max)
                || in_directives(&fragment.directives, max)
                || in_selections(&fragment.selection_set, max)
        }
        Definition::Operation(operation) => in_operation(operation, max),
    })
}

fn is_longer(name: &str, max: usize) -> bool {
    name.len() > max
}

fn in_operation(operation: &OperationDefinition, max: usize) -> bool {
    let (name, variables, directives) = match operation {
        OperationDefinition::SelectionSet(_) => (None, &[][..], &[][..]),
        OperationDefinition::Query(query) => {
            (query.name.as_ref(), &query.variable_definitions[..], &query.directives[..])
        }
        OperationDefinition::Mutation(mutation) => {
            (mutation.name.as_ref(), &mutation.variable_definitions[..], &mutation.directives[..])
        }
        OperationDefinition::Subscription(subscription) => {
            (subscription.name.as_ref(), &subscription.variable_definitions[..], &subscription.directives[..])
        }
    };
    let in_variable = |variable: &VariableDefinition| {
        is_longer(&variable.name, max)
            || in_type(&variable.var_type, max)
            || variable.default_value.as_ref().is_some_and(|value| in_value(value, max))
    };
    name.is_some_and(|name| is_longer(name, max))
        || variables.iter().any(in_variable)
        || in_directives(directives, max)
        || in_selections(operation.selection_set(), max)
}

fn in_selections(selections: &SelectionSet, max: usize) -> bool {
    selections.items.iter().any(|selection| match selection {
        Selection::Field(field) => {
            is_longer(&field.name, max)
                || field.alias.as_ref().is_some_and(|alias| is_longer(alias, max))
                || in_fields(&field.arguments, max)
                || in_directives(&field.directives, max)
                || in_selections(&field.selection_set, max)
        }
        Selection::InlineFragment(fragment) => {
            fragment.type_condition.as_ref().is_some_and(|TypeCondition::On(on)| is_longer(on, max))
                || in_directives(&fragment.directives, max)
                || in_selections(&fragment.selection_set, max)
        }
        Selection::FragmentSpread(spread) => {
            is_longer(&spread.fragment_name, max) || in_directives(&spread.directives, max)
        }
    })
}

fn in_directives(directives: &[Directive], max: usize) -> bool {
    directives.iter().any(|directive| is_longer(&directive.name, max) || in_fields(&directive.arguments, max))
}

/// In arguments, or the fields of an object.
fn in_fields(fields: &[(String, Value)], max: usize) -> bool {
    fields.iter().any(|(name, value)| is_longer(name, max) || in_value(value, max))
}

fn in_value(value: &Value, max: usize) -> bool {
    match value {
        Value::Variable(name) | Value::Enum(name) => is_longer(name, max),
        Value::List(items) => items.iter().any(|item| in_value(item, max)),
        Value::Object(fields) => in_fields(fields, max),
        Value::Int(_) | Value::Float(_) | Value::String(_) | Value::Boolean(_) | Value::Null => false,
    }
}

fn in_type(ty: &Type, max: usize) -> bool {
    match ty {
        Type::NamedType(name) => is_longer(name, max),
        Type::ListType(inner) | Type::NonNullType(inner) => in_type(inner, max),
    }
}
