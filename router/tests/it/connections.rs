//! Connections to subgraphs: used again, given up, replaced.

use crate::federation::soon;
use bytes::Bytes;
use hansa_router::transport::{Client, Config, FetchError, Subgraph, Transport};
use http::HeaderMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::Instant;

const ANSWER: &str = r#"{"data":{"a":1}}"#;

/// What a subgraph saw.
#[derive(Debug, PartialEq)]
enum Seen {
    /// A request, on a connection with this number.
    Request(usize),
    /// The other side, or its own, closed that connection.
    Closed(usize),
}

/// A subgraph in a thread of its own: so what it does is done, and known to the kernel, when it is told. `answers` says of
/// each connection how many requests it answers before it closes it; another one it leaves without an answer.
fn subgraph(answers: fn(usize) -> Option<usize>) -> (Subgraph, UnboundedReceiver<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (told, seen) = unbounded_channel();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let (mut stream, told) = (stream.unwrap(), told.clone());
            std::thread::spawn(move || {
                let mut answered = 0;
                while request(&mut stream) {
                    told.send(Seen::Request(number)).unwrap();
                    if answers(number).is_some() {
                        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", ANSWER.len());
                        stream.write_all((head + ANSWER).as_bytes()).unwrap();
                        answered += 1;
                    }
                    if answers(number).is_some_and(|most| answered == most) {
                        // Some say why, which nobody has asked.
                        let why = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
                        stream.write_all(if number % 2 == 1 { why } else { b"" }).unwrap();
                        break;
                    }
                }
                drop(stream);
                // Nobody listens at the end of a test.
                drop(told.send(Seen::Closed(number)));
            });
        }
    });
    let config = Config { retries: 0, ..Config::default() };
    (Subgraph::new("s", url, Transport::Http(Client::new().unwrap()), &config).unwrap(), seen)
}

/// Reads a request; false at the end.
fn request(stream: &mut TcpStream) -> bool {
    let (mut read, mut buffer) = (Vec::new(), [0; 4096]);
    while !read.ends_with(b"\r\n\r\n{}") {
        match stream.read(&mut buffer) {
            Ok(0) => return false,
            Ok(more) => read.extend_from_slice(&buffer[..more]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return false,
            Err(error) => panic!("{error}"),
        }
    }
    true
}

async fn ask(subgraph: &Subgraph, deadline: Instant) -> Result<Bytes, FetchError> {
    subgraph.fetch(Bytes::from_static(b"{}"), &HeaderMap::new(), false, deadline).await
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let (subgraph, mut seen) = subgraph(|_| Some(usize::MAX));
    for _ in 0..3 {
        assert_eq!(ask(&subgraph, soon()).await.unwrap(), ANSWER);
        assert_eq!(seen.recv().await.unwrap(), Seen::Request(0));
    }
    // No two fetches share one at the same time.
    let both = tokio::join!(ask(&subgraph, soon()), ask(&subgraph, soon()));
    assert_eq!((both.0.unwrap(), both.1.unwrap()), (ANSWER.into(), ANSWER.into()));
    let mut numbers = [seen.recv().await.unwrap(), seen.recv().await.unwrap()];
    numbers.sort_by_key(|seen| matches!(seen, Seen::Request(1)));
    assert_eq!(numbers, [Seen::Request(0), Seen::Request(1)]);
}

#[tokio::test]
async fn one_that_was_closed_meanwhile_is_replaced() {
    let (subgraph, mut seen) = subgraph(|_| Some(2));
    // Not even what must not be sent twice notices.
    for number in 0..4 {
        for _ in 0..2 {
            assert_eq!(ask(&subgraph, soon()).await.unwrap(), ANSWER);
            assert_eq!(seen.recv().await.unwrap(), Seen::Request(number));
        }
        assert_eq!(seen.recv().await.unwrap(), Seen::Closed(number));
    }
}

#[tokio::test]
async fn who_waits_no_longer_closes_it() {
    let (subgraph, mut seen) = subgraph(|number| (number > 0).then_some(usize::MAX));
    let impatient = Instant::now() + Duration::from_millis(100);
    assert!(matches!(ask(&subgraph, impatient).await, Err(FetchError::Timeout)));
    assert_eq!(seen.recv().await.unwrap(), Seen::Request(0));
    assert_eq!(seen.recv().await.unwrap(), Seen::Closed(0));
    assert_eq!(ask(&subgraph, soon()).await.unwrap(), ANSWER);
    assert_eq!(seen.recv().await.unwrap(), Seen::Request(1));
}

#[tokio::test]
async fn idle_ones_are_closed() {
    let (subgraph, mut seen) = subgraph(|_| Some(usize::MAX));
    assert_eq!(ask(&subgraph, soon()).await.unwrap(), ANSWER);
    assert_eq!(seen.recv().await.unwrap(), Seen::Request(0));
    // Time passes as soon as there is nothing else to do.
    tokio::time::pause();
    assert_eq!(seen.recv().await.unwrap(), Seen::Closed(0));
}

#[tokio::test]
async fn they_are_closed_with_their_subgraph() {
    let (subgraph, mut seen) = subgraph(|_| Some(usize::MAX));
    assert_eq!(ask(&subgraph, soon()).await.unwrap(), ANSWER);
    assert_eq!(seen.recv().await.unwrap(), Seen::Request(0));
    drop(subgraph);
    assert_eq!(seen.recv().await.unwrap(), Seen::Closed(0));
}
