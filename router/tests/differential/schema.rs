//! What is asked of a schema, be it a subgraph's, the supergraph's or the one that clients see.

use graphql_tools::parser::parse_schema;
use graphql_tools::static_graphql::schema::{Definition, Directive, Document, Field, Type, TypeDefinition, Value};
use graphql_tools::static_graphql::{query, schema};
use std::collections::BTreeMap;

pub struct Schema {
    pub types: BTreeMap<String, TypeDefinition>,
}

impl Schema {
    /// Reads SDL. Extensions are what they extend.
    pub fn parse(sdl: &str) -> Self {
        Self::new(&parse_schema::<String>(sdl).unwrap().into_static())
    }

    pub fn new(document: &Document) -> Self {
        let mut types: BTreeMap<String, TypeDefinition> = BTreeMap::new();
        for definition in &document.definitions {
            let definition = match definition {
                Definition::TypeDefinition(definition) => definition.clone(),
                Definition::TypeExtension(schema::TypeExtension::Object(extension)) => {
                    TypeDefinition::Object(schema::ObjectType {
                        position: extension.position,
                        description: None,
                        name: extension.name.clone(),
                        implements_interfaces: extension.implements_interfaces.clone(),
                        directives: extension.directives.clone(),
                        fields: extension.fields.clone(),
                    })
                }
                _ => continue,
            };
            match (types.get_mut(definition.name()), definition) {
                (Some(TypeDefinition::Object(known)), TypeDefinition::Object(more)) => {
                    known.fields.extend(more.fields);
                    known.directives.extend(more.directives);
                    known.implements_interfaces.extend(more.implements_interfaces);
                }
                (_, definition) => drop(types.insert(definition.name().to_owned(), definition)),
            }
        }
        Self { types }
    }

    /// The fields of an object or interface.
    pub fn fields(&self, type_name: &str) -> &[Field] {
        match self.types.get(type_name) {
            Some(TypeDefinition::Object(object)) => &object.fields,
            Some(TypeDefinition::Interface(interface)) => &interface.fields,
            _ => &[],
        }
    }

    pub fn field(&self, type_name: &str, name: &str) -> Option<&Field> {
        self.fields(type_name).iter().find(|field| field.name == name)
    }

    pub fn directives(&self, type_name: &str) -> &[Directive] {
        match self.types.get(type_name) {
            Some(TypeDefinition::Object(object)) => &object.directives,
            Some(TypeDefinition::Interface(interface)) => &interface.directives,
            _ => &[],
        }
    }

    /// The object types that an object of this type can be.
    pub fn possible(&self, type_name: &str) -> Vec<&str> {
        match self.types.get(type_name) {
            Some(TypeDefinition::Object(object)) => vec![&object.name],
            Some(TypeDefinition::Union(union)) => union.types.iter().map(String::as_str).collect(),
            Some(TypeDefinition::Interface(interface)) => self
                .types
                .values()
                .filter_map(|definition| match definition {
                    TypeDefinition::Object(object) if object.implements_interfaces.contains(&interface.name) => {
                        Some(object.name.as_str())
                    }
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        }
    }

    pub fn is_composite(&self, type_name: &str) -> bool {
        self.types.get(type_name).is_some_and(TypeDefinition::is_composite_type)
    }

    /// Whether a fragment on this type applies to objects of that type.
    pub fn applies(&self, on: &str, type_name: &str) -> bool {
        on == type_name || self.possible(on).contains(&type_name)
    }

    /// The key field sets of a type.
    pub fn keys(&self, type_name: &str) -> Vec<query::SelectionSet> {
        let keys = self.directives(type_name).iter().filter(|directive| directive.name == "key");
        keys.filter_map(|key| Some(selections(text(&key.arguments, "fields")?))).collect()
    }

    pub fn is_interface_object(&self, type_name: &str) -> bool {
        self.directives(type_name).iter().any(|directive| directive.name == "interfaceObject")
    }
}

/// The field set that a field requires.
pub fn requires(field: &Field) -> Option<query::SelectionSet> {
    let directive = field.directives.iter().find(|directive| directive.name == "requires")?;
    Some(selections(text(&directive.arguments, "fields")?))
}

pub fn text<'a>(arguments: &'a [(String, Value)], name: &str) -> Option<&'a str> {
    arguments.iter().find_map(|(known, value)| match value {
        Value::String(text) if known == name => Some(text.as_str()),
        _ => None,
    })
}

fn selections(fields: &str) -> query::SelectionSet {
    let document = graphql_tools::parser::parse_query::<String>(&format!("{{ {fields} }}")).unwrap().into_static();
    match document.definitions.into_iter().next() {
        Some(query::Definition::Operation(query::OperationDefinition::SelectionSet(selections))) => selections,
        other => panic!("not a field set: {other:?}"),
    }
}

/// The type without a non-null around it, and whether there was one.
pub fn nullable(ty: &Type) -> (&Type, bool) {
    match ty {
        Type::NonNullType(inner) => (inner, false),
        ty => (ty, true),
    }
}
