//! What went wrong while a plan ran, and which nulls of the answer that explains.

use super::path::{Element, to_json};
use crate::error::{Code, GraphQLError};
use crate::operation::alias::given;
use crate::transport::FetchError;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// More errors than this tell a client nothing new.
pub(super) const MOST: usize = 1000;
/// So much may their messages and extensions hold together, in bytes: one error of a subgraph may concern many places, and
/// is told for each. The first is told however long it is.
const MOST_BYTES: usize = 1 << 20;

/// What servers tell of their own workings in `extensions`, however it is cased: nothing for clients.
const INTERNALS: [&str; 5] = ["debug", "debugMessage", "exception", "stacktrace", "trace"];

/// Of an error that says nothing.
const NO_MESSAGE: &str = "The service reported an error without a message.";

/// An error and the places that it concerns.
#[derive(Debug)]
pub(super) struct Failure {
    error: GraphQLError,
    places: Vec<Place>,
}

/// Where a null needs no other explanation: there, above it, and below it.
#[derive(Debug)]
pub(super) enum Place {
    /// One place.
    At(Vec<Value>),
    /// Every place with these keys, whatever the positions in lists.
    Everywhere(Vec<String>),
}

/// The errors of one answer, each with the number of the fetch it came from so that their order does not depend on
/// which subgraph was faster.
#[derive(Debug, Default)]
pub(super) struct Failures {
    errors: Vec<(usize, GraphQLError)>,
    /// How much their messages and extensions hold.
    bytes: usize,
    /// The places of [`Place::At`] and, apart, those of [`Place::Everywhere`]: there may be many of them and many nulls,
    /// so that they are looked up, not gone through.
    at: Places,
    everywhere: Places,
}

/// Places as a tree: what is below each of their keys and positions.
#[derive(Debug, Default)]
struct Places {
    /// Whether a place ends here.
    ends: bool,
    keys: BTreeMap<String, Places>,
    items: BTreeMap<u64, Places>,
}

impl Failure {
    /// An error at one place.
    pub(super) fn at(error: GraphQLError, path: &[Element<'_>]) -> Self {
        Self::at_path(error, to_json(path))
    }

    /// An error at one place.
    pub(super) fn at_path(mut error: GraphQLError, path: Vec<Value>) -> Self {
        error.path = Some(path.clone());
        Self { error, places: vec![Place::At(path)] }
    }

    /// An error that concerns many places.
    pub(super) fn of(error: GraphQLError, places: Vec<Place>) -> Self {
        Self { error, places }
    }
}

impl Failures {
    /// Adds what the router found while it wrote the answer.
    pub(super) fn push(&mut self, failure: Failure) {
        self.push_from(usize::MAX, failure);
    }

    /// Adds an error of a fetch.
    pub(super) fn push_from(&mut self, fetch: usize, Failure { error, places }: Failure) {
        if self.errors.len() == MOST {
            return;
        }
        for place in places {
            match place {
                Place::At(path) => self.at.add(&path),
                Place::Everywhere(keys) => self.everywhere.add_keys(keys),
            }
        }
        let bytes = self.bytes + size(&error);
        if bytes <= MOST_BYTES || self.errors.is_empty() {
            self.bytes = bytes;
            self.errors.push((fetch, error));
        }
    }

    /// Whether some error says why there is null at this path.
    pub(super) fn explain(&self, path: &[Element<'_>]) -> bool {
        let is_key = |element: &&Element<'_>| matches!(element, Element::Key(_));
        self.at.concern(path.iter()) || self.everywhere.concern(path.iter().filter(is_key))
    }

    /// The errors in the order of the plan's fetches.
    pub(super) fn into_errors(mut self) -> Vec<GraphQLError> {
        self.errors.sort_by_key(|(fetch, _)| *fetch);
        let mut errors: Vec<_> = self.errors.into_iter().map(|(_, error)| error).collect();
        for element in errors.iter_mut().flat_map(|error| error.path.iter_mut().flatten()) {
            if let Value::String(key) = element {
                *key = given(key).to_owned();
            }
        }
        errors
    }
}

fn size(error: &GraphQLError) -> usize {
    error.message.len() + serde_json::to_string(&error.extensions).map_or(0, |json| json.len())
}

impl Places {
    fn add(&mut self, path: &[Value]) {
        let mut place = self;
        for element in path {
            place = match element {
                Value::String(key) => place.keys.entry(key.clone()).or_default(),
                index => place.items.entry(index.as_u64().unwrap_or(u64::MAX)).or_default(),
            };
        }
        place.ends = true;
    }

    fn add_keys(&mut self, keys: Vec<String>) {
        let place = keys.into_iter().fold(self, |place, key| place.keys.entry(key).or_default());
        place.ends = true;
    }

