//! The driver: starts gateways in turn, checks their answers, loads them, and measures.

use crate::gateways::{self, Gateway, Places};
use crate::load::{self, Load};
use crate::process::{Memory, Process};
use crate::queries::{self, Query};
use crate::subgraphs::Subgraphs;
use crate::{federation, record, subgraphs, table};
use anyhow::{Context, ensure};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A gateway has to answer this long after its start.
const START: Duration = Duration::from_secs(60);

/// What is measured.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Which gateways, by their names in gateways.toml; all that are installed by default.
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    gateways: Vec<String>,
    /// Every gateway is started and loaded once a round; the table holds medians.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How long each query is measured in a round.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// How long each query is sent before that.
    #[arg(long, default_value_t = 3)]
    warm_up: u64,
    /// The hansa binary.
    #[arg(long, default_value = "target/release/hansa", value_name = "FILE")]
    hansa: PathBuf,
    /// Added to every answer of a subgraph, in milliseconds.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
}

/// What one gateway did in one round.
pub struct Sample {
    pub queries: Vec<Measured>,
    pub memory: Memory,
}

/// How one query went.
pub struct Measured {
    pub load: Load,
    /// The gateway's, in seconds for each request.
    pub cpu: f64,
    /// Requests to subgraphs for each request.
    pub fetches: f64,
}

/// Runs the rounds and prints the table.
///
/// # Errors
/// When a gateway cannot be started, gives a wrong answer, or fails under load.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let subgraphs = subgraphs::start(0).await?;
    let work = Work::new(&options, &subgraphs).await?;
    let (gateways, missing): (Vec<_>, Vec<_>) =
        gateways::chosen(&options.gateways)?.into_iter().partition(|gateway| gateway.is_installed(&work.places(0)));
    subgraphs.set_latency(options.latency_ms);
    let mut rounds: Vec<Vec<Sample>> = Vec::new();
    for round in 1..=options.rounds {
        let mut samples = Vec::new();
        for gateway in &gateways {
            let sample = measure(gateway, &work, &subgraphs, &options).await;
            let sample = sample.with_context(|| format!("{}; its log: {}", gateway.name, work.log(gateway)))?;
            eprintln!("round {round}: {}", table::line(gateway, &work.queries, &sample));
            samples.push(sample);
        }
        rounds.push(samples);
    }
    for gateway in missing {
        println!("{} is not installed and is left out; see benches/peers/install.\n", gateway.title);
    }
    print!("{}", table::table(&gateways, &work.queries, &rounds));
    Ok(())
}

/// The files that gateways are given.
struct Work {
    folder: tempfile::TempDir,
    queries: Vec<Query>,
    places: Vec<(&'static str, String)>,
}

impl Work {
    async fn new(options: &Options, subgraphs: &Subgraphs) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let queries = Vec::from(queries::all());
        for query in &queries {
            std::fs::write(folder.path().join(query.name), query.body())?;
        }
        let supergraph = folder.path().join("supergraph.graphql");
        std::fs::write(&supergraph, federation::supergraph(&subgraphs.urls)?)?;
        let script = folder.path().join("script.json");
        std::fs::write(&script, serde_json::to_vec(&record::record(subgraphs).await?)?)?;
        let text = |path: &Path| path.display().to_string();
        let places = vec![
            ("{hansa}", text(&std::path::absolute(&options.hansa)?)),
            ("{bench}", text(&std::env::current_exe()?)),
            ("{supergraph}", text(&supergraph)),
            ("{script}", text(&script)),
            ("{benches}", env!("CARGO_MANIFEST_DIR").to_owned()),
            ("{peers}", text(&gateways::peers()?)),
        ];
        Ok(Self { folder, queries, places })
    }

    fn places(&self, port: u16) -> Places {
        let ports = [("{listen}", format!("127.0.0.1:{port}")), ("{port}", port.to_string())];
        Places(self.places.iter().cloned().chain(ports).collect())
    }

    fn log_file(&self, gateway: &Gateway) -> PathBuf {
        self.folder.path().join(format!("{}.log", gateway.name))
    }

    fn log(&self, gateway: &Gateway) -> String {
        std::fs::read_to_string(self.log_file(gateway)).unwrap_or_default()
    }
}

async fn measure(gateway: &Gateway, work: &Work, subgraphs: &Subgraphs, options: &Options) -> anyhow::Result<Sample> {
    let port = free_port()?;
    let url = format!("http://127.0.0.1:{port}{}", gateway.path);
    let mut process = Process::start(gateway.command(&work.places(port)), &work.log_file(gateway))?;
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?;
    let started = Instant::now();
    while let Err(error) = check(&client, &url, &work.queries[0]).await {
        process.check()?;
        ensure!(started.elapsed() < START, "it does not answer: {error:#}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut queries = Vec::new();
    for query in &work.queries {
        let length = check(&client, &url, query).await?;
        let body = work.folder.path().join(query.name);
        load::load(&url, &body, Duration::from_secs(options.warm_up)).await?;
        let (cpu, fetches) = (process.cpu()?, subgraphs.fetches());
        let load = load::load(&url, &body, Duration::from_secs(options.seconds)).await?;
        ensure!(load.requests > 0, "no answer to {} in {} s", query.name, options.seconds);
        let cpu = (process.cpu()? - cpu).as_secs_f64() / load.requests as f64;
        let fetches = (subgraphs.fetches() - fetches) as f64 / load.requests as f64;
        // An error that comes as a success would be short.
        ensure!(load.bytes / load.requests >= length, "answers to {} were too short under load", query.name);
        queries.push(Measured { load, cpu, fetches });
    }
    let memory = process.memory()?;
    process.kill().await?;
    Ok(Sample { queries, memory })
}

/// Asks once; the answer has to be the expected one. Gives its length in bytes.
async fn check(client: &reqwest::Client, url: &str, query: &Query) -> anyhow::Result<u64> {
    let request = client.post(url).header("content-type", "application/json").header("accept", "application/json");
    let answer = request.body(query.body()).send().await?.bytes().await?;
    let value: serde_json::Value = serde_json::from_slice(&answer).with_context(|| excerpt(&answer))?;
    ensure!(value == query.expected, "a wrong answer to {}: {}", query.name, excerpt(&answer));
    Ok(answer.len() as u64)
}

fn excerpt(answer: &[u8]) -> String {
    String::from_utf8_lossy(answer).chars().take(400).collect()
}

/// A port that was free a moment ago.
fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
