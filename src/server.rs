//! The HTTP/1.1 server.

use axum::{Router, body::Body, extract::ConnectInfo, http::Request, serve::Listener};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{net::SocketAddr, time::Duration};
use tokio::net::TcpStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

/// A connection may take this long to send the head of a request, the first or the next. Proxies commonly keep idle
/// connections for 60 s; the side that sends should be the first to close.
pub const HEAD: Duration = Duration::from_secs(75);

/// Serves until shutdown, then until every answer under way is written.
pub async fn serve<L>(mut listener: L, routes: Router, head: Duration, shutdown: CancellationToken)
where
    L: Listener<Io = TcpStream, Addr = SocketAddr>,
{
    let connections = TaskTracker::new();
    while let Some((stream, peer)) = shutdown.run_until_cancelled(listener.accept()).await {
        connections.spawn(connection(stream, peer, routes.clone(), head, shutdown.clone()));
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn connection(stream: TcpStream, peer: SocketAddr, routes: Router, head: Duration, shutdown: CancellationToken) {
    let service = routes.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request.map(Body::new)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(head);
    let serving = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).with_upgrades();
    let mut serving = std::pin::pin!(serving);
    let served = match shutdown.run_until_cancelled(serving.as_mut()).await {
        Some(served) => served,
        None => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
        task::JoinHandle,
    };

    const DEADLINE: Duration = Duration::from_secs(30);

    async fn start(head: Duration) -> (SocketAddr, CancellationToken, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let peer = get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() });
        let routes = Router::new().route("/peer", peer);
        let shutdown = CancellationToken::new();
        let server = tokio::spawn(serve(listener, routes, head, shutdown.clone()));
        (address, shutdown, server)
    }

    /// Sends `request` and reads until the server closes.
    async fn talk(address: SocketAddr, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer)).await.expect("it was left open").unwrap();
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn who_sends_no_whole_head_is_cut_off() {
        let (address, _shutdown, _server) = start(Duration::from_millis(100)).await;
        for head in ["", "GET /peer HTTP/1.1\r\nhost: a\r\n"] {
            assert!(!talk(address, head.as_bytes()).await.contains("200 OK"));
        }
        let answer = talk(address, b"GET /peer HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("127.0.0.1:"), "{answer}");
    }

    #[tokio::test]
    async fn idle_connections_do_not_hold_up_the_shutdown() {
        let (address, shutdown, server) = start(HEAD).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /peer HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
        shutdown.cancel();
        tokio::time::timeout(DEADLINE, server).await.expect("it did not end").unwrap();
    }
}
