//! `bench run`: starts gateways in turn, checks their answers, loads them, and measures.

use crate::gateways::{self, Gateway};
use crate::load::{self, Load};
use crate::process::Memory;
use crate::table;
use crate::work::Work;
use anyhow::{Context, ensure};
use std::path::PathBuf;
use std::time::Duration;

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
    #[arg(long, default_value_t = 5)]
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
    let work = Work::new(&options.hansa).await?;
    let (gateways, missing): (Vec<_>, Vec<_>) =
        gateways::chosen(&options.gateways)?.into_iter().partition(|gateway| work.is_installed(gateway));
    work.subgraphs.set_latency(options.latency_ms);
    let mut rounds: Vec<Vec<Sample>> = Vec::new();
    for round in 1..=options.rounds {
        let mut samples = Vec::new();
        for gateway in &gateways {
            let sample = measure(gateway, &work, &options).await.with_context(|| gateway.name.clone())?;
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

async fn measure(gateway: &Gateway, work: &Work, options: &Options) -> anyhow::Result<Sample> {
    let running = work.start(gateway).await?;
    let mut queries = Vec::new();
    for query in &work.queries {
        let length = work.check(&running.url, query).await?.len() as u64;
        let body = work.request(query);
        load::load(&running.url, &body, Duration::from_secs(options.warm_up)).await?;
        let (cpu, fetches) = (running.process.cpu()?, work.subgraphs.fetches());
        let load = load::load(&running.url, &body, Duration::from_secs(options.seconds)).await?;
        ensure!(load.requests > 0, "no answer to {} in {} s", query.name, options.seconds);
        let cpu = (running.process.cpu()? - cpu).as_secs_f64() / load.requests as f64;
        let fetches = (work.subgraphs.fetches() - fetches) as f64 / load.requests as f64;
        // An error that comes as a success would be short.
        ensure!(load.bytes / load.requests >= length, "answers to {} were too short under load", query.name);
        queries.push(Measured { load, cpu, fetches });
    }
    let memory = running.process.memory()?;
    running.process.kill().await?;
    Ok(Sample { queries, memory })
}
