//! The benchmark of the router: a federation of four subgraphs, the floor below which no router can go, and a driver that
//! measures routers side by side. The README tells how to run it and what the figures mean.

#![forbid(unsafe_code)]

mod execute;
mod expected;
mod federation;
mod floor;
mod gateways;
mod load;
mod process;
mod queries;
mod record;
mod run;
#[cfg(test)]
mod smoke;
mod soak;
mod subgraphs;
mod table;
mod work;

use clap::{Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

// As the routers do, so that the floor is no worse off.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures federation routers side by side.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Load every gateway in turn and print the table.
    Run(run::Options),
    /// Keep one gateway at full load for minutes: every answer is checked, its memory is watched.
    Soak(soak::Options),
    /// Measure the executor alone, without HTTP.
    Execute(execute::Options),
    /// The four subgraphs alone, until interrupted.
    Subgraphs {
        /// The first of the four ports.
        #[arg(long, default_value_t = federation::PORT)]
        port: u16,
        /// Added to every answer, in milliseconds.
        #[arg(long, default_value_t = 0)]
        latency_ms: u64,
    },
    /// The floor: makes the fetches of a script and answers with its answer.
    Floor {
        /// What `bench record` has written.
        #[arg(long, value_name = "FILE")]
        script: PathBuf,
        /// Address and port to listen on.
        #[arg(long, value_name = "ADDR:PORT")]
        listen: SocketAddr,
    },
    /// Write the fetches that our router makes for each query, and the subgraphs' answers, as JSON.
    Record {
        /// Where to.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print the body of a request for a query.
    Request {
        /// Which.
        #[arg(value_parser = queries::names())]
        name: String,
    },
    /// Print the composed supergraph.
    Supergraph {
        /// The first of the subgraphs' four ports.
        #[arg(long, default_value_t = federation::PORT)]
        port: u16,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    match start(Arguments::parse().command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn start(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Run(options) => run::run(options).await?,
        Command::Soak(options) => soak::soak(options).await?,
        Command::Execute(options) => {
            let subgraphs = subgraphs::start(0).await?;
            execute::measure(&record::record(&subgraphs).await?, &options).await?;
        }
        Command::Subgraphs { port, latency_ms } => {
            let subgraphs = subgraphs::start(port).await?;
            subgraphs.set_latency(latency_ms);
            for (name, url) in &subgraphs.urls {
                println!("{name} {url}");
            }
            tokio::signal::ctrl_c().await?;
        }
        Command::Floor { script, listen } => {
            let script = serde_json::from_slice(&std::fs::read(script)?)?;
            floor::serve(tokio::net::TcpListener::bind(listen).await?, script).await?;
        }
        Command::Record { file } => {
            let subgraphs = subgraphs::start(0).await?;
            std::fs::write(file, serde_json::to_vec_pretty(&record::record(&subgraphs).await?)?)?;
        }
        Command::Request { name } => queries::all().iter().filter(|query| query.name == name).for_each(|query| {
            println!("{}", query.body());
        }),
        Command::Supergraph { port } => print!("{}", federation::supergraph(&federation::urls(port))?),
    }
    Ok(())
}
