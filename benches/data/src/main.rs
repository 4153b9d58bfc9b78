//! A social network of a million posts in one database, and what reading it costs. The README of `benches/` tells how to run it.

#![forbid(unsafe_code)]

mod corpus;
mod load;
mod measure;

use anyhow::Context;
use clap::{Parser, Subcommand};
use hansa_kit::database;
use std::process::ExitCode;

// As the services do.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures the posts service over a large database.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    /// An empty database to load into, or one that was loaded: `postgres://…` or `sqlite://FILE?mode=rwc`.
    #[arg(long, value_name = "URL")]
    database: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write users' relations and posts, the same in every run, and let the service index them.
    Load(load::Size),
    /// Ask the service's schema, one request after the other, and print how long it takes.
    Measure(measure::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    match start(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn start(Arguments { database: url, command }: Arguments) -> anyhow::Result<()> {
    let config = database::Config { url, ..database::Config::default() };
    let connection = database::connect(&config).await.context("the database cannot be opened")?;
    database::migrate::<hansa_migrations::posts::Migrator>(&connection).await?;
    match command {
        Command::Load(size) => load::load(&connection, size).await,
        Command::Measure(options) => measure::measure(&connection, options).await,
    }
}
