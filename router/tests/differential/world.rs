//! What is true: the value of every field of every object, made up from a seed. Subgraphs and the reference are asked
//! about the same world, so that they can only differ in how they execute.

use crate::schema::{Schema, nullable, requires};
use graphql_tools::static_graphql::query::{Selection, SelectionSet};
use graphql_tools::static_graphql::schema::{Field, Type, TypeDefinition};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// How many entities there are of each type.
const ENTITIES: u64 = 4;

/// An object.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its type in the supergraph.
    pub type_name: String,
    /// `0` to `3` for an entity; for other objects the way to them from one.
    pub id: String,
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    Null,
    Error,
    /// JSON.
    Leaf(String),
    List(Vec<Given>),
    Node(Node),
}

/// How the worlds of a federation are alike.
pub struct Laws {
    pub supergraph: Schema,
    pub subgraphs: BTreeMap<String, Schema>,
    /// Types that have a key.
    entities: BTreeSet<String>,
    /// Fields that tell an entity from its like.
    keys: BTreeSet<(String, String)>,
    /// Fields that others are computed from: an error there would be told to clients who did not ask for them. So would
    /// one that rises there from a field below.
    required: BTreeSet<(String, String)>,
}

/// One world.
#[derive(Clone, Copy, Debug)]
pub struct World {
    pub seed: u64,
    /// Of 256 fields that may be null, how many are.
    pub nulls: u64,
    /// Of 256 fields, how many fail.
    pub errors: u64,
}

impl Laws {
    pub fn new(supergraph: Schema, subgraphs: BTreeMap<String, Schema>) -> Self {
        let (mut keys, mut required, mut entities) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for schema in subgraphs.values() {
            for name in schema.types.keys() {
                for key in schema.keys(name) {
                    walk(&supergraph, name, &key, &mut keys);
                    entities.extend(supergraph.possible(name).into_iter().map(str::to_owned));
                }
                for required_by in schema.fields(name).iter().filter_map(requires) {
                    walk(&supergraph, name, &required_by, &mut required);
                }
            }
        }
        for (name, field) in required.clone() {
            rising(&supergraph, &name, &field, &mut required);
        }
        Self { supergraph, subgraphs, entities, keys, required }
    }

    /// All entities that are of a type.
    pub fn entities(&self, type_name: &str) -> Vec<Node> {
        let types = self.supergraph.possible(type_name).into_iter().filter(|name| self.entities.contains(*name));
        let node = |name: &str, n: u64| Node { type_name: name.to_owned(), id: n.to_string() };
        types.flat_map(|name| (0..ENTITIES).map(move |n| node(name, n))).collect()
    }

    /// A field of an object as each subgraph that has it defines it.
    fn definitions<'s>(&'s self, type_name: &'s str, field: &'s str) -> impl Iterator<Item = (&'s Schema, &'s Field)> {
        let interfaces = self.supergraph.types.values().filter(move |definition| {
            matches!(definition, TypeDefinition::Interface(_)) && self.supergraph.applies(definition.name(), type_name)
        });
        let interfaces: Vec<&str> = interfaces.map(TypeDefinition::name).collect();
        self.subgraphs.values().filter_map(move |schema| {
            let stands_in = |name: &&&str| schema.is_interface_object(name);
            let interface = interfaces.iter().find(stands_in).and_then(|name| schema.field(name, field));
            Some((schema, schema.field(type_name, field).or(interface)?))
        })
    }

    /// The types that an object in a field can have wherever it is resolved.
    fn types_of(&self, parent: &str, field: &str, of: &str) -> Vec<String> {
        let mut types: Vec<String> = self.supergraph.possible(of).into_iter().map(str::to_owned).collect();
        for (schema, definition) in self.definitions(parent, field) {
            let of = definition.field_type.inner_type();
            if !schema.is_interface_object(of) {
                let possible = schema.possible(of);
                types.retain(|name| possible.contains(&name.as_str()));
            }
        }
        let inaccessible =
            |name: &String| self.supergraph.directives(name).iter().any(|directive| directive.name == "inaccessible");
        types.retain(|name| !inaccessible(name));
        types
    }

    /// The values that all subgraphs know of an enum, and clients.
    fn values_of(&self, name: &str) -> Vec<String> {
        let values = |schema: &Schema, all: bool| match schema.types.get(name) {
            Some(TypeDefinition::Enum(definition)) => {
                let visible = definition
                    .values
                    .iter()
                    .filter(|value| all || value.directives.iter().all(|directive| directive.name != "inaccessible"));
                Some(visible.map(|value| value.name.clone()).collect::<Vec<_>>())
            }
            _ => None,
        };
        let mut common = values(&self.supergraph, false).unwrap_or_default();
        for known in self.subgraphs.values().filter_map(|schema| values(schema, true)) {
            common.retain(|value| known.contains(value));
        }
        common
    }
}

/// Notes the fields of a field set.
fn walk(schema: &Schema, type_name: &str, set: &SelectionSet, fields: &mut BTreeSet<(String, String)>) {
    for item in &set.items {
        match item {
            Selection::Field(field) => {
                for possible in schema.possible(type_name) {
                    fields.insert((possible.to_owned(), field.name.clone()));
                    if let Some(definition) = schema.field(possible, &field.name) {
                        walk(schema, definition.field_type.inner_type(), &field.selection_set, fields);
                    }
                }
            }
            Selection::InlineFragment(fragment) => {
                let on = fragment.type_condition.as_ref().map_or(type_name, |on| on.as_ref().as_str());
                walk(schema, on, &fragment.selection_set, fields);
            }
            Selection::FragmentSpread(_) => {}
        }
    }
}

