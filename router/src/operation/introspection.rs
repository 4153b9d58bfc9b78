//! The answers to `__schema` and `__type`, written from the schema that clients see (GraphQL spec, "Introspection").

use super::Variables;
use super::collect::{Collected, Collector};
use super::document::is_introspection;
use crate::supergraph::ApiSchema;
use graphql_tools::static_graphql::{query, schema};
use serde_json::value::RawValue;

/// Answers the introspection fields at the root of an operation, by response key.
pub(super) fn answer(
    api: &ApiSchema,
    document: &query::Document,
    operation: &query::OperationDefinition,
    variables: &Variables,
) -> Vec<(String, Box<RawValue>)> {
    let writer = Writer { api, collector: Collector::new(document, variables) };
    let root = api.document.query_type_name().map_or("Query", String::as_str);
    let fields = writer.collect(&[operation.selection_set()], root);
    let asked = fields.iter().filter(|field| is_introspection(&field.first.name));
    let answers = asked.filter_map(|field| {
        let mut json = String::new();
        match field.first.name.as_str() {
            "__schema" => writer.object(Node::Schema, field, &mut json),
            _ => match writer.text_argument(field.first, "name").and_then(|name| api.type_by_name(name)) {
                Some(ty) => writer.object(Node::Type(ty), field, &mut json),
                None => json.push_str("null"),
            },
        }
        Some((field.key.to_owned(), RawValue::from_string(json).ok()?))
    });
    answers.collect()
}

