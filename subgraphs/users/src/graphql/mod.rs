//! The subgraph's schema.

mod federation;
mod loaders;
mod mutation;
mod payloads;
mod query;
mod types;

use crate::Service;
use async_graphql::{
    Context, EmptySubscription, MergedObject, SDLExportOptions, Schema, SchemaBuilder, dataloader::DataLoader,
};
use federation::Entities;
use hansa_kit::{
    ids,
    loader::batching,
    paging, serve,
    viewer::{Client, SESSION_PREFIX, USER_PREFIX},
};
use loaders::{AccountLoader, SessionLoader};
use mutation::Mutation;
use query::{UserConnection, Users};
use types::{Node, SessionConnection};
use uuid::Uuid;

/// All that can be read.
#[derive(MergedObject, Default)]
pub struct Query(Users, Entities);

/// The schema of the users subgraph.
pub type UsersSchema = Schema<Query, Mutation, EmptySubscription>;

fn builder() -> SchemaBuilder<Query, Mutation, EmptySubscription> {
    Schema::build(Query::default(), Mutation, EmptySubscription)
        .register_output_type::<Node>()
        .override_output_type_description::<UserConnection>("A page of users.")
        .override_output_type_description::<SessionConnection>("A page of a user's sessions.")
        .enable_federation()
        .limit_depth(serve::MAX_DEPTH)
        .limit_complexity(serve::MAX_COMPLEXITY)
}

/// Most keys that one loader reads by one statement.
const LOADER_BATCH: usize = 500;

/// The schema over a service.
pub fn schema(service: Service) -> UsersSchema {
    let accounts = AccountLoader(service.database.clone());
    let sessions = SessionLoader { database: service.database.clone(), clock: service.clock.clone() };
    let builder = builder().data(batching(accounts, LOADER_BATCH)).data(batching(sessions, LOADER_BATCH));
    builder.data(service).finish()
}

/// The subgraph's SDL, as `_service { sdl }` gives it.
pub fn sdl() -> String {
    builder().finish().sdl_with_options(SDLExportOptions::new().federation().compose_directive())
}

fn client(context: &Context<'_>) -> Client {
    context.data_opt::<Client>().cloned().unwrap_or_default()
}

fn service<'a>(context: &Context<'a>) -> &'a Service {
    context.data_unchecked()
}

fn accounts<'a>(context: &Context<'a>) -> &'a DataLoader<AccountLoader> {
    context.data_unchecked()
}

/// The size of a page when the client does not say.
fn default_page() -> Option<i32> {
    Some(paging::DEFAULT_PAGE)
}

/// The key in a user's global id.
fn user_key(id: &str) -> Option<Uuid> {
    ids::decode(USER_PREFIX, id)
}

/// The key in a session's global id.
fn session_key(id: &str) -> Option<Uuid> {
    ids::decode(SESSION_PREFIX, id)
}
