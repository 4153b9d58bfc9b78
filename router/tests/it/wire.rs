//! Connections to subgraphs: certificates, versions of HTTP, and the headers that the configuration adds.

use crate::federation::soon;
use crate::server::{PATIENCE, Server, code};
use axum::http::{HeaderMap, Version};
use axum::response::IntoResponse;
use axum::response::sse::{Event, Sse};
use axum::routing::post;
use bytes::Bytes;
use futures::future::join_all;
use futures::stream::pending;
use hansa_router::Config;
use hansa_router::supergraph::federation;
use hansa_router::transport::{self, Client, FetchError, HttpVersion, Named, Subgraph, Transport, tls};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Barrier;
use tokio_rustls::TlsAcceptor;

/// Somebody who vouches for others.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate of `localhost` and its key, as PEM.
    fn issue(&self) -> [String; 2] {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        [params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem()]
    }

    /// A server that it vouches for, which asks clients for a certificate if they are to be vouched for too.
    fn server(&self, clients: Option<&Authority>) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let [cert, key] = self.issue().map(String::into_bytes);
        let builder =
            ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
        let builder = match clients {
            Some(Self(authority)) => {
                let mut roots = rustls::RootCertStore::empty();
                roots.add(authority.der().clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build().unwrap();
                builder.with_client_cert_verifier(verifier)
            }
            None => builder.with_no_client_auth(),
        };
        let chain = vec![CertificateDer::from_pem_slice(&cert).unwrap()];
        let mut config = builder.with_single_cert(chain, PrivateKeyDer::from_pem_slice(&key).unwrap()).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }
}

/// Serves routes on a free port over HTTP/1.1 and HTTP/2; gives the URL and the number of connections so far.
async fn serve(routes: axum::Router, tls: Option<Arc<ServerConfig>>) -> (String, Arc<AtomicUsize>) {
    serve_so_many(routes, tls, 100).await
}

/// The same with so many requests on a connection of HTTP/2 at a time.
async fn serve_so_many(
    routes: axum::Router,
    tls: Option<Arc<ServerConfig>>,
    at_once: u32,
) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://localhost:{}", listener.local_addr().unwrap().port());
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = connections.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(connection(stream, tls.clone(), routes.clone(), at_once));
        }
    });
    (url, connections)
}

async fn connection(stream: TcpStream, tls: Option<Arc<ServerConfig>>, routes: axum::Router, at_once: u32) {
    let (mut http, service) = (auto::Builder::new(TokioExecutor::new()), TowerToHyperService::new(routes));
    http.http2().max_concurrent_streams(at_once);
    // What is wrong with a connection its client is told.
    match tls {
        None => drop(http.serve_connection(TokioIo::new(stream), service).await),
        Some(config) => {
            if let Ok(stream) = TlsAcceptor::from(config).accept(stream).await {
                drop(http.serve_connection(TokioIo::new(stream), service).await);
            }
        }
    }
}

/// Answers with the version of HTTP and the headers that it was asked with.
fn mirror() -> axum::Router {
    let answer = async |version: Version, headers: HeaderMap| {
        let headers: serde_json::Map<_, _> = headers
            .iter()
            .map(|(name, value)| (name.to_string(), Value::from(String::from_utf8_lossy(value.as_bytes()))))
            .collect();
        axum::Json(json!({ "data": { "version": format!("{version:?}"), "headers": headers } }))
    };
    axum::Router::new().route("/graphql", post(answer))
}

fn subgraph(url: &str, config: &transport::Config) -> Subgraph {
    Subgraph::new("s", url, Transport::Http(Client::new().unwrap()), config).unwrap()
}

async fn ask(subgraph: &Subgraph, headers: &HeaderMap) -> Result<Value, FetchError> {
    let answer = subgraph.fetch(Bytes::from_static(b"{}"), headers, true, soon()).await?;
    Ok(serde_json::from_slice::<Value>(&answer).unwrap()["data"].take())
}

