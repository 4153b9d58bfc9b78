//! What gateways are asked.

use crate::expected;
use serde_json::{Value, json};

/// A query, and what every gateway has to answer.
pub struct Query {
    /// What the table calls it.
    pub name: &'static str,
    document: &'static str,
    /// The answer.
    pub expected: Value,
}

impl Query {
    /// The body of a request for it.
    pub fn body(&self) -> String {
        json!({ "query": self.document }).to_string()
    }
}

/// The three: two over every subgraph with answers of many kilobytes, one over a single subgraph with a hundred bytes.
pub fn all() -> [Query; 3] {
    [
        Query { name: "deep", document: include_str!("../federation/deep.graphql"), expected: expected::deep() },
        Query { name: "wide", document: include_str!("../federation/wide.graphql"), expected: expected::wide() },
        Query {
            name: "trivial",
            document: include_str!("../federation/trivial.graphql"),
            expected: expected::trivial(),
        },
    ]
}

/// Their names, for the command line.
pub fn names() -> clap::builder::PossibleValuesParser {
    all().map(|query| query.name).into()
}
