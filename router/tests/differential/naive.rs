//! GraphQL execution as the specification tells it ("Execution"), with no thought of speed: the reference that the
//! router is compared with, and what the subgraphs run on.

use crate::schema::{Schema, nullable, requires};
use crate::world::{Given, Laws, Node, World};
use graphql_tools::static_graphql::query::{self, Selection, SelectionSet};
use graphql_tools::static_graphql::schema::{InputValue, Type, TypeDefinition};
use serde_json::{Map, Value, json};
use std::fmt::{self, Display};

/// JSON that keeps its order.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Raw(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// A null that its parent cannot have: it rises.
pub struct Rises;

/// What a document is executed with.
pub struct Execution<'e> {
    pub laws: &'e Laws,
    pub world: World,
    /// The schema that the document was written for: that of a subgraph, say.
    pub schema: &'e Schema,
    pub document: &'e query::Document,
    pub variables: &'e Map<String, Value>,
    /// The path of each error.
    pub errors: Vec<Vec<Value>>,
    /// What a real subgraph could not have answered.
    pub complaints: Vec<String>,
}

/// An object, by which type the schema calls it, and what the router said of it.
#[derive(Clone, Copy)]
struct Object<'o> {
    node: &'o Node,
    type_name: &'o str,
    representation: Option<&'o Value>,
}