/// The version of HTTP that a subgraph is asked in.
async fn version(subgraph: &Subgraph) -> Result<String, FetchError> {
    Ok(ask(subgraph, &HeaderMap::new()).await?["version"].as_str().unwrap().to_owned())
}

fn file(folder: &TempDir, name: &str, text: &str) -> Option<PathBuf> {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    Some(path)
}

#[tokio::test]
async fn a_private_authority_vouches_for_a_subgraph() {
    let (authority, other, folder) = (Authority::new(), Authority::new(), TempDir::new().unwrap());
    let (url, _) = serve(mirror(), Some(authority.server(None))).await;
    let by = |pem: Option<String>| {
        let ca_file = pem.and_then(|pem| file(&folder, "ca.pem", &pem));
        let tls = tls::Config { ca_file, ..tls::Config::default() };
        transport::Config { tls, ..transport::Config::default() }
    };
    assert_eq!(version(&subgraph(&url, &by(Some(authority.0.pem())))).await.unwrap(), "HTTP/2.0");
    let both = other.0.pem() + &authority.0.pem();
    assert_eq!(version(&subgraph(&url, &by(Some(both)))).await.unwrap(), "HTTP/2.0");
    for stranger in [Some(other.0.pem()), None] {
        let refusal = version(&subgraph(&url, &by(stranger))).await;
        assert!(matches!(&refusal, Err(FetchError::Connect(why)) if why.contains("peer certificate")), "{refusal:?}");
    }
}

#[tokio::test]
async fn who_vouches_wrongly_costs_a_subgraph_its_fields() {
    let (authority, other, folder) = (Authority::new(), Authority::new(), TempDir::new().unwrap());
    let (url, _) = serve(mirror(), Some(authority.server(None))).await;
    let ca_file = file(&folder, "ca.pem", &other.0.pem());
    let config = transport::Config { tls: tls::Config { ca_file, ..Default::default() }, ..Default::default() };
    let sdl = file(&folder, "s.graphql", "type Query { version: String }").unwrap();
    let server = Server::composed(Config::default(), vec![Arc::new(subgraph(&url, &config).with_sdl(sdl))]).await;
    let answer = server.ask("{ version }").await;
    assert_eq!((&answer["data"], code(&answer)), (&json!({ "version": null }), "SUBGRAPH_UNAVAILABLE"));
    assert!(!answer.to_string().contains("certificate"), "{answer}");
}

#[tokio::test]
async fn the_router_shows_its_certificate_to_who_asks() {
    let (authority, clients, folder) = (Authority::new(), Authority::new(), TempDir::new().unwrap());
    let (url, _) = serve(mirror(), Some(authority.server(Some(&clients)))).await;
    let ca_file = file(&folder, "ca.pem", &authority.0.pem());
    let known_by = |[cert, key]: [String; 2]| {
        let (cert_file, key_file) = (file(&folder, "cert.pem", &cert), file(&folder, "key.pem", &key));
        let tls = tls::Config { ca_file: ca_file.clone(), cert_file, key_file };
        let named = Named { tls: Some(tls), ..Named::default() };
        transport::Config { named: [("s".to_owned(), named)].into(), ..transport::Config::default() }
    };
    assert!(version(&subgraph(&url, &known_by(clients.issue()))).await.is_ok());
    assert!(version(&subgraph(&url, &known_by(authority.issue()))).await.is_err(), "a stranger's certificate");
    let tls = tls::Config { ca_file, ..tls::Config::default() };
    let unknown = transport::Config { tls, ..transport::Config::default() };
    assert!(version(&subgraph(&url, &unknown)).await.is_err(), "no certificate");
}

