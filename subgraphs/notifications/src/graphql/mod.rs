//! The GraphQL schema of notifications.

mod federation;
mod loaders;
mod mutation;
mod query;
mod subscription;
mod types;

use crate::Service;
use async_graphql::{Context, MergedObject, dataloader::DataLoader};
use hansa_kit::{
    loader::batching,
    serve::{MAX_COMPLEXITY, MAX_DEPTH},
};

/// The root of queries.
#[derive(Debug, Default, MergedObject)]
#[graphql(name = "Query")]
pub struct Query(query::Notifications, federation::Entities);

/// The executable schema.
pub type Schema = async_graphql::Schema<Query, mutation::Mutation, subscription::Subscription>;

/// Most keys that one loader reads by one statement.
const LOADER_BATCH: usize = 500;

/// The schema over `service`. A request carries the [`Viewer`](hansa_kit::Viewer) in its data; without it the caller is anonymous.
pub fn schema(service: Service) -> Schema {
    Schema::build(Query::default(), mutation::Mutation, subscription::Subscription)
        .register_output_type::<types::Node>()
        .register_output_type::<types::StreamEvent>()
        .override_output_type_description::<types::NotificationConnection>("A page of notifications.")
        .enable_federation()
        .enable_subscription_in_federation()
        .limit_depth(MAX_DEPTH)
        .limit_complexity(MAX_COMPLEXITY)
        .data(batching(loaders::Notifications(service.clone()), LOADER_BATCH))
        .data(service)
        .finish()
}

fn service<'a>(context: &Context<'a>) -> &'a Service {
    context.data_unchecked()
}

fn loader<'a>(context: &Context<'a>) -> &'a DataLoader<loaders::Notifications> {
    context.data_unchecked()
}