impl Execution<'_> {
    /// Runs the operation of this name, or the only one; gives `data`.
    pub fn run(&mut self) -> Json {
        let operation = self.document.definitions.iter().find_map(|definition| match definition {
            query::Definition::Operation(operation) => Some(operation),
            query::Definition::Fragment(_) => None,
        });
        let (root, selections) = match operation.unwrap() {
            query::OperationDefinition::SelectionSet(selections) => ("Query", selections),
            query::OperationDefinition::Query(query) => ("Query", &query.selection_set),
            query::OperationDefinition::Mutation(mutation) => ("Mutation", &mutation.selection_set),
            query::OperationDefinition::Subscription(_) => panic!("no subscriptions here"),
        };
        let node = Node { type_name: root.into(), id: String::new() };
        self.select(&node, root, &[selections]).unwrap_or(Json::Null)
    }

    /// What a set of fields gives on an object.
    pub fn select(&mut self, node: &Node, type_name: &str, sets: &[&SelectionSet]) -> Result<Json, Rises> {
        self.object(Object { node, type_name, representation: None }, sets, &[])
    }

    fn object(&mut self, object: Object<'_>, sets: &[&SelectionSet], path: &[Value]) -> Result<Json, Rises> {
        let mut fields = Vec::new();
        sets.iter().for_each(|set| self.collect(object.type_name, set, &mut fields));
        let mut written = Vec::new();
        for (key, fields) in fields {
            let path = [path, &[json!(key)]].concat();
            written.push((key, self.field(object, &fields, &path)?));
        }
        Ok(Json::Object(written))
    }

    fn collect(&self, type_name: &str, set: &SelectionSet, into: &mut Vec<(String, Vec<query::Field>)>) {
        for item in &set.items {
            match item {
                Selection::Field(field) if self.includes(&field.directives) => {
                    let key = field.alias.as_ref().unwrap_or(&field.name);
                    match into.iter_mut().find(|(known, _)| known == key) {
                        Some((_, same)) => same.push(field.clone()),
                        None => into.push((key.clone(), vec![field.clone()])),
                    }
                }
                Selection::InlineFragment(fragment) if self.includes(&fragment.directives) => {
                    let on = fragment.type_condition.as_ref().map_or(type_name, |on| on.as_ref().as_str());
                    if self.schema.applies(on, type_name) {
                        self.collect(type_name, &fragment.selection_set, into);
                    }
                }
                Selection::FragmentSpread(spread) if self.includes(&spread.directives) => {
                    let fragment = self.document.definitions.iter().find_map(|definition| match definition {
                        query::Definition::Fragment(fragment) if fragment.name == spread.fragment_name => {
                            Some(fragment)
                        }
                        _ => None,
                    });
                    let fragment = fragment.unwrap();
                    if self.schema.applies(fragment.type_condition.as_ref(), type_name) {
                        self.collect(type_name, &fragment.selection_set, into);
                    }
                }
                _ => {}
            }
        }
    }

    fn includes(&self, directives: &[query::Directive]) -> bool {
        let condition = |name: &str| {
            let directive = directives.iter().find(|directive| directive.name == name)?;
            self.literal(&directive.arguments[0].1)?.as_bool()
        };
        condition("skip") != Some(true) && condition("include") != Some(false)
    }

    fn field(&mut self, object: Object<'_>, fields: &[query::Field], path: &[Value]) -> Result<Json, Rises> {
        let field = &fields[0];
        let sets: Vec<_> = fields.iter().map(|field| &field.selection_set).collect();
        let given: Map<String, Value> = self.given(field);
        match field.name.as_str() {
            "__typename" => return Ok(Json::Raw(format!("\"{}\"", object.type_name))),
            "_entities" => return Ok(self.entities(&given["representations"], &sets, path)),
            _ => {}
        }
        let Some(definition) = self.schema.field(object.type_name, &field.name) else {
            self.complaints.push(format!("{}.{} is unknown here", object.type_name, field.name));
            return Ok(Json::Null);
        };
        if let Some(set) = requires(definition) {
            self.check_required(object, &field.name, &set);
        }
        let arguments = arguments(self.schema, &definition.arguments, &given);
        let visible = self.laws.supergraph.field(&object.node.type_name, &field.name);
        let visible = visible.map(|field| field.arguments.as_slice()).unwrap_or_default();
        let arguments =
            canonical(arguments.iter().filter(|(name, _)| visible.iter().any(|known| known.name == **name)));
        let value = self.world.give(self.laws, object.node, &field.name, &arguments);
        self.complete(&definition.field_type, &value, &sets, path)
    }

    fn complete(&mut self, ty: &Type, value: &Given, sets: &[&SelectionSet], path: &[Value]) -> Result<Json, Rises> {
        let (of, may_be_null) = nullable(ty);
        let before = self.errors.len();
        let written = match (of, value) {
            (_, Given::Error) => {
                self.errors.push(path.to_vec());
                Json::Null
            }
            (Type::ListType(of), Given::List(items)) => {
                let mut list = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    match self.complete(of, item, sets, &[path, &[json!(index)]].concat()) {
                        Ok(item) => list.push(item),
                        Err(Rises) => return self.null(may_be_null, before, path),
                    }
                }
                Json::List(list)
            }
            (Type::NamedType(name), Given::Node(node)) => {
                // The subgraph that takes an interface for an object has its own name for it.
                let type_name = if self.schema.is_interface_object(name) { name } else { &node.type_name };
                let object = Object { node, type_name, representation: None };
                self.object(object, sets, path).unwrap_or(Json::Null)
            }
            (_, Given::Leaf(json)) => Json::Raw(json.clone()),
            (_, Given::Null) => Json::Null,
            (ty, value) => panic!("{value:?} for {ty}"),
        };
        if written == Json::Null { self.null(may_be_null, before, path) } else { Ok(written) }
    }

    /// A null at this path. One that may not be there has an error, at it or below.
    fn null(&mut self, may_be_null: bool, errors_before: usize, path: &[Value]) -> Result<Json, Rises> {
        if may_be_null {
            return Ok(Json::Null);
        }
        if self.errors.len() == errors_before {
            self.errors.push(path.to_vec());
        }
        Err(Rises)
    }

    /// The arguments of a field as they stand; those whose variable is not given are left out.
    fn given(&self, field: &query::Field) -> Map<String, Value> {
        field.arguments.iter().filter_map(|(name, value)| Some((name.clone(), self.literal(value)?))).collect()
    }

    fn literal(&self, value: &query::Value) -> Option<Value> {
        Some(match value {
            query::Value::Variable(name) => return self.variables.get(name).cloned(),
            query::Value::List(items) => items.iter().map(|item| self.literal(item).unwrap_or(Value::Null)).collect(),
            query::Value::Object(fields) => {
                fields.iter().filter_map(|(name, value)| Some((name.clone(), self.literal(value)?))).collect()
            }
            constant => to_json(constant),
        })
    }

    fn entities(&mut self, representations: &Value, sets: &[&SelectionSet], path: &[Value]) -> Json {
        let mut entities = Vec::new();
        for (index, representation) in representations.as_array().unwrap().iter().enumerate() {
            let type_name = representation["__typename"].as_str().unwrap_or_default();
            let Some(node) = self.find(type_name, representation) else {
                self.complaints.push(format!("nothing has the key of {representation}"));
                entities.push(Json::Null);
                continue;
            };
            let abstract_here = matches!(self.schema.types.get(type_name), Some(TypeDefinition::Interface(_)));
            let type_name = if abstract_here { &node.type_name } else { type_name };
            let object = Object { node: &node, type_name, representation: Some(representation) };
            entities.push(self.object(object, sets, &[path, &[json!(index)]].concat()).unwrap_or(Json::Null));
        }
        Json::List(entities)
    }

    /// The entity that has the key values of a representation.
    fn find(&self, type_name: &str, representation: &Value) -> Option<Node> {
        let keys = self.schema.keys(type_name);
        self.laws.entities(type_name).into_iter().find(|node| {
            keys.iter().any(|key| self.truth(node, key).is_some_and(|value| contains(representation, &value)))
        })
    }

    /// Whether a value belongs to a key of an object: what the subgraph resolves it knows by its keys.
    fn is_key(&self, object: Object<'_>, value: &Value) -> bool {
        let keys = self.schema.keys(object.type_name);
        keys.iter().any(|key| self.truth(object.node, key).is_some_and(|known| contains(&known, value)))
    }

    /// Complains unless the representation holds what the field is computed from, as it is.
    fn check_required(&mut self, object: Object<'_>, field: &str, set: &SelectionSet) {
        let truth = self.truth(object.node, set);
        match (object.representation, truth) {
            (None, Some(truth)) if self.is_key(object, &truth) => {}
            (None, _) => {
                self.complaints.push(format!("{}.{field} was asked for without a representation", object.type_name));
            }
            (Some(given), Some(truth)) if !contains(given, &truth) => {
                self.complaints.push(format!("{}.{field} requires {truth}, got {given}", object.type_name));
            }
            _ => {}
        }
    }

    /// What is the case, whichever subgraph knows.
    fn truth(&self, node: &Node, set: &SelectionSet) -> Option<Value> {
        let laws = self.laws;
        let document = query::Document { definitions: Vec::new() };
        let mut execution = Execution {
            laws,
            world: self.world,
            schema: &laws.supergraph,
            document: &document,
            variables: &Map::new(),
            errors: Vec::new(),
            complaints: Vec::new(),
        };
        let truth = execution.select(node, &node.type_name, &[set]).ok()?;
        Some(serde_json::from_str(&truth.to_string()).unwrap())
    }
}

