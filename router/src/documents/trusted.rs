//! The documents that the operator lists, from a folder or a manifest.

use super::sha256;
use crate::error::Error;
use arc_swap::ArcSwap;
use graphql_tools::parser::parse_query;
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

const ENDINGS: [&str; 2] = ["graphql", "gql"];

/// How Apollo's manifests call themselves (<https://www.apollographql.com/docs/graphos/platform/security/persisted-queries>).
const APOLLO_FORMAT: &str = "apollo-persisted-query-manifest";

/// The trusted documents.
#[derive(Debug, Default)]
pub(super) struct Trusted {
    by_id: HashMap<String, Arc<str>>,
    texts: HashSet<Arc<str>>,
}

impl Trusted {
    /// The text of the document of this id. A SHA-256 may be given with the prefix `sha256:`.
    pub(super) fn by_id(&self, id: &str) -> Option<&Arc<str>> {
        self.by_id.get(id).or_else(|| self.by_id.get(id.strip_prefix("sha256:")?))
    }

    /// Whether this is the text of one of them, but for the white space around it.
    pub(super) fn holds(&self, text: &str) -> bool {
        self.texts.contains(text.trim())
    }

    fn add(&mut self, id: &str, text: &str) -> Result<(), String> {
        parse_query::<&str>(text).map_err(|error| format!("document {id:?}: {error}"))?;
        let trimmed: Arc<str> = text.trim().into();
        for name in [id, &sha256(text), &sha256(&trimmed)] {
            let before = self.by_id.insert(name.to_owned(), trimmed.clone());
            if before.is_some_and(|before| before != trimmed) {
                return Err(format!("there are two documents of the id {name:?}"));
            }
        }
        self.texts.insert(trimmed);
        Ok(())
    }
}

/// Reads a folder or a manifest.
///
/// # Errors
/// When it cannot be read, or one of its documents cannot be parsed: then none of them is taken.
pub(super) fn load(path: &Path) -> Result<Trusted, Error> {
    let mut trusted = Trusted::default();
    let files = files(path).map_err(|source| file_error(path, source))?;
    for (file, ..) in &files {
        let text = std::fs::read_to_string(file).map_err(|source| file_error(file, source))?;
        let added = match path == file && !is_document(file) {
            true => add_manifest(&mut trusted, &text),
            false => trusted.add(&file.file_stem().unwrap_or_default().to_string_lossy(), &text),
        };
        added.map_err(|problem| Error::Config(format!("{}: {problem}", file.display())))?;
    }
    Ok(trusted)
}

fn add_manifest(trusted: &mut Trusted, json: &str) -> Result<(), String> {
    let manifest: Map<String, Value> = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let operations = match manifest.get("operations") {
        Some(Value::Array(operations)) if manifest.get("format").is_some_and(|format| format == APOLLO_FORMAT) => {
            operations
        }
        _ => {
            for (id, text) in &manifest {
                let text = text.as_str().ok_or_else(|| format!("document {id:?} is no text"))?;
                trusted.add(id, text)?;
            }
            return Ok(());
        }
    };
    for (index, operation) in operations.iter().enumerate() {
        let member = |name: &str| operation.get(name).and_then(Value::as_str);
        let (Some(id), Some(body)) = (member("id"), member("body")) else {
            return Err(format!("operations[{index}] has no id or no body"));
        };
        trusted.add(id, body)?;
    }
    Ok(())
}

/// A file, and what changes when it is written to.
type Stamp = (PathBuf, SystemTime, u64);

/// The file, or the documents in the folder and the folders in it, sorted.
fn files(path: &Path) -> std::io::Result<Vec<Stamp>> {
    if !std::fs::metadata(path)?.is_dir() {
        return Ok(vec![stamp(path.to_owned())?]);
    }
    let mut files = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => folders.push(entry.path()),
                false if is_document(&entry.path()) => files.push(stamp(entry.path())?),
                false => {}
            }
        }
    }
    files.sort();
    Ok(files)
}

fn stamp(path: PathBuf) -> std::io::Result<Stamp> {
    let metadata = std::fs::metadata(&path)?;
    Ok((path, metadata.modified()?, metadata.len()))
}

fn is_document(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known))
}

/// Reads them again whenever they change. A change that cannot be read leaves the last good ones in use.
pub(super) async fn keep(trusted: Arc<ArcSwap<Trusted>>, path: PathBuf, poll: Duration) {
    let mut seen = files(&path).ok();
    loop {
        tokio::time::sleep(poll).await;
        let (folder, before) = (path.clone(), seen.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let now = files(&folder).ok();
            let read = (now != before).then(|| load(&folder));
            (now, read)
        });
        let Ok((now, read)) = reading.await else { continue };
        seen = now;
        match read {
            Some(Ok(fresh)) => {
                tracing::info!(documents = fresh.texts.len(), "trusted documents have changed");
                trusted.store(Arc::new(fresh));
            }
            Some(Err(error)) => tracing::error!("the trusted documents stay as they were: {error}"),
            None => {}
        }
    }
}

fn file_error(path: &Path, source: std::io::Error) -> Error {
    Error::File { path: path.display().to_string(), source }
}
