//! A federation that is being changed, and what changes are made of.

use crate::bytes::Bytes;
use crate::schema::text;
use graphql_tools::parser::{parse_query, parse_schema};
use graphql_tools::static_graphql::query::{self, Selection};
use graphql_tools::static_graphql::schema::{
    Definition, Directive, Field, ObjectType, Type, TypeDefinition, TypeExtension, Value,
};

/// A subgraph.
pub struct Part {
    pub name: String,
    pub definitions: Vec<Definition<'static, String>>,
}

pub struct Draft<'b> {
    pub parts: Vec<Part>,
    pub bytes: Bytes<'b>,
    /// How many names have been made up.
    pub made: usize,
}

/// A field of a subgraph.
#[derive(Clone)]
pub struct Place {
    pub part: usize,
    pub on: String,
    pub field: String,
}

impl Draft<'_> {
    /// Another subgraph than this, which may be new.
    pub fn other(&mut self, than: usize) -> usize {
        let other = self.bytes.below(self.parts.len());
        if other == than { self.new_part() } else { other }
    }

    pub fn new_part(&mut self) -> usize {
        let name = self.made_up("part");
        self.parts.push(Part { name, definitions: Vec::new() });
        self.parts.len() - 1
    }

    pub fn made_up(&mut self, name: &str) -> String {
        self.made += 1;
        format!("{name}{}", self.made)
    }

    /// Some field of an object or interface.
    pub fn place(&mut self, wanted: impl Fn(&TypeDefinition, &Field) -> bool) -> Option<Place> {
        self.place_in(|_, on, field| wanted(on, field))
    }

    pub fn place_in(&mut self, wanted: impl Fn(usize, &TypeDefinition, &Field) -> bool) -> Option<Place> {
        let mut places = Vec::new();
        for (part, here) in self.parts.iter().enumerate() {
            for definition in here.types() {
                let fields = fields(definition).iter().filter(|field| wanted(part, definition, field));
                let place = |field: &Field| Place { part, on: definition.name().into(), field: field.name.clone() };
                places.extend(fields.map(place));
            }
        }
        self.bytes.pick(&places)
    }

    /// Changes all fields of this name and type.
    pub fn everywhere(&mut self, name: &str, ty: &Type, change: impl Fn(&mut Field)) {
        for definition in self.parts.iter_mut().flat_map(|part| &mut part.definitions) {
            if let Definition::TypeDefinition(definition) = definition {
                let same = fields_mut_or_none(definition).into_iter().flatten();
                same.filter(|field| field.name == name && field.field_type == *ty).for_each(&change);
            }
        }
    }

    /// Says that all may resolve a field.
    pub fn share(&mut self, on: &str, field: &str) {
        for part in &mut self.parts {
            if part.definition(on).is_some_and(is_object)
                && let Some(field) = part.field_mut(on, field)
                && !says(field, "external")
                && !says(field, "shareable")
            {
                field.directives.push(directive("shareable", []));
            }
        }
    }

    /// Lets a subgraph have a type of another: an entity by its key, anything else whole.
    pub fn enter(&mut self, from: usize, to: usize, name: &str) -> Option<()> {
        if self.parts[to].definition(name).is_some() {
            return Some(());
        }
        if matches!(name, "Query" | "Mutation" | "Subscription") {
            self.parts[to].push(TypeDefinition::Object(ObjectType::new(name.to_owned())));
            return Some(());
        }
        let definition = self.parts[from].definition(name)?.clone();
        let keys: Vec<Directive> =
            directives(&definition).iter().filter(|known| known.name == "key").cloned().collect();
        match (definition, self.bytes.pick(&keys)) {
            (TypeDefinition::Object(entity), Some(key)) => {
                let known = selected(text(&key.arguments, "fields")?);
                let mut fields = entity.fields;
                fields.retain(|field| known.contains(&field.name));
                fields.iter_mut().for_each(|field| field.directives.clear());
                let stub = ObjectType { directives: vec![key], fields: fields.clone(), ..ObjectType::new(entity.name) };
                self.parts[to].push(TypeDefinition::Object(stub));
                fields.iter().for_each(|field| self.import_types(from, to, field));
            }
            (definition, _) => self.import_whole(from, to, definition),
        }
        Some(())
    }

    fn import_whole(&mut self, from: usize, to: usize, mut definition: TypeDefinition) {
        let own: Vec<Field> = fields(&definition).to_vec();
        let members = self.parts[from].members(definition.name());
        let name = definition.name().to_owned();
        let is_object = is_object(&definition);
        if let TypeDefinition::Object(object) = &mut definition {
            object.implements_interfaces.clear();
        }
        let inputs: Vec<String> = match &definition {
            TypeDefinition::InputObject(input) => {
                input.fields.iter().map(|field| field.value_type.inner_type().to_owned()).collect()
            }
            _ => Vec::new(),
        };
        self.parts[to].push(definition);
        for input in inputs {
            let _ = self.enter(from, to, &input);
        }
        for field in &own {
            self.import_types(from, to, field);
            if is_object {
                self.share(&name, &field.name);
            }
        }
        for member in members {
            let _ = self.enter(from, to, &member);
            if own.is_empty() {
                continue;
            }
            let missing: Vec<Field> = own
                .iter()
                .filter(|field| self.parts[to].field(&member, &field.name).is_none())
                .filter_map(|field| self.parts[from].field(&member, &field.name).cloned())
                .collect();
            if let Some(TypeDefinition::Object(object)) = self.parts[to].definition_mut(&member) {
                object.implements_interfaces.push(name.clone());
                object.fields.extend(missing.iter().cloned());
            }
            for field in missing {
                self.import_types(from, to, &field);
                self.share(&member, &field.name);
            }
        }
    }

    /// Lets a subgraph have the types of a field of another.
    pub fn import_types(&mut self, from: usize, to: usize, field: &Field) {
        let arguments = field.arguments.iter().map(|argument| argument.value_type.inner_type());
        for name in arguments.chain([field.field_type.inner_type()]) {
            let _ = self.enter(from, to, name);
        }
    }
}

