//! Load, by [wrk](https://github.com/wg/wrk).

use anyhow::{Context, ensure};
use serde::Deserialize;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;

/// As many requests are under way at once.
const CONNECTIONS: &str = "50";

/// What wrk tells of a run.
#[derive(Clone, Debug, Deserialize)]
pub struct Load {
    /// Answered ones.
    pub requests: u64,
    /// Read, heads of answers included.
    pub bytes: u64,
    /// How long it took.
    pub microseconds: u64,
    /// Median time to an answer, in microseconds.
    pub p50: u64,
    /// 99 of 100 answers took no longer, in microseconds.
    pub p99: u64,
    /// Requests that failed, or were answered with an error's status.
    pub failed: u64,
}

impl Load {
    /// Answers a second.
    pub fn rate(&self) -> f64 {
        self.requests as f64 * 1e6 / self.microseconds as f64
    }
}

/// Posts the text in the file `body` over and over for as long as `duration`, rounded to seconds.
///
/// # Errors
/// When wrk is missing, and when a request failed: a gateway that answers with errors is not measured.
pub async fn load(url: &str, body: &Path, duration: Duration) -> anyhow::Result<Load> {
    wrk("load.lua", url, duration, &[body.as_os_str().to_owned()]).await
}

/// Posts the texts in these files in turn; every answer has to be, byte for byte, the text of one of the files `answers`.
///
/// # Errors
/// When wrk is missing, a request failed, or an answer is none of these.
pub async fn mixed(url: &str, bodies: &[PathBuf], answers: &[PathBuf], duration: Duration) -> anyhow::Result<Load> {
    let paths = |paths: &[PathBuf]| paths.iter().cloned().map(OsString::from).collect::<Vec<_>>();
    let arguments = [paths(bodies), vec!["--".into()], paths(answers)].concat();
    wrk("soak.lua", url, duration, &arguments).await
}

async fn wrk(script: &str, url: &str, duration: Duration, arguments: &[OsString]) -> anyhow::Result<Load> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
    let seconds = format!("{}s", duration.as_secs().max(1));
    let mut wrk = Command::new("wrk");
    wrk.args(["-t1", "-c", CONNECTIONS, "--timeout", "30s", "-d", &seconds]).arg("-s").arg(script);
    wrk.args([url, "--"]).args(arguments.iter().map(AsRef::<OsStr>::as_ref)).kill_on_drop(true);
    let output = wrk.output().await.context("wrk; benches/peers/install brings it")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find(|line| line.starts_with('{'));
    let line = line.with_context(|| format!("wrk said: {text}{}", String::from_utf8_lossy(&output.stderr)))?;
    let load: Load = serde_json::from_str(line)?;
    ensure!(load.failed == 0, "{} of {} requests failed", load.failed, load.requests);
    Ok(load)
}
