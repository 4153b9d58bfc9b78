//! The messages of graphql-transport-ws (<https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>).

use crate::error::GraphQLError;
use crate::request::GraphQLRequest;
use axum::extract::ws::{CloseFrame, Utf8Bytes};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A longer operation id is refused: it would be repeated with every result.
const MAX_ID: usize = 128;

/// What clients send.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum FromClient {
    ConnectionInit {
        #[serde(default)]
        payload: Option<Map<String, Value>>,
    },
    Subscribe {
        id: String,
        payload: Box<GraphQLRequest>,
    },
    Complete {
        id: String,
    },
    Ping {
        #[serde(default)]
        payload: Option<Map<String, Value>>,
    },
    Pong {},
}

/// What the server sends; results are written by [`next`].
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum FromServer<'a> {
    ConnectionAck,
    Error {
        id: &'a str,
        payload: &'a [GraphQLError],
    },
    Complete {
        id: &'a str,
    },
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<Renewal>,
    },
}

/// What became of the token in a `ping`.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Renewal {
    /// When the socket ends now, unless it is renewed again.
    #[serde(rename_all = "camelCase")]
    Renewed { expires_at: DateTime<Utc> },
    /// The socket goes on with the token that it has.
    Refused { errors: [GraphQLError; 1] },
}

impl FromClient {
    /// Parses a message.
    ///
    /// # Errors
    /// The close frame that answers an invalid one.
    pub(super) fn parse(text: &str) -> Result<Self, CloseFrame> {
        let message = serde_json::from_str(text).map_err(|error| invalid(&error.to_string()))?;
        match &message {
            Self::Subscribe { id, .. } if id.is_empty() || id.len() > MAX_ID => Err(invalid("unusable id")),
            Self::Subscribe { payload, .. } if !payload.has_document() => Err(invalid("the payload has no query")),
            _ => Ok(message),
        }
    }
}

impl FromServer<'_> {
    /// The message as text.
    pub(super) fn to_text(&self) -> Utf8Bytes {
        serde_json::to_string(self).unwrap_or_default().into()
    }
}

/// The message that carries a result, which is JSON already.
pub(super) fn next(id: &str, result: &[u8]) -> Utf8Bytes {
    let id = Value::from(id).to_string();
    let result = String::from_utf8_lossy(result);
    let mut text = String::with_capacity(result.len() + id.len() + 40);
    for part in ["{\"type\":\"next\",\"id\":", &id, ",\"payload\":", &result, "}"] {
        text.push_str(part);
    }
    text.into()
}

/// `4400`, for a message that is none.
pub(super) fn invalid(why: &str) -> CloseFrame {
    close(4400, &format!("Invalid message: {why}"))
}

/// A close frame. Its reason may have 123 bytes (RFC 6455 §5.5).
pub(super) fn close(code: u16, reason: &str) -> CloseFrame {
    CloseFrame { code, reason: reason[..reason.floor_char_boundary(123)].into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anything_else_is_invalid() {
        for text in [
            "",
            "{}",
            "[]",
            "null",
            "\"ping\"",
            r#"{"type":"start","id":"1","payload":{"query":"{a}"}}"#,
            r#"{"type":"connection_ack"}"#,
            r#"{"type":"connection_init","payload":"token"}"#,
            r#"{"type":"subscribe","payload":{"query":"{a}"}}"#,
            r#"{"type":"subscribe","id":"","payload":{"query":"{a}"}}"#,
            r#"{"type":"subscribe","id":1,"payload":{"query":"{a}"}}"#,
            r#"{"type":"subscribe","id":"1","payload":{}}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":1}}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":"{a}","variables":[]}}"#,
            r#"{"type":"complete"}"#,
        ] {
            assert_eq!(FromClient::parse(text).unwrap_err().code, 4400, "{text}");
        }
        for text in [
            r#"{"type":"connection_init"}"#,
            r#"{"type":"connection_init","payload":null}"#,
            r#"{"type":"ping","payload":{"a":1}}"#,
            r#"{"type":"pong"}"#,
            r#"{"id":"1","payload":{"query":"{a}","variables":null},"type":"subscribe"}"#,
        ] {
            assert!(FromClient::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn results_are_embedded_as_they_are() {
        let text = next("a\"b", br#"{"data":{"a":"\u00e9"}}"#);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value, serde_json::json!({"type": "next", "id": "a\"b", "payload": {"data": {"a": "é"}}}));
        assert_eq!(FromServer::Pong { payload: None }.to_text().as_str(), r#"{"type":"pong"}"#);
    }

    #[test]
    fn reasons_fit_their_frame() {
        assert!(invalid(&"é".repeat(200)).reason.len() <= 123);
    }
}