impl Part {
    pub fn new(name: &str, sdl: &str) -> Self {
        Self { name: name.to_owned(), definitions: definitions(sdl) }
    }

    pub fn types(&self) -> impl Iterator<Item = &TypeDefinition> {
        self.definitions.iter().filter_map(|definition| match definition {
            Definition::TypeDefinition(definition) => Some(definition),
            _ => None,
        })
    }

    pub fn push(&mut self, definition: TypeDefinition) {
        self.definitions.push(Definition::TypeDefinition(definition));
    }

    pub fn definition(&self, name: &str) -> Option<&TypeDefinition> {
        self.types().find(|definition| definition.name() == name)
    }

    pub fn definition_mut(&mut self, name: &str) -> Option<&mut TypeDefinition> {
        self.definitions.iter_mut().find_map(|definition| match definition {
            Definition::TypeDefinition(definition) if definition.name() == name => Some(definition),
            _ => None,
        })
    }

    pub fn fields(&self, of: &str) -> &[Field] {
        self.definition(of).map_or(&[], fields)
    }

    pub fn field(&self, on: &str, name: &str) -> Option<&Field> {
        self.fields(on).iter().find(|field| field.name == name)
    }

    pub fn field_mut(&mut self, on: &str, name: &str) -> Option<&mut Field> {
        fields_mut_or_none(self.definition_mut(on)?)?.iter_mut().find(|field| field.name == name)
    }

    pub fn is_composite(&self, name: &str) -> bool {
        self.definition(name).is_some_and(TypeDefinition::is_composite_type)
    }

    /// The object types besides the roots.
    pub fn objects(&self) -> Vec<String> {
        let objects = self.types().filter(|definition| is_object(definition)).map(TypeDefinition::name);
        objects.filter(|name| !matches!(*name, "Query" | "Mutation" | "Subscription")).map(str::to_owned).collect()
    }

