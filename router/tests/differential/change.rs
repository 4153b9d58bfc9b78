//! Federations made up from others: fields move to another subgraph, are shared, required, provided, or new. Each byte is
//! a decision. What comes out need not compose; composition says so.

use crate::bytes::Bytes;
use crate::draft::{
    Draft, Part, directive, directives, directives_mut, fields, fields_mut, is_object, keys, new_field, says, selected,
    string,
};
use crate::schema::text;
use graphql_tools::static_graphql::schema::{
    Definition, Document, Field, InputValue, InterfaceType, ObjectType, Type, TypeDefinition, UnionType, Value,
};
use std::collections::BTreeSet;

/// The most changes of one federation.
const MOST: usize = 5;

/// What subgraphs say of their part in a field.
const SHARES: [&str; 5] = ["external", "requires", "provides", "override", "shareable"];

/// Changes a federation, subgraph by subgraph (name and SDL, without a link to the specification).
pub fn changed(sdls: &[(String, String)], bytes: &[u8]) -> Vec<(String, String)> {
    let parts = sdls.iter().map(|(name, sdl)| Part::new(name, sdl));
    let mut draft = Draft { parts: parts.collect(), bytes: Bytes(bytes), made: 0 };
    for _ in 0..MOST {
        if draft.bytes.0.is_empty() {
            break;
        }
        // Nothing comes of a change that finds no place.
        let _ = draft.change();
    }
    let printed = draft.parts.into_iter().map(|part| (part.name, Document::new(part.definitions).to_string()));
    printed.collect()
}

