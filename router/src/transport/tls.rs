//! TLS to subgraphs: who vouches for them, and by what they know the router.

use super::config::HttpVersion;
use crate::error::Error;
use futures::future::BoxFuture;
use http::Uri;
use http::uri::Scheme;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tower::Service;

/// Certificates. The files are read again whenever a connection is opened, so that they can be replaced while the router
/// runs: connections that are open stay so. While they cannot be used, the ones before are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The certificates (PEM) that alone vouch for a subgraph, in place of the well-known authorities (Mozilla's).
    pub ca_file: Option<PathBuf>,
    /// The certificate (PEM) that the router shows to a subgraph that asks for one (mTLS), and those that link it to its
    /// authority behind it.
    pub cert_file: Option<PathBuf>,
    /// The private key of that certificate (PEM).
    pub key_file: Option<PathBuf>,
}

/// What the files hold.
#[derive(Clone, Default, PartialEq)]
struct Files {
    ca: Option<Vec<u8>>,
    cert: Option<Vec<u8>>,
    key: Option<Vec<u8>>,
}

impl Config {
    pub(super) fn validate(&self, field: &str) -> Result<(), Error> {
        match (&self.cert_file, &self.key_file) {
            (Some(_), None) => Err(Error::Config(format!("{field}.key_file must be there, as {field}.cert_file is"))),
            (None, Some(_)) => Err(Error::Config(format!("{field}.cert_file must be there, as {field}.key_file is"))),
            _ => Ok(()),
        }
    }

    pub(super) fn relative_to(&mut self, folder: &Path) {
        for file in [&mut self.ca_file, &mut self.cert_file, &mut self.key_file].into_iter().flatten() {
            *file = folder.join(&*file);
        }
    }

    fn names_files(&self) -> bool {
        *self != Self::default()
    }

    /// Blocks for as long as it takes to read the files.
    fn read(&self) -> Result<Files, String> {
        let read = |field: &str, file: &Option<PathBuf>| {
            let read = file
                .as_ref()
                .map(|file| std::fs::read(file).map_err(|error| format!("{field}: {}: {error}", file.display())));
            read.transpose()
        };
        Ok(Files {
            ca: read("ca_file", &self.ca_file)?,
            cert: read("cert_file", &self.cert_file)?,
            key: read("key_file", &self.key_file)?,
        })
    }
}

impl Files {
    /// What a connection is opened with; the text says otherwise which field is wrong.
    fn client(&self) -> Result<ClientConfig, String> {
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let builder = match &self.ca {
            Some(pem) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates("ca_file", pem)? {
                    roots.add(certificate).map_err(|error| format!("ca_file: {error}"))?;
                }
                builder.with_root_certificates(roots)
            }
            None => builder.with_webpki_roots(),
        };
        match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => {
                let chain = certificates("cert_file", cert)?;
                let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| format!("key_file: {error}"))?;
                builder.with_client_auth_cert(chain, key).map_err(|error| format!("cert_file and key_file: {error}"))
            }
            _ => Ok(builder.with_no_client_auth()),
        }
    }
}

fn certificates(field: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err(format!("{field}: it holds no certificate (PEM)")),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(format!("{field}: {error}")),
    }
}

/// Opens connections, with TLS where the URL says so. Cheap to clone.
#[derive(Clone)]
pub(super) struct Connector {
    config: Config,
    http: HttpVersion,
    tcp: HttpConnector,
    current: Arc<Mutex<Current>>,
}

/// What connections are opened with now.
struct Current {
    files: Files,
    connector: HttpsConnector<HttpConnector>,
    /// Why the newest files are not used.
    problem: Option<String>,
}

impl Connector {
    /// Reads the files, and refuses what cannot be used; the text says which field is wrong. Blocks meanwhile.
    pub(super) fn new(tcp: HttpConnector, http: HttpVersion, config: &Config) -> Result<Self, String> {
        let files = config.read()?;
        let connector = connector(&files, http, tcp.clone())?;
        let current = Current { files, connector, problem: None };
        Ok(Self { config: config.clone(), http, tcp, current: Arc::new(Mutex::new(current)) })
    }

    /// What to open a connection with, by the files as they are now.
    async fn fresh(&self) -> HttpsConnector<HttpConnector> {
        let config = self.config.clone();
        let read = tokio::task::spawn_blocking(move || config.read()).await;
        let read = read.unwrap_or_else(|error| Err(error.to_string()));
        let mut current = self.current();
        let problem = read.and_then(|files| self.renew(&mut current, files)).err();
        if let Some(problem) = problem.as_ref().filter(|_| problem != current.problem) {
            tracing::error!(files = ?self.config, "certificates cannot be renewed, those from before are used: {problem}");
        }
        current.problem = problem;
        current.connector.clone()
    }

    fn renew(&self, current: &mut Current, files: Files) -> Result<(), String> {
        if files != current.files {
            current.connector = connector(&files, self.http, self.tcp.clone())?;
            current.files = files;
            tracing::info!(files = ?self.config, "certificates renewed");
        }
        Ok(())
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not what the files hold.
        f.debug_struct("Connector").field("config", &self.config).field("http", &self.http).finish_non_exhaustive()
    }
}

impl Service<Uri> for Connector {
    type Response = <HttpsConnector<HttpConnector> as Service<Uri>>::Response;
    type Error = <HttpsConnector<HttpConnector> as Service<Uri>>::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        if uri.scheme() != Some(&Scheme::HTTPS) || !self.config.names_files() {
            return self.current().connector.call(uri);
        }
        let this = self.clone();
        Box::pin(async move { this.fresh().await.call(uri).await })
    }
}

fn connector(files: &Files, http: HttpVersion, tcp: HttpConnector) -> Result<HttpsConnector<HttpConnector>, String> {
    let builder = HttpsConnectorBuilder::new().with_tls_config(files.client()?).https_or_http();
    Ok(match http {
        HttpVersion::Auto => builder.enable_all_versions().wrap_connector(tcp),
        HttpVersion::Http1 => builder.enable_http1().wrap_connector(tcp),
        HttpVersion::Http2 => builder.enable_http2().wrap_connector(tcp),
    })
}