    /// The object types of an interface or union.
    pub fn members(&self, of: &str) -> Vec<String> {
        match self.definition(of) {
            Some(TypeDefinition::Union(union)) => union.types.clone(),
            Some(TypeDefinition::Interface(interface)) => self
                .types()
                .filter_map(|definition| match definition {
                    TypeDefinition::Object(object) if object.implements_interfaces.contains(&interface.name) => {
                        Some(object.name.clone())
                    }
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        }
    }
}

pub fn new_field(name: String, field_type: Type) -> Field {
    let (description, arguments, directives) = (None, Vec::new(), Vec::new());
    Field { position: Default::default(), description, name, arguments, field_type, directives }
}

fn object(object: ObjectType) -> Definition<'static, String> {
    Definition::TypeDefinition(TypeDefinition::Object(object))
}

fn name<'d>(definition: &'d Definition<'static, String>) -> Option<&'d str> {
    match definition {
        Definition::TypeDefinition(definition) => Some(definition.name()),
        _ => None,
    }
}

pub fn is_object(definition: &TypeDefinition) -> bool {
    matches!(definition, TypeDefinition::Object(_))
}

pub fn fields(definition: &TypeDefinition) -> &[Field] {
    match definition {
        TypeDefinition::Object(object) => &object.fields,
        TypeDefinition::Interface(interface) => &interface.fields,
        _ => &[],
    }
}

fn fields_mut_or_none(definition: &mut TypeDefinition) -> Option<&mut Vec<Field>> {
    match definition {
        TypeDefinition::Object(object) => Some(&mut object.fields),
        TypeDefinition::Interface(interface) => Some(&mut interface.fields),
        _ => None,
    }
}

pub fn fields_mut(definition: &mut TypeDefinition) -> &mut Vec<Field> {
    fields_mut_or_none(definition).unwrap()
}

pub fn directives(definition: &TypeDefinition) -> &[Directive] {
    match definition {
        TypeDefinition::Object(object) => &object.directives,
        TypeDefinition::Interface(interface) => &interface.directives,
        _ => &[],
    }
}

/// The field sets of the keys of a type.
pub fn keys(definition: &TypeDefinition) -> impl Iterator<Item = &str> {
    let keys = directives(definition).iter().filter(|known| known.name == "key");
    keys.filter_map(|key| text(&key.arguments, "fields"))
}

pub fn directives_mut(definition: &mut TypeDefinition) -> Option<&mut Vec<Directive>> {
    match definition {
        TypeDefinition::Object(object) => Some(&mut object.directives),
        TypeDefinition::Interface(interface) => Some(&mut interface.directives),
        _ => None,
    }
}

pub fn says(field: &Field, directive: &str) -> bool {
    field.directives.iter().any(|known| known.name == directive)
}

pub fn string(text: &str) -> Value {
    Value::String(text.to_owned())
}

pub fn directive<const N: usize>(name: &str, arguments: [(&str, Value); N]) -> Directive {
    let arguments = arguments.map(|(name, value)| (name.to_owned(), value)).into();
    Directive { position: Default::default(), name: name.to_owned(), arguments }
}

/// The names of the outermost fields of a field set.
pub fn selected(set: &str) -> Vec<String> {
    let set = format!("{{ {set} }}");
    let Ok(document) = parse_query::<String>(&set) else { return Vec::new() };
    let mut names = Vec::new();
    for definition in document.into_static().definitions {
        if let query::Definition::Operation(query::OperationDefinition::SelectionSet(set)) = definition {
            names.extend(set.items.into_iter().filter_map(|item| match item {
                Selection::Field(field) => Some(field.name),
                _ => None,
            }));
        }
    }
    names
}
/// The definitions of an SDL; extended objects are objects.
fn definitions(sdl: &str) -> Vec<Definition<'static, String>> {
    let document = parse_schema::<String>(sdl).unwrap().into_static();
    let mut definitions: Vec<Definition<'static, String>> = Vec::new();
    for definition in document.definitions {
        let definition = match definition {
            Definition::TypeExtension(TypeExtension::Object(it)) => object(ObjectType {
                implements_interfaces: it.implements_interfaces,
                directives: it.directives,
                fields: it.fields,
                ..ObjectType::new(it.name)
            }),
            other => other,
        };
        let known = definitions.iter_mut().find(|known| name(known).is_some() && name(known) == name(&definition));
        match (known, definition) {
            (
                Some(Definition::TypeDefinition(TypeDefinition::Object(known))),
                Definition::TypeDefinition(TypeDefinition::Object(more)),
            ) => {
                known.fields.extend(more.fields);
                known.directives.extend(more.directives);
                known.implements_interfaces.extend(more.implements_interfaces);
            }
            (_, definition) => definitions.push(definition),
        }
    }
    definitions
}
