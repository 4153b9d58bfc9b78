//! Which web pages may use the API: CORS for those that may, and protection from those that may not.

use crate::config::{Cors, Csrf};
use crate::error::{Code, Error, GraphQLError};
use crate::rate::{RATELIMIT, RATELIMIT_POLICY};
use crate::telemetry::REQUEST_ID;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use mediatype::MediaType;
use std::time::Duration;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

/// The content types that a page may send across origins without asking (Fetch standard, "CORS-safelisted
/// request-header").
const SIMPLE_CONTENT_TYPES: [&str; 3] = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"];
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The origins, other than its own, that the router answers.
#[derive(Clone, Debug)]
pub(crate) enum Origins {
    /// Every one.
    Any,
    /// These.
    List(Vec<HeaderValue>),
}

impl Origins {
    /// Reads the configuration.
    pub(crate) fn new(cors: &Cors) -> Result<Self, Error> {
        if cors.origins.iter().any(|origin| origin == "*") {
            return Ok(Self::Any);
        }
        cors.origins.iter().map(|origin| parse_origin(origin)).collect::<Result<_, _>>().map(Self::List)
    }

    /// The layer that answers preflights; none when only the own origin is allowed.
    pub(crate) fn cors(&self, config: &Cors) -> Option<CorsLayer> {
        let origins = match self {
            Self::Any => AllowOrigin::any(),
            Self::List(origins) if origins.is_empty() => return None,
            Self::List(origins) => AllowOrigin::list(origins.iter().cloned()),
        };
        Some(
            CorsLayer::new()
                .allow_origin(origins)
                .allow_methods([Method::GET, Method::POST])
                .allow_headers(AllowHeaders::mirror_request())
                .expose_headers([REQUEST_ID, header::DATE, header::RETRY_AFTER, RATELIMIT, RATELIMIT_POLICY])
                .max_age(Duration::from_secs(config.max_age_seconds)),
        )
    }

    /// Refuses a request that a page of another origin made a browser send. Sockets need this because browsers open
    /// them across origins without asking.
    pub(crate) fn check_socket(&self, headers: &HeaderMap, csrf: &Csrf) -> Result<(), GraphQLError> {
        let Some(origin) = headers.get(header::ORIGIN).filter(|_| csrf.enabled) else { return Ok(()) };
        let is_listed = match self {
            Self::Any => true,
            Self::List(origins) => origins.contains(origin),
        };
        match is_listed || is_same_host(origin, headers) {
            true => Ok(()),
            false => Err(GraphQLError::new(Code::CsrfPrevented, "sockets from this origin are not allowed")),
        }
    }
}

fn parse_origin(origin: &str) -> Result<HeaderValue, Error> {
    let invalid =
        || Error::Config(format!("cors.origins: {origin:?} is not an origin such as https://app.example.com"));
    let url = url::Url::parse(origin).map_err(|_| invalid())?;
    // Browsers send the serialisation of an origin; anything else would never match.
    match url.origin().ascii_serialization() == origin {
        true => HeaderValue::from_str(origin).map_err(|_| invalid()),
        false => Err(invalid()),
    }
}

fn is_same_host(origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    match (origin.as_ref().and_then(Uri::authority), host) {
        (Some(origin), Some(host)) => origin.as_str().eq_ignore_ascii_case(host),
        _ => false,
    }
}

/// Refuses a GET request that a browser would send across origins without a preflight. POST needs no such check, since
/// it has to be `application/json`.
pub(crate) fn check_simple(headers: &HeaderMap, csrf: &Csrf) -> Result<(), GraphQLError> {
    if !csrf.enabled || triggers_preflight(headers, csrf) || is_of_same_origin(headers) {
        return Ok(());
    }
    let proof = csrf.headers.first().map_or("authorization", String::as_str);
    Err(GraphQLError::new(
        Code::CsrfPrevented,
        format!("a GET request needs the content-type application/json or the header {proof}"),
    ))
}

fn triggers_preflight(headers: &HeaderMap, csrf: &Csrf) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.and_then(|value| MediaType::parse(value).ok());
    let is_unusual = content_type.is_some_and(|value| {
        !SIMPLE_CONTENT_TYPES.iter().any(|simple| value.essence().to_string().eq_ignore_ascii_case(simple))
    });
    is_unusual
        || headers.contains_key(header::AUTHORIZATION)
        || csrf.headers.iter().any(|name| headers.contains_key(name))
}

/// Only browsers set this header, pages cannot (Fetch Metadata).
fn is_of_same_origin(headers: &HeaderMap) -> bool {
    headers.get(SEC_FETCH_SITE).is_some_and(|site| site == "same-origin")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn simple_requests_are_refused() {
        let csrf = Csrf::default();
        for simple in [
            headers(&[]),
            headers(&[("content-type", "text/plain")]),
            headers(&[("content-type", "Text/Plain; charset=utf-8")]),
            headers(&[("content-type", "multipart/form-data; boundary=x")]),
            headers(&[("content-type", "???")]),
            headers(&[("sec-fetch-site", "cross-site")]),
            headers(&[("sec-fetch-site", "same-site")]),
            headers(&[("accept", "application/graphql-response+json")]),
        ] {
            assert_eq!(check_simple(&simple, &csrf).unwrap_err().code(), Some("CSRF_PREVENTED"), "{simple:?}");
            assert!(check_simple(&simple, &Csrf { enabled: false, ..Csrf::default() }).is_ok());
        }
        for preflighted in [
            headers(&[("content-type", "application/json")]),
            headers(&[("graphql-require-preflight", "1")]),
            headers(&[("authorization", "Bearer x")]),
            headers(&[("sec-fetch-site", "same-origin")]),
        ] {
            assert!(check_simple(&preflighted, &csrf).is_ok(), "{preflighted:?}");
        }
    }

    #[test]
    fn sockets_of_foreign_pages_are_refused() {
        let cors = Cors { origins: vec!["https://app.example.com".into()], ..Cors::default() };
        let origins = Origins::new(&cors).unwrap();
        let check = |origin| {
            let headers = headers(&[("host", "api.example.com:4000"), ("origin", origin)]);
            origins.check_socket(&headers, &Csrf::default()).is_ok()
        };
        assert!(check("https://app.example.com"));
        assert!(check("http://api.example.com:4000"));
        assert!(!check("https://evil.example.com"));
        assert!(!check("https://app.example.com.evil.com"));
        assert!(!check("null"));
        assert!(origins.check_socket(&HeaderMap::new(), &Csrf::default()).is_ok());
    }

    #[test]
    fn origins_have_to_be_origins() {
        for wrong in ["example.com", "https://example.com/", "https://example.com/app", "null", ""] {
            let cors = Cors { origins: vec![wrong.into()], ..Cors::default() };
            assert!(Origins::new(&cors).is_err(), "{wrong}");
        }
    }
}
