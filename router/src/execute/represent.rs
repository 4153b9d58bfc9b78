//! What a subgraph is told of an entity so that it can resolve it: its key and the fields that `@requires` names.

use super::data::{Data, LastPlace, ObjectId, Value};
use super::names::{Name, Names, TYPENAME};
use super::page::{Piece, Prefix, prefix};
use super::plan::Types;
use super::write::write_plain;
use hive_router_query_planner::ast::selection_item::SelectionItem;
use hive_router_query_planner::ast::selection_set::SelectionSet;
use hive_router_query_planner::planner::plan_nodes::{FetchNodePathSegment, FetchRewrite};
use hive_router_query_planner::state::supergraph_state::{SupergraphState, TypeNode};
use std::collections::HashSet;

/// How to write representations.
#[derive(Debug)]
pub(super) struct Representation {
    items: Vec<Item>,
    /// The same, if it is as simple as most are.
    plain: Option<Plain>,
    /// Whether some name may be needed by more than one fragment.
    repeats: bool,
    /// Objects of these types are called by the interface that the subgraph takes for an object.
    called: Vec<(Types, String)>,
}

const TYPENAME_KEY: &[u8] = b",\"__typename\":";

#[derive(Debug)]
enum Item {
    Typename,
    Field {
        /// Its name in the data.
        name: Name,
        /// A comma, its key in the representation as JSON, and a colon.
        key: Vec<u8>,
        /// Whether null is a value it may have.
        nullable: bool,
        items: Vec<Item>,
    },
    On(Types, Vec<Item>),
}

/// Scalars of objects of the same types.
#[derive(Debug)]
struct Plain {
    types: Option<Types>,
    fields: Vec<PlainField>,
    /// Whether `__typename` is among the fields.
    tells_type: bool,
}

#[derive(Debug)]
struct PlainField {
    name: Name,
    /// Where objects have it.
    place: LastPlace,
    /// What stands before its value.
    prefix: Prefix,
    nullable: bool,
}

/// The object cannot be resolved: something that the subgraph needs is unknown.
#[derive(Debug)]
struct Unknown;

impl Representation {
    pub(super) fn compile(
        requires: &SelectionSet,
        rewrites: Option<&[FetchRewrite]>,
        schema: &SupergraphState,
        names: &mut Names,
    ) -> Self {
        let called = rewrites.unwrap_or_default().iter().filter_map(|rewrite| match rewrite {
            FetchRewrite::ValueSetter(setter) => match setter.path.as_slice() {
                [FetchNodePathSegment::TypenameEquals(names), FetchNodePathSegment::Key(key)] if key == TYPENAME => {
                    Some((Types::of(names.iter(), schema), setter.set_value_to.clone()))
                }
                _ => None,
            },
            FetchRewrite::KeyRenamer(_) => None,
        });
        let items = items(requires, None, schema, names);
        let (repeats, called) = (repeats(&items, &mut HashSet::new()), called.collect::<Vec<_>>());
        let plain = if repeats || !called.is_empty() { None } else { Plain::of(&items) };
        Self { items, plain, repeats, called }
    }

    /// Appends the representation of an object. Writes nothing and gives false if the object cannot be resolved: its
    /// type does not fit, or something needed is missing (because it could not be fetched, or is null but must not be).
    pub(super) fn write(&self, data: &Data, object: ObjectId, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        if let Some(written) = self.plain.as_ref().and_then(|plain| plain.write(data, object, out)) {
            if !written {
                out.truncate(start);
            }
            return written;
        }
        out.truncate(start);
        let typename = if self.called.is_empty() { None } else { data.typename(object) };
        let called = typename.and_then(|name| {
            self.called.iter().find_map(|(types, called)| types.contains(name.as_bytes()).then_some(called.as_str()))
        });
        let mut writer = Writer { data, out, repeats: self.repeats, is_first: true, known: 0 };
        let written = writer.object(object, &self.items, called);
        let known = writer.known;
        if written.is_err() || known == 0 {
            out.truncate(start);
            return false;
        }
        true
    }
}

impl PlainField {
    fn new(name: Name, key: &[u8], nullable: bool) -> Self {
        Self { name, place: LastPlace::default(), prefix: Prefix::of(key), nullable }
    }
}

impl Plain {
    fn of(items: &[Item]) -> Option<Self> {
        let (types, items) = match items {
            [Item::On(types, items)] => (Some(types.clone()), items.as_slice()),
            items => (None, items),
        };
        let fields = items.iter().map(|item| match item {
            Item::Typename => Some(PlainField::new(Name::TYPENAME, TYPENAME_KEY, false)),
            Item::Field { name, key, nullable, items } if items.is_empty() => {
                Some(PlainField::new(*name, key, *nullable))
            }
            Item::Field { .. } | Item::On(..) => None,
        });
        let fields = fields.collect::<Option<Vec<_>>>()?;
        let tells_type = fields.iter().any(|field| field.name == Name::TYPENAME);
        Some(Self { types, fields, tells_type })
    }

    /// As [`Representation::write`]; nothing if some field is no scalar. What was written before that stays.
    fn write(&self, data: &Data, object: ObjectId, out: &mut Vec<u8>) -> Option<bool> {
        if !self.tells_type && self.types.as_ref().is_some_and(|types| !types.allow(data, object)) {
            return Some(false);
        }
        let (start, mut known) = (out.len(), false);
        for field in &self.fields {
            let json = match data.get_near(object, field.name, &field.place) {
                Some(value @ Value::Scalar { .. }) => data.piece(value)?,
                Some(Value::Null) if field.nullable => Piece::of(b"null", 4),
                Some(Value::Null) | None => return Some(false),
                Some(Value::List(_) | Value::Object(_)) => return None,
            };
            if field.name != Name::TYPENAME {
                known |= json.text() != b"null";
            } else {
                let [b'"', name @ .., b'"'] = json.text() else { return Some(false) };
                if self.types.as_ref().is_some_and(|types| !types.contains(name)) {
                    return Some(false);
                }
            }
            field.prefix.piece(false).append(out);
            json.append(out);
        }
        // In place of the comma before the first field.
        *out.get_mut(start)? = b'{';
        out.push(b'}');
        Some(known)
    }
}

