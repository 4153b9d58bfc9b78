//! Results as parts of a multipart response (Apollo's "Multipart HTTP protocol for GraphQL Subscriptions", 1.0:
//! <https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol>).
//!
//! Each part ends with the boundary that begins the next one: clients read a part when they have seen its end.

use bytes::Bytes;

/// The content type of the response.
pub(super) const CONTENT_TYPE: &str = "multipart/mixed;boundary=\"graphql\";subscriptionSpec=\"1.0\"";
/// What begins the first part.
pub(super) const START: Bytes = Bytes::from_static(b"--graphql");
/// A part that says nothing.
pub(super) const HEARTBEAT: Bytes = Bytes::from_static(b"\r\ncontent-type: application/json\r\n\r\n{}\r\n--graphql");
/// Turns the boundary of the last part into the last boundary (RFC 2046 §5.1.1).
pub(super) const END: Bytes = Bytes::from_static(b"--\r\n");

/// The part of one result.
pub(super) fn next(result: &[u8]) -> Bytes {
    part(b"{\"payload\":", result, b"}")
}

/// The part that says why nothing follows; `errors` is `{"errors": […]}`.
pub(super) fn broken_off(errors: &[u8]) -> Bytes {
    part(b"{\"payload\":null,", errors.strip_prefix(b"{").unwrap_or(errors), b"")
}

fn part(before: &[u8], json: &[u8], after: &[u8]) -> Bytes {
    [b"\r\ncontent-type: application/json\r\n\r\n".as_slice(), before, json, after, b"\r\n--graphql"].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_join_to_a_body() {
        let body = [START, HEARTBEAT, next(b"{\"data\":1}"), broken_off(b"{\"errors\":[]}"), END].concat();
        let body = String::from_utf8(body).unwrap();
        let parts: Vec<_> = body.split("--graphql").collect();
        let content =
            |part: &str| part.trim().strip_prefix("content-type: application/json\r\n\r\n").unwrap().to_owned();
        assert_eq!(parts[0], "");
        assert_eq!(content(parts[1]), "{}");
        assert_eq!(content(parts[2]), r#"{"payload":{"data":1}}"#);
        assert_eq!(content(parts[3]), r#"{"payload":null,"errors":[]}"#);
        assert_eq!(parts[4], "--\r\n");
    }
}