#[tokio::test]
async fn certificates_are_renewed_while_the_router_runs() {
    let (authority, clients, folder) = (Authority::new(), Authority::new(), TempDir::new().unwrap());
    let (url, _) = serve(mirror(), Some(authority.server(Some(&clients)))).await;
    let [cert, key] = authority.issue();
    let tls = tls::Config {
        ca_file: file(&folder, "ca.pem", &clients.0.pem()),
        cert_file: file(&folder, "cert.pem", &cert),
        key_file: file(&folder, "key.pem", &key),
    };
    let settings = transport::Config { tls, breaker_failures: 0, ..transport::Config::default() };
    let subgraph = subgraph(&url, &settings);
    assert!(version(&subgraph).await.is_err(), "nothing is right");
    file(&folder, "ca.pem", &authority.0.pem());
    let [cert, key] = clients.issue();
    file(&folder, "cert.pem", &cert);
    assert!(version(&subgraph).await.is_err(), "the certificate has another key");
    file(&folder, "key.pem", &key);
    assert!(version(&subgraph).await.is_ok());
}

#[tokio::test]
async fn the_version_of_http_is_a_matter_of_configuration() {
    let (authority, folder) = (Authority::new(), TempDir::new().unwrap());
    let (secure, _) = serve(mirror(), Some(authority.server(None))).await;
    let (plain, _) = serve(mirror(), None).await;
    let ca_file = file(&folder, "ca.pem", &authority.0.pem());
    for (url, http, expected) in [
        (&plain, HttpVersion::Auto, "HTTP/1.1"),
        (&plain, HttpVersion::Http1, "HTTP/1.1"),
        (&plain, HttpVersion::Http2, "HTTP/2.0"),
        (&secure, HttpVersion::Auto, "HTTP/2.0"),
        (&secure, HttpVersion::Http1, "HTTP/1.1"),
        (&secure, HttpVersion::Http2, "HTTP/2.0"),
    ] {
        let tls = tls::Config { ca_file: ca_file.clone(), ..tls::Config::default() };
        let config = transport::Config { http, tls, ..transport::Config::default() };
        assert_eq!(version(&subgraph(url, &config)).await.unwrap(), expected, "{url} {http:?}");
    }
}

