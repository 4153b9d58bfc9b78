//! The GraphQL schema of social.

mod federation;
mod user;
mod viewer;

use crate::Service;
use async_graphql::{EmptyMutation, EmptySubscription, MergedObject};
use hansa_kit::serve::{MAX_COMPLEXITY, MAX_DEPTH};

/// The root of queries.
#[derive(Debug, Default, MergedObject)]
#[graphql(name = "Query")]
pub struct Query(federation::Entities);

/// The executable schema.
pub type Schema = async_graphql::Schema<Query, EmptyMutation, EmptySubscription>;

/// The schema over `service`. A request carries the [`Viewer`](hansa_kit::Viewer) in its data; without it the caller is anonymous.
pub fn schema(service: Service) -> Schema {
    Schema::build(Query::default(), EmptyMutation, EmptySubscription)
        .enable_federation()
        .limit_depth(MAX_DEPTH)
        .limit_complexity(MAX_COMPLEXITY)
        .data(service)
        .finish()
}
