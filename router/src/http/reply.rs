//! Responses: media type, status, headers (GraphQL over HTTP, "Response").

use super::media::Format;
use crate::error::{Code, GraphQLError};
use crate::telemetry::Summary;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use serde::{Deserialize, Serialize};

/// A result that has `data`, even if null.
pub(crate) fn result(format: Format, body: Bytes) -> Response {
    respond(format, StatusCode::OK, body)
}

/// Errors of a request that was not executed.
pub(crate) fn errors(format: Format, errors: &[GraphQLError]) -> Response {
    let code = errors.first().and_then(code);
    let status = match code {
        // Clients that ask for application/json take any other status for a failure on the way.
        Some(code) if format == Format::Json && is_of_document(code) => StatusCode::OK,
        code => code.map_or(StatusCode::INTERNAL_SERVER_ERROR, status),
    };
    let format = match format {
        Format::EventStream | Format::Multipart => Format::GraphQLResponse,
        format => format,
    };
    let mut response = respond(format, status, body(errors));
    response.extensions_mut().insert(Summary { code: first_code(errors), ..Summary::default() });
    let headers = response.headers_mut();
    headers.extend(errors.first().and_then(|error| error.headers.as_deref()).cloned().unwrap_or_default());
    match code {
        Some(Code::TokenInvalid | Code::TokenExpired | Code::TokenRevoked) => {
            let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        _ if status == StatusCode::UNAUTHORIZED => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        _ => {}
    }
    response
}

/// The refusal of a method.
pub(crate) fn method_not_allowed(format: Format, allowed: &[Method], message: &'static str) -> Response {
    let mut response = errors(format, &[GraphQLError::new(Code::MethodNotAllowed, message)]);
    let allowed = allowed.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    if let Ok(allowed) = HeaderValue::from_str(&allowed) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

/// `{"errors": […]}`.
pub(crate) fn body(errors: &[GraphQLError]) -> Bytes {
    #[derive(Serialize)]
    struct Errors<'a> {
        errors: &'a [GraphQLError],
    }
    serde_json::to_vec(&Errors { errors }).unwrap_or_default().into()
}

/// The code of the first error.
pub(crate) fn first_code(errors: &[GraphQLError]) -> Option<String> {
    errors.first().and_then(GraphQLError::code).map(str::to_owned)
}

fn respond(format: Format, status: StatusCode, body: Bytes) -> Response {
    let headers = [
        (header::CONTENT_TYPE, format.content_type()),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (status, headers, Body::from(body)).into_response()
}

fn code(error: &GraphQLError) -> Option<Code> {
    Code::deserialize(error.extensions.get("code")?).ok()
}

/// Whether errors are the request's own: the same would be said to it at any time.
pub(crate) fn are_of_request(errors: &[GraphQLError]) -> bool {
    errors.first().and_then(code).is_some_and(is_of_document)
}

/// Whether the request was well-formed and only its document, its variables or its rights were wrong.
fn is_of_document(code: Code) -> bool {
    matches!(
        code,
        Code::GraphqlParseFailed
            | Code::GraphqlValidationFailed
            | Code::PersistedQueryNotFound
            | Code::PersistedQueryNotSupported
            | Code::PersistedQueryIdRequired
            | Code::QueryNotInSafelist
            | Code::OperationNotFound
            | Code::BadUserInput
            | Code::OperationTooComplex
            | Code::CostLimitExceeded
            | Code::IntrospectionDisabled
            | Code::Unauthenticated
            | Code::Forbidden
    )
}

fn status(code: Code) -> StatusCode {
    match code {
        Code::BadRequest
        | Code::GraphqlParseFailed
        | Code::GraphqlValidationFailed
        | Code::PersistedQueryNotFound
        | Code::PersistedQueryNotSupported
        | Code::PersistedQueryIdRequired
        | Code::OperationNotFound
        | Code::BadUserInput
        | Code::OperationTooComplex
        | Code::CostLimitExceeded
        | Code::IntrospectionDisabled => StatusCode::BAD_REQUEST,
        Code::Unauthenticated | Code::TokenInvalid | Code::TokenExpired | Code::TokenRevoked => {
            StatusCode::UNAUTHORIZED
        }
        Code::Forbidden | Code::CsrfPrevented | Code::QueryNotInSafelist => StatusCode::FORBIDDEN,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
        Code::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        Code::RequestTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::RateLimited | Code::SlowConsumer => StatusCode::TOO_MANY_REQUESTS,
        Code::Internal | Code::ResponseTooLarge => StatusCode::INTERNAL_SERVER_ERROR,
        Code::SubgraphUnavailable | Code::SubgraphError => StatusCode::BAD_GATEWAY,
        Code::KeysUnavailable | Code::SupergraphUnavailable | Code::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
        Code::SubgraphTimeout | Code::Timeout => StatusCode::GATEWAY_TIMEOUT,
    }
}
