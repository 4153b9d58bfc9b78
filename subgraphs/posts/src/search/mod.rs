//! Full-text search of posts, in Russian and English.
//!
//! The language is ours and the index is the database's: [`words`] makes stems of a text, in the same way for posts and
//! for queries, and FTS5 or a `tsvector` finds posts by them. So both databases find the same posts. What is found, the
//! [`rank`] of [`Query`] judges once more, word by word, and gives it a score that depends on that post and that query alone:
//! it tells nothing about posts that the caller may not read, and does not change from page to page.

mod highlight;
mod query;
mod rank;
mod service;
mod store;
mod words;

pub(crate) use highlight::highlights;
pub(crate) use query::Query;
pub use query::QueryError;
pub(crate) use rank::Rank;
pub(crate) use service::{Found, backfill, page};
pub(crate) use store::index;
