//! The GraphQL schema of social.

mod block;
mod federation;
mod user;
mod viewer;

use crate::Service;
use async_graphql::{Context, EmptySubscription, MergedObject};
use hansa_kit::{
    ids,
    serve::{MAX_COMPLEXITY, MAX_DEPTH},
    viewer::USER_PREFIX,
};
use uuid::Uuid;

/// The root of queries.
#[derive(Debug, Default, MergedObject)]
#[graphql(name = "Query")]
pub struct Query(federation::Entities);

/// The root of mutations.
#[derive(Debug, Default, MergedObject)]
#[graphql(name = "Mutation")]
pub struct Mutation(block::Mutations);

/// The executable schema.
pub type Schema = async_graphql::Schema<Query, Mutation, EmptySubscription>;

/// The schema over `service`. A request carries the [`Viewer`](hansa_kit::Viewer) in its data; without it the caller is anonymous.
pub fn schema(service: Service) -> Schema {
    Schema::build(Query::default(), Mutation::default(), EmptySubscription)
        .enable_federation()
        .limit_depth(MAX_DEPTH)
        .limit_complexity(MAX_COMPLEXITY)
        .data(service)
        .finish()
}

fn service<'a>(context: &Context<'a>) -> &'a Service {
    context.data_unchecked()
}

/// The key in a user's global id.
fn user_key(id: &str) -> Option<Uuid> {
    ids::decode(USER_PREFIX, id)
}
