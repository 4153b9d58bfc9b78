//! Composition errors that read like a compiler's: what, where, in which subgraph.

use super::SubgraphSdl;
use super::sdl::Subgraph;
use graphql_core::GraphQLError;
use graphql_tools::parser::schema::{Definition, TypeDefinition, TypeExtension};
use graphql_tools::parser::{Pos, parse_schema};
use std::fmt::Write;

/// An error in one subgraph: what, where if that is known, and how to mend it.
pub(super) fn problem(
    code: &str,
    message: &str,
    subgraph: &SubgraphSdl,
    at: Option<Pos>,
    help: Option<&str>,
) -> String {
    let mut text = format!("error[{code}]: {message}");
    match at {
        Some(position) => point_at(&mut text, subgraph, position),
        None => {
            let _ = write!(text, "\n  --> subgraph \"{}\"", subgraph.name);
        }
    }
    add_help(&mut text, help);
    text
}

fn add_help(text: &mut String, help: Option<&str>) {
    if let Some(help) = help {
        let _ = write!(text, "\n  help: {help}");
    }
}

/// A syntax error in one subgraph's SDL, with the line it is on.
pub(super) fn syntax_error(subgraph: &SubgraphSdl, error: &GraphQLError) -> String {
    let located = parse_schema::<String>(&locatable(&subgraph.sdl)).err();
    let at = located.and_then(|error| position(&error.to_string()));
    problem("INVALID_GRAPHQL", &error.message, subgraph, at, None)
}

/// Where a name or two stand in an SDL, comments and texts apart, as words of their own.
pub(super) fn find_text(sdl: &str, text: &str) -> Option<Pos> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    sdl.lines().enumerate().find_map(|(index, line)| {
        let code = line.split('#').next().unwrap_or(line);
        let found = code.match_indices(text).find(|(at, _)| {
            let before = code[..*at].trim_end();
            let is_text = code[..*at].ends_with('"');
            !code[at + text.len()..].starts_with(is_word) && !before.ends_with("directive") && !is_text
        });
        found.map(|(at, _)| Pos { line: index + 1, column: code[..at].chars().count() + 1 })
    })
}

/// How to mend the commonest mistakes.
pub(super) fn help(code: &str) -> Option<&'static str> {
    Some(match code {
        "ENUM_VALUE_MISMATCH" => "an enum that is also an input needs the same values in every subgraph",
        "EXTENSION_WITH_NO_BASE" => "define the type without `extend` in one subgraph",
        "EXTERNAL_MISSING_ON_BASE" => "a field is @external where another subgraph defines it: none does",
        "EXTERNAL_TYPE_MISMATCH" | "FIELD_TYPE_MISMATCH" | "FIELD_ARGUMENT_TYPE_MISMATCH" => {
            "give it the same type in every subgraph"
        }
        "EXTERNAL_UNUSED" => "remove the field, or name it in a @key, @requires or @provides of this subgraph",
        "INTERFACE_FIELD_NO_IMPLEM" => "define the field on the type in a subgraph, or take it out of the interface",
        "INVALID_FIELD_SHARING" => {
            "mark it @shareable in every subgraph that resolves it, or let one take it over with @override(from:)"
        }
        "KEY_INVALID_FIELDS" => {
            "a @key names fields of its type, and what has fields of its own with them: `id owner { id }`"
        }
        "NO_QUERIES" => "one subgraph at least needs a `type Query` with a field",
        "OVERRIDE_FROM_SELF_ERROR" => "@override(from:) names the subgraph that the field is taken from",
        "PROVIDES_FIELDS_MISSING_EXTERNAL" | "REQUIRES_FIELDS_MISSING_EXTERNAL" => {
            "mark the field @external if another subgraph resolves it; what this one resolves need not be named"
        }
        "PROVIDES_INVALID_FIELDS" => "@provides names fields of the type that the field returns",
        "REQUIRED_ARGUMENT_MISSING_IN_SOME_SUBGRAPH" | "REQUIRED_INPUT_FIELD_MISSING_IN_SOME_SUBGRAPH" => {
            "define it in every subgraph, or let it be null or have a default"
        }
        "REQUIRES_INVALID_FIELDS" => "@requires names fields of the same type, which are @external here",
        "SATISFIABILITY_ERROR" => {
            "give the type a @key in both subgraphs, or define the field wherever the type can be reached"
        }
        "TYPE_KIND_MISMATCH" => "make it the same kind of type in every subgraph, or call one differently",
        _ => return None,
    })
}