    /// Whether one of them is here, above, or below.
    fn concern<'e>(&self, path: impl Iterator<Item = &'e Element<'e>>) -> bool {
        let mut place = self;
        for element in path {
            if place.ends {
                return true;
            }
            let below = match element {
                Element::Key(key) => place.keys.get(*key),
                Element::Index(index) => place.items.get(&(*index as u64)),
            };
            match below {
                Some(below) => place = below,
                None => return false,
            }
        }
        true
    }
}

/// An error as a subgraph reports it. Its locations are in a document that the client never saw, so they are dropped.
#[derive(Debug, Default)]
pub(super) struct Reported {
    message: Option<String>,
    pub(super) path: Option<Vec<Value>>,
    extensions: Map<String, Value>,
}

/// Servers are not exact about errors (`"extensions": []`, say): what is no such thing as it should be is left out, and
/// the data beside it is as good as any.
impl From<Value> for Reported {
    fn from(error: Value) -> Self {
        let mut members = match error {
            Value::Object(members) => members,
            Value::String(message) => return Self { message: Some(message), ..Self::default() },
            _ => return Self::default(),
        };
        let mut member = |name| members.get_mut(name).map(Value::take);
        let message = member("message").and_then(|message| match message {
            Value::String(message) => Some(message),
            _ => None,
        });
        let path = member("path").and_then(|path| match path {
            Value::Array(path) => Some(path),
            _ => None,
        });
        let extensions = member("extensions").and_then(|extensions| match extensions {
            Value::Object(extensions) => Some(extensions),
            _ => None,
        });
        Self { message, path, extensions: extensions.unwrap_or_default() }
    }
}

impl Reported {
    /// The error as the client sees it, without a path. What it tells of the server's workings is logged instead, here
    /// and only here.
    pub(super) fn to_error(&self, service: &str) -> GraphQLError {
        let message = self.message.clone().map_or(NO_MESSAGE.into(), Cow::Owned);
        let mut error = GraphQLError::new(Code::SubgraphError, message);
        for (key, value) in &self.extensions {
            if INTERNALS.iter().any(|internal| key.eq_ignore_ascii_case(internal)) {
                tracing::debug!(subgraph = service, message = self.message, key, %value, "kept from the client");
            } else {
                error.extensions.insert(key.clone(), value.clone());
            }
        }
        error.extensions.insert("service".into(), service.into());
        error
    }
}

/// What is said of a value that the schema does not allow.
pub(super) fn misfit(what: &str) -> String {
    format!("Invalid value from a subgraph: {what}.")
}

/// The error of a subgraph that gave no answer. The reason is logged, here and only here; the client learns no details.
pub(crate) fn unavailable(service: &str, reason: &FetchError) -> GraphQLError {
    tracing::warn!(subgraph = service, %reason, "fetch failed");
    let (code, what) = match reason {
        FetchError::Timeout => (Code::SubgraphTimeout, "did not answer in time"),
        _ => (Code::SubgraphUnavailable, "is not available"),
    };
    let mut error = GraphQLError::new(code, format!("The service \"{service}\" {what}."));
    error.extensions.insert("service".into(), service.into());
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nulls_are_explained_at_above_and_below_the_place_of_an_error() {
        let error = || GraphQLError::new(Code::SubgraphError, "no");
        let mut failures = Failures::default();
        let path = |place: &Value| place.as_array().unwrap().clone();
        assert!(!failures.explain(&[Element::Key("a")]));
        for place in [json!(["a", 1, "b"]), json!(["a", 1, "c"]), json!(["d", 0])] {
            failures.push(Failure::at_path(error(), path(&place)));
        }
        failures.push(Failure::of(error(), vec![Place::Everywhere(vec!["e".into(), "f".into()])]));
        for (place, explained) in [
            (json!(["a"]), true),
            (json!(["a", 1]), true),
            (json!(["a", 1, "b", 5, "x"]), true),
            (json!(["a", 1, "x"]), false),
            (json!(["a", 0]), false),
            (json!(["d", 0, "x"]), true),
            (json!(["d", "x"]), false),
            (json!(["e"]), true),
            (json!(["e", 7, "f", 3, "x"]), true),
            (json!(["e", 7, "x"]), false),
            (json!(["x"]), false),
        ] {
            let path = path(&place);
            let elements = path.iter().map(|element| match element {
                Value::String(key) => Element::Key(key),
                index => Element::Index(index.as_u64().unwrap() as usize),
            });
            assert_eq!(failures.explain(&elements.collect::<Vec<_>>()), explained, "{place}");
        }
    }

    #[test]
    fn errors_are_bounded() {
        let of_size = |bytes| GraphQLError::new(Code::SubgraphError, "x".repeat(bytes));
        let place = || vec![Place::At(vec!["a".into()])];
        let mut failures = Failures::default();
        for _ in 0..5 {
            failures.push(Failure::of(of_size(MOST_BYTES / 4), place()));
        }
        failures.push(Failure::of(of_size(1), place()));
        assert!(failures.explain(&[Element::Key("a")]));
        let lengths: Vec<_> = failures.into_errors().iter().map(|error| error.message.len()).collect();
        assert_eq!(lengths, [MOST_BYTES / 4, MOST_BYTES / 4, MOST_BYTES / 4, 1], "what is too much is left out");
        let mut failures = Failures::default();
        for _ in 0..2 {
            failures.push(Failure::of(of_size(2 * MOST_BYTES), place()));
        }
        assert_eq!(failures.into_errors().len(), 1);
        let mut failures = Failures::default();
        for _ in 0..=MOST {
            failures.push(Failure::of(of_size(1), place()));
        }
        assert_eq!(failures.into_errors().len(), MOST);
    }

    #[test]
    fn a_servers_workings_are_kept_from_clients() {
        let reported = json!({"message": "no", "extensions": {"code": "MINE", "reason": {"trace": 1},
            "stacktrace": ["at f"], "StackTrace": [], "exception": {}, "debug": 1, "debugMessage": "", "trace": []}});
        let error = Reported::from(reported).to_error("a");
        let shown = json!({"code": "MINE", "reason": {"trace": 1}, "service": "a"});
        assert_eq!(Value::Object(error.extensions), shown);
    }
}
