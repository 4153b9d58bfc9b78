//! The users service on a real database: SQLite, and Postgres when the environment names one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod administration;
mod authorization;
mod federation;
mod first_admin;
mod keys;
mod profile;
mod registration;
mod sessions;
mod world;
