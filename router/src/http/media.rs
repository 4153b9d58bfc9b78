//! Media types of requests and responses (GraphQL over HTTP, "Media Types").

use super::multipart;
use super::stream::Framing;
use crate::error::{Code, GraphQLError};
use headers_accept::Accept as MediaRanges;
use http::{HeaderMap, HeaderValue, header};
use mediatype::names::{APPLICATION, CHARSET, EVENT_STREAM, JSON, MIXED, MULTIPART, Q, TEXT};
use mediatype::values::UTF_8;
use mediatype::{MediaType, MediaTypeBuf, Name, ReadParams};

/// What a response is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// `application/json`: well-formed requests are answered with status 200, whatever becomes of them.
    Json,
    /// `application/graphql-response+json`: the status tells of request errors.
    GraphQLResponse,
    /// `text/event-stream`: results as events (GraphQL over SSE, distinct connections mode).
    EventStream,
    /// `multipart/mixed;subscriptionSpec=1.0`: results as parts, of subscriptions only.
    Multipart,
}

impl Format {
    /// The value of `Content-Type`.
    pub(crate) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphQLResponse => "application/graphql-response+json; charset=utf-8",
            Self::EventStream => "text/event-stream",
            Self::Multipart => multipart::CONTENT_TYPE,
        })
    }
}

const SUBSCRIPTION_SPEC: Name = Name::new_unchecked("subscriptionSpec");
const GRAPHQL_RESPONSE: Name = Name::new_unchecked("graphql-response");
const IN_UTF_8: &[(Name, mediatype::Value)] = &[(CHARSET, UTF_8)];

/// What can be produced, most preferred first. With a wildcard that is plain JSON: who does not name a type may be a
/// client of old, which takes other statuses than 200 for failures of the network.
static AVAILABLE: [(MediaType<'static>, Format); 5] = [
    (MediaType::new(APPLICATION, JSON), Format::Json),
    (MediaType::from_parts(APPLICATION, JSON, None, IN_UTF_8), Format::Json),
    (MediaType::from_parts(APPLICATION, GRAPHQL_RESPONSE, Some(JSON), &[]), Format::GraphQLResponse),
    (MediaType::from_parts(APPLICATION, GRAPHQL_RESPONSE, Some(JSON), IN_UTF_8), Format::GraphQLResponse),
    (MediaType::new(TEXT, EVENT_STREAM), Format::EventStream),
];

/// What the client can read.
pub(crate) struct Accept {
    /// Its favourite.
    pub(crate) format: Format,
    /// How it reads the results of a subscription, if it does.
    pub(crate) streams: Option<Framing>,
}

impl Accept {
    /// Reads `Accept`. Without it the answer is `application/graphql-response+json`, as the specification asks.
    ///
    /// # Errors
    /// NOT_ACCEPTABLE when nothing the client reads can be produced.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, GraphQLError> {
        let mut lines = headers.get_all(header::ACCEPT).iter();
        if let (Some(only), None) = (lines.next(), lines.next())
            && only == "application/json"
        {
            // What most clients send need not be negotiated about.
            return Ok(Self { format: Format::Json, streams: None });
        }
        let values: Vec<&str> =
            headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
        if values.is_empty() {
            return Ok(Self { format: Format::GraphQLResponse, streams: Some(Framing::Events) });
        }
        // A charset has no case either, but is compared as it is written in `UTF_8`.
        let ranges: MediaRanges = values.join(",").to_ascii_uppercase().parse().map_err(|_| not_acceptable())?;
        let best = ranges.negotiate(AVAILABLE.iter().map(|(media_type, _)| media_type));
        let format = best
            .and_then(|best| AVAILABLE.iter().find(|(media_type, _)| media_type == best))
            .map(|(_, format)| *format);
        let reads_events = ranges.negotiate([&MediaType::new(TEXT, EVENT_STREAM)]).is_some();
        let reads_parts = ranges.media_types().any(is_subscription_in_parts);
        let streams = match format {
            Some(Format::EventStream) => Some(Framing::Events),
            // Nobody means it by a wildcard.
            _ if reads_parts => Some(Framing::Multipart),
            _ => reads_events.then_some(Framing::Events),
        };
        let format = format.or(reads_parts.then_some(Format::Multipart)).ok_or_else(not_acceptable)?;
        Ok(Self { format, streams })
    }
}

/// Whether a range is `multipart/mixed;subscriptionSpec=1.0`. That of deferred results is another protocol.
fn is_subscription_in_parts(range: &MediaTypeBuf) -> bool {
    let is_zero = |quality: mediatype::Value| quality.as_str().parse::<f32>().is_ok_and(|quality| quality == 0.0);
    range.essence() == MediaType::new(MULTIPART, MIXED)
        && range.get_param(SUBSCRIPTION_SPEC).is_some_and(|version| version.unquoted_str() == "1.0")
        && !range.get_param(Q).is_some_and(is_zero)
}

