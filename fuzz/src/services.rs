//! Our services as one process has them, each over a SQLite file of its own, and what they log.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http;
use hansa_kit::bus::Bus;
use hansa_kit::signals::Signals;
use hansa_kit::{Clock, Deps, Role, database};
use hansa_token::{FetchKeys, Verifier};
use sea_orm::DatabaseConnection;
use std::io;
use std::sync::{Arc, Mutex, OnceLock};
use tempfile::TempDir;
use tower::ServiceExt;

/// What the services logged, from warnings on.
static FAULTS: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// What the services of a process share, and where they keep what is theirs.
pub struct Installation {
    pub deps: Deps,
    /// The database of the bus.
    pub log: DatabaseConnection,
    folder: TempDir,
    issuer: Arc<OnceLock<Router>>,
}

impl Installation {
    /// An empty one.
    pub async fn new() -> Self {
        let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_ansi(false);
        drop(subscriber.with_writer(|| Faults).try_init());
        let folder = TempDir::new().unwrap();
        let log = database::connect(&file(&folder, "bus")).await.unwrap();
        database::migrate::<hansa_migrations::bus::Migrator>(&log).await.unwrap();
        // The verifier reads the keys from the service, which is built with it in hand.
        let issuer = Arc::new(OnceLock::<Router>::new());
        let keys: FetchKeys = {
            let issuer = issuer.clone();
            Arc::new(move || {
                let issuer = issuer.get().unwrap().clone();
                Box::pin(async move {
                    let request = http::Request::get("/.well-known/jwks.json").body(Body::empty()).unwrap();
                    let response = issuer.oneshot(request).await.unwrap();
                    Ok(serde_json::from_slice(&to_bytes(response.into_body(), usize::MAX).await.unwrap()).unwrap())
                })
            })
        };
        let deps = Deps {
            bus: Bus::embedded(log.clone()).await.unwrap(),
            signals: Signals::memory(),
            verifier: Arc::new(Verifier::new(hansa_token::Config::default(), keys, Arc::default())),
            clock: Clock::default(),
            shutdown: tokio_util::sync::CancellationToken::new(),
        };
        Self { deps, log, folder, issuer }
    }

    /// Where the service of this name keeps its data.
    pub fn database(&self, name: &str) -> database::Config {
        file(&self.folder, name)
    }

    /// Users, posts, social and notifications.
    pub async fn subgraphs(&self) -> [Role; 4] {
        let (deps, file) = (&self.deps, |name| self.database(name));
        // Nobody is signed out for having been fuzzed for long.
        let access_token_seconds = 30 * 86_400;
        let config = hansa_users::Config { database: file("users"), access_token_seconds, ..Default::default() };
        let users = hansa_users::build(&config, deps).await.unwrap();
        assert!(self.issuer.set(users.routes.clone()).is_ok());
        let posts = hansa_posts::build(&hansa_posts::Config { database: file("posts") }, deps).await.unwrap();
        let config = hansa_social::Config { database: file("social"), ..Default::default() };
        let social = hansa_social::build(&config, deps).await.unwrap();
        let config = hansa_notifications::Config { database: file("notifications") };
        let notifications = hansa_notifications::build(&config, deps).await.unwrap();
        [users, posts, social, notifications]
    }
}

fn file(folder: &TempDir, name: &str) -> database::Config {
    let url = format!("sqlite://{}?mode=rwc", folder.path().join(name).display());
    database::Config { url, ..database::Config::default() }
}

/// Takes what was logged since the last call, a line each.
pub fn logged() -> Vec<String> {
    let bytes = std::mem::take(&mut *FAULTS.lock().unwrap());
    String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect()
}

/// Takes down what is logged.
struct Faults;

impl io::Write for Faults {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        FAULTS.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
