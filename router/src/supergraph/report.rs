//! Composition errors that read like a compiler's: what, where, in which subgraph.

use super::SubgraphSdl;
use graphql_core::GraphQLError;
use graphql_tools::parser::schema::{Definition, TypeDefinition, TypeExtension};
use graphql_tools::parser::{Pos, parse_schema};
use std::fmt::Write;

/// A syntax error in one subgraph's SDL, with the line it is on.
pub(super) fn syntax_error(subgraph: &SubgraphSdl, error: &GraphQLError) -> String {
    let mut text = format!("error[INVALID_GRAPHQL]: {}", error.message);
    let located = parse_schema::<String>(&locatable(&subgraph.sdl)).err();
    match located.and_then(|error| position(&error.to_string())) {
        Some(position) => point_at(&mut text, subgraph, position),
        None => {
            let _ = write!(text, "\n  --> subgraph \"{}\"", subgraph.name);
        }
    }
    text
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
pub(super) fn composition_errors(subgraphs: &[SubgraphSdl], errors: &[GraphQLError]) -> String {
    errors.iter().map(|error| composition_error(subgraphs, error)).collect::<Vec<_>>().join("\n")
}

fn composition_error(subgraphs: &[SubgraphSdl], error: &GraphQLError) -> String {
    let mut text = format!("error[{}]: {}", error.code().unwrap_or("COMPOSITION"), error.message);
    let named = |subgraph: &SubgraphSdl| {
        error.message.starts_with(&format!("[{}]", subgraph.name))
            || error.message.contains(&format!("\"{}\"", subgraph.name))
    };
    let narrowed = subgraphs.iter().any(named);
    for coordinate in coordinates(&error.message) {
        let mut found = false;
        for subgraph in subgraphs.iter().filter(|subgraph| !narrowed || named(subgraph)) {
            if let Some(position) = find(&subgraph.sdl, coordinate) {
                point_at(&mut text, subgraph, position);
                found = true;
            }
        }
        if found {
            break;
        }
    }
    text
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
fn find(sdl: &str, (ty, field): (&str, Option<&str>)) -> Option<Pos> {
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
