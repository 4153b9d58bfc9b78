//! Subscriptions over Server-Sent Events (GraphQL over SSE, "Distinct connections mode"): `next` events hold results,
//! `complete` ends the stream, comments are heartbeats.

use super::FetchError;
use super::wire::chain;
use axum::body::Body;
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};
use sse_core::{PayloadTooLargeError, SseDecoder, SseEvent};
use std::num::NonZeroUsize;

/// How much of the end of a stream is remembered, in bytes: more than [`COMPLETE`] and the ends of its lines.
const TAIL: usize = 32;

/// How streams of some subgraphs end: without the `data` that makes it an event (HTML Standard, "Interpreting an event
/// stream").
const COMPLETE: [&[u8]; 2] = [b"\nevent: complete", b"\nevent:complete"];

/// Results of a subscription, one for each `next` event. It ends with `complete` or after an error; a connection that
/// closes without `complete` is an error. Dropping it closes the connection.
pub(super) fn results(body: Body, limit: usize) -> BoxStream<'static, Result<Bytes, FetchError>> {
    let stream = async_stream::stream! {
        let mut chunks = body.into_data_stream();
        // Of comments, and of fields that mean nothing, it keeps nothing.
        let mut decoder = SseDecoder::with_limit(NonZeroUsize::new(limit).unwrap_or(NonZeroUsize::MIN));
        let mut tail = vec![b'\n'];
        let broken = loop {
            let mut chunk = match chunks.next().await {
                Some(Ok(chunk)) => chunk,
                Some(Err(error)) => break chain(&error),
                None => break "the stream broke off".into(),
            };
            remember(&mut tail, &chunk);
            while let Some(event) = decoder.next(&mut chunk) {
                match event {
                    Ok(SseEvent::Message(message)) => match &*message.event {
                        "complete" => return,
                        // The decoder makes room for an event as large as the last one.
                        "next" | "message" => yield Ok(Bytes::from(message.data.into_bytes().into_boxed_slice())),
                        _ => {}
                    },
                    Ok(SseEvent::Retry(_)) => {}
                    Err(PayloadTooLargeError) => {
                        yield Err(FetchError::TooLarge(limit));
                        return;
                    }
                }
            }
        };
        if !is_complete(&tail) {
            yield Err(FetchError::Unavailable(broken));
        }
    };
    stream.boxed()
}

fn remember(tail: &mut Vec<u8>, chunk: &[u8]) {
    tail.extend_from_slice(&chunk[chunk.len().saturating_sub(TAIL)..]);
    tail.drain(..tail.len().saturating_sub(TAIL));
}

