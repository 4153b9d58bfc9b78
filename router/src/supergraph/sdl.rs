//! What a subgraph says its schema is, made ready for composition.
//!
//! Subgraph libraries print federation SDL that composes without complaint and yet loses what it says: async-graphql
//! declares federation v2.5 and does not import `@authenticated`, `@policy`, `@cost` and `@listSize`, which composition
//! then drops silently. A dropped `@authenticated` is a hole, so [`prepare`] repairs what it can and refuses the rest.

use super::link::{Import, Names};
use super::{SubgraphSdl, report, requires};
use graphql_core::{
    Argument, Definition, Directive, Document, FieldDefinition, NamedType, NodeRef, OperationType, Type, Value,
    VisitAction, VisitInfo, Visitor,
};
use std::collections::{BTreeMap, BTreeSet};

const FEDERATION: &str = "https://specs.apollo.dev/federation/";
const VERSION: &str = "v2.9";

/// Directives that are imported for the subgraph when it uses them without importing them.
const IMPORTED_ON_USE: [&str; 5] = ["authenticated", "requiresScopes", "policy", "cost", "listSize"];

/// The other directives of federation v2.9: used without being imported, they would mean nothing.
const FEDERATION_DIRECTIVES: [&str; 13] = [
    "key",
    "requires",
    "provides",
    "external",
    "tag",
    "extends",
    "shareable",
    "inaccessible",
    "override",
    "composeDirective",
    "interfaceObject",
    "context",
    "fromContext",
];

/// The directives a federation 1 schema, which links nothing, may use.
const FEDERATION_1_DIRECTIVES: [&str; 7] =
    ["key", "requires", "provides", "external", "extends", "tag", "inaccessible"];

/// Definitions that every GraphQL schema has anyway.
pub(super) const BUILT_IN_DIRECTIVES: [&str; 5] = ["skip", "include", "deprecated", "specifiedBy", "oneOf"];

/// What the libraries' root types are called when nobody named them; federation SDL cannot say which they are.
const UNNAMED_ROOTS: [(&str, &str); 3] =
    [("QueryRoot", "Query"), ("MutationRoot", "Mutation"), ("SubscriptionRoot", "Subscription")];

/// A subgraph that is ready for composition.
pub(super) struct Subgraph {
    /// Its name.
    pub name: String,
    /// Its schema. The directives of federation have their own names in it.
    pub document: Document,
    /// What it calls those directives that it calls otherwise, by their own names.
    pub called: BTreeMap<String, String>,
    /// What it calls its root types, where that is not their own name.
    roots: BTreeMap<String, &'static str>,
}

impl Subgraph {
    /// What one of its types is called in the supergraph: roots have their own names there.
    pub fn root<'s>(&'s self, name: &'s str) -> &'s str {
        self.roots.get(name).copied().unwrap_or(name)
    }
}

