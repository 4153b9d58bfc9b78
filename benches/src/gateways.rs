//! The gateways that are compared, as `gateways.toml` describes them.

use anyhow::{Context, bail};
use figment::Figment;
use figment::providers::{Format, Toml};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tokio::process::Command;

/// A gateway, and how it is started.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// Chosen by it on the command line.
    pub name: String,
    /// What the table calls it.
    pub title: String,
    needs: String,
    command: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    /// The path that is asked.
    #[serde(default = "graphql")]
    pub path: String,
}

/// What the placeholders in `gateways.toml` stand for.
pub struct Places(pub Vec<(&'static str, String)>);

fn graphql() -> String {
    "/graphql".into()
}

/// The gateways with these names, in this order; all without names.
///
/// # Errors
/// For a name that is unknown.
pub fn chosen(names: &[String]) -> anyhow::Result<Vec<Gateway>> {
    #[derive(Deserialize)]
    struct File {
        gateway: Vec<Gateway>,
    }
    let file: File = Figment::from(Toml::string(include_str!("../gateways.toml"))).extract()?;
    if names.is_empty() {
        return Ok(file.gateway);
    }
    let known = |name: &String| file.gateway.iter().find(|gateway| gateway.name == *name).cloned();
    names.iter().map(|name| known(name).with_context(|| format!("no gateway is called {name}"))).collect()
}

/// Where `benches/peers/install` puts peers.
///
/// # Errors
/// When there is no home folder.
pub fn peers() -> anyhow::Result<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    match cache.or_else(home) {
        Some(cache) => Ok(cache.join("hansa/peers")),
        None => bail!("HOME is not set"),
    }
}

impl Gateway {
    /// Whether it can be started.
    pub fn is_installed(&self, places: &Places) -> bool {
        PathBuf::from(places.fill(&self.needs)).exists()
    }

    /// The command that starts it.
    pub fn command(&self, places: &Places) -> Command {
        let mut words = self.command.iter().map(|word| places.fill(word));
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).envs(self.env.iter().map(|(name, value)| (name, places.fill(value))));
        command
    }
}

impl Places {
    fn fill(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, place)| text.replace(name, place))
    }
}