fn is_complete(tail: &[u8]) -> bool {
    let lines = tail.trim_ascii_end();
    lines.len() < tail.len() && COMPLETE.iter().any(|complete| lines.ends_with(complete))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(text: &'static str, limit: usize) -> Vec<Result<String, String>> {
        read_body(Body::from(text), limit).await
    }

    async fn read_body(body: Body, limit: usize) -> Vec<Result<String, String>> {
        results(body, limit)
            .map(|result| match result {
                Ok(bytes) => Ok(String::from_utf8(bytes.to_vec()).unwrap()),
                Err(error) => Err(error.to_string()),
            })
            .collect()
            .await
    }

    #[tokio::test]
    async fn heartbeats_are_skipped_and_complete_ends() {
        let text = ":\n\nevent: next\ndata: {\"data\":1}\n\n:\n\nevent: next\ndata: {\"data\":\ndata: 2}\n\nevent: complete\ndata:\n\nevent: next\ndata: 3\n\n";
        assert_eq!(read(text, 1000).await, [Ok("{\"data\":1}".into()), Ok("{\"data\":\n2}".into())]);
    }

    #[tokio::test]
    async fn breaking_off_is_an_error() {
        let results = read("event: next\ndata: 1\n\n", 1000).await;
        assert_eq!(results, [Ok("1".into()), Err("unavailable: the stream broke off".into())]);
    }

    #[tokio::test]
    async fn an_event_is_bounded() {
        let results = read("event: next\ndata: 1234567890\n\nevent: complete\n\n", 9).await;
        assert_eq!(results.len(), 1);
        assert!(results[0].as_ref().unwrap_err().contains("larger than 9 bytes"), "{results:?}");
    }

    #[tokio::test]
    async fn events_and_heartbeats_do_not_add_up() {
        let chunks =
            ["data: 1\n\n", ":\n\n", ":\r\n\r\n", ": a\n", "\n", "data: 2\n\ndata: 3\n\n", "event: complete\n\n"];
        let chunks = futures::stream::iter(chunks.map(Ok::<_, std::io::Error>));
        let results = read_body(Body::from_stream(chunks), 15).await;
        assert_eq!(results, [Ok("1".into()), Ok("2".into()), Ok("3".into())]);
    }

    #[tokio::test]
    async fn an_event_that_does_not_end_is_bounded() {
        let chunks = futures::stream::iter([(); 100].map(|()| Ok::<_, std::io::Error>("data: 1\n")));
        let results = read_body(Body::from_stream(chunks), 100).await;
        assert!(matches!(&results[..], [Err(error)] if error.contains("larger than 100 bytes")), "{results:?}");
    }

    #[tokio::test]
    async fn fields_are_read_as_the_standard_says() {
        for (text, expected) in [
            ("data\ndata: 1\ndata\n\n", "\n1\n"),
            ("event\ndata: 1\n\n", "1"),
            ("event: odd\nevent: next\ndata:1\n\n", "1"),
            ("event: odd\ndata: 0\n\ndata:  1\n\n", " 1"),
            ("trace: abc\ndatum\ndata : 0\nData: 0\ndata: 1\n\n", "1"),
            ("id: 7\nid\nretry: soon\nretry: 10\nretry\ndata: 1\n\n", "1"),
            ("\u{feff}data: 1\n\n", "1"),
            ("\u{feff}\u{feff}data: 0\ndata: 1\n\n", "1"),
            ("data: 1\r\r", "1"),
            ("data: 1\r\n\r\n", "1"),
            ("data: 1\rdata: 2\ndata: 3\r\n\n", "1\n2\n3"),
            ("\n\n:\n\nevent: next\n\ndata: 1\n\n", "1"),
        ] {
            let text = format!("{text}event: complete\ndata\n\n");
            let bytes = text.clone().into_bytes().into_iter().map(|byte| Ok::<_, std::io::Error>(vec![byte]));
            for body in [Body::from(text.clone()), Body::from_stream(futures::stream::iter(bytes))] {
                assert_eq!(read_body(body, 100).await, [Ok(expected.into())], "{text:?}");
            }
        }
    }

    #[tokio::test]
    async fn complete_needs_no_data_at_the_end() {
        for text in ["event: complete\n\n", "event:complete\r\n\r\n", "data: 1\n\nevent: complete\n\n"] {
            let results = read(text, 100).await;
            assert!(results.iter().all(Result::is_ok), "{text:?}: {results:?}");
            let chunks = futures::stream::iter(text.chars().map(|c| Ok::<_, std::io::Error>(c.to_string())));
            assert_eq!(read_body(Body::from_stream(chunks), 100).await, results);
        }
        for text in ["event: complete", "noevent: complete\n\n", "event: complete\n\n:\n\n", "event: completed\n\n"] {
            assert!(matches!(&read(text, 100).await[..], [Err(_)]), "{text:?}");
        }
    }

    #[tokio::test]
    async fn what_is_not_read_is_not_kept() {
        let line = |start: &str| format!("{start}{}\n\n", "x".repeat(1000));
        let text = [line(": "), line("trace: "), line("dat: "), "data: 1\n\nevent: complete\ndata\n\n".into()].concat();
        assert_eq!(read_body(Body::from(text), 10).await, [Ok("1".into())]);
        for name in ["event", "id", "data"] {
            let results = read_body(Body::from(line(&format!("{name}: "))), 10).await;
            assert!(
                matches!(&results[..], [Err(error)] if error.contains("larger than 10 bytes")),
                "{name}: {results:?}"
            );
        }
    }
}
