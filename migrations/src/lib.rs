//! Database migrations: one module and one `Migrator` per service, for SQLite and Postgres alike.
//!
//! A migration that has been released is never edited; a change is a new file. Tables that the kit needs in every
//! service's database are in [`shared`].

pub mod bus;
pub mod mailer;
pub mod notifications;
pub mod posts;
pub mod shared;
pub mod social;
pub mod users;

pub use sea_orm_migration::MigratorTrait;