/// Parses a subgraph's SDL and repairs it; the messages say what is wrong with it otherwise.
pub(super) fn prepare(subgraph: &SubgraphSdl) -> Result<Subgraph, Vec<String>> {
    let mut document =
        graphql_core::parse(&subgraph.sdl).map_err(|error| vec![report::syntax_error(subgraph, &error)])?;
    let names = Names::of(&document);
    let used = used_directives(&document);
    let mut problems = unnamed_roots(subgraph, &document);
    match names.imports("federation") {
        Some(imports) => {
            problems.extend(mistaken_imports(subgraph, imports));
            problems.extend(nameless_directives(subgraph, &names, &document, &used));
            document = federation_2(document, &names);
        }
        None => {
            let later = FEDERATION_DIRECTIVES.into_iter().chain(IMPORTED_ON_USE);
            for name in later.filter(|name| !FEDERATION_1_DIRECTIVES.contains(name)) {
                if used.contains(name) {
                    problems.push(not_imported(subgraph, name, "@link the federation specification v2 and import it"));
                }
            }
            drop_directive_definitions(&mut document, |name| FEDERATION_1_DIRECTIVES.contains(&name));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let own_name = |name: &String| names.directive(name).filter(|own| own != name).map(|own| (own, name.clone()));
    let called = used.iter().filter_map(own_name).collect();
    let roots = renamed_roots(&document);
    let mut prepared = Subgraph { name: subgraph.name.clone(), document, called, roots };
    requires::expand(&mut prepared);
    hide_fields_of_hidden_interfaces(&mut prepared);
    Ok(prepared)
}

/// The document with everything of federation under its own name, and imported.
fn federation_2(mut document: Document, names: &Names) -> Document {
    let own = own_directives(&document, names);
    let is_federation = |name: &str| names.directive(name).is_some_and(|name| is_directive_of_federation(&name));
    drop_directive_definitions(&mut document, is_federation);
    document.definitions.retain(|definition| match definition {
        Definition::ScalarTypeDefinition(scalar) => !names.is_of("federation", &scalar.name.value),
        _ => true,
    });
    let mut document = names.give_back(&document, &own);
    let used = used_directives(&document);
    drop_directive_definitions(&mut document, |name| IMPORTED_ON_USE.contains(&name) && used.contains(name));
    if let Some(link) = federation_link(&mut document) {
        set_version(link);
        for name in used.iter().filter(|name| is_directive_of_federation(name)) {
            import(link, name);
        }
    }
    document
}

fn is_directive_of_federation(name: &str) -> bool {
    FEDERATION_DIRECTIVES.contains(&name) || IMPORTED_ON_USE.contains(&name)
}

/// The subgraph's own directives that have the name of one of federation, which it imports under another name for that.
/// They are for itself.
fn own_directives(document: &Document, names: &Names) -> BTreeSet<String> {
    let own = document.definitions.iter().filter_map(|definition| match definition {
        Definition::DirectiveDefinition(directive) => Some(directive.name.value.clone()),
        _ => None,
    });
    own.filter(|name| names.directive(name).is_none() && names.is_imported("federation", &format!("@{name}"))).collect()
}

/// What is wrong with what is imported.
fn mistaken_imports(subgraph: &SubgraphSdl, imports: &[Import]) -> Vec<String> {
    let problem = |message: &str, called: &str, help: &str| {
        let at = report::find_text(&subgraph.sdl, &format!("\"{called}\""));
        report::problem("INVALID_LINK_DIRECTIVE_USAGE", message, subgraph, at, Some(help))
    };
    let mut problems = Vec::new();
    for (index, Import { name, called }) in imports.iter().enumerate() {
        if name.starts_with('@') != called.starts_with('@') {
            let message = format!("{name} is imported as {called}");
            problems.push(problem(
                &message,
                called,
                "names of directives begin with @ in `import`, those of types do not",
            ));
        }
        if let Some(other) = imports[..index].iter().find(|other| other.called == *called && other.name != *name) {
            let message = format!("{} and {name} are both imported as {called}", other.name);
            problems.push(problem(&message, called, "give each a name of its own: `{ name: …, as: … }`"));
        }
    }
    problems
}

/// Directives that are called as those of federation are, and mean nothing as this schema links it.
fn nameless_directives(
    subgraph: &SubgraphSdl,
    names: &Names,
    document: &Document,
    used: &BTreeSet<String>,
) -> Vec<String> {
    let own = own_directives(document, names);
    let unknown = used.iter().filter(|name| names.directive(name).is_none() && !own.contains(*name));
    let problem = |name: &String| {
        let imported = names.imports("federation")?.iter().find(|import| import.name.strip_prefix('@') == Some(name));
        let help = match (imported, name.strip_prefix("federation__")) {
            (Some(import), _) => format!("the @link imports it as {}", import.called),
            (None, Some(directive)) => {
                format!("as the @link says, it is @{}__{directive}", names.namespace("federation")?)
            }
            (None, None) if !FEDERATION_DIRECTIVES.contains(&name.as_str()) => return None,
            (None, None) => "add it to the `import` of the federation @link".to_owned(),
        };
        Some(not_imported(subgraph, name, &help))
    };
    unknown.filter_map(problem).collect()
}

/// The composer takes a field of an `@inaccessible` interface for one that clients see, and refuses implementations of it
/// that they do not.
fn hide_fields_of_hidden_interfaces(subgraph: &mut Subgraph) {
    let is_hidden = |directives: &[Directive]| directives.iter().any(|it| it.name.value == "inaccessible");
    for definition in &mut subgraph.document.definitions {
        let (directives, fields) = match definition {
            Definition::InterfaceTypeDefinition(t) => (&t.directives, &mut t.fields),
            Definition::InterfaceTypeExtension(t) => (&t.directives, &mut t.fields),
            _ => continue,
        };
        if is_hidden(directives) {
            for field in fields.iter_mut().filter(|field| !is_hidden(&field.directives)) {
                field.directives.push(Directive::new("inaccessible", Vec::new()));
            }
        }
    }
}

fn not_imported(subgraph: &SubgraphSdl, name: &str, help: &str) -> String {
    let message = format!("@{name} is used but not imported, so that it would have no effect");
    let at = report::find_text(&subgraph.sdl, &format!("@{name}"));
    report::problem("DIRECTIVE_NOT_IMPORTED", &message, subgraph, at, Some(help))
}

fn unnamed_roots(subgraph: &SubgraphSdl, document: &Document) -> Vec<String> {
    let defines = |name: &str| {
        document.definitions.iter().any(|definition| match definition {
            Definition::ObjectTypeDefinition(object) => object.name.value == name,
            _ => false,
        })
    };
    let names_roots = document.definitions.iter().any(|definition| match definition {
        Definition::SchemaDefinition(schema) => !schema.operation_types.is_empty(),
        _ => false,
    });
    if names_roots {
        return Vec::new();
    }
    UNNAMED_ROOTS
        .into_iter()
        .filter(|(unnamed, name)| defines(unnamed) && !defines(name))
        .map(|(unnamed, name)| {
            let message = format!("the root type is called {unnamed}");
            let help = format!("federation SDL has no `schema {{ … }}`, so that it must be called {name}");
            let at = report::find_text(&subgraph.sdl, &format!("type {unnamed}"));
            report::problem("ROOT_TYPE_NAME", &message, subgraph, at, Some(&help))
        })
        .collect()
}

/// What the document calls its roots, where that is not their own name.
fn renamed_roots(document: &Document) -> BTreeMap<String, &'static str> {
    let roots = document.definitions.iter().flat_map(|definition| match definition {
        Definition::SchemaDefinition(schema) => schema.operation_types.as_slice(),
        Definition::SchemaExtension(schema) => &schema.operation_types,
        _ => &[],
    });
    roots.map(|root| (root.ty.name.value.clone(), root_name(root.operation))).collect()
}

/// What a root type is called when nobody says otherwise.
pub(super) fn root_name(operation: OperationType) -> &'static str {
    match operation {
        OperationType::Query => "Query",
        OperationType::Mutation => "Mutation",
        OperationType::Subscription => "Subscription",
    }
}

