//! The social subgraph: who is whose friend, who follows or blocks whom, and what people write to each other.
//!
//! A folder or file for each noun, with its layers inside; `graphql` and `events` call the nouns' services. A change
//! and its event are one transaction.

mod block;
mod circle;
mod conversation;
mod entity;
mod error;
mod events;
mod follow;
mod friendship;
mod graphql;
mod message;
mod pair;
mod person;
mod presence;
mod relationship;

pub use block::Config as BlockConfig;
pub use conversation::Config as ConversationConfig;
pub use error::Error;
pub use follow::Config as FollowConfig;
pub use friendship::Config as FriendshipConfig;
pub use graphql::{Schema, schema};
pub use presence::service::beat;

use hansa_kit::{
    Clock, Deps, Role, consumer, database, idempotency,
    outbox::{self, Outbox},
    role::Task,
    serve,
    signals::Signals,
    streams,
};
use sea_orm::DatabaseConnection;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The subgraph's name.
pub const NAME: &str = "social";

/// The types that are found by their global ids: what the ids begin with, and the type.
pub const NODES: &[(&str, &str)] = &[
    (friendship::domain::FRIENDSHIP_PREFIX, "Friendship"),
    (conversation::domain::CONVERSATION_PREFIX, "Conversation"),
    (message::domain::MESSAGE_PREFIX, "Message"),
];

const PRUNE_EVERY: Duration = Duration::from_secs(3600);

/// The configuration of social.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The service's own database.
    pub database: database::Config,
    /// Friendships.
    pub friendships: friendship::Config,
    /// Follows.
    pub follows: follow::Config,
    /// Blocks.
    pub blocks: block::Config,
    /// Conversations.
    pub conversations: conversation::Config,
}

/// What social works with.
#[derive(Clone, Debug)]
pub struct Service {
    pub(crate) config: Config,
    pub(crate) database: DatabaseConnection,
    pub(crate) signals: Signals,
    pub(crate) clock: Clock,
    pub(crate) outbox: Outbox,
    pub(crate) listeners: presence::service::Listeners,
}

impl Service {
    /// The service on its opened and migrated database.
    pub fn new(config: Config, database: DatabaseConnection, signals: Signals, clock: Clock) -> Self {
        Self { config, database, signals, clock, outbox: Outbox::new(NAME), listeners: Default::default() }
    }
}

/// Opens and migrates the database, and builds the service on it.
///
/// # Errors
/// When the database cannot be reached or migrated.
pub async fn build(config: &Config, deps: &Deps) -> Result<Role, Error> {
    let connection = database::connect(&config.database).await?;
    database::migrate::<hansa_migrations::social::Migrator>(&connection).await?;
    Ok(role(config.clone(), connection, deps))
}

/// The service on its opened and migrated database.
pub fn role(config: Config, database: DatabaseConnection, deps: &Deps) -> Role {
    let service = Service::new(config, database.clone(), deps.signals.clone(), deps.clock.clone());
    let source = consumer::Source {
        database: database.clone(),
        bus: deps.bus.clone(),
        group: NAME,
        topics: events::TOPICS,
        clock: deps.clock.clone(),
    };
    let relay = outbox::relay(
        database.clone(),
        deps.bus.clone(),
        service.outbox.clone(),
        deps.clock.clone(),
        deps.shutdown.clone(),
    );
    let consume = consumer::run(source, deps.shutdown.clone(), events::handler(service.clone()));
    let pruned = service.clone();
    let prune = move || prune(pruned.clone());
    let listening = service.clone();
    let beat = move || {
        let service = listening.clone();
        async move { beat(&service).await }
    };
    Role {
        name: NAME,
        database,
        routes: serve::routes(schema(service), deps.verifier.clone(), deps.shutdown.clone()),
        tasks: vec![
            Task::new("social.outbox", relay),
            Task::new("social.consumer", consume),
            Task::every("social.presence", presence::BEAT, deps.shutdown.clone(), beat),
            Task::every("social.prune", PRUNE_EVERY, deps.shutdown.clone(), prune),
        ],
    }
}

async fn prune(service: Service) -> Result<(), hansa_kit::Error> {
    let now = service.clock.now();
    consumer::prune(&service.database, now).await?;
    idempotency::prune(&service.database, now).await?;
    streams::prune(&service.database, now).await
}

/// The subgraph's federation SDL; needs no database.
pub fn sdl() -> String {
    let service = Service::new(Config::default(), DatabaseConnection::default(), Signals::memory(), Clock::default());
    schema(service).sdl_with_options(async_graphql::SDLExportOptions::new().federation())
}