#[tokio::test]
async fn one_connection_carries_many_fetches_at_once() {
    const FETCHES: usize = 100;
    // Nobody is answered before all have asked.
    let together = Arc::new(Barrier::new(FETCHES));
    let answer = async move || {
        together.wait().await;
        axum::Json(json!({ "data": {} }))
    };
    let (url, connections) = serve(axum::Router::new().route("/graphql", post(answer)), None).await;
    let settings = transport::Config { http: HttpVersion::Http2, share_in_flight: false, ..Default::default() };
    let subgraph = subgraph(&url, &settings);
    let headers = HeaderMap::new();
    let answers = join_all((0..FETCHES).map(|_| ask(&subgraph, &headers)));
    let answers = tokio::time::timeout(PATIENCE, answers).await.expect("they wait for each other");
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn streams_do_not_hold_up_fetches() {
    let (authority, folder) = (Authority::new(), TempDir::new().unwrap());
    let answer = async |headers: HeaderMap| match headers["accept"].as_bytes() {
        b"text/event-stream" => Sse::new(pending::<Result<Event, Infallible>>()).into_response(),
        _ => axum::Json(json!({ "data": {} })).into_response(),
    };
    let routes = axum::Router::new().route("/graphql", post(answer));
    let ca_file = file(&folder, "ca.pem", &authority.0.pem());
    for (tls, http, streams) in [(None, HttpVersion::Http2, 1), (Some(authority.server(None)), HttpVersion::Auto, 3)] {
        let (url, _) = serve_so_many(routes.clone(), tls, 1).await;
        let tls = tls::Config { ca_file: ca_file.clone(), ..tls::Config::default() };
        let subgraph = subgraph(&url, &transport::Config { http, tls, ..transport::Config::default() });
        let mut open = Vec::new();
        for _ in 0..streams {
            open.push(subgraph.stream(Bytes::from_static(b"{}"), &HeaderMap::new(), soon()).await.unwrap());
        }
        assert!(ask(&subgraph, &HeaderMap::new()).await.is_ok(), "{http:?}");
    }
}

#[tokio::test]
async fn a_subgraph_gets_the_headers_that_are_meant_for_it() {
    let (url, _) = serve(mirror(), None).await;
    let config: transport::Config = serde_json::from_value(json!({
        "headers": { "x-from": "hansa", "x-for": "all" },
        "named": {
            "mine": { "headers": { "X-For": "mine", "authorization": "Basic eA==", "x-path": { "env": "PATH" } } },
            "yours": { "headers": { "x-yours": "secret" } },
        },
    }))
    .unwrap();
    config.validate().unwrap();
    let mut forward = HeaderMap::new();
    forward.insert("authorization", "Bearer ada".parse().unwrap());
    let asked = async |name: &str| {
        let subgraph = Subgraph::new(name, &url, Transport::Http(Client::new().unwrap()), &config).unwrap();
        let mut asked = ask(&subgraph, &forward).await.unwrap();
        let all = asked["headers"].as_object_mut().unwrap();
        all.retain(|name, _| name.starts_with("x-") || ["authorization", "content-type"].contains(&name.as_str()));
        asked["headers"].take()
    };
    let path = std::env::var("PATH").unwrap();
    let mine = json!({
        "x-from": "hansa", "x-for": "mine", "x-path": path,
        "authorization": "Basic eA==", "content-type": "application/json",
    });
    assert_eq!(asked("mine").await, mine);
    let others = json!({
        "x-from": "hansa", "x-for": "all", "authorization": "Bearer ada", "content-type": "application/json",
    });
    assert_eq!(asked("others").await, others);
    let printed = format!("{config:?} {}", serde_json::to_string(&config).unwrap());
    assert!(!printed.contains("eA==") && !printed.contains("secret") && printed.contains("redacted"), "{printed}");
}

#[tokio::test]
async fn a_subgraph_is_where_its_settings_say() {
    let (url, _) = serve(mirror(), None).await;
    let named = Named { url: Some(url.clone()), ..Named::default() };
    let config = transport::Config { named: [("s".to_owned(), named)].into(), ..transport::Config::default() };
    let subgraph = subgraph("http://nowhere.invalid/graphql", &config);
    assert_eq!(subgraph.url, url);
    assert!(ask(&subgraph, &HeaderMap::new()).await.is_ok());
}

#[tokio::test]
async fn who_takes_no_connections_is_not_waited_for() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    // They are never accepted, and when the queue is full the next one hears nothing.
    let mut queue = Vec::new();
    while let Ok(stream) = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
        queue.push(stream.unwrap());
    }
    let config = transport::Config { connect_timeout_ms: 50, ..transport::Config::default() };
    let outcome = version(&subgraph(&format!("http://{address}"), &config)).await;
    assert!(matches!(&outcome, Err(FetchError::Connect(_))), "{outcome:?}");
}

#[tokio::test]
async fn headers_of_clients_travel_on_to_who_may_know_them() {
    let settings: transport::Config = serde_json::from_value(json!({
        "forward": ["Accept-Language"],
        "headers": { "x-set": "by the router" },
        "named": { "mine": { "forward": ["x-tenant", "x-set"] } },
    }))
    .unwrap();
    let folder = TempDir::new().unwrap();
    let mut subgraphs = Vec::new();
    for name in ["mine", "yours"] {
        let answer = async move |headers: HeaderMap| {
            let told = ["accept-language", "x-tenant", "x-set", "cookie"].map(|name| match headers.get(name) {
                Some(value) => format!("{name}: {}", value.to_str().unwrap()),
                None => String::new(),
            });
            axum::Json(json!({ "data": { name: told.join(" ").trim() } }))
        };
        let (url, _) = serve(axum::Router::new().route("/graphql", post(answer)), None).await;
        let sdl = file(&folder, name, &format!("type Query {{ {name}: String }}")).unwrap();
        let client = Transport::Http(Client::new().unwrap());
        subgraphs.push(Arc::new(Subgraph::new(name, url, client, &settings).unwrap().with_sdl(sdl)));
    }
    let server = Server::composed(Config { subgraphs: settings, ..Config::default() }, subgraphs).await;
    let request = server.post(&json!({ "query": "{ mine yours }" })).header("accept-language", "ru");
    let request = request.header("x-tenant", "t1").header("x-set", "by the client").header("cookie", "a=b");
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    let data = json!({
        "mine": "accept-language: ru x-tenant: t1 x-set: by the router",
        "yours": "accept-language: ru  x-set: by the router",
    });
    assert_eq!(answer["data"], data, "{answer}");
}