/// An object type or an interface, as defined or extended.
pub(super) struct Composite<'d> {
    pub name: &'d str,
    pub is_interface: bool,
    pub interfaces: &'d [NamedType],
    pub directives: &'d [Directive],
    pub fields: &'d [FieldDefinition],
}

/// Those of a document.
pub(super) fn composites(document: &Document) -> impl Iterator<Item = Composite<'_>> {
    document.definitions.iter().filter_map(|definition| {
        let (name, is_interface, interfaces, directives, fields) = match definition {
            Definition::ObjectTypeDefinition(t) => (&t.name, false, &t.interfaces, &t.directives, &t.fields),
            Definition::ObjectTypeExtension(t) => (&t.name, false, &t.interfaces, &t.directives, &t.fields),
            Definition::InterfaceTypeDefinition(t) => (&t.name, true, &t.interfaces, &t.directives, &t.fields),
            Definition::InterfaceTypeExtension(t) => (&t.name, true, &t.interfaces, &t.directives, &t.fields),
            _ => return None,
        };
        Some(Composite { name: &name.value, is_interface, interfaces, directives, fields })
    })
}

/// The name of a type without what wraps it.
pub(super) fn named(ty: &Type) -> &str {
    match ty {
        Type::Named(named) => &named.name.value,
        Type::List(list) => named(&list.ty),
        Type::NonNull(of) => named(&of.ty),
    }
}

/// The value of a directive's argument.
pub(super) fn argument<'d>(directive: &'d Directive, name: &str) -> Option<&'d Value> {
    directive.arguments.iter().find(|argument| argument.name.value == name).map(|argument| &argument.value)
}

struct UsedDirectives;

impl<'a> Visitor<'a, BTreeSet<String>> for UsedDirectives {
    fn enter(&mut self, node: NodeRef<'a>, used: &mut BTreeSet<String>, _: &VisitInfo<'a, '_>) -> VisitAction {
        if let NodeRef::Directive(directive) = node {
            used.insert(directive.name.value.clone());
        }
        VisitAction::Continue
    }
}

fn used_directives(document: &Document) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    graphql_core::visit(document, &mut UsedDirectives, &mut used);
    used
}

/// The `@link` that makes the document a federation 2 subgraph.
fn federation_link(document: &mut Document) -> Option<&mut Directive> {
    document
        .definitions
        .iter_mut()
        .filter_map(|definition| match definition {
            Definition::SchemaDefinition(schema) => Some(&mut schema.directives),
            Definition::SchemaExtension(schema) => Some(&mut schema.directives),
            _ => None,
        })
        .flatten()
        .find(|directive| {
            directive.name.value == "link"
                && directive.arguments.iter().any(|argument| {
                    argument.name.value == "url"
                        && matches!(&argument.value, Value::String(url) if url.value.starts_with(FEDERATION))
                })
        })
}

fn set_version(link: &mut Directive) {
    for argument in link.arguments.iter_mut().filter(|argument| argument.name.value == "url") {
        argument.value = Value::string(format!("{FEDERATION}{VERSION}"));
    }
}

/// Imports a directive, if it is not.
fn import(link: &mut Directive, name: &str) {
    let name = Value::string(format!("@{name}"));
    match link.arguments.iter_mut().find(|argument| argument.name.value == "import") {
        Some(argument) => match &mut argument.value {
            Value::List(list) if list.values.contains(&name) => {}
            Value::List(list) => list.values.push(name),
            // The composer complains.
            _ => {}
        },
        None => link.arguments.push(Argument::new("import", Value::list(vec![name]))),
    }
}

/// Drops those, and what every schema has anyway.
fn drop_directive_definitions(document: &mut Document, dropped: impl Fn(&str) -> bool) {
    document.definitions.retain(|definition| match definition {
        Definition::DirectiveDefinition(directive) => {
            let name = directive.name.value.as_str();
            !BUILT_IN_DIRECTIVES.contains(&name) && !dropped(name)
        }
        _ => true,
    });
}
