//! Coercion of variable values (GraphQL spec, "Coercing Variable Values" and "Input Coercion").

use crate::error::{Code, GraphQLError, Location};
use crate::supergraph::ApiSchema;
use graphql_tools::parser::Pos;
use graphql_tools::static_graphql::{query, schema};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};
use std::fmt::{self, Display};
use std::sync::Arc;

/// More problems than this, of one variable or of all, tell a client nothing new.
const MOST: usize = 20;

/// What is known of an operation's variables: their types and defaults, compiled once.
#[derive(Debug)]
pub struct Program {
    variables: Vec<Variable>,
    types: Arc<InputTypes>,
}

#[derive(Debug)]
struct Variable {
    name: String,
    ty: query::Type,
    default: Option<Value>,
    position: Pos,
}

/// Variable values that fit their types, with defaults filled in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Variables(Map<String, Value>);

impl Variables {
    /// The value of a variable; `None` when it was neither given nor has a default.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Whether a Boolean variable (of `@skip` or `@include`) is true.
    pub fn is_true(&self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    /// All values, by name.
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }
}

impl FromIterator<(String, Value)> for Variables {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

/// The types that a variable may have, by name.
#[derive(Debug)]
pub struct InputTypes(HashMap<String, InputType>);

#[derive(Debug)]
enum InputType {
    Int,
    Float,
    String,
    Boolean,
    Id,
    /// Any JSON: what it means is known to its subgraph only.
    CustomScalar,
    Enum(HashSet<String>),
    Object {
        fields: Vec<InputField>,
        one_of: bool,
    },
}

#[derive(Debug)]
struct InputField {
    name: String,
    ty: query::Type,
    default: Option<Value>,
}

impl InputTypes {
    /// The input types of a schema.
    pub fn new(api: &ApiSchema) -> Self {
        let types = api.types().filter_map(|definition| {
            let ty = match definition {
                schema::TypeDefinition::Scalar(scalar) => match scalar.name.as_str() {
                    "Int" => InputType::Int,
                    "Float" => InputType::Float,
                    "String" => InputType::String,
                    "Boolean" => InputType::Boolean,
                    "ID" => InputType::Id,
                    _ => InputType::CustomScalar,
                },
                schema::TypeDefinition::Enum(definition) => {
                    InputType::Enum(definition.values.iter().map(|value| value.name.clone()).collect())
                }
                schema::TypeDefinition::InputObject(object) => InputType::Object {
                    fields: object.fields.iter().map(InputField::from).collect(),
                    one_of: object.directives.iter().any(|directive| directive.name == "oneOf"),
                },
                _ => return None,
            };
            Some((definition.name().to_owned(), ty))
        });
        Self(types.collect())
    }
}

impl From<&schema::InputValue> for InputField {
    fn from(field: &schema::InputValue) -> Self {
        Self {
            name: field.name.clone(),
            ty: field.value_type.clone(),
            default: field.default_value.as_ref().map(to_json),
        }
    }
}

impl Program {
    /// The program for the variables of a valid operation.
    pub(super) fn compile(definitions: &[query::VariableDefinition], types: &Arc<InputTypes>) -> Self {
        let variables = definitions.iter().map(|definition| Variable {
            name: definition.name.clone(),
            ty: definition.var_type.clone(),
            default: definition.default_value.as_ref().map(to_json),
            position: definition.position,
        });
        Self { variables: variables.collect(), types: types.clone() }
    }

    /// Whether a Boolean variable is true, of the values that a client sent, before they are coerced.
    pub(super) fn is_true(&self, name: &str, given: Option<&Map<String, Value>>) -> bool {
        let default = || self.variables.iter().find(|variable| variable.name == name)?.default.as_ref();
        given.and_then(|given| given.get(name)).or_else(default) == Some(&Value::Bool(true))
    }

    /// Coerces the values that a client sent; those of variables that the operation does not have are ignored.
    ///
    /// # Errors
    /// `BAD_USER_INPUT`, one for each value that does not fit.
    pub fn coerce(&self, given: Option<&Map<String, Value>>) -> Result<Variables, Vec<GraphQLError>> {
        let mut values = Map::new();
        let mut errors = Vec::new();
        for variable in &self.variables {
            if errors.len() >= MOST {
                break;
            }
            let given = given.and_then(|given| given.get(&variable.name));
            let Some(value) = given.or(variable.default.as_ref()) else {
                if variable.ty.is_non_null() {
                    errors.push(variable.error(format!("of required type {} was not provided", variable.ty)));
                }
                continue;
            };
            let mut coercion = Coercion { types: &self.types, path: Vec::new(), problems: Vec::new() };
            let value = coercion.value(value, &variable.ty);
            errors.extend(coercion.problems.into_iter().map(|problem| variable.error(problem)));
            values.insert(variable.name.clone(), value);
        }
        if errors.is_empty() { Ok(Variables(values)) } else { Err(errors) }
    }
}

impl Variable {
    fn error(&self, problem: String) -> GraphQLError {
        let mut error = GraphQLError::new(Code::BadUserInput, format!("Variable \"${}\" {problem}.", self.name));
        error.locations = vec![Location { line: self.position.line, column: self.position.column }];
        error
    }
}

struct Coercion<'c> {
    types: &'c InputTypes,
    path: Vec<Step<'c>>,
    problems: Vec<String>,
}

