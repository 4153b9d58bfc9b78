//! The contract in `schema/`: subgraph SDLs, the supergraph, the public API schema, the events. Generated from the code.

use crate::registry;
use anyhow::Context;
use hansa_router::{
    nodes,
    supergraph::{SubgraphSdl, api_schema_sdl, compose},
};
use std::{fs, path::Path, process::ExitCode};

/// All generated files: name and content.
fn files() -> anyhow::Result<Vec<(String, String)>> {
    let mut sdls = registry::sdls();
    sdls.push((nodes::NAME, nodes::sdl(&registry::node_types())));
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
