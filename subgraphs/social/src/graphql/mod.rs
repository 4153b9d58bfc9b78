//! The GraphQL schema of social.

mod block;
mod circle;
mod conversation;
mod federation;
mod follow;
mod friendship;
mod loaders;
mod message;
mod presence;
mod subscription;
mod user;
mod viewer;

use crate::Service;
use async_graphql::{Context, ID, Interface, MergedObject, dataloader::DataLoader};
use hansa_kit::{
    ids,
    loader::batching,
    serve::{MAX_COMPLEXITY, MAX_DEPTH},
    viewer::USER_PREFIX,
};
use uuid::Uuid;

/// The root of queries.
#[derive(Debug, Default, MergedObject)]
#[graphql(name = "Query")]
pub struct Query(conversation::Queries, message::Queries, federation::Entities);

/// The root of mutations.
#[derive(Debug, Default, MergedObject)]
#[graphql(name = "Mutation")]
pub struct Mutation(
    friendship::Mutations,
    follow::Mutations,
    block::Mutations,
    conversation::Mutations,
    message::Mutations,
);

/// What has a global id.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "The global id."))]
pub enum Node {
    /// A friendship.
    Friendship(friendship::Friendship),
    /// A conversation.
    Conversation(conversation::Conversation),
    /// A message.
    Message(message::Message),
    /// A user.
    User(user::User),
}

/// The executable schema.
pub type Schema = async_graphql::Schema<Query, Mutation, subscription::Subscription>;

/// Most keys that one loader reads by one statement; SQLite takes a union of no more than 500 members, and a key has up to
/// four.
const LOADER_BATCH: usize = 120;

/// The schema over `service`. A request carries the [`Viewer`](hansa_kit::Viewer) in its data; without it the caller is anonymous.
pub fn schema(service: Service) -> Schema {
    Schema::build(Query::default(), Mutation::default(), subscription::Subscription)
        .register_output_type::<Node>()
        .register_output_type::<subscription::StreamEvent>()
        .override_output_type_description::<circle::FriendConnection>("A page of friends.")
        .override_output_type_description::<circle::FollowConnection>(
            "A page of followers, or of people who are followed.",
        )
        .override_output_type_description::<circle::BlockConnection>("A page of people who are blocked.")
        .override_output_type_description::<friendship::FriendshipConnection>("A page of friendships.")
        .override_output_type_description::<conversation::ConversationConnection>("A page of conversations.")
        .override_output_type_description::<message::MessageConnection>("A page of messages.")
        .enable_federation()
        .enable_subscription_in_federation()
        .limit_depth(MAX_DEPTH)
        .limit_complexity(MAX_COMPLEXITY)
        .data(batching(loaders::People(service.clone()), LOADER_BATCH))
        .data(batching(loaders::Chats(service.clone()), LOADER_BATCH))
        .data(service)
        .finish()
}

fn service<'a>(context: &Context<'a>) -> &'a Service {
    context.data_unchecked()
}

fn people<'a>(context: &Context<'a>) -> &'a DataLoader<loaders::People> {
    context.data_unchecked()
}

fn chats<'a>(context: &Context<'a>) -> &'a DataLoader<loaders::Chats> {
    context.data_unchecked()
}

/// The key in a user's global id.
fn user_key(id: &str) -> Option<Uuid> {
    ids::decode(USER_PREFIX, id)
}
