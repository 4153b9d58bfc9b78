//! What the answer to a fetch looks like, so that it is read with that in mind.

use super::names::{Name, Names, TYPENAME};
use super::write::write_plain;
use hive_router_query_planner::ast::fragment::FragmentDefinition;
use hive_router_query_planner::ast::selection_item::SelectionItem;
use hive_router_query_planner::ast::selection_set::SelectionSet;
use hive_router_query_planner::planner::plan_nodes::CustomScalarPaths;

/// The fields that an object may have, in the order in which they are asked for. Those of all its types together.
#[derive(Debug, Default)]
pub(super) struct Shape {
    fields: Vec<Expected>,
    /// Whether objects here that have the same text may be one: whatever else the plan asks for one of them, it asks for
    /// the other.
    folds: bool,
}

/// A field of a [`Shape`].
#[derive(Debug)]
pub(super) struct Expected {
    key: String,
    /// The key as JSON with its colon, as most servers write it.
    pub(super) text: Vec<u8>,
    pub(super) name: Name,
    pub(super) form: Form,
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
            let mut text = Vec::new();
            write_plain(key, &mut text);
            text.push(b':');
            self.fields.push(Expected { key: key.to_owned(), text, name: names.intern(key), form });
            self.fields.len() - 1
        });
        &mut self.fields[index]
    }

    /// Whether no objects are below the fields.
    pub(super) fn is_flat(&self) -> bool {
        self.fields.iter().all(|field| !matches!(field.form, Form::Object(_)))
    }

    /// Whether objects that have the same text may be one.
    pub(super) fn folds(&self) -> bool {
        self.folds
    }

    /// Lets objects be one that have the same text, here and below.
    pub(super) fn fold(&mut self) {
        self.folds = true;
        for field in &mut self.fields {
            if let Form::Object(shape) = &mut field.form {
                shape.fold();
            }
        }
    }

    /// The shape of the objects of a field.
    pub(super) fn below(&mut self, key: &str) -> Option<&mut Shape> {
        self.fields.iter_mut().find_map(|field| match &mut field.form {
            Form::Object(shape) if field.key == key => Some(shape),
            _ => None,
        })
    }

    /// The field at this position.
    pub(super) fn at(&self, position: usize) -> Option<&Expected> {
        self.fields.get(position)
    }

    /// The field with this key. `next` is where it is expected: after the one that was found before.
    pub(super) fn find(&self, key: &str, next: &mut usize) -> Option<&Expected> {
        let expected = self.fields.get(*next).filter(|expected| expected.key == key);
        let index = expected.map(|_| *next).or_else(|| self.fields.iter().position(|expected| expected.key == key))?;
        *next = index + 1;
        self.fields.get(index)
    }
}
