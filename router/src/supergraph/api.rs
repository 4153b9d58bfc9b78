//! The schema that clients see: the supergraph without the machinery of federation and without what is `@inaccessible`.

use super::sdl;
use crate::error::Error;
use crate::panics;
use federation_composition::{sort_sdl, transform_supergraph_to_public_schema};
use graphql_core::{Definition, Document, NamedType, OperationTypeDefinition, SchemaDefinition};
use graphql_tools::parser::query::Type;
use graphql_tools::static_graphql::schema;
use std::collections::{BTreeSet, HashMap};

/// The types, directives and scalars that every schema has without defining them.
const BUILT_IN: &str = include_str!("introspection.graphql");

/// The schema that clients see, indexed by name.
pub struct ApiSchema {
    /// The schema with the built-in and introspection types in it, as validation needs it.
    pub document: schema::Document,
    /// The schema as text, sorted, without the built-in types.
    pub sdl: String,
    /// The position of each type's definition in `document`.
    types: HashMap<String, usize>,
    /// The object types that implement an interface or are members of a union.
    possible_types: HashMap<String, Vec<String>>,
}

impl ApiSchema {
    /// Derives it from a supergraph document.
    pub fn from_supergraph(supergraph_sdl: &str) -> Result<Self, Error> {
        let sdl = api_schema_sdl(supergraph_sdl)?;
        let unreadable = |error: graphql_tools::parser::schema::ParseError| Error::Supergraph(error.to_string());
        let mut document = graphql_tools::parser::parse_schema::<String>(&sdl).map_err(unreadable)?.into_static();
        let built_in = graphql_tools::parser::parse_schema::<String>(BUILT_IN).map_err(unreadable)?.into_static();

        let query = document.query_type_name().cloned().ok_or_else(|| Error::Supergraph("there is no Query".into()))?;
        let defined: BTreeSet<String> = document.definitions.iter().filter_map(definition_name).collect();
        let missing =
            built_in.definitions.into_iter().filter(|d| definition_name(d).is_none_or(|n| !defined.contains(&n)));
        document.definitions.extend(missing);
        for definition in &mut document.definitions {
            match definition {
                schema::Definition::TypeDefinition(schema::TypeDefinition::Object(object)) if object.name == query => {
                    object.fields.extend(introspection_fields());
                }
                _ => {}
            }
        }
        let mut types = HashMap::new();
        let mut possible_types: HashMap<String, Vec<String>> = HashMap::new();
        for (position, definition) in document.definitions.iter().enumerate() {
            let schema::Definition::TypeDefinition(definition) = definition else { continue };
            types.insert(definition.name().to_owned(), position);
            match definition {
                schema::TypeDefinition::Object(object) => {
                    for interface in &object.implements_interfaces {
                        possible_types.entry(interface.clone()).or_default().push(object.name.clone());
                    }
                }
                schema::TypeDefinition::Union(union) => {
                    possible_types.insert(union.name.clone(), union.types.clone());
                }
                _ => {}
            }
        }
        Ok(Self { document, sdl, types, possible_types })
    }

    /// The definition of a type.
    pub fn type_by_name(&self, name: &str) -> Option<&schema::TypeDefinition> {
        match self.document.definitions.get(*self.types.get(name)?)? {
            schema::Definition::TypeDefinition(definition) => Some(definition),
            _ => None,
        }
    }

    /// All types, in the order of their definition.
    pub fn types(&self) -> impl Iterator<Item = &schema::TypeDefinition> {
        self.document.definitions.iter().filter_map(|definition| match definition {
            schema::Definition::TypeDefinition(definition) => Some(definition),
            _ => None,
        })
    }

    /// All directives, in the order of their definition.
    pub fn directives(&self) -> impl Iterator<Item = &schema::DirectiveDefinition> {
        self.document.definitions.iter().filter_map(|definition| match definition {
            schema::Definition::DirectiveDefinition(definition) => Some(definition),
            _ => None,
        })
    }

    /// The object types that a value of an interface or union can have.
    pub fn possible_types(&self, name: &str) -> &[String] {
        self.possible_types.get(name).map_or(&[], Vec::as_slice)
    }
}

/// The schema that clients see, sorted and printed, from a supergraph document.
pub fn api_schema_sdl(supergraph_sdl: &str) -> Result<String, Error> {
    let supergraph = graphql_core::parse(supergraph_sdl).map_err(|error| Error::Supergraph(error.message))?;
    let public =
        panics::handle(|| transform_supergraph_to_public_schema(&supergraph).and_then(|public| sort_sdl(&public)))
            .map_err(|why| Error::Supergraph(format!("deriving the schema that clients see panicked: {why}")))?
            .map_err(|error| Error::Supergraph(error.to_string()))?;

    let mut definitions: Vec<Definition> = renamed_roots(&supergraph).into_iter().collect();
    // Every schema has the built-in directives: it need not define them.
    definitions.extend(public.definitions.into_iter().filter(|definition| match definition {
        Definition::DirectiveDefinition(directive) => {
            !sdl::BUILT_IN_DIRECTIVES.contains(&directive.name.value.as_str())
        }
        _ => true,
    }));
    let mut sdl = graphql_core::print(&Document::new(definitions));
    sdl.push('\n');
    Ok(sdl)
}

/// The `schema { … }` that says which types are the roots, when their names do not.
fn renamed_roots(supergraph: &Document) -> Option<Definition> {
    let roots: Vec<OperationTypeDefinition> = supergraph
        .definitions
        .iter()
        .filter_map(|definition| match definition {
            Definition::SchemaDefinition(schema) => Some(&schema.operation_types),
            _ => None,
        })
        .flatten()
        .cloned()
        .collect();
    let renamed = roots.iter().any(|root| NamedType::new(sdl::root_name(root.operation)) != root.ty);
    renamed.then(|| SchemaDefinition { operation_types: roots, ..SchemaDefinition::default() }.into())
}

fn definition_name(definition: &schema::Definition<'static, String>) -> Option<String> {
    match definition {
        schema::Definition::TypeDefinition(definition) => Some(definition.name().to_owned()),
        schema::Definition::DirectiveDefinition(directive) => Some(format!("@{}", directive.name)),
        _ => None,
    }
}

/// `__schema` and `__type`, the fields that every query root has.
fn introspection_fields() -> [schema::Field; 2] {
    let named = |name: &str| Type::NamedType(name.to_owned());
    let field = |name: &str, arguments, field_type| schema::Field {
        position: Default::default(),
        description: None,
        name: name.to_owned(),
        arguments,
        field_type,
        directives: Vec::new(),
    };
    let name = schema::InputValue {
        position: Default::default(),
        description: None,
        name: "name".to_owned(),
        value_type: Type::NonNullType(Box::new(named("String"))),
        default_value: None,
        directives: Vec::new(),
    };
    [
        field("__schema", Vec::new(), Type::NonNullType(Box::new(named("__Schema")))),
        field("__type", vec![name], named("__Type")),
    ]
}
