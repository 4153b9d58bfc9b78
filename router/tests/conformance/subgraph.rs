//! A subgraph that answers from rows, and complains about requests that a real one could not answer.
//!
//! Its part of `data.json` holds
//! - `Query`, `Mutation`: the root fields' values;
//! - `rows`: the entities, each with its `__typename`. A representation finds the row that has the same values in the
//!   fields of a resolvable `@key`. A row of an entity interface says `@as` which type it is;
//! - `says` and `status`: if given, the text and status that everything is answered with.
//!
//! A value stands under the field's name, or under the name and the arguments as JSON: `size({"unit":"cm"})`. Objects of
//! abstract types have a `__typename`. `{"@error": "message"}` is an error. A text that begins with `=` is a template over
//! the entity's representation: `= {price} {size.cm}`; a field that the representation lacks is complained about.
//! `{#tick}` counts the clock up that the subgraphs of a scenario share, `{#now}` reads it.

use crate::request::{Request, named};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use graphql_tools::parser::schema::Definition;
use graphql_tools::parser::{parse_query, parse_schema};
use graphql_tools::static_graphql::{query, schema};
use graphql_tools::validation::rules::default_rules_validation_plan;
use graphql_tools::validation::validate::validate;
use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// What every subgraph has.
const MACHINERY: &str = "
    type Query { _entities(representations: [_Any!]!): [_Entity]! }
    scalar _Any
    scalar Boolean
    scalar Float
    scalar ID
    scalar Int
    scalar String
    directive @include(if: Boolean!) on FIELD | FRAGMENT_SPREAD | INLINE_FRAGMENT
    directive @skip(if: Boolean!) on FIELD | FRAGMENT_SPREAD | INLINE_FRAGMENT
";

pub struct Subgraph {
    schema: schema::Document,
    data: Value,
    clock: Arc<AtomicU64>,
    requests: Mutex<Vec<Value>>,
    complaints: Mutex<Vec<String>>,
}

/// A null that its parent cannot have: it rises.
struct Rises;

/// What an object is answered from.
#[derive(Clone, Copy)]
struct Row<'d> {
    type_name: &'d str,
    values: &'d Map<String, Value>,
    representation: &'d Value,
}

impl Subgraph {
    /// A subgraph with this SDL, which must not extend types that it defines.
    pub fn new(sdl: &str, data: Value, clock: Arc<AtomicU64>) -> Self {
        // The parser knows no extensions of schemas.
        let sdl = sdl.replace("extend schema", "scalar schema");
        let schema = executable(parse_schema(&sdl).unwrap().into_static());
        Self { schema, data, clock, requests: Mutex::default(), complaints: Mutex::default() }
    }

