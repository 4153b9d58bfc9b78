//! Subscriptions over Server-Sent Events (GraphQL over SSE, "Distinct connections mode"): `next` events hold results,
//! `complete` ends the stream, comments are heartbeats.

use super::FetchError;
use super::wire::chain;
use axum::body::Body;
use bytes::Bytes;
use futures::stream::{BoxStream, Stream, StreamExt};
use sse_stream::{Sse, SseStream};

/// Results of a subscription, one for each `next` event. It ends with `complete` or after an error; a connection that
/// closes without `complete` is an error. Dropping it closes the connection.
pub(super) fn results(body: Body, limit: usize) -> BoxStream<'static, Result<Bytes, FetchError>> {
    // The parser keeps what it has read of an event. Heartbeats are no events, but end as those do.
    let mut pending = 0;
    let bounded = body.into_data_stream().map(move |chunk| {
        let chunk = chunk.map_err(std::io::Error::other)?;
        pending = rest(&chunk).unwrap_or(pending + chunk.len());
        if pending > limit { Err(std::io::Error::other(FetchError::TooLarge(limit))) } else { Ok(chunk) }
    });
    until_complete(SseStream::from_bytes_stream(bounded), limit).boxed()
}

/// The size of what follows the last empty line, if there is one.
fn rest(chunk: &[u8]) -> Option<usize> {
    let ends = ["\n\n", "\r\n\r\n", "\r\r"].into_iter();
    ends.filter_map(|end| memchr::memmem::rfind(chunk, end.as_bytes()).map(|at| chunk.len() - at - end.len())).min()
}

fn until_complete(
    events: impl Stream<Item = Result<Sse, sse_stream::Error>> + Send + 'static,
    limit: usize,
) -> impl Stream<Item = Result<Bytes, FetchError>> + Send {
    async_stream::stream! {
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.next().await {
            match event {
                Ok(Sse { event: Some(kind), .. }) if kind == "complete" => return,
                Ok(Sse { data: Some(data), .. }) if data.len() > limit => {
                    yield Err(FetchError::TooLarge(limit));
                    return;
                }
                Ok(Sse { event, data: Some(data), .. }) if event.as_deref().is_none_or(|kind| kind == "next") => {
                    yield Ok(Bytes::from(data));
                }
                Ok(_) => {}
                Err(error) => {
                    yield Err(FetchError::Unavailable(chain(&error)));
                    return;
                }
            }
        }
        yield Err(FetchError::Unavailable("the stream broke off".into()));
    }
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
}
