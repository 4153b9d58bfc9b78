//! A planner that begins at entities instead of roots: over the same supergraph with one more subgraph, that has a root
//! field for every entity and knows its key. For what the planner cannot plan at once: `operation::division`.

use super::overridden;
use super::required::{Required, field_set};
use crate::panics;
use graphql_tools::parser::schema::Definition;
use graphql_tools::static_graphql::schema::{
    Directive, Document, EnumValue, Field, ObjectType, Type, TypeDefinition, Value,
};
use hive_router_query_planner::ast::selection_item::SelectionItem;
use hive_router_query_planner::ast::selection_set::SelectionSet;
use hive_router_query_planner::planner::Planner;
use hive_router_query_planner::utils::parsing::safe_parse_schema;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The name of the subgraph, in plans too.
pub(crate) const SERVICE: &str = "_entry";

/// Its value of `join__Graph`.
const GRAPH: &str = "_ENTRY";

/// Where plans can begin.
pub(crate) struct Entries {
    pub(crate) planner: Planner,
    /// What is known of every entity: the fields of its keys.
    known: HashMap<String, BTreeSet<String>>,
}

impl Entries {
    /// Blocks for as long as a planner takes to start; nothing if it does not.
    pub(super) fn new(sdl: &str) -> Option<Self> {
        let mut document = safe_parse_schema(sdl).ok()?;
        overridden::share_keys(&mut document);
        Required::set_apart(&mut document);
        let query = query_name(&document);
        let objects: HashMap<&str, &ObjectType> =
            objects(&document).map(|object| (object.name.as_str(), object)).collect();
        let mut known: HashMap<String, BTreeSet<String>> = HashMap::new();
        let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for object in objects.values() {
            for key in resolvable_keys(object) {
                let fields = field_set(key).and_then(|key| fields_of(&objects, object, &key));
                if let Some(fields) = fields {
                    for (name, field) in fields {
                        known.entry(name).or_default().insert(field);
                    }
                    keys.entry(object.name.clone()).or_default().push(key.to_owned());
                }
            }
        }
        for definition in &mut document.definitions {
            match definition {
                Definition::TypeDefinition(TypeDefinition::Enum(graphs)) if graphs.name == "join__Graph" => {
                    graphs.values.push(graph());
                }
                Definition::TypeDefinition(TypeDefinition::Object(object)) => {
                    if object.name == query {
                        enter(object, keys.keys());
                    } else if let Some(fields) = known.get(&object.name) {
                        join(object, fields, keys.get(&object.name).map_or(&[], Vec::as_slice));
                    }
                }
                _ => {}
            }
        }
        let planner = panics::handle(|| Planner::new_from_supergraph(&document, Default::default()));
        match planner {
            Ok(Ok(planner)) => {
                known.retain(|name, _| keys.contains_key(name));
                Some(Self { planner, known })
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "operations cannot be planned piece by piece");
                None
            }
            Err(why) => {
                tracing::error!(why, "operations cannot be planned piece by piece: the planner panicked");
                None
            }
        }
    }

    /// What is known of entities of a type; nothing of what is none.
    pub(crate) fn known(&self, type_name: &str) -> Option<&BTreeSet<String>> {
        self.known.get(type_name)
    }
}

/// The root field that leads to an entity.
pub(crate) fn root_field(type_name: &str) -> String {
    format!("_enter_{type_name}")
}

fn query_name(document: &Document) -> String {
    let named = document.definitions.iter().find_map(|definition| match definition {
        Definition::SchemaDefinition(schema) => schema.query.clone(),
        _ => None,
    });
    named.unwrap_or_else(|| "Query".into())
}

fn objects(document: &Document) -> impl Iterator<Item = &ObjectType> {
    document.definitions.iter().filter_map(|definition| match definition {
        Definition::TypeDefinition(TypeDefinition::Object(object)) => Some(object),
        _ => None,
    })
}

/// The keys by which some subgraph can be entered.
fn resolvable_keys(object: &ObjectType) -> BTreeSet<&str> {
    let joins = object.directives.iter().filter(|directive| directive.name == "join__type");
    let resolvable = joins.filter(|join| argument(join, "resolvable") != Some(&Value::Boolean(false)));
    let keys = resolvable.filter_map(|join| match argument(join, "key") {
        Some(Value::String(key)) => Some(key.as_str()),
        _ => None,
    });
    keys.collect()
}

/// The fields of a key, by the objects that they are of; nothing if some are of other types.
fn fields_of(
    objects: &HashMap<&str, &ObjectType>,
    object: &ObjectType,
    key: &SelectionSet,
) -> Option<Vec<(String, String)>> {
    let mut fields = Vec::new();
    for item in &key.items {
        let SelectionItem::Field(item) = item else { return None };
        let field = object.fields.iter().find(|field| field.name == item.name)?;
        fields.push((object.name.clone(), field.name.clone()));
        if !item.selections.is_empty() {
            fields.extend(fields_of(objects, objects.get(field.field_type.inner_type())?, &item.selections)?);
        }
    }
    Some(fields)
}

fn graph() -> EnumValue {
    let text = |text: &str| Value::String(text.into());
    let mut value = EnumValue::new(GRAPH.to_owned());
    value.directives.push(directive("join__graph", [("name", text(SERVICE)), ("url", text(""))]));
    value
}

/// Gives the root a field for every entity.
fn enter<'n>(query: &mut ObjectType, entities: impl Iterator<Item = &'n String>) {
    join(query, &BTreeSet::new(), &[]);
    let fields = entities.map(|name| Field {
        position: query.position,
        description: None,
        name: root_field(name),
        arguments: Vec::new(),
        field_type: Type::NamedType(name.clone()),
        directives: vec![directive("join__field", [("graph", Value::Enum(GRAPH.into()))])],
    });
    query.fields.extend(fields);
}

/// Lets the subgraph have a type and some of its fields. Fields that say nothing of subgraphs are in all of the type's:
/// now they say in which they were.
fn join(object: &mut ObjectType, fields: &BTreeSet<String>, keys: &[String]) {
    let of_graph = |graph: &Value| directive("join__field", [("graph", graph.clone())]);
    let joins = object.directives.iter().filter(|directive| directive.name == "join__type");
    let mut graphs: Vec<Value> = Vec::new();
    for graph in joins.filter_map(|join| argument(join, "graph")) {
        if !graphs.contains(graph) {
            graphs.push(graph.clone());
        }
    }
    let entry = Value::Enum(GRAPH.into());
    for field in &mut object.fields {
        if field.directives.iter().all(|directive| directive.name != "join__field") {
            field.directives.extend(graphs.iter().map(of_graph));
        }
        if fields.contains(&field.name) {
            field.directives.push(of_graph(&entry));
        }
    }
    if keys.is_empty() {
        object.directives.push(directive("join__type", [("graph", entry)]));
        return;
    }
    for key in keys {
        let (key, no) = (Value::String(key.clone()), Value::Boolean(false));
        let arguments = [("graph", entry.clone()), ("key", key), ("resolvable", no)];
        object.directives.push(directive("join__type", arguments));
    }
}

fn argument<'d>(directive: &'d Directive, name: &str) -> Option<&'d Value> {
    directive.arguments.iter().find_map(|(known, value)| (known == name).then_some(value))
}

fn directive<const N: usize>(name: &str, arguments: [(&str, Value); N]) -> Directive {
    let arguments = arguments.map(|(name, value)| (name.to_owned(), value)).into();
    Directive { position: Default::default(), name: name.to_owned(), arguments }
}
