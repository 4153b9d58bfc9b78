//! The life of a process: start, serve, drain.

use crate::{
    admin,
    config::{Config, Identity},
    demo,
    identity::{self, Issuer},
    registry,
};
use anyhow::{Context, bail};
use axum::Router;
use hansa_kit::{role::Task, signals::Signals};
use hansa_router::{
    Gateway,
    server::{self, Site, Workers},
    supergraph::{self, Source},
};
use hansa_token::Verifier;
use std::{
    fs::File,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{net::TcpListener, sync::SetOnce, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// Requests and tasks that are under way at shutdown may take this long.
const DRAIN: Duration = Duration::from_secs(25);

/// The subgraphs of one process compose within this time or not at all.
const COMPOSITION: Duration = Duration::from_secs(30);

/// Which of the two lives a process leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// Every role is here, and only the router is to be reached.
    Embedded,
    /// Roles elsewhere reach those here, each under its name.
    Distributed,
}

/// What lives as long as the process.
pub(crate) struct Process {
    pub(crate) life: Life,
    pub(crate) config: Config,
    pub(crate) shutdown: CancellationToken,
    tasks: JoinSet<&'static str>,
    pub(crate) gateway: Option<Arc<Gateway>>,
    pub(crate) workers: Arc<Workers>,
    /// Set when the event bus has been reached and its topics are there.
    pub(crate) topics: Arc<SetOnce<()>>,
    /// Held by the one process that uses the embedded bus on this data folder.
    pub(crate) lock: Option<File>,
}

/// Every role in one process.
///
/// # Errors
/// When something it needs cannot be had, or a background task ends.
pub async fn up(config: Config, demo: bool) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut process = Process::new(Life::Embedded, config);
    let roles: Vec<String> = registry::ROLES.iter().map(|&role| role.to_owned()).collect();
    let routes = process.build(&roles).await?;
    let (address, server) = process.listen(process.config.listen, process.site(routes)).await?;
    if let Some(gateway) = &process.gateway
        && tokio::time::timeout(COMPOSITION, gateway.supergraph().first()).await.is_err()
    {
        bail!(
            "the subgraphs do not compose: {}",
            gateway.supergraph().status().last_error.as_ref().map_or("no answer", |problem| &problem.detail)
        );
    }
    // Last of all that can fail: the login is said only once.
    let administrator = admin::ensure(&process.config).await?;
    tracing::info!(
        milliseconds = started.elapsed().as_millis(),
        "ready: API and playground at http://{address}/ (GraphQL at /graphql)"
    );
    if process.config.shows_mailbox() {
        tracing::info!("mail that is sent shows up at http://{address}/mail");
    }
    if let Some(login) = administrator {
        // Said once and kept nowhere: neither as a log field nor in the database.
        println!(
            "\n  Administrator, shown this once:\n    username  {}\n    password  {}\n",
            login.username, login.password
        );
    }
    if demo {
        let shutdown = process.shutdown.clone();
        process.spawn(Task::new("demo", async move {
            if let Some(Err(error)) = shutdown.run_until_cancelled(demo::load(address)).await {
                tracing::error!(error = format!("{error:#}"), "the demonstration data could not be loaded");
            }
            shutdown.cancelled().await;
        }));
    }
    process.serve(server).await
}

/// Some roles in this process.
///
/// # Errors
/// When something they need cannot be had, or a background task ends.
pub async fn run(config: Config, roles: &[String]) -> anyhow::Result<()> {
    let mut process = Process::new(Life::Distributed, config);
    let routes = process.build(roles).await?;
    let (address, server) = process.listen(process.config.listen, process.site(routes)).await?;
    tracing::info!(roles = roles.join(" "), "listening: http://{address}/");
    process.announce(format!("http://{address}/"));
    process.serve(server).await
}

/// What to do when there is nothing to route to.
const NO_FEDERATION: &str =
    "there is nothing to route to: name a composed supergraph (--supergraph FILE), or subgraphs \
in the configuration (--config FILE; hansa.toml is read when it is there):

  [router.federation.subgraphs.products]
  url = \"http://localhost:4001/graphql\"
  sdl = \"products.graphql\"  # asked of the subgraph when left out";

