//! The parameters of a request, from its body or its URL (GraphQL over HTTP, "Request").

use crate::error::{Code, GraphQLError};
use crate::request::GraphQLRequest;
use axum::body::{Body, HttpBody};
use axum::extract::Query;
use bytes::Bytes;
use http::Uri;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::time::Instant;

/// How much of a body that nobody wants is read and thrown away, in units of the largest that is accepted.
const MAX_DISCARDED: usize = 8;

/// One request or several.
pub(crate) enum Params {
    /// An object.
    One(GraphQLRequest),
    /// An array of objects.
    Batch(Vec<GraphQLRequest>),
}

/// The query component of a URL.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UrlParams {
    query: Option<String>,
    #[serde(alias = "doc_id", alias = "id")]
    document_id: Option<String>,
    operation_name: Option<String>,
    variables: Option<String>,
    extensions: Option<String>,
}

/// Reads a body up to a size and a point in time.
pub(crate) async fn read(body: &mut Body, max_bytes: usize, deadline: Instant) -> Result<Bytes, GraphQLError> {
    if body.size_hint().lower() <= max_bytes as u64 {
        match tokio::time::timeout_at(deadline, Limited::new(body, max_bytes).collect()).await {
            Ok(Ok(collected)) => return Ok(collected.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {}
            Ok(Err(_)) => return Err(GraphQLError::new(Code::BadRequest, "the request body broke off")),
            Err(_) => {
                return Err(GraphQLError::new(Code::RequestTimeout, "the request body did not arrive in time"));
            }
        }
    }
    Err(GraphQLError::new(Code::RequestTooLarge, format!("a request may have {max_bytes} bytes")))
}

/// Reads on, up to a point in time and several times the size that is accepted, and throws it away. Who is still sending
/// does not read: a connection that is closed before takes the answer with it.
pub(crate) async fn discard(body: Body, max_bytes: usize, deadline: Instant) {
    if body.is_end_stream() {
        return;
    }
    let mut rest = Limited::new(body, max_bytes.saturating_mul(MAX_DISCARDED));
    let reading = async { while let Some(Ok(_)) = rest.frame().await {} };
    drop(tokio::time::timeout_at(deadline, reading).await);
}

/// Parses the body of a POST request.
pub(crate) fn from_body(body: &[u8], max_batch: usize) -> Result<Params, GraphQLError> {
    if body.trim_ascii_start().first() != Some(&b'[') {
        return well_formed(from_json(body)?).map(Params::One);
    }
    if max_batch == 0 {
        return Err(bad_request("batches of requests are not accepted"));
    }
    let batch: Vec<GraphQLRequest> = from_json(body)?;
    if batch.is_empty() || batch.len() > max_batch {
        return Err(bad_request(format!("a batch may have 1 to {max_batch} requests")));
    }
    batch.into_iter().map(well_formed).collect::<Result<_, _>>().map(Params::Batch)
}

/// Parses the URL of a GET request.
pub(crate) fn from_uri(uri: &Uri) -> Result<Params, GraphQLError> {
    let Query(params) = Query::<UrlParams>::try_from_uri(uri)
        .map_err(|error| bad_request(format!("the URL is not a GraphQL request: {}", error.body_text())))?;
    let request = GraphQLRequest {
        query: params.query,
        document_id: params.document_id,
        operation_name: params.operation_name.filter(|name| !name.is_empty()),
        variables: map(params.variables)?,
        extensions: map(params.extensions)?,
    };
    well_formed(request).map(Params::One)
}

fn map(json: Option<String>) -> Result<Option<Map<String, Value>>, GraphQLError> {
    json.filter(|json| !json.is_empty()).map_or(Ok(None), |json| from_json(json.as_bytes()))
}

fn from_json<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, GraphQLError> {
    serde_json::from_slice(json).map_err(|error| bad_request(format!("the request is not a GraphQL request: {error}")))
}

/// A document is needed, or the name of one.
fn well_formed(request: GraphQLRequest) -> Result<GraphQLRequest, GraphQLError> {
    match request.has_document() {
        true => Ok(request),
        false => Err(bad_request("the parameter query is missing")),
    }
}

fn bad_request(message: impl Into<std::borrow::Cow<'static, str>>) -> GraphQLError {
    GraphQLError::new(Code::BadRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_of_the_wrong_shape_are_bad_requests() {
        let bodies = [
            "",
            "NONSENSE",
            "{\"query\":",
            "{}",
            "{\"qeury\": \"{a}\"}",
            "{\"query\": 1}",
            "{\"query\": null}",
            "{\"query\": \"{a}\", \"variables\": [7]}",
            "{\"query\": \"{a}\", \"variables\": \"{}\"}",
            "{\"query\": \"{a}\", \"operationName\": 1}",
            "{\"query\": \"{a}\", \"extensions\": 0}",
            "[{\"query\": \"{a}\"}]",
            "\"{a}\"",
            "\u{fffd}",
        ];
        for body in bodies {
            let error = from_body(body.as_bytes(), 0).err().unwrap();
            assert_eq!(error.code(), Some("BAD_REQUEST"), "{body}");
        }
        assert!(from_body(b"\xff\xfe", 0).is_err());
        assert!(from_body(br#"{"query": "{a}", "variables": null, "operationName": null, "extra": 1}"#, 0).is_ok());
    }

    #[test]
    fn documents_are_read_whole() {
        let read = |body: &str| match from_body(body.as_bytes(), 0) {
            Ok(Params::One(request)) => Ok(request.query),
            Ok(Params::Batch(_)) => panic!("one"),
            Err(error) => Err(error.message),
        };
        assert_eq!(read(r#"{"query":"{\n\ta(b:\"\u00e9\ud83d\ude00\\\")}"}"#), Ok(Some("{\n\ta(b:\"é😀\\\")}".into())));
        assert_eq!(read(r#"{"query": null, "documentId": "a"}"#), Ok(None));
        for (wrong, why) in [
            (r#"{"query": 1}"#, "expected a string"),
            (r#"{"query": {"a": "b"}}"#, "expected a string"),
            (r#"{"query": "\ud83d"}"#, "end of hex escape"),
            (r#"{"query": "a", "query": "b"}"#, "duplicate field"),
        ] {
            let error = read(wrong).unwrap_err();
            assert!(error.contains(why), "{wrong}: {error}");
        }
        assert!(from_body(b"{\"query\": \"\xff\"}", 0).is_err());
    }

    #[test]
    fn batches_are_bounded() {
        let batch = |length: usize| format!("[{}]", vec![r#"{"query":"{a}"}"#; length].join(","));
        assert!(matches!(from_body(batch(2).as_bytes(), 2), Ok(Params::Batch(batch)) if batch.len() == 2));
        assert!(from_body(batch(3).as_bytes(), 2).is_err());
        assert!(from_body(b"[]", 2).is_err());
    }

    #[test]
    fn urls_hold_requests() {
        let uri = "/graphql?query=query($id:%20ID!)%7Ba(id:$id)%7D&variables=%7B%22id%22:%221%22%7D&operationName=";
        let Ok(Params::One(request)) = from_uri(&uri.parse().unwrap()) else { panic!("refused") };
        assert_eq!(request.query.as_deref(), Some("query($id: ID!){a(id:$id)}"));
        assert_eq!(request.variables.unwrap()["id"], "1");
        assert_eq!(request.operation_name, None);
        for refused in ["/graphql", "/graphql?query=a&query=b", "/graphql?query=a&variables=1"] {
            assert!(from_uri(&refused.parse().unwrap()).is_err(), "{refused}");
        }
    }
}