enum Step<'c> {
    Field(&'c str),
    Item(usize),
}

impl<'c> Coercion<'c> {
    /// The coerced value; null, and a problem, when the value does not fit.
    fn value(&mut self, value: &'c Value, ty: &'c query::Type) -> Value {
        match (ty, value) {
            (query::Type::NonNullType(_), Value::Null) => self.problem(format_args!("expected {ty}, got null")),
            (query::Type::NonNullType(inner), value) => self.value(value, inner),
            (_, Value::Null) => Value::Null,
            (query::Type::ListType(inner), Value::Array(items)) => items
                .iter()
                .enumerate()
                .map(|(index, item)| self.at(Step::Item(index), |coercion| coercion.value(item, inner)))
                .collect(),
            // A single value stands for the list of it.
            (query::Type::ListType(inner), value) => Value::Array(vec![self.value(value, inner)]),
            (query::Type::NamedType(name), value) => self.named(value, name),
        }
    }

    fn named(&mut self, value: &'c Value, name: &str) -> Value {
        let Some(ty) = self.types.0.get(name) else {
            return self.problem(format_args!("{name} is not an input type"));
        };
        match (ty, value) {
            (InputType::CustomScalar, value) => value.clone(),
            (InputType::Boolean, Value::Bool(_)) | (InputType::String | InputType::Id, Value::String(_)) => {
                value.clone()
            }
            (InputType::Float, Value::Number(_)) => value.clone(),
            (InputType::Id, Value::Number(number)) if !number.is_f64() => Value::String(number.to_string()),
            (InputType::Int, Value::Number(number)) => match as_int(number) {
                Some(int) => int.into(),
                None => self.problem(format_args!("{number} is not a 32-bit integer")),
            },
            (InputType::Enum(values), Value::String(given)) if values.contains(given) => value.clone(),
            (InputType::Enum(_), Value::String(_)) => self.problem(format_args!("it is not a value of enum {name}")),
            (InputType::Object { fields, one_of }, Value::Object(given)) => self.object(given, name, fields, *one_of),
            (_, other) => self.problem(format_args!("expected {name}, got {}", kind(other))),
        }
    }

    fn object(&mut self, given: &'c Map<String, Value>, name: &str, fields: &'c [InputField], one_of: bool) -> Value {
        for unknown in given.keys().filter(|key| fields.iter().all(|field| field.name != **key)) {
            self.at(Step::Field(unknown), |coercion| {
                coercion.problem(format_args!("{name} has no such field"));
            });
        }
        if one_of && (given.len() != 1 || given.values().any(Value::is_null)) {
            return self.problem(format_args!("exactly one field of {name} must be given, and not null"));
        }
        let mut values = Map::new();
        for field in fields {
            let Some(value) = given.get(&field.name).or(field.default.as_ref()) else {
                if field.ty.is_non_null() {
                    self.at(Step::Field(&field.name), |coercion| {
                        coercion.problem(format_args!("a value of type {} is required", field.ty));
                    });
                }
                continue;
            };
            let value = self.at(Step::Field(&field.name), |coercion| coercion.value(value, &field.ty));
            values.insert(field.name.clone(), value);
        }
        Value::Object(values)
    }

    fn at<T>(&mut self, step: Step<'c>, inside: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(step);
        let outcome = inside(self);
        self.path.pop();
        outcome
    }

    /// Notes a problem at the path. Only so many: a list of thousands of wrong items is not worth thousands of errors.
    fn problem(&mut self, problem: fmt::Arguments<'_>) -> Value {
        if self.problems.len() < MOST {
            let at = if self.path.is_empty() { String::new() } else { format!(" at \"{}\"", PathOf(&self.path)) };
            self.problems.push(format!("got an invalid value{at}: {problem}"));
        }
        Value::Null
    }
}

struct PathOf<'p, 'c>(&'p [Step<'c>]);

impl Display for PathOf<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            match step {
                Step::Field(name) if index == 0 => write!(f, "{name}")?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Item(item) => write!(f, "[{item}]")?,
            }
        }
        Ok(())
    }
}

fn as_int(number: &serde_json::Number) -> Option<i32> {
    match number.as_i64() {
        Some(int) => i32::try_from(int).ok(),
        // `1.0` is an integer to GraphQL, as to JSON.
        None => {
            number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= 2_147_483_648.0).and_then(|float| {
                #[expect(clippy::cast_possible_truncation, reason = "it has no fraction and is in range")]
                let int = float as i64;
                i32::try_from(int).ok()
            })
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a Boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The JSON of a constant literal.
fn to_json(literal: &query::Value) -> Value {
    match literal {
        query::Value::Variable(_) | query::Value::Null => Value::Null,
        query::Value::Int(number) => number.as_i64().map_or(Value::Null, Value::from),
        query::Value::Float(float) => Value::from(*float),
        query::Value::String(text) | query::Value::Enum(text) => Value::String(text.clone()),
        query::Value::Boolean(truth) => Value::Bool(*truth),
        query::Value::List(items) => items.iter().map(to_json).collect(),
        query::Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), to_json(value))).collect(),
    }
}
