//! Results as server-sent events (GraphQL over SSE, distinct connections mode:
//! <https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md>).

use bytes::Bytes;

/// The end of the operation.
pub(super) const COMPLETE: Bytes = Bytes::from_static(b"event: complete\ndata:\n\n");
/// A comment.
pub(super) const HEARTBEAT: Bytes = Bytes::from_static(b":\n\n");

/// The event of one result. A line break, which JSON has between tokens only, would end the field.
pub(super) fn next(result: &[u8]) -> Bytes {
    let mut event = Vec::with_capacity(result.len() + 32);
    event.extend_from_slice(b"event: next\ndata: ");
    event.extend(result.iter().filter(|byte| !matches!(byte, b'\n' | b'\r')));
    event.extend_from_slice(b"\n\n");
    event.into()
}
