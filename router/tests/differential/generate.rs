//! Operations made up from bytes: each byte is a decision, and bytes that are missing decide for what is short. Most of
//! what comes out is valid; what is not says so when it is prepared.

use crate::bytes::Bytes;
use crate::schema::{Schema, nullable};
use graphql_tools::static_graphql::schema::{Field, InputValue, Type, TypeDefinition};
use serde_json::{Map, Value, json};

/// Below this there are leaves alone.
const DEEPEST: usize = 6;

/// An operation and the values of its variables.
#[derive(Debug)]
pub struct Generated {
    pub query: String,
    pub variables: Map<String, Value>,
}

/// Makes up an operation on the schema that clients see.
pub fn operation(api: &Schema, bytes: &[u8]) -> Generated {
    let (definitions, variables, fragments) = (Vec::new(), Map::new(), Vec::new());
    let mut generator = Generator { api, bytes: Bytes(bytes), definitions, variables, fragments, aliases: 0 };
    let mutates = generator.once_in(4) && !api.fields("Mutation").is_empty();
    let (kind, root) = if mutates { ("mutation", "Mutation") } else { ("query", "Query") };
    let selections = generator.selections(root, 0);
    let definitions = match generator.definitions.is_empty() {
        true => String::new(),
        false => format!("({})", generator.definitions.join(", ")),
    };
    let fragments = generator.fragments.iter().map(|(name, on, set)| format!("\nfragment {name} on {on} {set}"));
    let query = format!("{kind} Q{definitions} {selections}{}", fragments.collect::<String>());
    Generated { query, variables: generator.variables }
}

struct Generator<'g> {
    api: &'g Schema,
    bytes: Bytes<'g>,
    definitions: Vec<String>,
    variables: Map<String, Value>,
    /// Name, type and selections; complete, so that there are no cycles.
    fragments: Vec<(String, String, String)>,
    aliases: usize,
}

impl<'g> Generator<'g> {
    fn below(&mut self, bound: usize) -> usize {
        self.bytes.below(bound)
    }

    fn once_in(&mut self, cases: usize) -> bool {
        self.bytes.once_in(cases)
    }

    fn selections(&mut self, on: &str, depth: usize) -> String {
        let api = self.api;
        let fields = api.fields(on).iter().filter(|field| {
            !field.name.starts_with("__") && (depth < DEEPEST || !api.is_composite(field.field_type.inner_type()))
        });
        let fields: Vec<&Field> = fields.collect();
        let mut set = String::from("{");
        for _ in 0..1 + self.below(if depth < 2 { 6 } else { 4 }) {
            let selection = match self.below(12) {
                0..=8 if !fields.is_empty() => {
                    let field = fields[self.below(fields.len())];
                    self.field(field, &fields, depth)
                }
                9 | 10 if depth < DEEPEST => self.inline_fragment(on, depth),
                11 if depth < DEEPEST => self.spread(on, depth),
                _ => match self.once_in(3) {
                    true => "kind: __typename".into(),
                    false => format!("__typename{}", self.condition()),
                },
            };
            set.push(' ');
            set.push_str(&selection);
        }
        set.push_str(" }");
        set
    }

    fn field(&mut self, field: &Field, neighbours: &[&Field], depth: usize) -> String {
        let alias = match self.below(8) {
            5 => format!("{}: ", ["a", "b", "id"][self.below(3)]),
            6 => format!("{}: ", neighbours[self.below(neighbours.len())].name),
            _ if field.arguments.is_empty() || self.once_in(3) => String::new(),
            // What has other arguments must have another name.
            _ => {
                self.aliases += 1;
                format!("x{}: ", self.aliases)
            }
        };
        let mut arguments = Vec::new();
        for argument in &field.arguments {
            if argument.value_type.is_non_null() && argument.default_value.is_none() || self.once_in(2) {
                arguments.push(format!("{}: {}", argument.name, self.argument(argument)));
            }
        }
        let arguments = if arguments.is_empty() { String::new() } else { format!("({})", arguments.join(", ")) };
        let condition = self.condition();
        let of = field.field_type.inner_type();
        let selections = match self.api.is_composite(of) {
            true => format!(" {}", self.selections(of, depth + 1)),
            false => String::new(),
        };
        format!("{alias}{}{arguments}{condition}{selections}", field.name)
    }

    fn inline_fragment(&mut self, on: &str, depth: usize) -> String {
        let (on, condition) = match self.once_in(4) {
            true => (on, String::new()),
            false => {
                let on = self.related(on);
                (on, format!(" on {on}"))
            }
        };
        let directive = self.condition();
        format!("...{condition}{directive} {}", self.selections(on, depth + 1))
    }

    fn spread(&mut self, on: &str, depth: usize) -> String {
        let reuse = self.fragments.iter().find(|(_, of, _)| self.overlap(on, of)).map(|(name, ..)| name.clone());
        let name = match reuse {
            Some(name) if self.once_in(2) => name,
            _ => {
                let on = self.related(on).to_owned();
                let selections = self.selections(&on, depth + 1);
                let name = format!("F{}", self.fragments.len());
                self.fragments.push((name.clone(), on, selections));
                name
            }
        };
        format!("...{name}{}", self.condition())
    }

    fn overlap(&self, a: &str, b: &str) -> bool {
        let possible = self.api.possible(b);
        self.api.possible(a).iter().any(|name| possible.contains(name))
    }

