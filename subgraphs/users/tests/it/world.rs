//! The service under test, and how tests speak to it.

use async_graphql::Request;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{self, StatusCode},
};
use chrono::Utc;
use hansa_kit::{Clock, Deps, Viewer, testing, viewer::Client};
use hansa_migrations::users::Migrator;
use hansa_token::{FetchKeys, Verifier};
use hansa_users::{Config, Service, UsersSchema};
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use serde_json::{Value, json};
use std::sync::{Arc, OnceLock};
use tower::ServiceExt;

pub const KEYS: &str = "/.well-known/jwks.json";
pub const PASSWORD: &str = "correct horse battery staple";

/// A service without a relay: what it says stays in its outbox.
pub struct World {
    pub schema: UsersSchema,
    pub database: DatabaseConnection,
    pub deps: Deps,
    pub clock: Clock,
    pub routes: Router,
    _bus: testing::TestDatabase,
}

impl World {
    pub async fn new(database: DatabaseConnection) -> Self {
        // What goes wrong inside is shown with the test that fails.
        drop(tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_test_writer().try_init());
        let clock = Clock::manual(Utc::now());
        let (mut deps, bus) = testing::deps(clock.clone()).await.unwrap();
        // The verifier reads the keys from the service, which is built with it in hand.
        let issuer = Arc::new(OnceLock::new());
        let keys = keys_from(issuer.clone());
        deps.verifier = Arc::new(Verifier::new(hansa_token::Config::default(), keys, Arc::default()));
        let schema = hansa_users::schema(Service::new(database.clone(), &Config::default(), &deps));
        let routes = hansa_users::role(database.clone(), &Config::default(), &deps).routes;
        issuer.set(routes.clone()).unwrap();
        Self { schema, database, deps, clock, routes, _bus: bus }
    }

    /// What the service serves at `path`.
    pub async fn get(&self, path: &str) -> Value {
        get(&self.routes, path).await
    }

    /// The whole answer.
    pub async fn answer(&self, viewer: &Viewer, query: &str, variables: Value) -> Value {
        let client = Client { user_agent: Some("test".into()), ip_address: Some("192.0.2.1".into()) };
        let request = Request::new(query)
            .variables(async_graphql::Variables::from_json(variables))
            .data(viewer.clone())
            .data(client);
        serde_json::to_value(self.schema.execute(request).await).unwrap()
    }

    /// The data of an answer without errors.
    pub async fn ask(&self, viewer: &Viewer, query: &str, variables: Value) -> Value {
        let answer = self.answer(viewer, query, variables).await;
        assert!(answer.get("errors").is_none(), "{answer:#}");
        answer["data"].clone()
    }

    /// The code of the one error of an answer.
    pub async fn code(&self, viewer: &Viewer, query: &str, variables: Value) -> String {
        let answer = self.answer(viewer, query, variables).await;
        assert_eq!(answer["errors"].as_array().map(Vec::len), Some(1), "{answer:#}");
        answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_default().to_owned()
    }

    /// Registers with a unique address; the payload.
    pub async fn register(&self, username: &str) -> Value {
        let email = format!("{username}@example.org");
        self.register_with(json!({ "username": username, "email": email, "password": PASSWORD })).await
    }

    pub async fn register_with(&self, input: Value) -> Value {
        let query = "mutation ($input: AccountRegisterInput!) { accountRegister(input: $input) {
            viewer { id email scopes locale timeZone user { username roles } sessions { nodes { id isCurrent } } }
            tokens { accessToken accessTokenExpiresAt refreshToken refreshTokenExpiresAt }
            userErrors { code field message }
        } }";
        self.ask(&Viewer::Anonymous, query, json!({ "input": input })).await["accountRegister"].take()
    }

    pub async fn sign_in(&self, login: &str, password: &str) -> Value {
        self.sign_in_with(json!({ "login": login, "password": password })).await
    }

    pub async fn sign_in_with(&self, input: Value) -> Value {
        let query = "mutation ($input: SessionCreateInput!) { sessionCreate(input: $input) {
            session { id isCurrent userAgent ipAddress }
            viewer { id scopes user { id } }
            tokens { accessToken refreshToken }
            userErrors { code field message }
        } }";
        self.ask(&Viewer::Anonymous, query, json!({ "input": input })).await["sessionCreate"].take()
    }

    pub async fn refresh(&self, token: &Value) -> Value {
        let query = "mutation ($token: String!) { sessionRefresh(refreshToken: $token) {
            session { id } tokens { accessToken refreshToken } userErrors { code field }
        } }";
        self.ask(&Viewer::Anonymous, query, json!({ "token": token })).await["sessionRefresh"].take()
    }

    /// Who a payload's access token makes one, as every service would see it.
    pub async fn viewer(&self, payload: &Value) -> Viewer {
        let token = payload["tokens"]["accessToken"].as_str().unwrap_or_else(|| panic!("no token: {payload:#}"));
        Viewer::of(self.deps.verifier.verify(token).await.unwrap()).unwrap()
    }

    /// Why a payload's access token is refused.
    pub async fn refusal(&self, payload: &Value) -> hansa_token::Error {
        let token = payload["tokens"]["accessToken"].as_str().unwrap_or_else(|| panic!("no token: {payload:#}"));
        self.deps.verifier.verify(token).await.unwrap_err()
    }

    /// An administrator, signed in.
    pub async fn admin(&self) -> Viewer {
        let login = hansa_users::create_admin(&self.database, "root", "root@example.org").await.unwrap();
        let payload = self.sign_in(&login.username, &login.password).await;
        self.viewer(&payload).await
    }

    pub async fn count(&self, table: &str) -> i64 {
        self.number(&format!("SELECT COUNT(*) AS n FROM {table}")).await
    }

    pub async fn number(&self, sql: &str) -> i64 {
        let statement = Statement::from_string(self.database.get_database_backend(), sql);
        let row = self.database.query_one_raw(statement).await.unwrap().unwrap();
        row.try_get::<i64>("", "n").unwrap()
    }

    /// The types and data of all events in the outbox, oldest first.
    pub async fn events(&self) -> Vec<(String, Value)> {
        let sql = "SELECT payload FROM outbox ORDER BY seq";
        let statement = Statement::from_string(self.database.get_database_backend(), sql);
        let rows = self.database.query_all_raw(statement).await.unwrap();
        let events = rows.iter().map(|row| row.try_get::<String>("", "payload").unwrap());
        let events = events.map(|event| serde_json::from_str::<Value>(&event).unwrap());
        events.map(|mut event| (event["type"].as_str().unwrap().to_owned(), event["data"].take())).collect()
    }
}

/// Reads signing keys as every verifier does.
fn keys_from(issuer: Arc<OnceLock<Router>>) -> FetchKeys {
    Arc::new(move || {
        let issuer = issuer.clone();
        Box::pin(async move { Ok(serde_json::from_value(get(issuer.get().unwrap(), KEYS).await).unwrap()) })
    })
}

async fn get(routes: &Router, path: &str) -> Value {
    let request = http::Request::get(path).body(Body::empty()).unwrap();
    let response = routes.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    serde_json::from_slice(&to_bytes(response.into_body(), 1 << 20).await.unwrap()).unwrap()
}

/// Runs a test on every database.
pub async fn on_every_database(test: impl AsyncFn(World)) {
    testing::on_every_database::<Migrator>(async |database| test(World::new(database).await).await).await;
}

/// The codes in a payload's `userErrors`, in order.
pub fn codes(payload: &Value) -> Vec<&str> {
    payload["userErrors"].as_array().unwrap().iter().map(|error| error["code"].as_str().unwrap()).collect()
}