/// Whether everything in one value is in another, which may have more fields.
fn contains(all: &Value, part: &Value) -> bool {
    match (all, part) {
        (Value::Object(all), Value::Object(part)) => {
            part.iter().all(|(key, part)| all.get(key).is_some_and(|all| contains(all, part)))
        }
        (Value::Array(all), Value::Array(part)) => {
            all.len() == part.len() && all.iter().zip(part).all(|(all, part)| contains(all, part))
        }
        (all, part) => all == part,
    }
}

/// Arguments, or the fields of an input object, as a resolver gets them: coerced, with defaults.
pub fn arguments(schema: &Schema, definitions: &[InputValue], given: &Map<String, Value>) -> Map<String, Value> {
    let values = definitions.iter().filter_map(|definition| {
        let value = given.get(&definition.name).cloned();
        let value = value.or_else(|| definition.default_value.as_ref().map(to_json))?;
        Some((definition.name.clone(), coerce(schema, &definition.value_type, value)))
    });
    values.collect()
}

fn coerce(schema: &Schema, ty: &Type, value: Value) -> Value {
    match (nullable(ty).0, value) {
        (_, Value::Null) => Value::Null,
        (Type::ListType(of), Value::Array(items)) => items.into_iter().map(|item| coerce(schema, of, item)).collect(),
        (Type::ListType(of), value) => Value::Array(vec![coerce(schema, of, value)]),
        (Type::NamedType(name), value) => match (schema.types.get(name), value) {
            (Some(TypeDefinition::InputObject(object)), Value::Object(fields)) => {
                Value::Object(arguments(schema, &object.fields, &fields))
            }
            (_, Value::Number(number)) if name == "ID" => number.to_string().into(),
            (_, Value::Number(number)) if name == "Float" => number.as_f64().into(),
            (_, value) => value,
        },
        (Type::NonNullType(_), value) => value,
    }
}

/// Sorted, so that the order in which arguments are given does not matter.
fn canonical<'a>(arguments: impl Iterator<Item = (&'a String, &'a Value)>) -> String {
    fn write(value: &Value) -> String {
        match value {
            Value::Object(fields) => canonical(fields.iter()),
            Value::Array(items) => items.iter().map(write).collect::<Vec<_>>().join(","),
            other => other.to_string(),
        }
    }
    let mut arguments: Vec<_> = arguments.map(|(name, value)| format!("{name}:{}", write(value))).collect();
    arguments.sort();
    format!("({})", arguments.join(","))
}

/// The JSON of a constant.
pub fn to_json(value: &query::Value) -> Value {
    match value {
        query::Value::Variable(_) | query::Value::Null => Value::Null,
        query::Value::Int(number) => json!(number.as_i64()),
        query::Value::Float(number) => json!(number),
        query::Value::String(text) | query::Value::Enum(text) => json!(text),
        query::Value::Boolean(is) => json!(is),
        query::Value::List(items) => items.iter().map(to_json).collect(),
        query::Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), to_json(value))).collect(),
    }
}

impl Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Raw(json) => f.write_str(json),
            Self::List(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if index > 0 { "," } else { "" })?;
                }
                f.write_str("]")
            }
            Self::Object(fields) => {
                f.write_str("{")?;
                for (index, (key, value)) in fields.iter().enumerate() {
                    write!(f, "{}{}:{value}", if index > 0 { "," } else { "" }, Value::from(key.as_str()))?;
                }
                f.write_str("}")
            }
        }
    }
}