    /// A type that some objects of this type are of.
    fn related<'t>(&mut self, on: &'t str) -> &'t str
    where
        'g: 't,
    {
        let api: &'g Schema = self.api;
        let types = api.types.keys().map(String::as_str).filter(|name| self.overlap(on, name));
        let types: Vec<&'g str> = types.collect();
        if types.is_empty() { on } else { types[self.below(types.len())] }
    }

    fn condition(&mut self) -> String {
        let name = match self.below(8) {
            6 => "skip",
            7 => "include",
            _ => return String::new(),
        };
        let value = match self.below(4) {
            0 => "true".into(),
            1 => "false".into(),
            nth => {
                let variable = format!("is{nth}");
                if !self.variables.contains_key(&variable) {
                    self.definitions.push(format!("${variable}: Boolean!"));
                    let value = self.once_in(2);
                    self.variables.insert(variable.clone(), value.into());
                }
                format!("${variable}")
            }
        };
        format!(" @{name}(if: {value})")
    }

    /// The value of an argument, as a literal or as a variable.
    fn argument(&mut self, argument: &InputValue) -> String {
        let ty = &argument.value_type;
        let value = self.value(ty, 0);
        if self.once_in(2) {
            return literal(self.api, ty, &value);
        }
        let name = format!("v{}", self.definitions.len());
        let (ty, of) = (ty.to_string(), ty);
        match self.below(4) {
            // A default, and perhaps no value.
            2 if !value.is_null() => {
                self.definitions.push(format!("${name}: {ty} = {}", literal(self.api, of, &value)));
                if self.once_in(2) {
                    let value = self.value(of, 0);
                    self.variables.insert(name.clone(), value);
                }
            }
            3 if !of.is_non_null() => self.definitions.push(format!("${name}: {ty}")),
            _ => {
                self.definitions.push(format!("${name}: {ty}"));
                self.variables.insert(name.clone(), value);
            }
        }
        format!("${name}")
    }

    fn value(&mut self, ty: &Type, depth: usize) -> Value {
        let (ty, may_be_null) = nullable(ty);
        if may_be_null && (self.once_in(5) || depth > 4) {
            return Value::Null;
        }
        match ty {
            Type::ListType(of) => match self.below(4) {
                // A single value stands for the list of it.
                3 => match self.value(of, depth + 1) {
                    Value::Null => json!([]),
                    value => value,
                },
                length => (0..length).map(|_| self.value(of, depth + 1)).collect(),
            },
            Type::NamedType(name) => self.named(name, depth),
            Type::NonNullType(_) => Value::Null,
        }
    }

    fn named(&mut self, name: &str, depth: usize) -> Value {
        let api = self.api;
        match (name, api.types.get(name)) {
            ("Int", _) => json!([0, 1, -7, 2_147_483_647][self.below(4)]),
            ("Float", _) => [json!(1), json!(0.5), json!(-2.25)][self.below(3)].clone(),
            ("Boolean", _) => json!(self.once_in(2)),
            ("ID", _) => [json!("a"), json!(7), json!("7")][self.below(3)].clone(),
            ("String", _) => json!(["", "x", "é\"\n\\", "$v0 {", "😀"][self.below(5)]),
            (_, Some(TypeDefinition::Enum(definition))) => {
                let index = self.below(definition.values.len());
                json!(definition.values[index].name)
            }
            (_, Some(TypeDefinition::InputObject(object))) => {
                let one_of = object.directives.iter().any(|directive| directive.name == "oneOf");
                let only = self.below(object.fields.len());
                let mut fields = Map::new();
                for (index, field) in object.fields.iter().enumerate() {
                    let is_required = field.value_type.is_non_null() && field.default_value.is_none();
                    let wanted = if one_of { index == only } else { is_required || self.once_in(2) };
                    if wanted {
                        let required = Type::NonNullType(Box::new(nullable(&field.value_type).0.clone()));
                        let ty = if one_of { &required } else { &field.value_type };
                        let value = self.value(ty, depth + 1);
                        fields.insert(field.name.clone(), value);
                    }
                }
                Value::Object(fields)
            }
            _ => json!("2026-01-01T00:00:00Z"),
        }
    }
}

/// A value as a literal of its type: enum values have no quotes, nor have the names of fields.
fn literal(schema: &Schema, ty: &Type, value: &Value) -> String {
    match (nullable(ty).0, value) {
        (Type::ListType(of), Value::Array(items)) => {
            let items = items.iter().map(|item| literal(schema, of, item));
            format!("[{}]", items.collect::<Vec<_>>().join(", "))
        }
        (Type::ListType(of), value) => literal(schema, of, value),
        (Type::NamedType(name), value) => match (schema.types.get(name), value) {
            (Some(TypeDefinition::Enum(_)), Value::String(value)) => value.clone(),
            (Some(TypeDefinition::InputObject(object)), Value::Object(fields)) => {
                let fields = fields.iter().map(|(name, value)| {
                    let field = object.fields.iter().find(|field| field.name == *name);
                    format!("{name}: {}", literal(schema, &field.unwrap().value_type, value))
                });
                format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
            }
            (_, value) => value.to_string(),
        },
        (Type::NonNullType(_), value) => value.to_string(),
    }
}