/// The SDL as the parser that knows positions can read it. It does not know schema extensions: as a scalar of the same
/// length nothing moves.
fn locatable(sdl: &str) -> String {
    sdl.replace("extend schema", "scalar schema")
}

/// The position in `… Parse error at LINE:COLUMN`: the parser tells it in its message only.
fn position(message: &str) -> Option<Pos> {
    let (line, column) = message.split_once("rror at ")?.1.lines().next()?.split_once(':')?;
    Some(Pos { line: line.trim().parse().ok()?, column: column.trim().parse().ok()? })
}

/// What the composer says, each error with the places in the subgraphs that it names.
pub(super) fn composition_errors(subgraphs: &[SubgraphSdl], prepared: &[Subgraph], errors: &[GraphQLError]) -> String {
    let describe = |error| {
        let message = in_own_words(prepared, error);
        composition_error(subgraphs, error, &message)
    };
    errors.iter().map(describe).collect::<Vec<_>>().join("\n")
}

/// A message with the names that the subgraph, if it is about one, has for directives.
fn in_own_words(subgraphs: &[Subgraph], error: &GraphQLError) -> String {
    let message = &error.message;
    let Some(subgraph) = subgraphs.iter().find(|it| message.starts_with(&format!("[{}]", it.name))) else {
        return message.clone();
    };
    let mut parts = message.split('@');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(part.len());
        let name = subgraph.called.get(&part[..end]).map_or(&part[..end], String::as_str);
        let _ = write!(text, "@{name}{}", &part[end..]);
    }
    text
}

fn composition_error(subgraphs: &[SubgraphSdl], error: &GraphQLError, message: &str) -> String {
    let mut text = format!("error[{}]: {message}", error.code().unwrap_or("COMPOSITION"));
    let named = |subgraph: &SubgraphSdl| {
        error.message.starts_with(&format!("[{}]", subgraph.name))
            || error.message.contains(&format!("\"{}\"", subgraph.name))
    };
    let narrowed = subgraphs.iter().any(named);
    for coordinate in coordinates(&error.message) {
        let mut found = false;
        for subgraph in subgraphs.iter().filter(|subgraph| !narrowed || named(subgraph)) {
            if let Some(position) = find(&subgraph.sdl, coordinate) {
                point_at(&mut text, subgraph, below_description(&subgraph.sdl, position));
                found = true;
            }
        }
        if found {
            break;
        }
    }
    for subgraph in subgraphs.iter().filter(|subgraph| named(subgraph)) {
        if let Some(position) = unknown(message).and_then(|name| find_name(&subgraph.sdl, name)) {
            point_at(&mut text, subgraph, position);
        }
    }
    add_help(&mut text, error.code().and_then(help));
    text
}

/// The type or directive that a message says is unknown.
fn unknown(message: &str) -> Option<&str> {
    let directive = || message.split('"').skip(1).step_by(2).find(|quoted| quoted.starts_with('@'));
    message.split_once("Unknown type ").map(|(_, name)| name).or_else(directive)
}

/// Where a name is imported, or used.
fn find_name(sdl: &str, name: &str) -> Option<Pos> {
    find_text(sdl, &format!("\"{name}\"")).or_else(|| find_text(sdl, name))
}