/// Whether an object of these items, or one below, has a key that is among its `keys` already.
fn repeats<'i>(items: &'i [Item], keys: &mut HashSet<&'i [u8]>) -> bool {
    items.iter().any(|item| match item {
        Item::Typename => !keys.insert(TYPENAME_KEY),
        Item::Field { key, items, .. } => !keys.insert(key) || repeats(items, &mut HashSet::new()),
        Item::On(_, items) => repeats(items, keys),
    })
}

/// `parent` is the type that the fields belong to.
fn items(selections: &SelectionSet, parent: Option<&str>, schema: &SupergraphState, names: &mut Names) -> Vec<Item> {
    let items = selections.items.iter().filter_map(|selection| match selection {
        SelectionItem::Field(field) if field.name == TYPENAME => Some(Item::Typename),
        SelectionItem::Field(field) => {
            let key = prefix(field.selection_identifier());
            // A field that two subgraphs' arguments made ambiguous is in the data by another name than its own, which
            // is then its alias.
            let definition = parent.and_then(|parent| schema.definitions.get(parent)).and_then(|parent| {
                let fields = parent.fields();
                fields.get(&field.name).or_else(|| fields.get(field.selection_identifier()))
            });
            let of = definition.map(|definition| definition.field_type.inner_type());
            Some(Item::Field {
                name: names.intern(&field.name),
                key,
                nullable: definition.is_some_and(|definition| !matches!(definition.field_type, TypeNode::NonNull(_))),
                items: self::items(&field.selections, of, schema, names),
            })
        }
        SelectionItem::InlineFragment(fragment) => {
            let types = Types::of(std::iter::once(&fragment.type_condition), schema);
            Some(Item::On(types, self::items(&fragment.selections, Some(&fragment.type_condition), schema, names)))
        }
        SelectionItem::FragmentSpread(_) => None,
    });
    items.collect()
}

struct Writer<'o> {
    data: &'o Data,
    out: &'o mut Vec<u8>,
    /// As [`Representation::repeats`].
    repeats: bool,
    /// Whether nothing has been written of the object at hand.
    is_first: bool,
    /// Values written that are not null, `__typename` apart.
    known: usize,
}

impl Writer<'_> {
    fn object(&mut self, object: ObjectId, items: &[Item], called: Option<&str>) -> Result<(), Unknown> {
        self.out.push(b'{');
        let outer = std::mem::replace(&mut self.is_first, true);
        let written = self.items(object, items, called, &mut Vec::new());
        self.is_first = outer;
        self.out.push(b'}');
        written
    }

    /// A name that is needed by more than one fragment is written once.
    fn items<'i>(
        &mut self,
        object: ObjectId,
        items: &'i [Item],
        called: Option<&str>,
        written: &mut Vec<&'i [u8]>,
    ) -> Result<(), Unknown> {
        for item in items {
            match item {
                Item::Typename => {
                    let json = self.data.get(object, Name::TYPENAME).and_then(|name| self.data.json(name));
                    let json = json.filter(|json| json.starts_with(b"\""));
                    if called.is_none() && json.is_none() {
                        return Err(Unknown);
                    }
                    if !self.is_written(TYPENAME_KEY, written) {
                        self.key(TYPENAME_KEY);
                        match called {
                            Some(name) => write_plain(name, self.out),
                            None => self.out.extend_from_slice(json.unwrap_or_default()),
                        }
                    }
                }
                Item::Field { key, .. } if self.is_written(key, written) => {}
                Item::Field { name, key, nullable, items } => {
                    let value = self.data.get(object, *name).ok_or(Unknown)?;
                    if matches!(value, Value::Null) && !nullable {
                        return Err(Unknown);
                    }
                    self.key(key);
                    self.value(value, items)?;
                }
                Item::On(types, items) => {
                    if types.allow(self.data, object) {
                        self.items(object, items, called, written)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether a key is among those that are written; it is from now on.
    fn is_written<'i>(&self, key: &'i [u8], written: &mut Vec<&'i [u8]>) -> bool {
        if !self.repeats {
            return false;
        }
        let is_written = written.contains(&key);
        if !is_written {
            written.push(key);
        }
        is_written
    }

    fn key(&mut self, key: &[u8]) {
        // The comma before the first field is left out.
        self.out.extend_from_slice(&key[usize::from(self.is_first)..]);
        self.is_first = false;
    }

    fn value(&mut self, value: Value, items: &[Item]) -> Result<(), Unknown> {
        match value {
            Value::Object(object) => self.object(object, items, None)?,
            Value::List(list) => {
                // A list of scalars is known even if it is empty.
                self.known += usize::from(items.is_empty());
                self.out.push(b'[');
                for (index, item) in self.data.items(list).iter().enumerate() {
                    if index > 0 {
                        self.out.push(b',');
                    }
                    self.value(*item, items)?;
                }
                self.out.push(b']');
            }
            Value::Null => self.out.extend_from_slice(b"null"),
            Value::Scalar { .. } => {
                self.known += 1;
                self.out.extend_from_slice(self.data.json(value).unwrap_or(b"null"));
            }
        }
        Ok(())
    }
}
