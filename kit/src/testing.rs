//! What tests hold in hand: fresh databases on every engine, and a signed-in viewer without the users service.

use crate::{
    Clock, Deps, Error, bus, database, ids,
    signals::Signals,
    viewer::{SESSION_PREFIX, USER_PREFIX, Viewer},
};
use hansa_token::{Claims, JwkSet, Revocations, Verifier};
use sea_orm::{ConnectionTrait, DatabaseConnection};
use sea_orm_migration::MigratorTrait;
use std::sync::Arc;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The variable with the URL of a Postgres that tests may make schemas in.
pub const POSTGRES_URL: &str = "HANSA_TEST_POSTGRES_URL";

/// A fresh, migrated database of one test.
#[derive(Debug)]
pub struct TestDatabase {
    /// The pool.
    pub connection: DatabaseConnection,
    /// `sqlite` or `postgres`, for messages.
    pub engine: &'static str,
    cleanup: Cleanup,
}

#[derive(Debug)]
enum Cleanup {
    Folder(#[expect(dead_code, reason = "removes the folder when dropped")] TempDir),
    Schema { url: String, name: String },
}

impl TestDatabase {
    /// Removes what the test made. A test that fails leaves its schema behind, to be looked at.
    pub async fn drop(self) {
        drop(self.connection.close().await);
        if let Cleanup::Schema { url, name } = &self.cleanup
            && let Ok(admin) = database::connect(&database::Config { url: url.clone(), max_connections: 1 }).await
        {
            drop(admin.execute_unprepared(&format!("DROP SCHEMA {name} CASCADE")).await);
            drop(admin.close().await);
        }
    }
}

/// A fresh database in a SQLite file.
///
/// # Errors
/// When it cannot be made.
pub async fn sqlite<M: MigratorTrait>() -> Result<TestDatabase, Error> {
    let folder = TempDir::new().map_err(|error| Error::Config(error.to_string()))?;
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("test.db").display());
    let connection = database::connect(&database::Config { url, max_connections: 5 }).await?;
    database::migrate::<M>(&connection).await?;
    Ok(TestDatabase { connection, engine: "sqlite", cleanup: Cleanup::Folder(folder) })
}

/// A fresh schema in Postgres; `None` when the environment names no server.
///
/// # Errors
/// When it cannot be made.
pub async fn postgres<M: MigratorTrait>() -> Result<Option<TestDatabase>, Error> {
    let Ok(url) = std::env::var(POSTGRES_URL) else { return Ok(None) };
    let name = format!("test_{}", Uuid::new_v4().simple());
    let config = database::Config { url: url.clone(), max_connections: 1 };
    let admin = database::connect(&config).await?;
    admin.execute_unprepared(&format!("CREATE SCHEMA {name}")).await?;
    drop(admin.close().await);
    let config = database::Config { url: url.clone(), max_connections: 5 };
    let connection = database::connect_in_schema(&config, Some(&name)).await?;
    database::migrate::<M>(&connection).await?;
    Ok(Some(TestDatabase { connection, engine: "postgres", cleanup: Cleanup::Schema { url, name } }))
}

/// Runs a test on SQLite and, when the environment names one, on Postgres.
///
/// # Panics
/// When a database cannot be made, or the test panics.
pub async fn on_every_database<M: MigratorTrait>(test: impl AsyncFn(DatabaseConnection)) {
    let sqlite = sqlite::<M>().await.unwrap_or_else(|error| panic!("sqlite: {error}"));
    let postgres = postgres::<M>().await.unwrap_or_else(|error| panic!("postgres: {error}"));
    for database in [Some(sqlite), postgres].into_iter().flatten() {
        eprintln!("on {}", database.engine);
        test(database.connection.clone()).await;
        database.drop().await;
    }
}

/// Deps for a service under test: an embedded bus in a folder of its own, signals in memory, and a verifier that knows no
/// key, for tests that put the [`Viewer`] into the request themselves.
///
/// # Errors
/// When the bus cannot be made.
pub async fn deps(clock: Clock) -> Result<(Deps, TestDatabase), Error> {
    let log = sqlite::<hansa_migrations::bus::Migrator>().await?;
    let keys = Arc::new(|| Box::pin(async { Ok(JwkSet { keys: Vec::new() }) }) as _);
    let deps = Deps {
        bus: bus::Bus::embedded(log.connection.clone()).await?,
        signals: Signals::memory(),
        verifier: Arc::new(Verifier::new(hansa_token::Config::default(), keys, Arc::new(Revocations::default()))),
        clock,
        shutdown: CancellationToken::new(),
    };
    Ok((deps, log))
}

/// A signed-in viewer with these scopes, as a verified token would give.
pub fn viewer(user_id: Uuid, scopes: &[&str]) -> Viewer {
    let now = chrono::Utc::now().timestamp();
    let claims = Claims {
        sub: ids::encode(USER_PREFIX, user_id).to_string(),
        sid: ids::encode(SESSION_PREFIX, ids::new()).to_string(),
        roles: scopes.iter().map(|scope| scope.to_uppercase()).collect(),
        scope: scopes.join(" "),
        iat: now,
        exp: now + 300,
        iss: "hansa".into(),
        aud: vec!["hansa".into()],
    };
    Viewer::of(Arc::new(claims)).unwrap_or_default()
}
