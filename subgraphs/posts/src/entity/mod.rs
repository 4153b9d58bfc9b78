//! The tables of posts.

pub(crate) mod post;
