//! Required fields that take arguments. The planner settles a clash of one field with two choices of arguments by an
//! alias, and then takes the field by this alias in places that have none. So it gets a schema in which every such
//! choice is a field of its own, that nothing clashes with. What becomes of them in a plan: `operation::required`.

use graphql_tools::parser::parse_query;
use graphql_tools::static_graphql::query::{Definition as Query, OperationDefinition};
use graphql_tools::static_graphql::schema::{Definition, Directive, Document, Field, TypeDefinition, Value};
use hive_router_query_planner::ast::selection_item::SelectionItem;
use hive_router_query_planner::ast::selection_set::{FieldSelection, SelectionSet};
use std::collections::{HashMap, HashSet};

/// How the names of these fields begin.
const MARK: &str = "_required_";

/// The fields that stand for required ones, by name.
#[derive(Debug, Default)]
pub struct Required(HashMap<String, Choice>);

/// A required field with its arguments.
#[derive(Debug)]
pub(crate) struct Choice {
    /// Without selections.
    pub(crate) field: FieldSelection,
    /// The names of the fields from the entity down to it.
    pub(crate) place: String,
    /// The same with the arguments and types on the way.
    path: String,
}

impl Required {
    /// Gives a supergraph a field for each choice of arguments that its `@requires` make, and has that required instead.
    pub(super) fn set_apart(supergraph: &mut Document) -> Self {
        let mut required = Self::default();
        let all = supergraph.definitions.iter_mut().filter_map(fields).flatten();
        let takes_arguments = all.filter(|field| !field.arguments.is_empty()).map(|field| field.name.clone());
        let takes_arguments: HashSet<String> = takes_arguments.collect();
        let all = supergraph.definitions.iter_mut().filter_map(fields).flatten();
        for text in all.flat_map(|field| &mut field.directives).filter_map(requires) {
            // What cannot be read is left to the planner to complain about.
            let Some(mut set) = field_set(text) else { continue };
            required.choose(&mut set, &takes_arguments, "", "");
            let printed = set.to_string();
            if let Some(fields) = printed.strip_prefix('{').and_then(|printed| printed.strip_suffix('}')) {
                *text = fields.to_owned();
            }
        }
        for fields in supergraph.definitions.iter_mut().filter_map(fields) {
            let choices = required.0.iter().filter_map(|(name, choice)| {
                let field = fields.iter().find(|field| field.name == choice.field.name)?;
                Some(Field { name: name.clone(), arguments: Vec::new(), ..field.clone() })
            });
            let mut choices: Vec<_> = choices.collect();
            choices.sort_by(|a, b| a.name.cmp(&b.name));
            fields.append(&mut choices);
        }
        required
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What a field stands for.
    pub(crate) fn get(&self, field: &str) -> Option<&Choice> {
        if field.starts_with(MARK) { self.0.get(field) } else { None }
    }

    /// Puts choices in the place of fields.
    fn choose(&mut self, set: &mut SelectionSet, takes_arguments: &HashSet<String>, path: &str, place: &str) {
        for item in &mut set.items {
            match item {
                SelectionItem::Field(field) => {
                    let place = format!("{place}/{}", field.name);
                    if takes_arguments.contains(&field.name) {
                        field.name = self.choice(field, path, &place);
                        field.arguments = None;
                    }
                    let path = format!("{path}/{}", field.name);
                    self.choose(&mut field.selections, takes_arguments, &path, &place);
                }
                SelectionItem::InlineFragment(fragment) => {
                    let path = format!("{path}/{}", fragment.type_condition);
                    self.choose(&mut fragment.selections, takes_arguments, &path, place);
                }
                SelectionItem::FragmentSpread(_) => {}
            }
        }
    }

    /// The name of a choice.
    fn choice(&mut self, field: &FieldSelection, path: &str, place: &str) -> String {
        let known = self.0.iter().find(|(_, known)| known.path == path && known.field == *field);
        if let Some((name, _)) = known {
            return name.clone();
        }
        let name = format!("{MARK}{}_{}", self.0.len(), field.name);
        let field = field.with_new_selections(SelectionSet::default());
        self.0.insert(name.clone(), Choice { field, path: path.to_owned(), place: place.to_owned() });
        name
    }
}

/// The field set that a `join__field` requires.
pub(crate) fn field_set(text: &str) -> Option<SelectionSet> {
    let document = parse_query::<String>(&format!("{{{text}}}")).ok()?.into_static();
    match document.definitions.into_iter().next()? {
        Query::Operation(OperationDefinition::SelectionSet(set)) => Some(set.into()),
        _ => None,
    }
}

fn fields<'d>(definition: &'d mut Definition<'static, String>) -> Option<&'d mut Vec<Field>> {
    match definition {
        Definition::TypeDefinition(TypeDefinition::Object(object)) => Some(&mut object.fields),
        Definition::TypeDefinition(TypeDefinition::Interface(interface)) => Some(&mut interface.fields),
        _ => None,
    }
}

/// What a directive on a field says is required.
fn requires(directive: &mut Directive) -> Option<&mut String> {
    let is_requires = |(name, _): &&mut (String, Value)| directive.name == "join__field" && name == "requires";
    match directive.arguments.iter_mut().find(is_requires)? {
        (_, Value::String(text)) => Some(text),
        _ => None,
    }
}
