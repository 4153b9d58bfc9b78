//! What a schema calls the directives and types of the specifications that it links (link specification v1.0,
//! <https://specs.apollo.dev/link/v1.0/>): by `as` and `import` it may call them otherwise. What composes, plans and
//! authorises knows each by one name, and would pass over an `@inaccessible` that is called `@hidden`. So they are given
//! that name first.

use super::sdl::argument;
use crate::error::Error;
use graphql_core::{
    Ancestor, Definition, Directive, DirectiveDefinition, Document, EditAction, EditVisitor, Kind, Name, Node, NodeRef,
    Value, VisitInfo, parse, print, visit_edit,
};
use std::collections::BTreeSet;

/// How the URLs of specifications begin.
const SPECIFICATIONS: &str = "https://specs.apollo.dev/";

/// Those whose names are given back.
const KNOWN: [&str; 10] = [
    "link",
    "federation",
    "join",
    "tag",
    "inaccessible",
    "authenticated",
    "requiresScopes",
    "policy",
    "cost",
    "context",
];

/// What a schema calls what it links.
#[derive(Debug)]
pub(super) struct Names {
    /// What the directive `@link` is called.
    link: String,
    links: Vec<Link>,
}

/// What it takes from one specification.
#[derive(Debug)]
struct Link {
    specification: String,
    /// What the specification is called: comes before `__` in names that are not imported.
    namespace: String,
    imports: Vec<Import>,
}

/// An imported directive (`@key`) or type.
#[derive(Debug)]
pub(super) struct Import {
    /// What the specification calls it.
    pub name: String,
    /// What it is called here.
    pub called: String,
}

impl Names {
    pub fn of(document: &Document) -> Self {
        let directives = || schema_directives(document);
        let linking = directives().find(|it| specification(it) == Some("link") && namespace(it) == it.name.value);
        let link = linking.map_or("link", |directive| &directive.name.value).to_owned();
        let links = directives().filter(|directive| directive.name.value == link).filter_map(Link::of).collect();
        Self { link, links }
    }

    /// What is imported from a specification; nothing if it is not linked.
    pub fn imports(&self, specification: &str) -> Option<&[Import]> {
        self.link(specification).map(|link| link.imports.as_slice())
    }

    /// Whether an element (`@key`) of a specification is imported, under whatever name.
    pub fn is_imported(&self, specification: &str, element: &str) -> bool {
        self.imports(specification).is_some_and(|imports| imports.iter().any(|import| import.name == element))
    }

    /// Whether a type is one of a specification.
    pub fn is_of(&self, specification: &str, type_name: &str) -> bool {
        self.link(specification).is_some_and(|link| link.type_name(type_name).is_some())
    }

    /// What a specification is called.
    pub fn namespace(&self, specification: &str) -> Option<&str> {
        self.link(specification).map(|link| link.namespace.as_str())
    }

    fn link(&self, specification: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.specification == specification)
    }

    /// The one name of a directive of a specification, without `@`; nothing for others.
    pub fn directive(&self, name: &str) -> Option<String> {
        if name == self.link {
            return Some("link".into());
        }
        self.links.iter().find_map(|link| link.directive(name))
    }

    /// The one name of a type of a specification; nothing for others.
    pub fn type_name(&self, name: &str) -> Option<String> {
        self.links.iter().find_map(|link| link.type_name(name))
    }

    /// Gives everything its one name, without directives (and their definitions) that had such a name.
    pub fn give_back(&self, document: &Document, own: &BTreeSet<String>) -> Document {
        visit_edit(document, &mut Renaming { names: self, own }).into_document()
    }

    /// The imports by the names that are given back.
    fn imported(&self, link: &Directive) -> Option<Value> {
        let Some(Value::List(entries)) = argument(link, "import") else { return None };
        let link = Link::of(link)?;
        let entries = entries.values.iter().filter_map(|entry| match import(entry) {
            Some(Import { name, .. }) => match name.strip_prefix('@') {
                Some(directive) => Some(Value::string(format!("@{}", link.one_name(directive)))),
                None => (link.specification == "federation").then(|| Value::string(name)),
            },
            None => Some(entry.clone()),
        });
        Some(Value::list(entries.collect()))
    }
}

impl Link {
    fn of(directive: &Directive) -> Option<Self> {
        let specification = specification(directive).filter(|name| KNOWN.contains(name))?.to_owned();
        let imports = match argument(directive, "import") {
            Some(Value::List(entries)) => entries.values.iter().filter_map(import).collect(),
            _ => Vec::new(),
        };
        Some(Self { specification, namespace: namespace(directive).to_owned(), imports })
    }

    fn is_plain(&self) -> bool {
        let mut imports = self.imports.iter().map(|import| match import.called.strip_prefix('@') {
            Some(directive) => self.directive(directive).as_deref() == Some(directive),
            None => self.type_name(&import.called).as_deref() == Some(import.called.as_str()),
        });
        self.namespace == self.specification && imports.all(|is_plain| is_plain)
    }

    fn directive(&self, name: &str) -> Option<String> {
        let is_called = |import: &&Import| import.called.strip_prefix('@') == Some(name);
        let imported = self.imports.iter().find(is_called).and_then(|import| import.name.strip_prefix('@'));
        let default = || (name == self.namespace).then_some(self.specification.as_str());
        imported.or_else(|| self.behind_prefix(name)).or_else(default).map(|element| self.one_name(element))
    }

