//! What a subgraph says its schema is, made ready for composition.
//!
//! Subgraph libraries print federation SDL that composes without complaint and yet loses what it says: async-graphql
//! declares federation v2.5 and does not import `@authenticated`, `@policy`, `@cost` and `@listSize`, which composition
//! then drops silently. A dropped `@authenticated` is a hole, so [`prepare`] repairs what it can and refuses the rest.

use super::{SubgraphSdl, report, requires};
use graphql_core::{
    Definition, Directive, Document, ListValue, NodeRef, OperationType, Type, Value, VisitAction, VisitInfo, Visitor,
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
    /// Its schema.
    pub document: Document,
    /// What it calls the directives of federation that it imports, without `@`; all of them in federation 1.
    imports: Option<BTreeMap<String, String>>,
    /// What it calls its root types, where that is not their own name.
    roots: BTreeMap<String, &'static str>,
}

impl Subgraph {
    /// What it calls a directive of federation.
    pub fn directive(&self, name: &str) -> String {
        match &self.imports {
            Some(imports) => imports.get(name).cloned().unwrap_or_else(|| format!("federation__{name}")),
            None => name.to_owned(),
        }
    }

    /// What one of its types is called in the supergraph: roots have their own names there.
    pub fn root<'s>(&'s self, name: &'s str) -> &'s str {
        self.roots.get(name).copied().unwrap_or(name)
    }
}

/// Parses a subgraph's SDL and repairs it; the messages say what is wrong with it otherwise.
pub(super) fn prepare(subgraph: &SubgraphSdl) -> Result<Subgraph, Vec<String>> {
    let mut document =
        graphql_core::parse(&subgraph.sdl).map_err(|error| vec![report::syntax_error(subgraph, &error)])?;
    let mut problems = unnamed_roots(subgraph, &document);

    let used = used_directives(&document);
    let imports = match federation_link(&mut document) {
        Some(link) => {
            set_version(link);
            let mut imports = imports(link);
            for name in IMPORTED_ON_USE.into_iter().filter(|name| used.contains(*name)) {
                if !imports.contains_key(name) {
                    import(link, name);
                    imports.insert(name.to_owned(), name.to_owned());
                }
            }
            let in_use: BTreeSet<&str> = imports.values().map(String::as_str).collect();
            for name in FEDERATION_DIRECTIVES {
                if used.contains(name) && !in_use.contains(name) {
                    problems.push(not_imported(subgraph, name, "add it to the `import` of the federation @link"));
                }
            }
            let imported: BTreeSet<String> = imports.values().cloned().collect();
            drop_directive_definitions(&mut document, |name| {
                imported.contains(name) || BUILT_IN_DIRECTIVES.contains(&name)
            });
            Some(imports)
        }
        None => {
            let later = FEDERATION_DIRECTIVES.into_iter().chain(IMPORTED_ON_USE);
            for name in later.filter(|name| !FEDERATION_1_DIRECTIVES.contains(name)) {
                if used.contains(name) {
                    problems.push(not_imported(subgraph, name, "@link the federation specification v2 and import it"));
                }
            }
            drop_directive_definitions(&mut document, |name| {
                FEDERATION_1_DIRECTIVES.contains(&name) || BUILT_IN_DIRECTIVES.contains(&name)
            });
            None
        }
    };
    if !problems.is_empty() {
        return Err(problems);
    }
    let roots = renamed_roots(&document);
    let mut prepared = Subgraph { name: subgraph.name.clone(), document, imports, roots };
    requires::expand(&mut prepared);
    hide_fields_of_hidden_interfaces(&mut prepared);
    Ok(prepared)
}

/// The composer takes a field of an `@inaccessible` interface for one that clients see, and refuses implementations of it
/// that they do not.
fn hide_fields_of_hidden_interfaces(subgraph: &mut Subgraph) {
    let inaccessible = subgraph.directive("inaccessible");
    let is_hidden = |directives: &[Directive]| directives.iter().any(|it| it.name.value == inaccessible);
    for definition in &mut subgraph.document.definitions {
        let (directives, fields) = match definition {
            Definition::InterfaceTypeDefinition(t) => (&t.directives, &mut t.fields),
            Definition::InterfaceTypeExtension(t) => (&t.directives, &mut t.fields),
            _ => continue,
        };
        if is_hidden(directives) {
            for field in fields.iter_mut().filter(|field| !is_hidden(&field.directives)) {
                field.directives.push(Directive::new(inaccessible.as_str(), Vec::new()));
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

/// What the link imports: the specification's name of each directive and the name it goes by, without `@`.
fn imports(link: &Directive) -> BTreeMap<String, String> {
    let bare = |name: &str| name.strip_prefix('@').map(str::to_owned);
    let entries = link.arguments.iter().filter(|argument| argument.name.value == "import");
    let mut imports = BTreeMap::new();
    for entry in entries.filter_map(|argument| list(&argument.value)).flat_map(|list| &list.values) {
        match entry {
            Value::String(name) => {
                if let Some(name) = bare(&name.value) {
                    imports.insert(name.clone(), name);
                }
            }
            Value::Object(object) => {
                let get = |key: &str| {
                    object.fields.iter().find(|field| field.name.value == key).and_then(|field| match &field.value {
                        Value::String(name) => bare(&name.value),
                        _ => None,
                    })
                };
                if let Some(name) = get("name") {
                    imports.insert(name.clone(), get("as").unwrap_or(name));
                }
            }
            _ => {}
        }
    }
    imports
}

fn list(value: &Value) -> Option<&ListValue> {
    match value {
        Value::List(list) => Some(list),
        _ => None,
    }
}

fn import(link: &mut Directive, name: &str) {
    let name = Value::string(format!("@{name}"));
    match link.arguments.iter_mut().find(|argument| argument.name.value == "import") {
        Some(argument) => match &mut argument.value {
            Value::List(list) => list.values.push(name),
            other => *other = Value::list(vec![name]),
        },
        None => link.arguments.push(graphql_core::Argument::new("import", Value::list(vec![name]))),
    }
}

fn drop_directive_definitions(document: &mut Document, dropped: impl Fn(&str) -> bool) {
    document
        .definitions
        .retain(|definition| !matches!(definition, Definition::DirectiveDefinition(d) if dropped(&d.name.value)));
}