/// Where a definition goes on after its description, at which the parser says that it is.
fn below_description(sdl: &str, at: Pos) -> Pos {
    let after = |text: &str, quotes: &str| text.find(quotes).map(|end| end + quotes.len());
    let end = || {
        let line: usize = sdl.split_inclusive('\n').take(at.line.saturating_sub(1)).map(str::len).sum();
        let column: usize = sdl.get(line..)?.chars().take(at.column.saturating_sub(1)).map(char::len_utf8).sum();
        let start = line + column;
        let quotes = ["\"\"\"", "\""].into_iter().find(|quotes| sdl[start..].starts_with(quotes))?;
        let end = start + quotes.len() + after(&sdl[start + quotes.len()..], quotes)?;
        Some(end + sdl[end..].find(|c: char| !c.is_whitespace())?)
    };
    let Some(end) = end() else { return at };
    let before = &sdl[..end];
    let line = before.rsplit('\n').next().unwrap_or(before);
    Pos { line: before.matches('\n').count() + 1, column: line.chars().count() + 1 }
}

/// The `Type` and `Type.field` that a message quotes, the most exact first.
fn coordinates(message: &str) -> Vec<(&str, Option<&str>)> {
    let mut coordinates: Vec<_> = message
        .split('"')
        .skip(1)
        .step_by(2)
        .map(|quoted| quoted.split(['(', ' ', ':']).next().unwrap_or(quoted))
        .filter(|quoted| quoted.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'))
        .map(|quoted| quoted.split_once('.').map_or((quoted, None), |(ty, field)| (ty, Some(field))))
        .collect();
    coordinates.sort_by_key(|(_, field)| field.is_none());
    coordinates
}

/// Where a subgraph defines a type or one of its fields.
pub(super) fn find(sdl: &str, (ty, field): (&str, Option<&str>)) -> Option<Pos> {
    let sdl = locatable(sdl);
    let document = parse_schema::<String>(&sdl).ok()?;
    document.definitions.iter().find_map(|definition| {
        let (name, position, fields): (&str, Pos, Vec<(&str, Pos)>) = match definition {
            Definition::TypeDefinition(TypeDefinition::Object(t)) => {
                (&t.name, t.position, t.fields.iter().map(|f| (f.name.as_str(), f.position)).collect())
            }
            Definition::TypeDefinition(TypeDefinition::Interface(t)) => {
                (&t.name, t.position, t.fields.iter().map(|f| (f.name.as_str(), f.position)).collect())
            }
            Definition::TypeDefinition(TypeDefinition::InputObject(t)) => {
                (&t.name, t.position, t.fields.iter().map(|f| (f.name.as_str(), f.position)).collect())
            }
            Definition::TypeDefinition(TypeDefinition::Enum(t)) => {
                (&t.name, t.position, t.values.iter().map(|v| (v.name.as_str(), v.position)).collect())
            }
            Definition::TypeDefinition(TypeDefinition::Union(t)) => (&t.name, t.position, Vec::new()),
            Definition::TypeDefinition(TypeDefinition::Scalar(t)) => (&t.name, t.position, Vec::new()),
            Definition::TypeExtension(TypeExtension::Object(t)) => {
                (&t.name, t.position, t.fields.iter().map(|f| (f.name.as_str(), f.position)).collect())
            }
            Definition::TypeExtension(TypeExtension::Interface(t)) => {
                (&t.name, t.position, t.fields.iter().map(|f| (f.name.as_str(), f.position)).collect())
            }
            _ => return None,
        };
        match field {
            _ if name != ty => None,
            None => Some(position),
            Some(field) => fields.into_iter().find(|(name, _)| *name == field).map(|(_, position)| position),
        }
    })
}

fn point_at(text: &mut String, subgraph: &SubgraphSdl, position: Pos) {
    let line = subgraph.sdl.lines().nth(position.line.saturating_sub(1)).unwrap_or("").replace('\t', " ");
    let number = position.line.to_string();
    let margin = " ".repeat(number.len());
    let indent = " ".repeat(position.column.saturating_sub(1));
    let _ = write!(
        text,
        "\n{margin} --> subgraph \"{}\", line {number}, column {}\n{margin} |\n{number} | {line}\n{margin} | {indent}^",
        subgraph.name, position.column,
    );
}
