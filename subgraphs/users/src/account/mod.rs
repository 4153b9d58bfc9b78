//! Accounts: who somebody is, and how they prove it.

mod domain;
mod password;
pub(crate) mod profile;
pub(crate) mod registration;
pub(crate) mod service;
pub(crate) mod store;

pub use domain::{AccountRole, AccountStatus, Roles};
pub(crate) use domain::{Email, Locale, Password, Username, lookup_key};
pub(crate) use password::Passwords;
pub use profile::Gender;