#[test]
fn settings_that_cannot_work_are_refused_by_name() {
    let folder = TempDir::new().unwrap();
    let [cert, key] = Authority::new().issue();
    let pem = |name: &str, text: &str| file(&folder, name, text).unwrap();
    let (cert, key, no_pem) = (pem("cert.pem", &cert), pem("key.pem", &key), pem("no.pem", "no"));
    let strange = pem("strange.pem", &Authority::new().issue()[1]);
    for (subgraphs, field) in [
        (json!({ "connect_timeout_ms": 0 }), "subgraphs.connect_timeout_ms"),
        (json!({ "named": { "s": { "timeout_ms": 0 } } }), "subgraphs.named.s.timeout_ms"),
        (json!({ "named": { "s": { "max_response_bytes": 0 } } }), "subgraphs.named.s.max_response_bytes"),
        (json!({ "headers": { "Content-Type": "text/plain" } }), "subgraphs.headers.Content-Type"),
        (json!({ "headers": { "x y": "z" } }), "subgraphs.headers.x y"),
        (json!({ "named": { "s": { "headers": { "host": "a" } } } }), "subgraphs.named.s.headers.host"),
        (json!({ "named": { "s": { "headers": { "x-a": "b\nc" } } } }), "subgraphs.named.s.headers.x-a"),
        (json!({ "headers": { "x-a": { "env": "HANSA_IS_NOT_SET" } } }), "HANSA_IS_NOT_SET"),
        (json!({ "forward": ["connection"] }), "subgraphs.forward.connection"),
        (json!({ "named": { "s": { "forward": ["Authorization"] } } }), "subgraphs.named.s.forward.Authorization"),
        (json!({ "tls": { "cert_file": cert } }), "subgraphs.tls.key_file"),
        (json!({ "named": { "s": { "tls": { "key_file": key } } } }), "subgraphs.named.s.tls.cert_file"),
        (json!({ "tls": { "ca_file": "/nowhere" } }), "subgraphs.tls.ca_file: /nowhere"),
        (json!({ "named": { "s": { "tls": { "ca_file": no_pem } } } }), "subgraphs.named.s.tls.ca_file"),
        (json!({ "tls": { "cert_file": cert, "key_file": no_pem } }), "subgraphs.tls.key_file"),
        (json!({ "tls": { "cert_file": cert, "key_file": strange } }), "subgraphs.tls.cert_file and key_file"),
        (json!({ "named": { "t": {} } }), "subgraphs.named.t: there is no such subgraph"),
    ] {
        let settings: transport::Config = serde_json::from_value(subgraphs.clone()).unwrap();
        let members = json!({ "subgraphs": { "s": { "url": "https://localhost:1" } } });
        let federation: federation::Config = serde_json::from_value(members).unwrap();
        let made = settings.validate().and_then(|()| federation.subgraphs(&settings).map(drop));
        let refusal = made.expect_err(field).to_string();
        assert!(refusal.contains(field), "{field}: {refusal}");
    }
    let unknown = json!({ "headers": { "x-a": { "file": "b" } } });
    let refusal = serde_json::from_value::<transport::Config>(unknown).unwrap_err().to_string();
    assert!(refusal.contains("a text, or { env"), "{refusal}");
}

#[test]
fn files_of_certificates_are_beside_the_configuration() {
    let settings = json!({ "tls": { "ca_file": "a.pem" }, "named": { "s": { "tls": { "ca_file": "/b.pem" } } } });
    let settings: transport::Config = serde_json::from_value(settings).unwrap();
    let settings = settings.relative_to(Path::new("/etc/hansa"));
    assert_eq!(settings.tls.ca_file.as_deref(), Some(Path::new("/etc/hansa/a.pem")));
    let named = settings.named["s"].tls.as_ref().unwrap();
    assert_eq!(named.ca_file.as_deref(), Some(Path::new("/b.pem")));
}
