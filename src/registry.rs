//! The registry of roles. A new subgraph is one line here.

use crate::config::Config;
use anyhow::Context;
use hansa_kit::{Deps, Role, database};
use hansa_router::builtin::{Fields, nodes::NodeType};
use serde::{Deserialize, Serialize};

/// The role that is not a service: it has no database.
pub const ROUTER: &str = "router";

macro_rules! subgraphs {
    ($($name:ident: $package:ident,)*) => {
        /// Configuration of the subgraphs, each under its name.
        #[derive(Clone, Debug, Default, Deserialize, Serialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Subgraphs {
            $(
                #[doc = concat!("The ", stringify!($name), " subgraph.")]
                pub $name: $package::Config,
            )*
        }

        /// The subgraphs' names.
        pub const SUBGRAPHS: &[&str] = &[$($package::NAME),*];
        /// Everything with a database.
        pub const SERVICES: &[&str] = &[$($package::NAME,)* hansa_mailer::NAME];
        /// Everything that a process can run.
        pub const ROLES: &[&str] = &[$($package::NAME,)* hansa_mailer::NAME, ROUTER];

        impl Subgraphs {
            /// Every subgraph's database.
            pub fn databases_mut(&mut self) -> Vec<(&'static str, &mut database::Config)> {
                vec![$(($package::NAME, &mut self.$name.database)),*]
            }
        }

        /// Builds one service.
        ///
        /// # Errors
        /// When its database cannot be reached or its configuration cannot be used.
        pub async fn build(name: &str, config: &Config, deps: &Deps) -> anyhow::Result<Role> {
            match name {
                $($package::NAME => {
                    $package::build(&config.subgraphs.$name, deps).await.context(stringify!($name))
                })*
                _ => hansa_mailer::build(&config.mailer, deps).await.context("mailer"),
            }
        }

        /// The subgraphs' SDLs, by name.
        pub fn sdls() -> Vec<(&'static str, String)> {
            vec![$(($package::NAME, $package::sdl())),*]
        }

        /// The types that are found by their global ids, with their owners.
        pub fn node_types() -> Vec<NodeType> {
            let types = [$(($package::NAME, $package::NODES)),*].into_iter();
            let owned = types.flat_map(|(owner, types)| types.iter().map(move |(prefix, name)| (owner, prefix, name)));
            owned
                .map(|(owner, prefix, name)| NodeType {
                    prefix: (*prefix).to_owned(),
                    name: (*name).to_owned(),
                    subgraph: owner.to_owned(),
                })
                .collect()
        }

        /// Brings the databases of `services` up to date; of all when none is named.
        ///
        /// # Errors
        /// When one cannot be reached or a migration fails.
        pub async fn migrate(config: &Config, services: &[String]) -> anyhow::Result<()> {
            let is_wanted = |name: &str| services.is_empty() || services.iter().any(|service| service == name);
            $(
                if is_wanted($package::NAME) {
                    let connection = database::connect(&config.subgraphs.$name.database).await?;
                    database::migrate::<hansa_migrations::$name::Migrator>(&connection).await?;
                    tracing::info!(service = $package::NAME, "the database is up to date");
                }
            )*
            if is_wanted(hansa_mailer::NAME) {
                let connection = database::connect(&config.mailer.database).await?;
                database::migrate::<hansa_migrations::mailer::Migrator>(&connection).await?;
                tracing::info!(service = hansa_mailer::NAME, "the database is up to date");
            }
            Ok(())
        }
    };
}

/// What the router's own subgraph serves.
pub fn builtin_fields() -> Fields {
    Fields { nodes: node_types(), rate_limit: true }
}

subgraphs! {
    notifications: hansa_notifications,
    posts: hansa_posts,
    social: hansa_social,
    users: hansa_users,
}
