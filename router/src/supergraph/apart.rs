//! Composition in a process of its own. Where a field of a key requires something, the composer may go round in circles until
//! the stack overflows, and no process survives that.

use super::{SubgraphSdl, compose};
use crate::error::Error;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// The argument of the program that composes.
pub const ARGUMENT: &str = "compose-apart";

/// What the program does that is started with [`ARGUMENT`]: composes the subgraphs that it is told of (an array of
/// [`SubgraphSdl`] as JSON), and tells what came of it (`{"Ok": …}` or `{"Err": …}`).
///
/// # Errors
/// When it is told something else, or nobody listens.
pub fn serve(input: impl Read, output: impl Write) -> std::io::Result<()> {
    let subgraphs: Vec<SubgraphSdl> = serde_json::from_reader(input)?;
    let outcome = compose(&subgraphs).map_err(|error| match error {
        Error::Composition(problems) => problems,
        error => error.to_string(),
    });
    Ok(serde_json::to_writer(output, &outcome)?)
}

/// As [`compose`], by that program. `fields` are those of keys that require something.
pub(super) fn composed(program: &Path, subgraphs: &[SubgraphSdl], fields: &[String]) -> Result<String, Error> {
    let failed = |error| Error::File { path: program.display().to_string(), source: error };
    match ask(program, subgraphs).map_err(failed)? {
        Some(outcome) => outcome.map_err(Error::Composition),
        None => Err(Error::Composition(format!(
            "error[KEY_REQUIRES_CIRCULAR]: the composer finds no end: fields of keys require what only these keys lead to: {}\n  \
             = help: take these fields out of their keys, or out of what they require",
            fields.join(", ")
        ))),
    }
}

/// Nothing if the program was ended by a signal, as who exhausts the stack is.
fn ask(program: &Path, subgraphs: &[SubgraphSdl]) -> std::io::Result<Option<Result<String, String>>> {
    let mut command = Command::new(program);
    command.arg(ARGUMENT).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(&serde_json::to_vec(subgraphs)?)?;
    }
    let output = child.wait_with_output()?;
    match output.status.code() {
        None => Ok(None),
        Some(0) => Ok(Some(serde_json::from_slice(&output.stdout)?)),
        Some(status) => Err(std::io::Error::other(format!("{ARGUMENT} ended with status {status}"))),
    }
}
