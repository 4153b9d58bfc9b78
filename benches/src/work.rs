//! What both `bench run` and `bench soak` need: the subgraphs, the files that gateways are given, running gateways.

use crate::gateways::{self, Gateway, Places};
use crate::process::Process;
use crate::queries::{self, Query};
use crate::subgraphs::{self, Subgraphs};
use crate::{federation, record};
use anyhow::{Context, ensure};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A gateway has to answer this long after its start.
const START: Duration = Duration::from_secs(60);

/// The running subgraphs, and files in a temporary folder.
pub struct Work {
    /// What gateways are asked.
    pub queries: Vec<Query>,
    /// What they ask.
    pub subgraphs: Subgraphs,
    folder: tempfile::TempDir,
    places: Vec<(&'static str, String)>,
    client: reqwest::Client,
}

/// A gateway that answers as expected.
pub struct Running {
    /// Its GraphQL endpoint.
    pub url: String,
    /// It.
    pub process: Process,
}

impl Work {
    /// Starts the subgraphs and records what our router asks them. `hansa` is the binary under test.
    ///
    /// # Errors
    /// When our router's answer is not the expected one.
    pub async fn new(hansa: &Path) -> anyhow::Result<Self> {
        let subgraphs = subgraphs::start(0).await?;
        let folder = tempfile::tempdir()?;
        let supergraph = folder.path().join("supergraph.graphql");
        std::fs::write(&supergraph, federation::supergraph(&subgraphs.urls)?)?;
        let script = folder.path().join("script.json");
        std::fs::write(&script, serde_json::to_vec(&record::record(&subgraphs).await?)?)?;
        let text = |path: &Path| path.display().to_string();
        let places = vec![
            ("{hansa}", text(&std::path::absolute(hansa)?)),
            ("{bench}", text(&std::env::current_exe()?)),
            ("{supergraph}", text(&supergraph)),
            ("{script}", text(&script)),
            ("{benches}", env!("CARGO_MANIFEST_DIR").to_owned()),
            ("{peers}", text(&gateways::peers()?)),
        ];
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
        let work = Self { queries: queries::all().into(), subgraphs, folder, places, client };
        for query in &work.queries {
            std::fs::write(work.request(query), query.body())?;
        }
        Ok(work)
    }

    /// The file that holds the body of a request for `query`.
    pub fn request(&self, query: &Query) -> PathBuf {
        self.file(query.name)
    }

    /// A file in the temporary folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Whether a gateway can be started.
    pub fn is_installed(&self, gateway: &Gateway) -> bool {
        gateway.is_installed(&self.places(0))
    }

    /// Starts a gateway and waits until it answers a query as expected.
    ///
    /// # Errors
    /// When it does not, with the end of what it said.
    pub async fn start(&self, gateway: &Gateway) -> anyhow::Result<Running> {
        let port = free_port()?;
        let log = self.file(&format!("{}.log", gateway.name));
        let mut process = Process::start(gateway.command(&self.places(port)), &log)?;
        let url = format!("http://127.0.0.1:{port}{}", gateway.path);
        let started = Instant::now();
        while let Err(error) = self.check(&url, &self.queries[0]).await {
            let said = || std::fs::read_to_string(&log).unwrap_or_default();
            process.check().with_context(said)?;
            ensure!(started.elapsed() < START, "it does not answer: {error:#}\n{}", said());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(Running { url, process })
    }

    /// Asks once, and gives the answer.
    ///
    /// # Errors
    /// When the answer is not the expected one.
    pub async fn check(&self, url: &str, query: &Query) -> anyhow::Result<Vec<u8>> {
        let request = self.client.post(url).header("content-type", "application/json");
        let request = request.header("accept", "application/json").body(query.body());
        let answer = request.send().await?.error_for_status()?.bytes().await?.to_vec();
        let excerpt = || String::from_utf8_lossy(&answer).chars().take(400).collect::<String>();
        let value: serde_json::Value = serde_json::from_slice(&answer).with_context(excerpt)?;
        ensure!(value == query.expected, "a wrong answer to {}: {}", query.name, excerpt());
        Ok(answer)
    }

    fn places(&self, port: u16) -> Places {
        let ports = [("{listen}", format!("127.0.0.1:{port}")), ("{port}", port.to_string())];
        Places(self.places.iter().cloned().chain(ports).collect())
    }
}

/// A port that was free a moment ago.
fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
