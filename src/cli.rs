//! The command line.

use crate::{admin, config::Config, contract, health, process, registry, telemetry};
use clap::{Args, Parser, Subcommand};
use hansa_router::supergraph::apart;
use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

/// Hansa: a federated GraphQL backend in one binary.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Arguments {
    /// Configuration file; `hansa.toml` in the working folder is read when it is there.
    #[arg(long, global = true, env = "HANSA_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    up: Up,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Every role in one process, with nothing else installed (the default).
    Up(Up),
    /// Some roles in this process: one replica of each.
    Run {
        /// Which.
        #[arg(required = true, value_parser = clap::builder::PossibleValuesParser::new(registry::ROLES))]
        roles: Vec<String>,
        #[command(flatten)]
        place: Place,
    },
    /// The router alone, over any federation: a composed supergraph, or the subgraphs that the configuration names.
    Router {
        /// A composed supergraph; subgraphs are reached by the URLs in it. Without one, the router composes what
        /// `router.federation.subgraphs` names.
        #[arg(long, value_name = "FILE")]
        supergraph: Option<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
    /// Compose the subgraphs that the configuration names (`router.federation.subgraphs`) and print the supergraph.
    Compose {
        #[command(flatten)]
        place: Place,
    },
    /// Compose what might end the process that wants it.
    #[command(name = apart::ARGUMENT, hide = true)]
    ComposeApart,
    /// Bring databases up to date and stop.
    Migrate {
        /// Which services; all by default.
        #[arg(value_parser = clap::builder::PossibleValuesParser::new(registry::SERVICES))]
        services: Vec<String>,
        #[command(flatten)]
        place: Place,
    },
    /// Write the contract into `schema/`.
    Schema {
        /// Only tell whether what is there is up to date.
        #[arg(long)]
        check: bool,
        /// The folder.
        #[arg(long, default_value = "schema", value_name = "DIR")]
        directory: PathBuf,
    },
    /// Administrators.
    Admin {
        #[command(subcommand)]
        command: Admin,
    },
    /// Print the effective configuration, secrets redacted.
    Config {
        #[command(flatten)]
        place: Place,
    },
    /// Ask a running process whether it is well; for container health checks.
    Health {
        /// The URL to ask.
        #[arg(long, default_value = "http://127.0.0.1:4000/health")]
        url: String,
    },
}

#[derive(Debug, Subcommand)]
enum Admin {
    /// Create an administrator and print the login once.
    Create {
        /// Login name.
        #[arg(long, default_value = "admin")]
        username: String,
        /// E-mail address.
        #[arg(long, default_value = "admin@hansa.invalid")]
        email: String,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Args)]
struct Up {
    #[command(flatten)]
    place: Place,
    /// Load a small data set over all domains, through the public API.
    #[arg(long)]
    demo: bool,
}

#[derive(Debug, Args)]
struct Place {
    /// Address and port to listen on.
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// Where SQLite files and other data are kept.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Does what the arguments say.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let file = arguments.config;
    let load = |place: &Place| {
        let mut config = Config::load(file.as_deref())?;
        if let Some(listen) = place.listen {
            config.listen = listen;
        }
        if let Some(data) = &place.data {
            config.data.clone_from(data);
        }
        config.router.supergraph.composer = std::env::current_exe().ok();
        config.validate()?;
        anyhow::Ok(config)
    };
    match arguments.command.unwrap_or(Command::Up(arguments.up)) {
        Command::Up(up) => {
            let config = load(&up.place)?;
            let telemetry = telemetry::start(&config, "hansa")?;
            telemetry.follow(process::up(config, up.demo)).await?;
        }
        Command::Run { mut roles, place } => {
            // Said twice it is still one replica.
            roles.sort();
            roles.dedup();
            let config = load(&place)?;
            let telemetry = telemetry::start(&config, &format!("hansa-{}", roles.join("-")))?;
            telemetry.follow(process::run(config, &roles)).await?;
        }
        Command::Router { supergraph, place } => {
            let config = load(&place)?;
            let telemetry = telemetry::start(&config, "hansa-router")?;
            telemetry.follow(process::router_alone(config, supergraph)).await?;
        }
        Command::Compose { place } => println!("{}", process::compose(&load(&place)?).await?.trim_end()),
        Command::ComposeApart => apart::serve(std::io::stdin().lock(), std::io::stdout().lock())?,
        Command::Migrate { services, place } => {
            let config = load(&place)?;
            telemetry::start(&config, "hansa-migrate")?;
            config.create_data_folder()?;
            registry::migrate(&config, &services).await?;
        }
        Command::Schema { check: false, directory } => contract::write(&directory)?,
        Command::Schema { check: true, directory } => return contract::check(&directory),
        Command::Admin { command: Admin::Create { username, email, place } } => {
            admin::create(&load(&place)?, &username, &email).await?;
        }
        Command::Config { place } => println!("{}", load(&place)?.redacted()?),
        Command::Health { url } => return health::ask(&url).await,
    }
    Ok(ExitCode::SUCCESS)
}
