//! The composition root: what runs in this process, wired together, until it is told to end.

use crate::{
    admin,
    config::{Config, sqlite_url},
    demo,
    identity::Issuer,
    registry, telemetry,
};
use anyhow::{Context, bail};
use axum::{Json, Router, routing::get};
use hansa_kit::{
    Clock, Deps, Role,
    bus::{Bus, Topic},
    consumer, database,
    role::Task,
    signals::Signals,
};
use hansa_router::{
    Gateway,
    supergraph::Source,
    transport::{Client, Subgraph, Transport},
};
use hansa_token::{Revocations, Verifier};
use std::{
    fs::{self, File},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{net::TcpListener, sync::SetOnce, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// Requests and tasks that are under way at shutdown may take this long.
const DRAIN: Duration = Duration::from_secs(25);

/// The subgraphs of one process compose within this time or not at all.
const COMPOSITION: Duration = Duration::from_secs(30);

/// The embedded bus keeps events this long, and longer while a consumer has not read them.
const BUS_RETENTION: chrono::Duration = chrono::Duration::days(7);

/// What lives as long as the process.
struct Process {
    config: Config,
    shutdown: CancellationToken,
    tasks: JoinSet<&'static str>,
    gateway: Option<Arc<Gateway>>,
    /// Held by the one process that uses the embedded bus on this data folder.
    _lock: Option<File>,
}

/// Every role in one process.
///
/// # Errors
/// When something it needs cannot be had, or a background task ends.
pub async fn up(config: Config, demo: bool) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut process = Process::new(config)?;
    let roles: Vec<String> = registry::ROLES.iter().map(|&role| role.to_owned()).collect();
    let routes = process.build(&roles).await?;
    let administrator = admin::ensure(&process.config).await?;
    let (address, server) = process.listen(routes).await?;
    if let Some(gateway) = &process.gateway
        && tokio::time::timeout(COMPOSITION, gateway.supergraph().first()).await.is_err()
    {
        bail!(
            "the subgraphs do not compose: {}",
            gateway.supergraph().status().last_error.as_deref().unwrap_or("no answer")
        );
    }
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
    let mut process = Process::new(config)?;
    let routes = process.build(roles).await?;
    let (address, server) = process.listen(routes).await?;
    tracing::info!(roles = roles.join(" "), "ready: http://{address}/");
    process.serve(server).await
}

/// The router alone, over a supergraph in a file.
///
/// # Errors
/// When the file cannot be used or the address is taken.
pub async fn router_alone(config: Config, supergraph: PathBuf) -> anyhow::Result<()> {
    let mut process = Process::new(config)?;
    let verifier = match process.config.identity.url.clone() {
        Some(url) => Some(process.verifier(&Issuer::remote(url)?, &Signals::memory())),
        None => None,
    };
    let source = Source::File(supergraph);
    let gateway = Gateway::start(process.config.router.clone(), source, verifier, process.shutdown.clone())?;
    let metrics = telemetry::record_metrics()?;
    process.gateway = Some(gateway.clone());
    let routes = gateway.routes().merge(hansa_playground::routes()).merge(telemetry::routes(metrics));
    let (address, server) = process.listen(routes).await?;
    tracing::info!("ready: http://{address}/graphql");
    process.serve(server).await
}

/// Asks a process for its health.
///
/// # Errors
/// When it cannot be asked.
pub async fn health(url: &str) -> anyhow::Result<ExitCode> {
    let response = reqwest::Client::builder().timeout(Duration::from_secs(3)).build()?.get(url).send().await?;
    println!("{}", response.status());
    Ok(if response.status().is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Process {
    fn new(config: Config) -> anyhow::Result<Self> {
        Ok(Self { config, shutdown: CancellationToken::new(), tasks: JoinSet::new(), gateway: None, _lock: None })
    }

    /// Runs a task beside, until shutdown.
    fn spawn(&mut self, task: Task) {
        self.tasks.spawn(async move {
            task.work.await;
            task.name
        });
    }

    /// Builds the roles and gives what the process serves.
    async fn build(&mut self, roles: &[String]) -> anyhow::Result<Router> {
        let metrics = telemetry::record_metrics()?;
        let has = |role: &str| roles.iter().any(|name| name == role);
        fs::create_dir_all(&self.config.data).with_context(|| self.config.data.display().to_string())?;
        let signals = Signals::connect(&self.config.signals, self.shutdown.clone())?;
        let local_issuer = Arc::new(SetOnce::new());
        let issuer = match self.config.identity.url.clone() {
            _ if has(hansa_users::NAME) => Issuer::Local(local_issuer.clone()),
            Some(url) => Issuer::remote(url)?,
            None => bail!("identity.url must say where the users service is, for it is not in this process"),
        };
        let verifier = self.verifier(&issuer, &signals);

        let mut services: Vec<Role> = Vec::new();
        if roles.iter().any(|role| role != registry::ROUTER) {
            let is_whole = registry::SERVICES.iter().all(|service| has(service));
            let deps = Deps {
                bus: self.bus(is_whole).await?,
                signals,
                verifier: verifier.clone(),
                clock: Clock::System,
                shutdown: self.shutdown.clone(),
            };
            for name in roles.iter().filter(|role| *role != registry::ROUTER) {
                services.push(registry::build(name, &self.config, &deps).await?);
            }
        }
        let mut routes = Router::new();
        let mut local = Vec::new();
        for role in services {
            if role.name == hansa_users::NAME {
                // Set nowhere else.
                drop(local_issuer.set(role.routes.clone()));
            }
            role.tasks.into_iter().for_each(|task| self.spawn(task));
            if has(registry::ROUTER) {
                local.push((role.name, role.routes));
            } else {
                routes = routes.nest(&format!("/{}", role.name), role.routes);
            }
        }
        routes = if has(registry::ROUTER) {
            routes.merge(self.router(local, verifier)?).merge(hansa_playground::routes())
        } else {
            routes.route("/health", get(|| async { Json(serde_json::json!({ "status": "ok" })) }))
        };
        if has(hansa_mailer::NAME) && self.config.shows_mailbox() {
            let database = database::connect(&self.config.mailer.database).await?;
            routes = routes.merge(hansa_mailer::mailbox::routes(database)?);
        }
        Ok(routes.merge(telemetry::routes(metrics)))
    }

    /// The verifier of this process, kept current.
    fn verifier(&mut self, issuer: &Issuer, signals: &Signals) -> Arc<Verifier> {
        let revocations = Arc::new(Revocations::default());
        let following = issuer.clone().follow_revocations(revocations.clone(), signals.clone(), self.shutdown.clone());
        self.spawn(Task::new("identity.revocations", following));
        Arc::new(Verifier::new(self.config.identity.token.clone(), issuer.keys(), revocations))
    }

    /// The router over the subgraphs in this process and those elsewhere.
    fn router(&mut self, local: Vec<(&'static str, Router)>, verifier: Arc<Verifier>) -> anyhow::Result<Router> {
        let settings = &self.config.router.subgraphs;
        let client = Client::new()?;
        let mut subgraphs = Vec::new();
        for &name in registry::SUBGRAPHS {
            let (url, transport) = match local.iter().find(|(role, _)| *role == name) {
                Some((_, routes)) => (format!("http://{name}/graphql"), Transport::Local(routes.clone())),
                None => {
                    let url = self.config.subgraph_urls.get(name);
                    let url = url.with_context(|| format!("subgraph_urls.{name} must say where that service is"))?;
                    (url.to_string(), Transport::Http(client.clone()))
                }
            };
            subgraphs.push(Arc::new(Subgraph::new(name, &url, transport, settings)?));
        }
        let mut config = self.config.router.clone();
        config.supergraph.cache.get_or_insert_with(|| self.config.data.join("supergraph.graphql"));
        let gateway = Gateway::start(config, Source::Compose(subgraphs), Some(verifier), self.shutdown.clone())?;
        self.gateway = Some(gateway.clone());
        Ok(gateway.routes())
    }

    /// The event bus: Kafka, or a log in the data folder for a process that holds every service.
    async fn bus(&mut self, is_whole: bool) -> anyhow::Result<Bus> {
        let bus = if self.config.bus.brokers.is_some() {
            Bus::kafka(&self.config.bus).await?
        } else {
            if !is_whole {
                bail!("bus.brokers must name a Kafka: services in different processes cannot share the embedded bus");
            }
            self._lock = Some(lock(&self.config)?);
            let url = sqlite_url(&self.config.data, "bus");
            let connection = database::connect(&database::Config { url, ..database::Config::default() }).await?;
            database::migrate::<hansa_migrations::bus::Migrator>(&connection).await?;
            let bus = Bus::embedded(connection).await?;
            if let Bus::Embedded(log) = &bus {
                let log = log.clone();
                self.spawn(Task::every("bus.pruning", Duration::from_secs(3600), self.shutdown.clone(), move || {
                    let log = log.clone();
                    async move {
                        log.prune(Clock::System.now() - BUS_RETENTION).await?;
                        Ok(())
                    }
                }));
            }
            bus
        };
        let dead: Vec<_> = hansa_schema::TOPICS.iter().map(|(name, _)| consumer::dead_letters(name)).collect();
        let mut topics: Vec<_> =
            hansa_schema::TOPICS.iter().map(|&(name, partitions)| Topic { name, partitions }).collect();
        topics.extend(dead.iter().map(|name| Topic { name, partitions: Some(1) }));
        bus.ensure_topics(&topics).await?;
        Ok(bus)
    }

    async fn listen(
        &self,
        routes: Router,
    ) -> anyhow::Result<(SocketAddr, impl Future<Output = std::io::Result<()>> + use<>)> {
        let listener = TcpListener::bind(self.config.listen)
            .await
            .with_context(|| format!("cannot listen on {}", self.config.listen))?;
        let address = listener.local_addr()?;
        let service = routes.into_make_service_with_connect_info::<SocketAddr>();
        let server = axum::serve(listener, service).with_graceful_shutdown(self.shutdown.clone().cancelled_owned());
        Ok((address, server.into_future()))
    }

    /// Serves until a signal or a failure, then lets what is under way finish.
    async fn serve(mut self, server: impl Future<Output = std::io::Result<()>> + Send + 'static) -> anyhow::Result<()> {
        let mut server = tokio::spawn(server);
        let result = tokio::select! {
            served = &mut server => served?.context("the listener failed"),
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

/// Keeps a second process off a data folder with an embedded bus.
fn lock(config: &Config) -> anyhow::Result<File> {
    let path = config.data.join("lock");
    let file = File::create(&path).with_context(|| path.display().to_string())?;
    if file.try_lock().is_err() {
        bail!("another process uses the data folder {}", config.data.display());
    }
    Ok(file)
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
