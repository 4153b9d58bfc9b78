//! `Query.rateLimit`: what the caller has left, as it was when the operation was counted.

use super::fields;
use crate::operation::collect::{Collected, Collector};
use crate::rate::RateLimit;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

/// What the router tells itself of the caller, as JSON. It goes to this subgraph alone.
pub(crate) const TOLD: HeaderName = HeaderName::from_static("hansa-rate-limit");

/// The name of the type.
const TYPE: &str = "RateLimit";

/// The field of `Query`.
pub(super) const FIELD: &str = r#"  "What the caller may still ask, this operation counted. Null when no rate applies to the caller."
  rateLimit: RateLimit
"#;

/// The types that it needs.
pub(super) const TYPES: &str = r#"
"What a caller may ask. All of the limit may be asked at once; what was used comes back little by little."
type RateLimit {
  "The most that may be left."
  limit: Int!
  "What this operation counted as."
  cost: Int!
  "How much is left."
  remaining: Int!
  "When all of the limit will be left, if nothing more is asked."
  resetAt: DateTime!
}

"A point in time by RFC 3339."
scalar DateTime
"#;

/// The headers of a fetch with what the field is to answer.
pub(crate) fn told(headers: &HeaderMap, limit: &RateLimit) -> HeaderMap {
    let mut headers = headers.clone();
    // Numbers and a time: it is always a header value.
    if let Some(value) = serde_json::to_string(limit).ok().and_then(|limit| HeaderValue::try_from(limit).ok()) {
        headers.insert(TOLD, value);
    }
    headers
}

/// Takes it out of the headers, which may travel on.
pub(super) fn take(headers: &mut HeaderMap) -> Option<Value> {
    serde_json::from_slice(headers.remove(TOLD)?.as_bytes()).ok()
}

/// The field's value.
pub(super) fn value(limit: Option<&Value>, collector: &Collector<'_>, field: &Collected<'_>) -> Value {
    let Some(limit) = limit else { return Value::Null };
    fields(collector, field, TYPE, |name| match &limit[name] {
        // Int has 31 bits.
        Value::Number(number) => number.as_u64().unwrap_or_default().min(i32::MAX as u64).into(),
        other => other.clone(),
    })
}