fn not_acceptable() -> GraphQLError {
    GraphQLError::new(
        Code::NotAcceptable,
        "the answer can be application/graphql-response+json, application/json, text/event-stream or, of a subscription, \
         multipart/mixed;subscriptionSpec=1.0",
    )
}

/// Refuses bodies that are not JSON in UTF-8, or compressed.
pub(crate) fn check_content_type(headers: &HeaderMap) -> Result<(), GraphQLError> {
    let unsupported = |message: &'static str| Err(GraphQLError::new(Code::UnsupportedMediaType, message));
    if headers.contains_key(header::CONTENT_ENCODING) {
        return unsupported("compressed request bodies are not read");
    }
    let value = headers.get(header::CONTENT_TYPE);
    if value.is_some_and(|value| value == "application/json") {
        return Ok(());
    }
    let content_type = value.and_then(|value| value.to_str().ok()).and_then(|value| MediaType::parse(value).ok());
    let Some(content_type) = content_type.filter(|given| given.essence() == MediaType::new(APPLICATION, JSON)) else {
        return unsupported("a request needs the header content-type: application/json and a body of JSON");
    };
    match content_type.get_param(CHARSET) {
        Some(charset) if !charset.unquoted_str().eq_ignore_ascii_case("utf-8") => unsupported("JSON is read as UTF-8"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(value: &'static str) -> Option<(Format, Option<Framing>)> {
        let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(value))]);
        Accept::of(&headers).ok().map(|accept| (accept.format, accept.streams))
    }

    #[test]
    fn the_favourite_of_the_client_is_chosen() {
        use Format::{EventStream, GraphQLResponse, Json};
        use Framing::{Events, Multipart};
        assert_eq!(accept("application/json"), Some((Json, None)));
        assert_eq!(accept("application/json; charset=UTF-8"), Some((Json, None)));
        assert_eq!(accept("application/json;q=0.9"), Some((Json, None)));
        assert_eq!(accept("application/graphql-response+json"), Some((GraphQLResponse, None)));
        assert_eq!(
            accept("application/graphql-response+json; charset=utf-8, application/json; charset=utf-8"),
            Some((GraphQLResponse, None))
        );
        assert_eq!(accept("application/json, application/graphql-response+json;q=0.9"), Some((Json, None)));
        assert_eq!(accept("application/json;q=0.5, application/graphql-response+json"), Some((GraphQLResponse, None)));
        assert_eq!(accept("text/event-stream"), Some((EventStream, Some(Events))));
        assert_eq!(accept("application/json, text/event-stream"), Some((Json, Some(Events))));
        assert_eq!(accept("*/*"), Some((Json, Some(Events))));
        assert_eq!(accept("application/*"), Some((Json, None)));
        assert_eq!(accept("text/html, */*;q=0.1"), Some((Json, Some(Events))));
        assert_eq!(
            accept("multipart/mixed;deferSpec=20220824, application/graphql-response+json, application/json;q=0.9"),
            Some((GraphQLResponse, None))
        );
        for apollo in [
            "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json",
            "multipart/mixed;subscriptionSpec=\"1.0\", application/json;q=0.9, */*;q=0.1",
        ] {
            assert_eq!(accept(apollo), Some((Json, Some(Multipart))), "{apollo}");
        }
        assert_eq!(accept("multipart/mixed;subscriptionSpec=1.0"), Some((Format::Multipart, Some(Multipart))));
        assert_eq!(accept("multipart/mixed;subscriptionSpec=1.0;q=0, application/json"), Some((Json, None)));
        for refused in [
            "text/html",
            "multipart/mixed",
            "multipart/mixed;subscriptionSpec=2.0",
            "application/json;q=0",
            "nonsense",
            "application/json; charset=utf-16",
        ] {
            assert_eq!(accept(refused), None, "{refused}");
        }
        assert_eq!(Accept::of(&HeaderMap::new()).unwrap().format, GraphQLResponse);
    }

    #[test]
    fn only_json_in_utf_8_is_read() {
        let check = |value: &'static str| {
            check_content_type(&HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(value))]))
        };
        for read in ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=\"utf-8\""] {
            assert!(check(read).is_ok(), "{read}");
        }
        for refused in ["text/plain", "multipart/form-data; boundary=x", "application/json; charset=latin1", "json", ""]
        {
            assert_eq!(check(refused).unwrap_err().code(), Some("UNSUPPORTED_MEDIA_TYPE"), "{refused}");
        }
        assert!(check_content_type(&HeaderMap::new()).is_err());
    }
}
