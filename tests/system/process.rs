//! Processes of the binary under test.

use crate::DEADLINE;
use std::{
    collections::BTreeMap,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::watch,
};

/// Settings by environment variable.
pub type Settings = BTreeMap<String, String>;

/// A running `hansa`.
pub struct Hansa {
    child: Child,
    /// `http://ADDRESS:PORT`.
    pub url: String,
    output: Arc<Mutex<Vec<String>>>,
}

impl Hansa {
    /// `hansa up` with its data in `data`.
    pub async fn up(data: &Path) -> Self {
        Self::up_with(data, &Settings::new()).await
    }

    /// `hansa up`, configured.
    pub async fn up_with(data: &Path, settings: &Settings) -> Self {
        Self::start(&["up"], data, settings).await
    }

    /// `hansa run ROLE…`.
    pub async fn run(roles: &[&str], data: &Path, settings: &Settings) -> Self {
        let arguments: Vec<_> = ["run"].iter().chain(roles).copied().collect();
        Self::start(&arguments, data, settings).await
    }

    /// Starts a process and waits until it says where it listens.
    pub async fn start(arguments: &[&str], data: &Path, settings: &Settings) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_hansa"))
            .args(arguments)
            .args(["--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .env("HANSA_LOG__FILTER", "info,sea_orm_migration=warn,sqlx=warn,hansa_router=debug")
            .envs(settings)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let output = Arc::new(Mutex::new(Vec::new()));
        let (found, mut url) = watch::channel(None);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        tokio::spawn({
            let output = output.clone();
            async move {
                while let Ok(Some(line)) = lines.next_line().await {
                    if let Some(address) = address_in(&line) {
                        found.send_replace(Some(address));
                    }
                    eprintln!("  | {line}");
                    output.lock().unwrap().push(line);
                }
            }
        });
        let ready = tokio::time::timeout(DEADLINE, url.wait_for(Option::is_some)).await;
        let url = ready.unwrap_or_else(|_| panic!("{arguments:?} did not get ready")).map(|url| url.clone());
        Self { child, url: url.expect("the process ended before it was ready").unwrap_or_default(), output }
    }

    /// What it has printed.
    pub fn output(&self) -> Vec<String> {
        self.output.lock().unwrap().clone()
    }

    /// Kills it as the system would when memory is short: no warning, no clean-up.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks it to end (SIGTERM).
    pub async fn ask_to_end(&self) {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    }

    /// Asks it to end and gives its exit code.
    pub async fn terminate(self) -> Option<i32> {
        self.ask_to_end().await;
        self.ended().await
    }

    /// Waits until it has ended and gives its exit code.
    pub async fn ended(mut self) -> Option<i32> {
        let status = tokio::time::timeout(DEADLINE, self.child.wait()).await.expect("it did not end");
        status.unwrap().code()
    }
}

/// The address in the line that says where a process listens, or, of the whole system in one, that it is ready.
fn address_in(line: &str) -> Option<String> {
    let (_, line) = line.split_once("listening: ").or_else(|| line.split_once("ready: "))?;
    let start = line.find("http://")?;
    let rest = &line[start..];
    let end = rest["http://".len()..].find('/')? + "http://".len();
    Some(rest[..end].to_owned())
}