/// Notes the fields below a field whose nulls rise to it.
fn rising(schema: &Schema, type_name: &str, field: &str, fields: &mut BTreeSet<(String, String)>) {
    let Some(of) = schema.field(type_name, field).map(|definition| definition.field_type.inner_type()) else { return };
    for possible in schema.possible(of) {
        for below in schema.fields(possible).iter().filter(|below| below.field_type.is_non_null()) {
            if fields.insert((possible.to_owned(), below.name.clone())) {
                rising(schema, possible, &below.name, fields);
            }
        }
    }
}

/// A field whose value is wanted.
struct Wanted<'w> {
    laws: &'w Laws,
    node: &'w Node,
    field: &'w str,
    is_key: bool,
    nulls: u64,
    errors: u64,
}

impl World {
    /// A world with nothing missing (0), with nulls (1), or with nulls and errors (2).
    pub fn new(seed: u64, faults: u64) -> Self {
        Self { seed, nulls: faults * 20, errors: if faults == 2 { 12 } else { 0 } }
    }

    /// The value of an object's field, with these arguments (JSON, sorted).
    pub fn give(&self, laws: &Laws, node: &Node, field: &str, arguments: &str) -> Given {
        let Some(definition) = laws.supergraph.field(&node.type_name, field) else {
            panic!("{}.{field} is not in the supergraph", node.type_name);
        };
        let known = (node.type_name.clone(), field.to_owned());
        let is_key = laws.keys.contains(&known);
        let ty = definition.field_type.to_string();
        let is_uniform = laws.definitions(&node.type_name, field).all(|(_, field)| field.field_type.to_string() == ty);
        let (nulls, errors) = match (is_key || !is_uniform, laws.required.contains(&known)) {
            (true, _) => (0, 0),
            (false, true) => (self.nulls, 0),
            (false, false) => (self.nulls, self.errors),
        };
        let path = format!("{}:{}.{field}{}", node.type_name, node.id, if is_key { "" } else { arguments });
        self.value(&Wanted { laws, node, field, is_key, nulls, errors }, &definition.field_type, &path)
    }

    fn value(&self, wanted: &Wanted<'_>, ty: &Type, path: &str) -> Given {
        let (ty, may_be_null) = nullable(ty);
        if self.roll(path, "error") % 256 < wanted.errors {
            return Given::Error;
        }
        if may_be_null && self.roll(path, "null") % 256 < wanted.nulls {
            return Given::Null;
        }
        match ty {
            Type::ListType(of) => {
                let roll = self.roll(path, "length");
                let length = if wanted.is_key { 1 + roll % 2 } else { roll % 4 };
                Given::List((0..length).map(|n| self.value(wanted, of, &format!("{path}[{n}]"))).collect())
            }
            Type::NamedType(name) => self.named(wanted, name, path),
            Type::NonNullType(_) => Given::Null,
        }
    }

    fn named(&self, wanted: &Wanted<'_>, name: &str, path: &str) -> Given {
        let Wanted { laws, node, .. } = wanted;
        if laws.supergraph.is_composite(name) {
            let types = laws.types_of(&node.type_name, wanted.field, name);
            let Some(type_name) = pick(&types, self.roll(path, "type")) else { return Given::Null };
            let id = match laws.entities.contains(type_name) {
                // Entities that are parts of keys must differ when what they are a key to does.
                true if wanted.is_key => node.id.chars().find(char::is_ascii_digit).unwrap_or('0').to_string(),
                true => (self.roll(path, "id") % ENTITIES).to_string(),
                false => path.to_owned(),
            };
            return Given::Node(Node { type_name: type_name.clone(), id });
        }
        let roll = self.roll(path, "leaf");
        Given::Leaf(match (name, laws.supergraph.types.get(name)) {
            ("Int", _) => (if wanted.is_key { roll % (1 << 31) } else { roll % 100 }).to_string(),
            ("Float", _) => format!("{:?}", (roll % 1000) as f64 / 8.0),
            ("Boolean", _) => roll.is_multiple_of(2).to_string(),
            ("ID", _) => serde_json::Value::from(path).to_string(),
            ("String", _) => {
                let decoration = ["", "é", "\n", "\"\\", "😀", "/"][(roll % 6) as usize];
                serde_json::Value::from(format!("{decoration}{:x}{decoration}", roll % 0xffff_ffff)).to_string()
            }
            (_, Some(TypeDefinition::Enum(_))) => match pick(&laws.values_of(name), roll) {
                Some(value) => format!("\"{value}\""),
                None => return Given::Null,
            },
            _ => [
                "1.00",
                "{\"a\" : [1e3, null ]}",
                "[ ]",
                "12345678901234567890123",
                "\"\\u00e9\"",
                "{\"__typename\":1}",
            ][(roll % 6) as usize]
                .to_owned(),
        })
    }

    fn roll(&self, path: &str, what: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.seed, path, what).hash(&mut hasher);
        hasher.finish()
    }
}

fn pick<T>(of: &[T], roll: u64) -> Option<&T> {
    (!of.is_empty()).then(|| &of[(roll % of.len() as u64) as usize])
}