    fn type_name(&self, name: &str) -> Option<String> {
        match self.imports.iter().find(|import| import.called == name) {
            Some(import) if self.specification == "federation" => Some(import.name.clone()),
            Some(import) => Some(format!("{}__{}", self.specification, import.name)),
            None => Some(format!("{}__{}", self.specification, self.behind_prefix(name)?)),
        }
    }

    fn behind_prefix<'n>(&self, name: &'n str) -> Option<&'n str> {
        name.strip_prefix(self.namespace.as_str())?.strip_prefix("__")
    }

    /// The name that everybody knows a directive of the specification by.
    fn one_name(&self, directive: &str) -> String {
        match self.specification.as_str() {
            "federation" | "cost" => directive.to_owned(),
            specification if specification == directive => directive.to_owned(),
            specification => format!("{specification}__{directive}"),
        }
    }
}

/// A supergraph in which everything has its one name.
///
/// # Errors
/// [`Error::Supergraph`] if such a name is that of something else.
pub(super) fn plain(sdl: String) -> Result<String, Error> {
    let document = parse(&sdl).map_err(|error| Error::Supergraph(error.message))?;
    let names = Names::of(&document);
    let (mut own, mut renamed) = (BTreeSet::new(), BTreeSet::new());
    for definition in &document.definitions {
        let Some(name) = definition.name().map(|name| &name.value) else { continue };
        let (sign, known) = match definition {
            Definition::DirectiveDefinition(_) => ("@", names.directive(name)),
            _ => ("", names.type_name(name)),
        };
        match known {
            Some(known) if known != *name => drop(renamed.insert(format!("{sign}{known}"))),
            Some(_) => {}
            None => drop(own.insert(format!("{sign}{name}"))),
        }
    }
    if let Some(name) = renamed.intersection(&own).next() {
        return Err(Error::Supergraph(format!("{name} is not that of the specification, which is called otherwise")));
    }
    let is_plain = renamed.is_empty() && names.links.iter().all(Link::is_plain);
    Ok(if is_plain { sdl } else { print(&names.give_back(&document, &BTreeSet::new())) })
}

struct Renaming<'n> {
    names: &'n Names,
    own: &'n BTreeSet<String>,
}

impl EditVisitor for Renaming<'_> {
    fn enter(&mut self, node: NodeRef<'_>, info: &VisitInfo<'_, '_>) -> EditAction {
        match node {
            NodeRef::Directive(Directive { name, .. })
            | NodeRef::DirectiveDefinition(DirectiveDefinition { name, .. })
                if self.own.contains(&name.value) =>
            {
                EditAction::Delete
            }
            NodeRef::Name(name) => {
                let Some(Ancestor::Node(parent)) = info.parent else { return EditAction::Continue };
                let known = match parent.kind() {
                    Kind::Directive | Kind::DirectiveDefinition => self.names.directive(&name.value),
                    Kind::NamedType
                    | Kind::ScalarTypeDefinition
                    | Kind::EnumTypeDefinition
                    | Kind::InputObjectTypeDefinition => self.names.type_name(&name.value),
                    _ => None,
                };
                match known {
                    Some(known) if known != name.value => EditAction::Replace(Node::Name(Name::new(known))),
                    _ => EditAction::Continue,
                }
            }
            NodeRef::Directive(link) if link.name.value == self.names.link && Link::of(link).is_some() => {
                let imported = self.names.imported(link);
                let mut link = link.clone();
                link.arguments.retain(|argument| argument.name.value != "as");
                for argument in link.arguments.iter_mut().filter(|argument| argument.name.value == "import") {
                    argument.value = imported.clone().unwrap_or_else(|| argument.value.clone());
                }
                EditAction::Replace(Node::Directive(link))
            }
            _ => EditAction::Continue,
        }
    }
}

/// The directives of the schema itself.
fn schema_directives(document: &Document) -> impl Iterator<Item = &Directive> {
    let directives = document.definitions.iter().filter_map(|definition| match definition {
        Definition::SchemaDefinition(schema) => Some(&schema.directives),
        Definition::SchemaExtension(schema) => Some(&schema.directives),
        _ => None,
    });
    directives.flatten()
}

/// The specification that a `@link` is to.
fn specification(link: &Directive) -> Option<&str> {
    text(link, "url")?.strip_prefix(SPECIFICATIONS)?.split('/').next()
}

/// What it is called.
fn namespace(link: &Directive) -> &str {
    let called = text(link, "as").map(|name| name.trim_start_matches('@')).filter(|name| !name.is_empty());
    called.or_else(|| specification(link)).unwrap_or_default()
}

fn text<'d>(directive: &'d Directive, name: &str) -> Option<&'d str> {
    match argument(directive, name)? {
        Value::String(text) => Some(&text.value),
        _ => None,
    }
}

/// An entry of `import`.
fn import(entry: &Value) -> Option<Import> {
    match entry {
        Value::String(name) => Some(Import { name: name.value.clone(), called: name.value.clone() }),
        Value::Object(object) => {
            let get = |key: &str| {
                let field = object.fields.iter().find(|field| field.name.value == key)?;
                match &field.value {
                    Value::String(name) => Some(name.value.clone()),
                    _ => None,
                }
            };
            let name = get("name")?;
            Some(Import { called: get("as").unwrap_or_else(|| name.clone()), name })
        }
        _ => None,
    }
}
