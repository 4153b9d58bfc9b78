//! Scalars that several subgraphs share: strings whose format has a name and a specification.
//!
//! They carry the string as it is. What a service takes as input it checks by its own rules, so that a wrong value is one
//! of the mutation's `userErrors` and not a refused request.

use async_graphql::scalar;
use serde::{Deserialize, Serialize};

/// Text in CommonMark 0.31.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Markdown(pub String);

scalar!(
    Markdown,
    "Markdown",
    "Text in CommonMark 0.31, not sanitised: escape or sanitise it when rendering.",
    "https://spec.commonmark.org/0.31.2/"
);

/// A day of the calendar.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Date(pub String);

scalar!(
    Date,
    "Date",
    "A day by ISO 8601, without a time zone, such as `1990-12-31`.",
    "https://scalars.graphql.org/andimarek/local-date"
);

/// An e-mail address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(transparent)]
pub struct EmailAddress(pub String);

scalar!(
    EmailAddress,
    "EmailAddress",
    "An e-mail address, such as `ann@example.org`.",
    "https://html.spec.whatwg.org/multipage/input.html#valid-e-mail-address"
);

/// A language tag by RFC 5646.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(transparent)]
pub struct LocaleTag(pub String);

scalar!(
    LocaleTag,
    "LocaleTag",
    "A language tag by RFC 5646, such as `en` or `pt-BR`.",
    "https://www.rfc-editor.org/rfc/rfc5646"
);

/// A time zone by its name in the IANA database.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(transparent)]
pub struct TimeZone(pub String);

scalar!(
    TimeZone,
    "TimeZone",
    "A time zone by its name in the IANA database, such as `Europe/Berlin`.",
    "https://www.iana.org/time-zones"
);