/// The router alone, over a supergraph in a file or the subgraphs that the configuration names.
///
/// # Errors
/// When there is neither, the file cannot be used or the address is taken.
pub async fn router_alone(config: Config, supergraph: Option<PathBuf>) -> anyhow::Result<()> {
    let mut settings = config.router.clone();
    let source = match supergraph {
        Some(file) => {
            // What it holds may be wrong for now and is read again when it changes; a wrong name will not mend.
            File::open(&file).with_context(|| file.display().to_string())?;
            Source::File(file)
        }
        None if settings.federation.subgraphs.is_empty() => bail!(NO_FEDERATION),
        None => {
            config.create_data_folder()?;
            settings.supergraph.cache.get_or_insert_with(|| config.data.join("federation.graphql"));
            settings.federation.source(&settings.subgraphs)?
        }
    };
    let mut process = Process::new(Life::Distributed, config);
    let verifier = process.verifier_alone()?;
    // Before anybody asks for a handle on a metric.
    let metrics = process.record_metrics().await?;
    let gateway = Gateway::start(settings, source, verifier, process.shutdown.clone())?;
    process.gateway = Some(gateway.clone());
    let routes = gateway.routes().merge(process.config.playground()).merge(metrics);
    process.workers = Arc::new(Workers::per_core()?);
    let (address, server) = process.listen(process.config.listen, process.site(routes)).await?;
    tracing::info!("listening: http://{address}/graphql");
    process.announce(format!("http://{address}/graphql"));
    process.serve(server).await
}

/// The supergraph of the subgraphs that the configuration names.
///
/// # Errors
/// When there are none, one does not tell its schema, or they do not compose.
pub async fn compose(config: &Config) -> anyhow::Result<String> {
    let settings = &config.router;
    if settings.federation.subgraphs.is_empty() {
        bail!(NO_FEDERATION);
    }
    let subgraphs = settings.federation.subgraphs(&settings.subgraphs)?;
    Ok(supergraph::compose_now(&subgraphs, &settings.supergraph).await?)
}

impl Process {
    fn new(life: Life, config: Config) -> Self {
        Self {
            life,
            config,
            shutdown: CancellationToken::new(),
            tasks: JoinSet::new(),
            gateway: None,
            workers: Arc::new(Workers::current()),
            topics: Arc::default(),
            lock: None,
        }
    }

    /// The verifier of a router that stands alone, if it is told of an issuer.
    fn verifier_alone(&mut self) -> anyhow::Result<Option<Arc<Verifier>>> {
        let Identity { token, url, keys_url } = self.config.identity.clone();
        Ok(match (url, keys_url) {
            (None, None) => None,
            (Some(url), None) => Some(self.verifier(&Issuer::remote(url)?, &Signals::memory())),
            (None, Some(url)) => {
                let token = hansa_token::Config { requires_session: false, ..token };
                Some(Arc::new(Verifier::new(token, identity::keys_at(url)?, Arc::default())))
            }
            (Some(_), Some(_)) => bail!("identity.url and identity.keys_url name two issuers: leave one of them out"),
        })
    }

    /// Runs a task beside, until shutdown.
    pub(crate) fn spawn(&mut self, task: Task) {
        self.tasks.spawn(async move {
            task.work.await;
            task.name
        });
    }

    /// What clients reach.
    fn site(&self, routes: Router) -> Site {
        Site { gateway: self.gateway.clone(), routes }
    }

    /// Listens; gives the address and what serves there until shutdown.
    pub(crate) async fn listen(
        &self,
        address: SocketAddr,
        site: Site,
    ) -> anyhow::Result<(SocketAddr, impl Future<Output = ()> + use<>)> {
        let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
        let address = listener.local_addr()?;
        let (workers, shutdown) = (self.workers.clone(), self.shutdown.clone());
        Ok((address, server::serve(listener, site, self.config.server.clone(), workers, shutdown)))
    }

    /// Says when requests can be served: a router needs a supergraph first.
    fn announce(&mut self, url: String) {
        let (gateway, shutdown) = (self.gateway.clone(), self.shutdown.clone());
        self.spawn(Task::new("announcement", async move {
            let supergraph = async {
                if let Some(gateway) = gateway {
                    gateway.supergraph().first().await;
                }
            };
            if shutdown.run_until_cancelled(supergraph).await.is_some() {
                tracing::info!("ready: {url}");
            }
            shutdown.cancelled().await;
        }));
    }

    /// Serves until a signal or a failure, then lets what is under way finish.
    async fn serve(mut self, server: impl Future<Output = ()> + Send + 'static) -> anyhow::Result<()> {
        let mut server = tokio::spawn(server);
        let result = tokio::select! {
            served = &mut server => served.context("the server failed"),
            Some(ended) = self.tasks.join_next() => Err(match ended {
                Ok(name) => anyhow::anyhow!("the task {name} ended"),
                Err(error) => anyhow::anyhow!("a task failed: {error}"),
            }),
            signal = stop_signal() => signal,
        };
        tracing::info!("shutting down");
        self.shutdown.cancel();
        let drain = async {
            if !server.is_finished() {
                drop((&mut server).await);
            }
            // Sockets have left the server's hands.
            if let Some(gateway) = &self.gateway {
                gateway.drained().await;
            }
            while self.tasks.join_next().await.is_some() {}
        };
        if tokio::time::timeout(DRAIN, drain).await.is_err() {
            tracing::warn!("gave up waiting for what was under way");
        }
        result
    }
}

async fn stop_signal() -> anyhow::Result<()> {
    #[cfg(unix)]
    {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted?,
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await?;
    Ok(())
}