/// What an object of the introspection types stands for.
#[derive(Clone, Copy)]
enum Node<'s> {
    Schema,
    Type(&'s schema::TypeDefinition),
    /// A list or non-null type; a name in it is looked up.
    Wrapped(&'s query::Type),
    Field(&'s schema::Field),
    Input(&'s schema::InputValue),
    EnumValue(&'s schema::EnumValue),
    Directive(&'s schema::DirectiveDefinition),
}

struct Writer<'d> {
    api: &'d ApiSchema,
    collector: Collector<'d>,
}

impl<'d> Writer<'d> {
    /// The fields of some selection sets on an object; the introspection types have no interfaces.
    fn collect(&self, selections: &[&'d query::SelectionSet], ty: &str) -> Vec<Collected<'d>> {
        self.collector.collect(selections, |condition| condition == ty)
    }

    fn text_argument(&self, field: &'d query::Field, name: &str) -> Option<&'d str> {
        match field.arguments.iter().find(|(argument, _)| argument == name).map(|(_, value)| value)? {
            query::Value::String(text) => Some(text),
            query::Value::Variable(name) => self.collector.variables.get(name)?.as_str(),
            _ => None,
        }
    }

    fn includes_deprecated(&self, field: &query::Field) -> bool {
        field.arguments.iter().any(|(name, value)| name == "includeDeprecated" && self.collector.is_true(value))
    }

    fn object(&self, node: Node<'d>, field: &Collected<'d>, out: &mut String) {
        let node = self.resolved(node);
        let typename = node.typename();
        out.push('{');
        for (index, field) in self.collect(&field.selections, typename).iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            text(out, field.key);
            out.push(':');
            match (field.first.name.as_str(), node) {
                ("__typename", _) => text(out, typename),
                (_, Node::Schema) => self.schema(field, out),
                (_, Node::Type(ty)) => self.named_type(ty, field, out),
                (_, Node::Wrapped(ty)) => self.wrapped_type(ty, field, out),
                (_, Node::Field(definition)) => self.field(definition, field, out),
                (_, Node::Input(definition)) => self.input(definition, field, out),
                (_, Node::EnumValue(definition)) => self.enum_value(definition, field, out),
                (_, Node::Directive(definition)) => self.directive(definition, field, out),
            }
        }
        out.push('}');
    }

    fn list(&self, nodes: impl Iterator<Item = Node<'d>>, field: &Collected<'d>, out: &mut String) {
        out.push('[');
        for (index, node) in nodes.enumerate() {
            if index > 0 {
                out.push(',');
            }
            self.object(node, field, out);
        }
        out.push(']');
    }

    /// A name as the type that it names.
    fn resolved(&self, node: Node<'d>) -> Node<'d> {
        match node {
            Node::Wrapped(query::Type::NamedType(name)) => self.api.type_by_name(name).map_or(node, Node::Type),
            _ => node,
        }
    }

    fn schema(&self, field: &Collected<'d>, out: &mut String) {
        let document = &self.api.document;
        let root = |name: Option<&String>| name.and_then(|name| self.api.type_by_name(name));
        let mut root_type = |ty: Option<&'d schema::TypeDefinition>| match ty {
            Some(ty) => self.object(Node::Type(ty), field, out),
            None => out.push_str("null"),
        };
        match field.first.name.as_str() {
            "queryType" => root_type(root(document.query_type_name())),
            "mutationType" => root_type(root(document.mutation_type_name())),
            "subscriptionType" => root_type(root(document.subscription_type_name())),
            "types" => self.list(self.api.types().map(Node::Type), field, out),
            "directives" => self.list(self.api.directives().map(Node::Directive), field, out),
            _ => out.push_str("null"),
        }
    }

    fn named_type(&self, ty: &'d schema::TypeDefinition, field: &Collected<'d>, out: &mut String) {
        use graphql_tools::parser::schema::TypeDefinition::{Enum, InputObject, Interface, Object, Scalar, Union};
        let deprecated = self.includes_deprecated(field.first);
        match (field.first.name.as_str(), ty) {
            ("kind", _) => text(out, kind(ty)),
            ("name", _) => text(out, ty.name()),
            ("description", _) => optional_text(out, description(ty)),
            ("specifiedByURL", Scalar(scalar)) => {
                optional_text(out, directive_text(&scalar.directives, "specifiedBy", "url"));
            }
            ("fields", Object(schema::ObjectType { fields, .. }) | Interface(schema::InterfaceType { fields, .. })) => {
                let fields = fields.iter().filter(|field| !field.name.starts_with("__"));
                let fields = fields.filter(|field| deprecated || !is_deprecated(&field.directives));
                self.list(fields.map(Node::Field), field, out);
            }
            (
                "interfaces",
                Object(schema::ObjectType { implements_interfaces, .. })
                | Interface(schema::InterfaceType { implements_interfaces, .. }),
            ) => {
                let interfaces = implements_interfaces.iter().filter_map(|name| self.api.type_by_name(name));
                self.list(interfaces.map(Node::Type), field, out);
            }
            ("possibleTypes", Interface(_) | Union(_)) => {
                let types = self.api.possible_types(ty.name()).iter();
                self.list(types.filter_map(|name| self.api.type_by_name(name)).map(Node::Type), field, out);
            }
            ("enumValues", Enum(definition)) => {
                let values = definition.values.iter();
                let values = values.filter(|value| deprecated || !is_deprecated(&value.directives));
                self.list(values.map(Node::EnumValue), field, out);
            }
            ("inputFields", InputObject(object)) => self.inputs(&object.fields, field, out),
            ("isOneOf", InputObject(object)) => boolean(out, object.directives.iter().any(|d| d.name == "oneOf")),
            _ => out.push_str("null"),
        }
    }

    fn wrapped_type(&self, ty: &'d query::Type, field: &Collected<'d>, out: &mut String) {
        match (field.first.name.as_str(), ty) {
            ("kind", query::Type::ListType(_)) => text(out, "LIST"),
            ("kind", query::Type::NonNullType(_)) => text(out, "NON_NULL"),
            ("ofType", query::Type::ListType(inner) | query::Type::NonNullType(inner)) => {
                self.object(Node::Wrapped(inner), field, out);
            }
            _ => out.push_str("null"),
        }
    }

    fn field(&self, definition: &'d schema::Field, field: &Collected<'d>, out: &mut String) {
        match field.first.name.as_str() {
            "name" => text(out, &definition.name),
            "description" => optional_text(out, definition.description.as_deref()),
            "args" => self.inputs(&definition.arguments, field, out),
            "type" => self.object(Node::Wrapped(&definition.field_type), field, out),
            other => deprecation(&definition.directives, other, out),
        }
    }

    fn input(&self, definition: &'d schema::InputValue, field: &Collected<'d>, out: &mut String) {
        match field.first.name.as_str() {
            "name" => text(out, &definition.name),
            "description" => optional_text(out, definition.description.as_deref()),
            "type" => self.object(Node::Wrapped(&definition.value_type), field, out),
            "defaultValue" => {
                optional_text(out, definition.default_value.as_ref().map(ToString::to_string).as_deref());
            }
            other => deprecation(&definition.directives, other, out),
        }
    }

    fn enum_value(&self, definition: &'d schema::EnumValue, field: &Collected<'d>, out: &mut String) {
        match field.first.name.as_str() {
            "name" => text(out, &definition.name),
            "description" => optional_text(out, definition.description.as_deref()),
            other => deprecation(&definition.directives, other, out),
        }
    }

    fn directive(&self, definition: &'d schema::DirectiveDefinition, field: &Collected<'d>, out: &mut String) {
        match field.first.name.as_str() {
            "name" => text(out, &definition.name),
            "description" => optional_text(out, definition.description.as_deref()),
            "isRepeatable" => boolean(out, definition.repeatable),
            "locations" => {
                let locations: Vec<&str> = definition.locations.iter().map(schema::DirectiveLocation::as_str).collect();
                out.push_str(&serde_json::json!(locations).to_string());
            }
            "args" => self.inputs(&definition.arguments, field, out),
            _ => out.push_str("null"),
        }
    }

    fn inputs(&self, inputs: &'d [schema::InputValue], field: &Collected<'d>, out: &mut String) {
        let deprecated = self.includes_deprecated(field.first);
        let inputs = inputs.iter().filter(|input| deprecated || !is_deprecated(&input.directives));
        self.list(inputs.map(Node::Input), field, out);
    }
}

impl Node<'_> {
    fn typename(self) -> &'static str {
        match self {
            Self::Schema => "__Schema",
            Self::Type(_) | Self::Wrapped(_) => "__Type",
            Self::Field(_) => "__Field",
            Self::Input(_) => "__InputValue",
            Self::EnumValue(_) => "__EnumValue",
            Self::Directive(_) => "__Directive",
        }
    }
}

fn kind(ty: &schema::TypeDefinition) -> &'static str {
    match ty {
        schema::TypeDefinition::Scalar(_) => "SCALAR",
        schema::TypeDefinition::Object(_) => "OBJECT",
        schema::TypeDefinition::Interface(_) => "INTERFACE",
        schema::TypeDefinition::Union(_) => "UNION",
        schema::TypeDefinition::Enum(_) => "ENUM",
        schema::TypeDefinition::InputObject(_) => "INPUT_OBJECT",
    }
}

fn description(ty: &schema::TypeDefinition) -> Option<&str> {
    match ty {
        schema::TypeDefinition::Scalar(ty) => ty.description.as_deref(),
        schema::TypeDefinition::Object(ty) => ty.description.as_deref(),
        schema::TypeDefinition::Interface(ty) => ty.description.as_deref(),
        schema::TypeDefinition::Union(ty) => ty.description.as_deref(),
        schema::TypeDefinition::Enum(ty) => ty.description.as_deref(),
        schema::TypeDefinition::InputObject(ty) => ty.description.as_deref(),
    }
}

fn is_deprecated(directives: &[schema::Directive]) -> bool {
    directives.iter().any(|directive| directive.name == "deprecated")
}

/// `isDeprecated` and `deprecationReason`.
fn deprecation(directives: &[schema::Directive], field: &str, out: &mut String) {
    match field {
        "isDeprecated" => boolean(out, is_deprecated(directives)),
        "deprecationReason" if is_deprecated(directives) => {
            let reason = directive_text(directives, "deprecated", "reason");
            text(out, reason.unwrap_or("No longer supported"));
        }
        _ => out.push_str("null"),
    }
}

fn directive_text<'s>(directives: &'s [schema::Directive], name: &str, argument: &str) -> Option<&'s str> {
    let directive = directives.iter().find(|directive| directive.name == name)?;
    match directive.arguments.iter().find(|(name, _)| name == argument).map(|(_, value)| value)? {
        query::Value::String(text) => Some(text),
        _ => None,
    }
}

fn text(out: &mut String, value: &str) {
    out.push_str(&serde_json::Value::from(value).to_string());
}

fn optional_text(out: &mut String, value: Option<&str>) {
    match value {
        Some(value) => text(out, value),
        None => out.push_str("null"),
    }
}

fn boolean(out: &mut String, value: bool) {
    out.push_str(if value { "true" } else { "false" });
}