    pub fn routes(self: Arc<Self>) -> axum::Router {
        axum::Router::new().route("/graphql", axum::routing::post(handle)).with_state(self)
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Value> {
        self.requests.lock().unwrap().clone()
    }

    /// What was wrong with them.
    pub fn complaints(&self) -> Vec<String> {
        self.complaints.lock().unwrap().clone()
    }

    fn complain(&self, complaint: String) {
        self.complaints.lock().unwrap().push(complaint);
    }

    fn answer(&self, body: &Value) -> Value {
        let document = match parse_query::<String>(body["query"].as_str().unwrap_or_default()) {
            Ok(document) => document.into_static(),
            Err(error) => return self.refuse(error.to_string()),
        };
        let errors = validate(&self.schema, &document, &default_rules_validation_plan());
        if !errors.is_empty() {
            return self.refuse(errors.iter().map(|error| error.message.as_str()).collect::<Vec<_>>().join("; "));
        }
        let mut request = Request::new(document, body["variables"].clone());
        if let Some(missing) = request.missing_variable() {
            return self.refuse(format!("the variable ${missing} is missing"));
        }
        let (root, selections) = request.operation();
        let values = self.data[root].as_object().cloned().unwrap_or_default();
        let row = Row { type_name: root, values: &values, representation: &Value::Null };
        let data = self.object(&mut request, row, &[&selections], &[]).unwrap_or(Value::Null);
        match request.errors.is_empty() {
            true => json!({ "data": data }),
            false => json!({ "data": data, "errors": request.errors }),
        }
    }

    fn refuse(&self, why: String) -> Value {
        self.complain(why.clone());
        json!({ "errors": [{ "message": why }] })
    }

    fn object(
        &self,
        request: &mut Request,
        row: Row<'_>,
        selections: &[&query::SelectionSet],
        path: &[Value],
    ) -> Result<Value, Rises> {
        let mut object = Map::new();
        for (key, fields) in request.collect(&self.schema, row.type_name, selections) {
            let path = [path, &[json!(key)]].concat();
            object.insert(key, self.field(request, row, &fields, &path)?);
        }
        Ok(Value::Object(object))
    }

    fn field(
        &self,
        request: &mut Request,
        row: Row<'_>,
        fields: &[query::Field],
        path: &[Value],
    ) -> Result<Value, Rises> {
        let field = &fields[0];
        if field.name == "__typename" {
            return Ok(row.type_name.into());
        }
        let selections: Vec<_> = fields.iter().map(|field| &field.selection_set).collect();
        let arguments = request.arguments(field);
        if field.name == "_entities" {
            let representations = arguments["representations"].as_array().cloned().unwrap_or_default();
            return self.entities(request, &representations, &selections, path);
        }
        let with_arguments = format!("{}({})", field.name, Value::Object(arguments));
        let Some(value) = row.values.get(&with_arguments).or_else(|| row.values.get(&field.name)) else {
            self.complain(format!("{}.{with_arguments} is unknown here", row.type_name));
            return Ok(Value::Null);
        };
        let of = self.field_type(row.type_name, &field.name);
        self.complete(request, &of, value, row.representation, &selections, path)
    }

    fn entities(
        &self,
        request: &mut Request,
        representations: &[Value],
        selections: &[&query::SelectionSet],
        path: &[Value],
    ) -> Result<Value, Rises> {
        let rows = self.data["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut entities = Vec::new();
        for (index, representation) in representations.iter().enumerate() {
            let keys = self.keys(representation["__typename"].as_str().unwrap_or_default());
            let known: Vec<_> = keys.iter().filter_map(|key| Some((key, project(representation, key)?))).collect();
            if known.is_empty() {
                self.complain(format!("{representation} has no key"));
            }
            let row = rows.iter().find(|row| {
                let same_type = row["__typename"] == representation["__typename"];
                same_type && known.iter().any(|(key, wanted)| project(row, key).as_ref() == Some(wanted))
            });
            let path = [path, &[json!(index)]].concat();
            let entity = schema::Type::NamedType("_Entity".into());
            let row = row.unwrap_or(&Value::Null);
            entities.push(self.complete(request, &entity, row, representation, selections, &path)?);
        }
        Ok(Value::Array(entities))
    }

    /// The key field sets that entities of a type are found by.
    fn keys(&self, type_name: &str) -> Vec<query::SelectionSet> {
        let directives = match self.schema.type_by_name(type_name) {
            Some(schema::TypeDefinition::Object(object)) => object.directives.as_slice(),
            Some(schema::TypeDefinition::Interface(interface)) => interface.directives.as_slice(),
            _ => &[],
        };
        let keys = directives.iter().filter(|directive| is_key(directive));
        let resolvable = keys.filter(|key| named(&key.arguments, "resolvable") != Some(&schema::Value::Boolean(false)));
        let fields = resolvable.filter_map(|key| match named(&key.arguments, "fields") {
            Some(schema::Value::String(fields)) => Some(format!("{{ {fields} }}")),
            _ => None,
        });
        fields
            .map(|fields| Request::new(parse_query(&fields).unwrap().into_static(), Value::Null).operation().1)
            .collect()
    }

    fn field_type(&self, type_name: &str, field: &str) -> schema::Type {
        let Some(schema::TypeDefinition::Object(object)) = self.schema.type_by_name(type_name) else {
            panic!("{type_name} is no object type");
        };
        object.fields.iter().find(|known| known.name == field).unwrap().field_type.clone()
    }

    fn complete(
        &self,
        request: &mut Request,
        of: &schema::Type,
        value: &Value,
        representation: &Value,
        selections: &[&query::SelectionSet],
        path: &[Value],
    ) -> Result<Value, Rises> {
        if let schema::Type::NonNullType(of) = of {
            let value = self.complete(request, of, value, representation, selections, path)?;
            if value.is_null() && !request.has_error_at(path) {
                request.fail("null for a field that is not nullable", path);
            }
            return if value.is_null() { Err(Rises) } else { Ok(value) };
        }
        if let Some(message) = value.get("@error") {
            request.fail(message.as_str().unwrap(), path);
            return Ok(Value::Null);
        }
        match (of, value) {
            (schema::Type::ListType(of), Value::Array(items)) => {
                let items = items.iter().enumerate().map(|(index, item)| {
                    let path = [path, &[json!(index)]].concat();
                    self.complete(request, of, item, representation, selections, &path)
                });
                Ok(items.collect::<Result<_, _>>().map_or(Value::Null, Value::Array))
            }
            (schema::Type::NamedType(of), Value::Object(values)) if !selections[0].items.is_empty() => {
                let type_name = value["@as"].as_str().or(value["__typename"].as_str()).unwrap_or(of);
                let row = Row { type_name, values, representation };
                Ok(self.object(request, row, selections, path).unwrap_or(Value::Null))
            }
            (_, Value::String(text)) if text.starts_with('=') => Ok(self.fill_in(&text[1..], representation).into()),
            _ => Ok(value.clone()),
        }
    }

    /// A template with its places filled in.
    fn fill_in(&self, template: &str, representation: &Value) -> String {
        let mut text = String::new();
        for part in template.trim_start().split_inclusive(['{', '}']) {
            let Some(place) = part.strip_suffix('}') else {
                text.push_str(part.strip_suffix('{').unwrap_or(part));
                continue;
            };
            match place {
                "#tick" => text.push_str(&(self.clock.fetch_add(1, Ordering::SeqCst) + 1).to_string()),
                "#now" => text.push_str(&self.clock.load(Ordering::SeqCst).to_string()),
                _ => match place.split('.').try_fold(representation, |value, key| value.get(key)) {
                    Some(Value::String(value)) => text.push_str(value),
                    Some(value) => text.push_str(&value.to_string()),
                    None => self.complain(format!("{representation} lacks {place}")),
                },
            }
        }
        text
    }
}

async fn handle(State(subgraph): State<Arc<Subgraph>>, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).unwrap();
    subgraph.requests.lock().unwrap().push(body.clone());
    let status = StatusCode::from_u16(subgraph.data["status"].as_u64().unwrap_or(200) as u16).unwrap();
    let answer = match subgraph.data["says"].as_str() {
        Some(text) => text.to_owned(),
        None => subgraph.answer(&body).to_string(),
    };
    (status, [(header::CONTENT_TYPE, "application/json")], answer).into_response()
}

/// Whatever it is called.
fn is_key(directive: &schema::Directive) -> bool {
    named(&directive.arguments, "fields").is_some()
}

/// A subgraph's schema as its clients see it.
fn executable(mut schema: schema::Document) -> schema::Document {
    schema.definitions = schema.definitions.into_iter().map(defined).collect();
    let mut machinery = parse_schema::<String>(MACHINERY).unwrap().into_static();
    let mut entities = Vec::new();
    for definition in &schema.definitions {
        if let Definition::TypeDefinition(schema::TypeDefinition::Object(object)) = definition
            && object.directives.iter().any(is_key)
        {
            entities.push(object.name.clone());
        }
    }
    if entities.is_empty() {
        machinery.definitions.retain(|definition| !is_query(definition));
    } else {
        let union = format!("union _Entity = {}", entities.join(" | "));
        machinery.definitions.extend(parse_schema(&union).unwrap().into_static().definitions);
    }
    for definition in &mut schema.definitions {
        let Definition::TypeDefinition(schema::TypeDefinition::Object(object)) = definition else { continue };
        if object.name == "Query"
            && let Some(index) = machinery.definitions.iter().position(is_query)
            && let Definition::TypeDefinition(schema::TypeDefinition::Object(query)) =
                machinery.definitions.remove(index)
        {
            object.fields.extend(query.fields);
        }
    }
    schema.definitions.extend(machinery.definitions);
    schema
}

/// An extended type as a type: federation 1 extends what other subgraphs define.
fn defined(definition: Definition<'static, String>) -> Definition<'static, String> {
    let Definition::TypeExtension(extension) = definition else { return definition };
    Definition::TypeDefinition(match extension {
        schema::TypeExtension::Object(it) => schema::TypeDefinition::Object(schema::ObjectType {
            implements_interfaces: it.implements_interfaces,
            directives: it.directives,
            fields: it.fields,
            ..schema::ObjectType::new(it.name)
        }),
        schema::TypeExtension::Interface(it) => schema::TypeDefinition::Interface(schema::InterfaceType {
            directives: it.directives,
            fields: it.fields,
            ..schema::InterfaceType::new(it.name)
        }),
        other => return Definition::TypeExtension(other),
    })
}

fn is_query(definition: &Definition<'static, String>) -> bool {
    matches!(definition, Definition::TypeDefinition(schema::TypeDefinition::Object(object)) if object.name == "Query")
}

/// The part of a value that a key consists of; nothing if some of it is missing.
fn project(value: &Value, key: &query::SelectionSet) -> Option<Value> {
    match value {
        Value::Array(items) => items.iter().map(|item| project(item, key)).collect::<Option<_>>().map(Value::Array),
        Value::Object(object) => {
            let fields = key.items.iter().filter_map(|item| match item {
                query::Selection::Field(field) => Some(field),
                _ => None,
            });
            let parts = fields.map(|field| {
                let value = object.get(&field.name)?;
                let part = if field.selection_set.items.is_empty() {
                    value.clone()
                } else {
                    project(value, &field.selection_set)?
                };
                Some((field.name.clone(), part))
            });
            parts.collect::<Option<_>>().map(Value::Object)
        }
        other => Some(other.clone()),
    }
}
