//! What went wrong while a plan ran, and which nulls of the answer that explains.

use super::path::{Element, to_json};
use crate::error::{Code, GraphQLError};
use crate::operation::alias::given;
use crate::transport::FetchError;
use serde::Deserialize;
use serde_json::{Map, Value};

/// More errors than this tell a client nothing new.
pub(super) const MOST: usize = 1000;

/// An error and the places that it concerns.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) error: GraphQLError,
    places: Vec<Place>,
}

/// Where a null needs no other explanation: there, above it, and below it.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// One place.
    At(Vec<Value>),
    /// Every place with these keys, whatever the positions in lists.
    Everywhere(Vec<String>),
}

/// The errors of one answer, each with the number of the fetch it came from so that their order does not depend on
/// which subgraph was faster.
#[derive(Debug, Default)]
pub(super) struct Failures(Vec<(usize, Failure)>);

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
    pub(super) fn push_from(&mut self, fetch: usize, failure: Failure) {
        if self.0.len() < MOST {
            self.0.push((fetch, failure));
        }
    }

    /// Whether some error says why there is null at this path.
    pub(super) fn explain(&self, path: &[Element<'_>]) -> bool {
        self.0.iter().flat_map(|(_, failure)| &failure.places).any(|place| place.concerns(path))
    }

    /// The errors in the order of the plan's fetches.
    pub(super) fn into_errors(mut self) -> Vec<GraphQLError> {
        self.0.sort_by_key(|(fetch, _)| *fetch);
        let mut errors: Vec<_> = self.0.into_iter().map(|(_, failure)| failure.error).collect();
        for element in errors.iter_mut().flat_map(|error| error.path.iter_mut().flatten()) {
            if let Value::String(key) = element {
                *key = given(key).to_owned();
            }
        }
        errors
    }
}

impl Place {
    fn concerns(&self, path: &[Element<'_>]) -> bool {
        match self {
            Place::At(place) => place.iter().zip(path).all(|(place, element)| match element {
                Element::Key(key) => place.as_str() == Some(key),
                Element::Index(index) => place.as_u64() == Some(*index as u64),
            }),
            Place::Everywhere(keys) => {
                let path = path.iter().filter_map(|element| match element {
                    Element::Key(key) => Some(*key),
                    Element::Index(_) => None,
                });
                keys.iter().zip(path).all(|(place, key)| place == key)
            }
        }
    }
}

/// An error as a subgraph reports it. Its locations are in a document that the client never saw, so they are dropped.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Reported {
    #[serde(default)]
    message: String,
    #[serde(default)]
    pub(super) path: Option<Vec<Value>>,
    #[serde(default)]
    extensions: Option<Map<String, Value>>,
}

impl Reported {
    /// The error as the client sees it, without a path.
    pub(super) fn to_error(&self, service: &str) -> GraphQLError {
        let mut error = GraphQLError::new(Code::SubgraphError, self.message.clone());
        error.extensions.extend(self.extensions.iter().flatten().map(|(key, value)| (key.clone(), value.clone())));
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
