//! The composition root: builds the roles of a process and wires them together.

use crate::{
    config::{Config, sqlite_url},
    health,
    identity::Issuer,
    process::{Life, Process},
    registry,
};
use anyhow::{Context, bail};
use axum::Router;
use backon::{ExponentialBuilder, Retryable};
use hansa_kit::{
    Clock, Deps, Role,
    bus::{Bus, Topic},
    consumer, database,
    role::Task,
    signals::Signals,
};
use hansa_router::{
    Gateway, builtin,
    server::Workers,
    supergraph::Source,
    transport::{Client, Subgraph, Transport},
};
use hansa_token::{Revocations, Verifier};
use std::{fs::File, sync::Arc, time::Duration};
use tokio::sync::SetOnce;
use tokio_util::sync::CancellationToken;

/// The embedded bus keeps events this long, and longer while a consumer has not read them.
const BUS_RETENTION: chrono::Duration = chrono::Duration::days(7);

impl Process {
    /// Builds the roles and gives what the process serves.
    pub(crate) async fn build(&mut self, roles: &[String]) -> anyhow::Result<Router> {
        let metrics = self.record_metrics().await?;
        let has = |role: &str| roles.iter().any(|name| name == role);
        self.config.create_data_folder()?;
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
        if services.is_empty() {
            // A router alone. What services hold, such as connections to databases, lives in the process's own runtime.
            self.workers = Arc::new(Workers::per_core()?);
        }
        let mut routes = Router::new();
        let mut local = Vec::new();
        let databases = services.iter().map(|role| role.database.clone()).collect();
        if self.config.shows_mailbox()
            && let Some(mailer) = services.iter().find(|role| role.name == hansa_mailer::NAME)
        {
            routes = routes.merge(hansa_mailer::mailbox::routes(mailer.database.clone())?);
        }
        for role in services {
            if role.name == hansa_users::NAME {
                // Set nowhere else.
                drop(local_issuer.set(role.routes.clone()));
            }
            role.tasks.into_iter().for_each(|task| self.spawn(task));
            if self.life == Life::Distributed {
                routes = routes.nest(&format!("/{}", role.name), role.routes.clone());
            }
            local.push((role.name, role.routes));
        }
        routes = if has(registry::ROUTER) {
            routes.merge(self.router(local, verifier)?).merge(self.config.playground())
        } else {
            routes.merge(health::routes(databases, self.topics.clone()))
        };
        Ok(routes.merge(metrics))
    }

    /// The verifier of this process, kept current.
    pub(crate) fn verifier(&mut self, issuer: &Issuer, signals: &Signals) -> Arc<Verifier> {
        let revocations = Arc::new(Revocations::default());
        let following = issuer.clone().follow_revocations(revocations.clone(), signals.clone(), self.shutdown.clone());
        self.spawn(Task::new("identity.revocations", following));
        Arc::new(Verifier::new(self.config.identity.token.clone(), issuer.keys(), revocations))
    }

    /// The router over the subgraphs in this process and those elsewhere.
    fn router(&mut self, local: Vec<(&'static str, Router)>, verifier: Arc<Verifier>) -> anyhow::Result<Router> {
        let settings = &self.config.router.subgraphs;
        settings.check_names(registry::SUBGRAPHS.iter().copied())?;
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
        subgraphs.push(Arc::new(builtin::subgraph(&registry::builtin_fields(), &subgraphs, settings)?));
        let mut config = self.config.router.clone();
        if let (None, Some(url)) = (&config.limits.rate.redis.url, &self.config.signals.url) {
            let redis = &mut config.limits.rate.redis;
            (redis.url, redis.prefix) = (Some(url.clone()), self.config.signals.prefix.clone());
        }
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
            self.lock = Some(lock(&self.config)?);
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
        bus.declare_topics(&topics);
        self.spawn(ensure_topics(bus.clone(), self.topics.clone(), self.shutdown.clone()));
        Ok(bus)
    }
}

/// Makes the topics, as soon as Kafka can be reached. Until then events wait in their outboxes and everything else works.
fn ensure_topics(bus: Bus, ensured: Arc<SetOnce<()>>, shutdown: CancellationToken) -> Task {
    let pauses = ExponentialBuilder::default()
        .with_min_delay(Duration::from_secs(1))
        .with_max_delay(Duration::from_secs(30))
        .with_jitter()
        .without_max_times();
    Task::new("bus.topics", async move {
        let ensure = move || {
            let bus = bus.clone();
            async move { bus.ensure_topics().await }
        };
        let making = ensure.retry(pauses).notify(|error: &hansa_kit::bus::Error, pause: Duration| {
            tracing::warn!(%error, ?pause, "the event bus cannot be reached; will try again");
        });
        if matches!(shutdown.run_until_cancelled(making).await, Some(Ok(()))) {
            // Set nowhere else.
            drop(ensured.set(()));
        }
        shutdown.cancelled().await;
    })
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
