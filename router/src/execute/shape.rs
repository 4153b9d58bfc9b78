//! What the answer to a fetch looks like, so that it is read with that in mind.

use super::likeness::Class;
use super::names::{Name, Names, TYPENAME};
use super::page::prefix;
use hive_router_query_planner::ast::fragment::FragmentDefinition;
use hive_router_query_planner::ast::selection_item::SelectionItem;
use hive_router_query_planner::ast::selection_set::SelectionSet;
use hive_router_query_planner::planner::plan_nodes::CustomScalarPaths;

/// The fields that an object may have, in the order in which they are asked for. Those of all its types together.
#[derive(Debug, Default)]
pub(super) struct Shape {
    fields: Vec<Expected>,
    /// Objects of one class that have the same text may be one. Without a class they may not.
    pub(super) class: Option<Class>,
}

/// A field of a [`Shape`].
#[derive(Debug)]
pub(super) struct Expected {
    key: String,
    /// A comma, the key as JSON, and a colon, as most servers write them.
    pub(super) prefix: Vec<u8>,
    /// The prefix without its comma, and which bytes these are, if they are few enough to be compared at once.
    word: Option<(u128, u128)>,
    pub(super) name: Name,
    pub(super) form: Form,
}

/// The bytes behind the first, and a mask of where they stand in the same number of bytes.
fn word(prefix: &[u8]) -> Option<(u128, u128)> {
    let (mut word, mut mask) = ([0; 16], [0; 16]);
    word.get_mut(1..prefix.len())?.copy_from_slice(&prefix[1..]);
    mask[1..prefix.len()].fill(u8::MAX);
    Some((u128::from_ne_bytes(word), u128::from_ne_bytes(mask)))
}

impl Expected {
    /// Whether a text begins with the field; whatever stands in the place of the comma.
    pub(super) fn begins(&self, text: &[u8]) -> bool {
        match (self.word, text.first_chunk()) {
            (Some((word, mask)), Some(chunk)) => u128::from_ne_bytes(*chunk) & mask == word,
            _ => text.len() >= self.prefix.len() && text[1..].starts_with(&self.prefix[1..]),
        }
    }
}

/// What the value of a field looks like, lists apart.
#[derive(Debug)]
pub(super) enum Form {
    /// A scalar or an enum value.
    Leaf,
    /// A custom scalar, or a list of it: any JSON.
    Any,
    /// An object with these fields.
    Object(Shape),
}

impl Shape {
    /// The shape of an object of which this is asked for.
    pub(super) fn compile(
        selections: &SelectionSet,
        fragments: &[FragmentDefinition],
        custom_scalars: Option<&CustomScalarPaths>,
        names: &mut Names,
    ) -> Self {
        let mut shape = Self::default();
        shape.add(selections, fragments, custom_scalars, names);
        shape
    }

    fn add(
        &mut self,
        selections: &SelectionSet,
        fragments: &[FragmentDefinition],
        custom_scalars: Option<&CustomScalarPaths>,
        names: &mut Names,
    ) {
        for item in &selections.items {
            match item {
                SelectionItem::Field(field) => {
                    let key = field.selection_identifier();
                    let custom_scalars = custom_scalars.and_then(|paths| paths.children.get(key));
                    let is_any = custom_scalars.is_some_and(|paths| paths.terminal);
                    let form = match field.selections.items.is_empty() {
                        _ if is_any => Form::Any,
                        true => Form::Leaf,
                        false => Form::Object(Self::default()),
                    };
                    if let Form::Object(shape) = &mut self.expect(key, form, names).form {
                        shape.add(&field.selections, fragments, custom_scalars, names);
                    }
                }
                SelectionItem::InlineFragment(fragment) => {
                    self.add(&fragment.selections, fragments, custom_scalars, names);
                }
                SelectionItem::FragmentSpread(name) => {
                    for fragment in fragments.iter().filter(|fragment| fragment.name == *name) {
                        self.add(&fragment.selection_set, fragments, custom_scalars, names);
                    }
                }
            }
        }
        // Some subgraphs tell it unasked.
        self.expect(TYPENAME, Form::Leaf, names);
    }

    fn expect(&mut self, key: &str, form: Form, names: &mut Names) -> &mut Expected {
        let index = self.fields.iter().position(|known| known.key == key).unwrap_or_else(|| {
            let (prefix, name) = (prefix(key), names.intern(key));
            self.fields.push(Expected { key: key.to_owned(), word: word(&prefix), prefix, name, form });
            self.fields.len() - 1
        });
        &mut self.fields[index]
    }

    /// Whether no objects are below the fields.
    pub(super) fn is_flat(&self) -> bool {
        self.fields.iter().all(|field| !matches!(field.form, Form::Object(_)))
    }

    /// The fields that an object may have, by name.
    pub(super) fn forms(&mut self) -> impl Iterator<Item = (Name, &mut Form)> {
        self.fields.iter_mut().map(|field| (field.name, &mut field.form))
    }

    /// The shape of the objects of a field.
    pub(super) fn below(&mut self, key: &str) -> Option<&mut Shape> {
        self.fields.iter_mut().find_map(|field| match &mut field.form {
            Form::Object(shape) if field.key == key => Some(shape),
            _ => None,
        })
    }

    /// The fields from this position on.
    pub(super) fn from(&self, position: usize) -> &[Expected] {
        self.fields.get(position..).unwrap_or_default()
    }

    /// The field with this key. `next` is where it is expected: after the one that was found before.
    pub(super) fn find(&self, key: &str, next: &mut usize) -> Option<&Expected> {
        let expected = self.fields.get(*next).filter(|expected| expected.key == key);
        let index = expected.map(|_| *next).or_else(|| self.fields.iter().position(|expected| expected.key == key))?;
        *next = index + 1;
        self.fields.get(index)
    }
}
