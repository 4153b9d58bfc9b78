//! The GraphQL schema of posts.

mod federation;
mod loaders;
mod mutation;
mod query;
mod search;
mod subscription;
mod types;
mod viewer;

use crate::Service;
use async_graphql::{Context, MergedObject, dataloader::DataLoader};
use hansa_kit::{
    loader::batching,
    serve::{MAX_COMPLEXITY, MAX_DEPTH},
};

/// The root of queries.
#[derive(Debug, Default, MergedObject)]
#[graphql(name = "Query")]
pub struct Query(query::Posts, search::Search, federation::Entities);

/// The executable schema.
pub type Schema = async_graphql::Schema<Query, mutation::Mutation, subscription::Subscription>;

/// Most keys that one loader reads by one statement; SQLite takes a union of no more than 500 members.
const LOADER_BATCH: usize = 200;

/// The schema over `service`. A request carries the [`Viewer`](hansa_kit::Viewer) in its data; without it the caller is anonymous.
pub fn schema(service: Service) -> Schema {
    Schema::build(Query::default(), mutation::Mutation, subscription::Subscription)
        .register_output_type::<types::Node>()
        .register_output_type::<subscription::StreamEvent>()
        .override_output_type_description::<types::PostConnection>("A page of posts.")
        .override_output_type_description::<types::PostRevisionConnection>("A page of a post's revisions.")
        .override_output_type_description::<search::PostSearchConnection>("A page of posts that were found.")
        .enable_federation()
        .enable_subscription_in_federation()
        .limit_depth(MAX_DEPTH)
        .limit_complexity(MAX_COMPLEXITY)
        .data(batching(loaders::Posts(service.clone()), LOADER_BATCH))
        .data(service)
        .finish()
}

fn service<'a>(context: &Context<'a>) -> &'a Service {
    context.data_unchecked()
}

fn loader<'a>(context: &Context<'a>) -> &'a DataLoader<loaders::Posts> {
    context.data_unchecked()
}