impl Draft<'_> {
    fn change(&mut self) -> Option<()> {
        match self.bytes.below(14) {
            0..=2 => self.relocate(),
            3 | 4 => self.require(),
            5 => self.provide(),
            6 => self.add_key(),
            7 => self.close_key(),
            8 => self.rewrap(),
            9 => self.hide(),
            10 => self.add_argument(),
            11 => self.add_abstract(),
            12 => self.add_interface_object(),
            _ => self.add_field(),
        }
    }

    /// A field moves to another subgraph, or is shared with it.
    fn relocate(&mut self) -> Option<()> {
        let place = self.place(|on, field| is_object(on) && !says(field, "external") && !says(field, "requires"))?;
        let to = self.other(place.part);
        let mut field = self.parts[place.part].field(&place.on, &place.field)?.clone();
        if self.parts[to].field(&place.on, &place.field).is_some_and(|known| !says(known, "external")) {
            return None;
        }
        self.enter(place.part, to, &place.on)?;
        self.import_types(place.part, to, &field);
        field.directives.retain(|directive| !SHARES.contains(&directive.name.as_str()));
        let from = self.parts[place.part].name.clone();
        let shares = match self.bytes.below(4) {
            0 => {
                fields_mut(self.parts[place.part].definition_mut(&place.on)?).retain(|known| known.name != place.field);
                false
            }
            1 => {
                field.directives.push(directive("override", [("from", string(&from))]));
                false
            }
            2 => {
                let label = string("percent(50)");
                field.directives.push(directive("override", [("from", string(&from)), ("label", label)]));
                false
            }
            _ => true,
        };
        let fields = fields_mut(self.parts[to].definition_mut(&place.on)?);
        fields.retain(|known| known.name != place.field);
        fields.push(field);
        if shares {
            self.share(&place.on, &place.field);
        }
        Some(())
    }

    /// A field requires another of the same entity, or what is below it.
    fn require(&mut self) -> Option<()> {
        // What belongs to a key is there without asking.
        let can_require = |on: &TypeDefinition, field: &Field| {
            let is_key = |field: &Field| keys(on).flat_map(selected).any(|name| name == field.name);
            is_object(on) && keys(on).next().is_some() && !is_key(field)
        };
        let place =
            self.place(|on, field| can_require(on, field) && !says(field, "external") && !says(field, "requires"))?;
        let (part, on) = (place.part, &place.on);
        let owner =
            self.place_in(|here, type_name, field| here != part && type_name.name() == on && !says(field, "external"))?;
        let own_keys = self.parts[part].definition(on).into_iter().flat_map(keys);
        if owner.field == place.field || own_keys.flat_map(selected).any(|field| field == owner.field) {
            return None;
        }
        let set = self.required(owner.part, part, on, &owner.field, 0)?;
        let also = self.bytes.once_in(3).then(|| {
            let also = self.place_in(|here, type_name, field| {
                here != part && type_name.name() == on && !says(field, "external")
            })?;
            self.required(also.part, part, on, &also.field, 0)
        });
        let set = match also.flatten() {
            Some(also) if also != set => format!("{set} {also}"),
            _ => set,
        };
        let field = self.parts[part].field_mut(on, &place.field)?;
        field.directives.push(directive("requires", [("fields", string(&set))]));
        Some(())
    }

    /// A selection of a field, which the subgraph then knows as external.
    fn required(&mut self, from: usize, to: usize, on: &str, field: &str, depth: usize) -> Option<String> {
        let field = self.parts[from].field(on, field)?.clone();
        let of = field.field_type.inner_type().to_owned();
        let mut set = field.name.clone();
        let arguments: Option<Vec<String>> = field
            .arguments
            .iter()
            .map(|argument| Some(format!("{}: {}", argument.name, self.constant(from, &argument.value_type)?)))
            .collect();
        match arguments {
            Some(arguments) if !arguments.is_empty() => set.push_str(&format!("({})", arguments.join(", "))),
            None if field.arguments.iter().any(|argument| argument.value_type.is_non_null()) => return None,
            _ => {}
        }
        if self.parts[to].field(on, &field.name).is_none() {
            self.enter(from, to, on)?;
            self.import_types(from, to, &field);
            let mut external = field.clone();
            external.directives = vec![directive("external", [])];
            fields_mut(self.parts[to].definition_mut(on)?).push(external);
        }
        if !self.parts[from].is_composite(&of) {
            return Some(set);
        }
        if depth > 2 {
            return None;
        }
        let mut below = Vec::new();
        for _ in 0..1 + self.bytes.below(2) {
            below.extend(self.required_below(from, to, &of, depth + 1));
        }
        below.dedup();
        if below.is_empty() { None } else { Some(format!("{set} {{ {} }}", below.join(" "))) }
    }

    fn required_below(&mut self, from: usize, to: usize, of: &str, depth: usize) -> Option<String> {
        let members = self.parts[from].members(of);
        if !members.is_empty() && (self.parts[from].fields(of).is_empty() || self.bytes.once_in(2)) {
            let member = self.bytes.pick(&members)?;
            let set = self.required_below(from, to, &member, depth)?;
            return Some(format!("... on {member} {{ {set} }}"));
        }
        let names: Vec<String> = self.parts[from].fields(of).iter().map(|field| field.name.clone()).collect();
        let name = self.bytes.pick(&names)?;
        self.required(from, to, of, &name, depth)
    }

    /// A value of an argument's type, as a literal.
    fn constant(&mut self, part: usize, ty: &Type) -> Option<String> {
        Some(match ty {
            Type::NonNullType(of) => self.constant(part, of)?,
            Type::ListType(of) => match self.bytes.below(3) {
                0 => format!("[{}]", self.constant(part, of)?),
                1 => "[]".into(),
                _ => self.constant(part, of)?,
            },
            Type::NamedType(name) => match name.as_str() {
                "Int" => self.bytes.below(3).to_string(),
                "Float" => "0.5".into(),
                "Boolean" => self.bytes.once_in(2).to_string(),
                "String" | "ID" => format!("\"{}\"", ["a", "b"][self.bytes.below(2)]),
                _ => match self.parts[part].definition(name)? {
                    TypeDefinition::Enum(definition) => definition.values.first()?.name.clone(),
                    _ => return None,
                },
            },
        })
    }

    /// A field provides what another subgraph has.
    fn provide(&mut self) -> Option<()> {
        let place = self.place(|_, field| !says(field, "external") && !says(field, "provides"))?;
        let part = place.part;
        let of = self.parts[part].field(&place.on, &place.field)?.field_type.inner_type().to_owned();
        let owner =
            self.place_in(|here, type_name, field| here != part && type_name.name() == of && !says(field, "external"))?;
        let set = self.required(owner.part, part, &of, &owner.field, 1)?;
        let field = self.parts[part].field_mut(&place.on, &place.field)?;
        field.directives.push(directive("provides", [("fields", string(&set))]));
        self.share(&of, &owner.field);
        Some(())
    }

    /// An entity gets another key, in two subgraphs.
    fn add_key(&mut self) -> Option<()> {
        let place = self.place(|on, field| {
            let is_key = matches!(field.field_type.inner_type(), "ID" | "String" | "Int");
            let keyed = is_object(on) && directives(on).iter().any(|known| known.name == "key");
            keyed && is_key && field.arguments.is_empty() && SHARES.iter().all(|said| !says(field, said))
        })?;
        let field = self.parts[place.part].field(&place.on, &place.field)?.clone();
        let set = if self.bytes.once_in(4) { format!("id {}", field.name) } else { field.name.clone() };
        let replaces = self.bytes.once_in(2);
        let others: Vec<usize> = (0..self.parts.len())
            .filter(|other| *other != place.part && self.parts[*other].definition(&place.on).is_some())
            .collect();
        let key = directive("key", [("fields", string(&set))]);
        directives_mut(self.parts[place.part].definition_mut(&place.on)?)?.push(key.clone());
        let other = self.bytes.pick(&others)?;
        let definition = self.parts[other].definition_mut(&place.on)?;
        if replaces {
            directives_mut(definition)?.retain(|known| known.name != "key");
        }
        directives_mut(definition)?.push(key);
        if fields(definition).iter().all(|known| known.name != field.name) {
            fields_mut(definition).push(field);
        }
        Some(())
    }

    /// A key serves for references alone.
    fn close_key(&mut self) -> Option<()> {
        let place = self.place(|on, _| directives(on).iter().any(|known| known.name == "key"))?;
        let definition = self.parts[place.part].definition_mut(&place.on)?;
        let key = directives_mut(definition)?.iter_mut().find(|known| known.name == "key")?;
        key.arguments.push(("resolvable".into(), Value::Boolean(false)));
        Some(())
    }

    /// A field becomes a list, of lists too, or may be null.
    fn rewrap(&mut self) -> Option<()> {
        let place = self.place(|_, _| true)?;
        let before = self.parts[place.part].field(&place.on, &place.field)?.field_type.clone();
        let named = Type::NamedType(before.inner_type().to_owned());
        let after = self.wrapped(named);
        self.everywhere(&place.field, &before, |field| field.field_type = after.clone());
        Some(())
    }

    fn wrapped(&mut self, of: Type) -> Type {
        let list = |of: Type| Type::ListType(Box::new(of));
        let non_null = |of: Type| Type::NonNullType(Box::new(of));
        match self.bytes.below(8) {
            0 => of,
            1 => non_null(of),
            2 => list(of),
            3 => list(non_null(of)),
            4 => non_null(list(of)),
            5 => non_null(list(non_null(of))),
            6 => list(list(non_null(of))),
            _ => non_null(list(list(of))),
        }
    }

    fn hide(&mut self) -> Option<()> {
        let place = self.place(|_, _| true)?;
        let field = self.parts[place.part].field_mut(&place.on, &place.field)?;
        field.directives.push(directive("inaccessible", []));
        Some(())
    }

    fn add_argument(&mut self) -> Option<()> {
        let place = self.place(|_, _| true)?;
        let ty = self.parts[place.part].field(&place.on, &place.field)?.field_type.clone();
        let mut argument = InputValue {
            position: Default::default(),
            description: None,
            name: self.made_up("n"),
            value_type: Type::NamedType("Int".into()),
            default_value: None,
            directives: Vec::new(),
        };
        match self.bytes.below(4) {
            0 => {}
            1 => argument.default_value = Some(Value::Int(1.into())),
            2 => argument.value_type = Type::NonNullType(Box::new(argument.value_type)),
            _ => argument.value_type = Type::ListType(Box::new(Type::NamedType("String".into()))),
        }
        self.everywhere(&place.field, &ty, |field| field.arguments.push(argument.clone()));
        Some(())
    }

    /// Two object types become members of an interface or a union, that a new field gives.
    fn add_abstract(&mut self) -> Option<()> {
        let part = self.bytes.below(self.parts.len());
        let objects = self.parts[part].objects();
        let members = BTreeSet::from([self.bytes.pick(&objects)?, self.bytes.pick(&objects)?]);
        let name = self.made_up("Any");
        let first = self.parts[part].fields(members.first()?).to_vec();
        let common = first.into_iter().filter(|field| {
            let same = |member: &String| self.parts[part].field(member, &field.name);
            members.iter().all(|member| same(member).is_some_and(|known| known.field_type == field.field_type))
        });
        let mut common: Vec<_> =
            common.map(|field| Field { arguments: Vec::new(), directives: Vec::new(), ..field }).collect();
        let is_union = common.is_empty() || self.bytes.once_in(2);
        if is_union {
            let types = members.into_iter().collect();
            self.parts[part].push(TypeDefinition::Union(UnionType { types, ..UnionType::new(name.clone()) }));
        } else {
            common.truncate(1 + self.bytes.below(3));
            for member in &members {
                if let TypeDefinition::Object(object) = self.parts[part].definition_mut(member)? {
                    object.implements_interfaces.push(name.clone());
                }
            }
            let interface = InterfaceType { fields: common, ..InterfaceType::new(name.clone()) };
            self.parts[part].push(TypeDefinition::Interface(interface));
        }
        self.new_field(part, &name)
    }

    /// An interface becomes an entity, of which a new subgraph knows a field.
    fn add_interface_object(&mut self) -> Option<()> {
        let place = self.place(|on, _| matches!(on, TypeDefinition::Interface(_)))?;
        let (part, name) = (place.part, place.on);
        let member = self.parts[part].members(&name).first()?.clone();
        let key = directives(self.parts[part].definition(&member)?).iter().find(|known| known.name == "key")?.clone();
        let known = selected(text(&key.arguments, "fields")?);
        let key_fields: Vec<Field> =
            self.parts[part].fields(&member).iter().filter(|field| known.contains(&field.name)).cloned().collect();
        let definition = self.parts[part].definition_mut(&name)?;
        if directives(definition).iter().all(|known| known.name != "key") {
            directives_mut(definition)?.push(key.clone());
        }
        for field in &key_fields {
            if fields(definition).iter().all(|known| known.name != field.name) {
                fields_mut(definition).push(field.clone());
            }
        }
        let to = self.new_part();
        let mut more = new_field(self.made_up("more"), Type::NamedType("Int".into()));
        if self.bytes.once_in(2) {
            more.field_type = Type::NamedType(name.clone());
        }
        let directives = vec![key, directive("interfaceObject", [])];
        let fields = key_fields.into_iter().chain([more]).collect();
        self.parts[to].push(TypeDefinition::Object(ObjectType { directives, fields, ..ObjectType::new(name) }));
        Some(())
    }

    /// An object gets a field of a type that its subgraph has.
    fn add_field(&mut self) -> Option<()> {
        let part = self.bytes.below(self.parts.len());
        let of = self.parts[part].definitions.iter().filter_map(|definition| match definition {
            Definition::TypeDefinition(TypeDefinition::InputObject(_)) => None,
            Definition::TypeDefinition(definition) => Some(definition.name()),
            _ => None,
        });
        let of: Vec<String> =
            of.filter(|name| !matches!(*name, "Query" | "Mutation" | "Subscription")).map(str::to_owned).collect();
        let of = self.bytes.pick(&of)?;
        self.new_field(part, &of)
    }

    fn new_field(&mut self, part: usize, of: &str) -> Option<()> {
        let on = match self.bytes.once_in(2) {
            true => self.bytes.pick(&self.parts[part].objects())?,
            false => "Query".into(),
        };
        if self.parts[part].definition(&on).is_none() {
            self.parts[part].push(TypeDefinition::Object(ObjectType::new(on.clone())));
        }
        let ty = self.wrapped(Type::NamedType(of.to_owned()));
        let field = new_field(self.made_up("new"), ty);
        fields_mut(self.parts[part].definition_mut(&on)?).push(field);
        Some(())
    }
}
