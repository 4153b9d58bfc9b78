//! How large an operation is, and whether that is within the limits. Fragments are counted at every use, but looked at
//! once, so that measuring takes time in proportion to the document and not to what it expands to.

use super::document::{self, is_introspection, located};
use super::names;
use crate::error::{Code, GraphQLError};
use crate::limits;
use graphql_tools::parser::Pos;
use graphql_tools::static_graphql::query::{self, Selection};
use std::collections::HashMap;

/// How deep the lists of an introspection may nest: the schema is a graph with cycles, so that each level multiplies
/// the answer (graphql-js, `MaxIntrospectionDepthRule`).
const MAX_INTROSPECTION_LISTS: usize = 3;

/// How deep selections may nest, each fragment counted as a level: the stages that follow recurse over them, and an
/// overflow of the stack cannot be caught.
const MAX_NESTING: usize = 128;

/// How many times the limit on fields all operations and fragments of a document may have together.
const DEFINITIONS: usize = 4;

/// Checks every operation of a document. Made for documents that are not validated yet.
pub(super) fn check(document: &query::Document, limits: &limits::Operation) -> Result<(), Vec<GraphQLError>> {
    let mut measuring = Measuring::of(document);
    let mut errors = Vec::new();
    let mut fields: usize = 0;
    for operation in document::operations(document) {
        let size = measuring.selections(operation.selection_set());
        fields = fields.saturating_add(size.fields);
        errors.extend(size.exceeded(limits));
    }
    // Validation and normalisation look at unused definitions too, and write fragments out in fragments.
    for fragment in document::fragments(document) {
        fields = fields.saturating_add(measuring.fragment(&fragment.name).fields);
    }
    let most = limits.max_fields.saturating_mul(DEFINITIONS);
    if errors.is_empty() && fields > most {
        let message = format!("The document's operations and fragments have more than {most} fields together.");
        errors.push(GraphQLError::new(Code::OperationTooComplex, message));
    }
    if names::has_longer(document, limits.max_name_bytes) {
        let message = format!("The document has a name of more than {} bytes.", limits.max_name_bytes);
        errors.push(GraphQLError::new(Code::OperationTooComplex, message));
    }
    if measuring.too_nested {
        let message = format!("The document nests fields and fragments deeper than {MAX_NESTING} levels.");
        errors.push(GraphQLError::new(Code::OperationTooComplex, message));
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// How many introspections an operation has, and how deep lists nest in them.
pub(super) fn introspections(document: &query::Document, operation: &query::OperationDefinition) -> (usize, usize) {
    let size = Measuring::of(document).selections(operation.selection_set());
    (size.introspections, size.introspection_lists)
}

/// The size of a selection set.
#[derive(Clone, Copy, Default)]
struct Size {
    /// The fields of the set itself.
    width: usize,
    depth: usize,
    fields: usize,
    aliases: usize,
    directives: usize,
    /// The lists that nest in it, were it an introspection.
    lists: usize,
    /// The lists that nest in its introspections.
    introspection_lists: usize,
    introspection: Option<Pos>,
    introspections: usize,
    /// The levels of fields and fragments.
    nesting: usize,
}

impl Size {
    fn and(self, other: Size) -> Size {
        Size {
            width: self.width.saturating_add(other.width),
            depth: self.depth.max(other.depth),
            fields: self.fields.saturating_add(other.fields),
            aliases: self.aliases.saturating_add(other.aliases),
            directives: self.directives.saturating_add(other.directives),
            lists: self.lists.max(other.lists),
            introspection_lists: self.introspection_lists.max(other.introspection_lists),
            introspection: self.introspection.or(other.introspection),
            introspections: self.introspections.saturating_add(other.introspections),
            nesting: self.nesting.max(other.nesting),
        }
    }

    fn of_field(field: &query::Field, inside: Size) -> Size {
        let is_introspection = is_introspection(&field.name);
        let is_list = matches!(field.name.as_str(), "fields" | "interfaces" | "possibleTypes" | "inputFields");
        Size {
            width: 1,
            depth: if is_introspection { 1 } else { inside.depth + 1 },
            fields: inside.fields.saturating_add(1),
            aliases: inside.aliases.saturating_add(usize::from(field.alias.is_some())),
            directives: inside.directives.saturating_add(field.directives.len()),
            lists: inside.lists + usize::from(is_list),
            introspection_lists: if is_introspection { inside.lists } else { inside.introspection_lists },
            introspection: is_introspection.then_some(field.position).or(inside.introspection),
            introspections: if is_introspection { 1 } else { inside.introspections },
            nesting: inside.nesting,
        }
    }

    /// The size with so many directives more.
    fn directed(self, directives: usize) -> Size {
        Size { directives: self.directives.saturating_add(directives), ..self }
    }

    fn exceeded(&self, limits: &limits::Operation) -> Vec<GraphQLError> {
        let measured = [
            ("is nested deeper than", self.depth, limits.max_depth, "levels"),
            ("has more than", self.width, limits.max_root_fields, "root fields"),
            ("has more than", self.aliases, limits.max_aliases, "aliases"),
            ("has more than", self.fields, limits.max_fields, "fields"),
            ("has more than", self.directives, limits.max_directives, "directives"),
            ("nests introspection deeper than", self.introspection_lists, MAX_INTROSPECTION_LISTS, "lists"),
        ];
        let too_large =
            measured.into_iter().filter(|(_, size, limit, _)| size > limit).map(|(what, _, limit, unit)| {
                GraphQLError::new(Code::OperationTooComplex, format!("The operation {what} {limit} {unit}."))
            });
        let forbidden = self.introspection.filter(|_| !limits.introspection).map(|position| {
            located(GraphQLError::new(Code::IntrospectionDisabled, "Introspection is switched off."), position)
        });
        too_large.chain(forbidden).collect()
    }
}

struct Measuring<'d> {
    fragments: HashMap<&'d str, &'d query::FragmentDefinition>,
    /// The fragments measured so far. One that is being measured has size 0: a cycle is left to validation to refuse.
    known: HashMap<&'d str, Size>,
    nesting: usize,
    too_nested: bool,
}

impl<'d> Measuring<'d> {
    fn of(document: &'d query::Document) -> Self {
        let fragments = document::fragments(document).map(|fragment| (fragment.name.as_str(), fragment)).collect();
        Self { fragments, known: HashMap::new(), nesting: 0, too_nested: false }
    }

    fn selections(&mut self, selections: &'d query::SelectionSet) -> Size {
        if self.nesting >= MAX_NESTING {
            self.too_nested = true;
            return Size::default();
        }
        self.nesting += 1;
        let mut size = self.items(selections);
        self.nesting -= 1;
        size.nesting += 1;
        // Parts of it may have been measured before, elsewhere.
        self.too_nested |= size.nesting > MAX_NESTING;
        size
    }

    fn items(&mut self, selections: &'d query::SelectionSet) -> Size {
        selections.items.iter().fold(Size::default(), |size, selection| {
            size.and(match selection {
                Selection::Field(field) => {
                    let inside = self.selections(&field.selection_set);
                    Size::of_field(field, inside)
                }
                Selection::InlineFragment(fragment) => {
                    self.selections(&fragment.selection_set).directed(fragment.directives.len())
                }
                Selection::FragmentSpread(spread) => {
                    self.fragment(&spread.fragment_name).directed(spread.directives.len())
                }
            })
        })
    }

    fn fragment(&mut self, name: &str) -> Size {
        if let Some(size) = self.known.get(name) {
            return *size;
        }
        let Some((name, fragment)) = self.fragments.get_key_value(name).map(|(name, fragment)| (*name, *fragment))
        else {
            return Size::default();
        };
        self.known.insert(name, Size::default());
        let size = self.selections(&fragment.selection_set);
        self.known.insert(name, size);
        size
    }
}
