//! What is needed to check access tokens: the issuer's keys, and the sessions that have ended.

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
};
use chrono::{DateTime, Utc};
use hansa_kit::signals::{Signal, Signals};
use hansa_token::{FetchKeys, JwkSet, Revocations};
use serde::{Deserialize, de::DeserializeOwned};
use std::{sync::Arc, time::Duration};
use tokio::sync::SetOnce;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

const KEYS: &str = "/.well-known/jwks.json";
const REVOCATIONS: &str = "/revocations";
/// A lost signal delays a revocation by this much at most.
const POLL: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(3);
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// Where the users service answers.
#[derive(Clone)]
pub enum Issuer {
    /// In this process. It is set once the role is built: roles are built with what checks tokens in hand.
    Local(Arc<SetOnce<Router>>),
    /// Elsewhere.
    Remote {
        /// Its client.
        client: reqwest::Client,
        /// Its base URL.
        url: url::Url,
    },
}

/// How a verifier reads the keys at this URL, of an issuer that is not the users service.
///
/// # Errors
/// When the HTTP client cannot be made.
pub fn keys_at(url: url::Url) -> anyhow::Result<FetchKeys> {
    let client = reqwest::Client::builder().timeout(TIMEOUT).build()?;
    Ok(Arc::new(move || {
        let request = client.get(url.clone());
        Box::pin(async move {
            let keys = async { request.send().await?.error_for_status()?.json::<JwkSet>().await };
            keys.await.map_err(|error| format!("{:#}", anyhow::Error::new(error)))
        })
    }))
}

/// A session that has ended.
#[derive(Debug, Deserialize)]
struct Revocation {
    sid: String,
    until: DateTime<Utc>,
}

impl Issuer {
    /// The issuer at `url`.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn remote(url: url::Url) -> anyhow::Result<Self> {
        Ok(Self::Remote { client: reqwest::Client::builder().timeout(TIMEOUT).build()?, url })
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        match self {
            Self::Local(role) => {
                let role = role.wait().await.clone();
                let response = role.oneshot(Request::get(path).body(Body::empty())?).await?;
                anyhow::ensure!(response.status() == StatusCode::OK, "users answered {}", response.status());
                Ok(serde_json::from_slice(&axum::body::to_bytes(response.into_body(), MAX_ANSWER).await?)?)
            }
            Self::Remote { client, url } => {
                let url = format!("{}{path}", url.as_str().trim_end_matches('/'));
                Ok(client.get(url).send().await?.error_for_status()?.json().await?)
            }
        }
    }

    /// How a verifier reads keys.
    pub fn keys(&self) -> FetchKeys {
        let issuer = self.clone();
        Arc::new(move || {
            let issuer = issuer.clone();
            Box::pin(async move { issuer.get::<JwkSet>(KEYS).await.map_err(|error| format!("{error:#}")) })
        })
    }

    /// Keeps `revocations` current until shutdown: by signals at once, and by the issuer's list, which is the truth.
    pub async fn follow_revocations(
        self,
        revocations: Arc<Revocations>,
        signals: Signals,
        shutdown: CancellationToken,
    ) {
        let mut signalled = signals.revocations();
        let mut missed = signals.missed();
        let mut ticks = tokio::time::interval(POLL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut was_reachable = true;
        loop {
            tokio::select! {
                signal = signalled.recv() => {
                    if let Ok(Signal::Revoked { sid, until }) = signal {
                        revocations.revoke(&sid, until);
                        continue;
                    }
                }
                _ = missed.changed() => {}
                _ = ticks.tick() => {}
                () = shutdown.cancelled() => return,
            }
            match self.get::<Vec<Revocation>>(REVOCATIONS).await {
                Ok(list) => {
                    was_reachable = true;
                    list.iter().for_each(|entry| revocations.revoke(&entry.sid, entry.until));
                }
                Err(error) if was_reachable => {
                    was_reachable = false;
                    tracing::warn!(
                        error = format!("{error:#}"),
                        "ended sessions cannot be read from the users service"
                    );
                }
                Err(_) => {}
            }
            revocations.prune(Utc::now());
        }
    }
}
