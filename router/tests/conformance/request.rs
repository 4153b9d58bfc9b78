//! One request to a subgraph: its operation, variables and the errors so far.

use graphql_tools::static_graphql::{query, schema};
use serde_json::{Map, Value, json};

pub struct Request {
    document: query::Document,
    variables: Value,
    pub errors: Vec<Value>,
}

impl Request {
    pub fn new(document: query::Document, variables: Value) -> Self {
        Self { document, variables, errors: Vec::new() }
    }

    /// The root type and selections of its only operation.
    pub fn operation(&self) -> (&'static str, query::SelectionSet) {
        let operation = self.document.definitions.iter().find_map(|definition| match definition {
            query::Definition::Operation(operation) => Some(operation),
            query::Definition::Fragment(_) => None,
        });
        match operation.unwrap() {
            query::OperationDefinition::SelectionSet(selections) => ("Query", selections.clone()),
            query::OperationDefinition::Query(query) => ("Query", query.selection_set.clone()),
            query::OperationDefinition::Mutation(mutation) => ("Mutation", mutation.selection_set.clone()),
            query::OperationDefinition::Subscription(_) => panic!("subscriptions have tests of their own"),
        }
    }

    /// A variable that must be given and is not.
    pub fn missing_variable(&self) -> Option<String> {
        let definitions = self.document.definitions.iter().flat_map(|definition| match definition {
            query::Definition::Operation(query::OperationDefinition::Query(query)) => &query.variable_definitions[..],
            query::Definition::Operation(query::OperationDefinition::Mutation(mutation)) => {
                &mutation.variable_definitions
            }
            _ => &[],
        });
        let mut needed = definitions.filter(|definition| {
            matches!(definition.var_type, schema::Type::NonNullType(_)) && definition.default_value.is_none()
        });
        needed.find(|definition| self.variables[&definition.name].is_null()).map(|definition| definition.name.clone())
    }

    pub fn fail(&mut self, message: &str, path: &[Value]) {
        self.errors.push(json!({ "message": message, "path": path, "extensions": { "code": "FAILED" } }));
    }

    pub fn has_error_at(&self, path: &[Value]) -> bool {
        self.errors.iter().any(|error| error["path"].as_array().is_some_and(|at| at.starts_with(path)))
    }

    /// A field's arguments; those whose variable is not given are left out.
    pub fn arguments(&self, field: &query::Field) -> Map<String, Value> {
        let given = field.arguments.iter().filter_map(|(name, value)| Some((name.clone(), self.value(value)?)));
        given.collect()
    }

    fn value(&self, value: &query::Value) -> Option<Value> {
        Some(match value {
            query::Value::Variable(name) => return self.variables.get(name).cloned(),
            query::Value::Int(number) => json!(number.as_i64()),
            query::Value::Float(number) => json!(number),
            query::Value::String(text) | query::Value::Enum(text) => json!(text),
            query::Value::Boolean(is) => json!(is),
            query::Value::Null => Value::Null,
            query::Value::List(items) => items.iter().filter_map(|item| self.value(item)).collect(),
            query::Value::Object(fields) => {
                fields.iter().filter_map(|(name, value)| Some((name.clone(), self.value(value)?))).collect()
            }
        })
    }

    /// The fields that are selected of an object, by response key.
    pub fn collect(
        &self,
        schema: &schema::Document,
        type_name: &str,
        selections: &[&query::SelectionSet],
    ) -> Vec<(String, Vec<query::Field>)> {
        let mut fields = Vec::new();
        for selections in selections {
            self.collect_into(schema, type_name, selections, &mut fields);
        }
        fields
    }

    fn collect_into(
        &self,
        schema: &schema::Document,
        type_name: &str,
        selections: &query::SelectionSet,
        fields: &mut Vec<(String, Vec<query::Field>)>,
    ) {
        for item in &selections.items {
            match item {
                query::Selection::Field(field) if self.includes(&field.directives) => {
                    let key = field.alias.as_ref().unwrap_or(&field.name);
                    match fields.iter_mut().find(|(known, _)| known == key) {
                        Some((_, same)) => same.push(field.clone()),
                        None => fields.push((key.clone(), vec![field.clone()])),
                    }
                }
                query::Selection::InlineFragment(fragment)
                    if self.includes(&fragment.directives)
                        && fragment.type_condition.as_ref().is_none_or(|on| applies(schema, on, type_name)) =>
                {
                    self.collect_into(schema, type_name, &fragment.selection_set, fields);
                }
                query::Selection::FragmentSpread(spread) if self.includes(&spread.directives) => {
                    let fragment = self.document.definitions.iter().find_map(|definition| match definition {
                        query::Definition::Fragment(fragment) if fragment.name == spread.fragment_name => {
                            Some(fragment)
                        }
                        _ => None,
                    });
                    let fragment = fragment.unwrap();
                    if applies(schema, &fragment.type_condition, type_name) {
                        self.collect_into(schema, type_name, &fragment.selection_set, fields);
                    }
                }
                _ => {}
            }
        }
    }

    fn includes(&self, directives: &[query::Directive]) -> bool {
        let is = |name: &str| {
            let directive = directives.iter().find(|directive| directive.name == name)?;
            self.value(named(&directive.arguments, "if")?)?.as_bool()
        };
        is("skip") != Some(true) && is("include") != Some(false)
    }
}

/// Whether a fragment on this type applies to objects of that type.
fn applies(schema: &schema::Document, on: &query::TypeCondition, type_name: &str) -> bool {
    let query::TypeCondition::On(on) = on;
    on == type_name
        || match schema.type_by_name(on) {
            Some(schema::TypeDefinition::Union(union)) => union.types.iter().any(|member| member == type_name),
            Some(schema::TypeDefinition::Interface(_)) => match schema.type_by_name(type_name) {
                Some(schema::TypeDefinition::Object(object)) => object.implements_interfaces.contains(on),
                _ => false,
            },
            _ => false,
        }
}

/// The argument of this name.
pub fn named<'a, T>(arguments: &'a [(String, T)], name: &str) -> Option<&'a T> {
    arguments.iter().find(|(known, _)| known == name).map(|(_, value)| value)
}
