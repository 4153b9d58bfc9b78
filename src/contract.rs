//! The contract in `schema/`: subgraph SDLs, the supergraph, the public API schema, the events. Generated from the code.

use crate::registry;
use anyhow::Context;
use hansa_router::{
    builtin,
    supergraph::{SubgraphSdl, api_schema_sdl, compose},
};
use std::{fs, path::Path, process::ExitCode};

/// All generated files: name and content.
fn files() -> anyhow::Result<Vec<(String, String)>> {
    let mut sdls = registry::sdls();
    sdls.push((builtin::NAME, builtin::sdl(&registry::builtin_fields())));
    let subgraphs: Vec<_> = sdls
        .iter()
        .map(|(name, sdl)| SubgraphSdl {
            name: (*name).to_owned(),
            url: format!("http://{name}:4000/{name}/graphql"),
            sdl: sdl.clone(),
        })
        .collect();
    let supergraph = compose(&subgraphs)?;
    let mut files = vec![
        ("api.graphql".to_owned(), api_schema_sdl(&supergraph)?),
        ("asyncapi.yaml".to_owned(), hansa_schema::asyncapi()?),
        ("supergraph.graphql".to_owned(), supergraph),
    ];
    files.extend(sdls.into_iter().map(|(name, sdl)| (format!("{name}.graphql"), sdl)));
    for (_, content) in &mut files {
        content.truncate(content.trim_end().len());
        content.push('\n');
    }
    Ok(files)
}

/// Writes the contract.
///
/// # Errors
/// When the subgraphs do not compose or a file cannot be written.
pub fn write(directory: &Path) -> anyhow::Result<()> {
    for (name, content) in files()? {
        let path = directory.join(name);
        fs::write(&path, content).with_context(|| path.display().to_string())?;
        println!("wrote {}", path.display());
    }
    Ok(())
}

/// Tells which files differ from what the code says.
///
/// # Errors
/// When the subgraphs do not compose.
pub fn check(directory: &Path) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for (name, content) in files()? {
        let path = directory.join(name);
        if fs::read_to_string(&path).ok().as_ref() != Some(&content) {
            eprintln!("{} is not what the code says; run `hansa schema`", path.display());
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use graphql_tools::parser::parse_schema;
    use graphql_tools::static_graphql::schema::{Definition, Field, InputValue, TypeDefinition};

    /// What of the types has no description: `Type`, `Type.field` or `Type.field(argument)`.
    fn undescribed(api: &str) -> Vec<String> {
        let document = parse_schema::<String>(api).unwrap();
        let mut parts = Vec::new();
        for definition in &document.into_static().definitions {
            let Definition::TypeDefinition(ty) = definition else { continue };
            let name = ty.name();
            let (description, members) = match ty {
                TypeDefinition::Scalar(ty) => (&ty.description, Vec::new()),
                TypeDefinition::Object(ty) => (&ty.description, fields(name, &ty.fields)),
                TypeDefinition::Interface(ty) => (&ty.description, fields(name, &ty.fields)),
                TypeDefinition::Union(ty) => (&ty.description, Vec::new()),
                TypeDefinition::Enum(ty) => {
                    let values = ty.values.iter().map(|value| (format!("{name}.{}", value.name), &value.description));
                    (&ty.description, values.collect())
                }
                TypeDefinition::InputObject(ty) => {
                    let field = |field: &'_ InputValue| format!("{name}.{}", field.name);
                    (&ty.description, ty.fields.iter().map(|one| (field(one), &one.description)).collect())
                }
            };
            let of_type = (name.to_owned(), description);
            let bare =
                members.into_iter().chain([of_type]).filter(|(_, text)| text.as_deref().is_none_or(str::is_empty));
            parts.extend(bare.map(|(part, _)| part));
        }
        parts
    }

    fn fields<'d>(ty: &str, fields: &'d [Field]) -> Vec<(String, &'d Option<String>)> {
        let of_field = |field: &'d Field| {
            let name = format!("{ty}.{}", field.name);
            let argument = |argument: &'d InputValue| (format!("{name}({})", argument.name), &argument.description);
            let arguments: Vec<_> = field.arguments.iter().map(argument).collect();
            arguments.into_iter().chain([(name, &field.description)])
        };
        fields.iter().flat_map(of_field).collect()
    }

    #[test]
    fn all_that_clients_see_is_described() {
        let files = files().unwrap();
        let (_, api) = files.iter().find(|(name, _)| name == "api.graphql").unwrap();
        assert_eq!(undescribed(api), <Vec<String>>::new(), "give them doc comments");
    }

    #[test]
    fn what_has_no_description_is_named() {
        let api = "type Query { a(b: Int): C } enum C { D } input E { f: Int } \"Of it.\" scalar G";
        assert_eq!(undescribed(api), ["Query.a(b)", "Query.a", "Query", "C.D", "C", "E.f", "E"]);
    }
}
