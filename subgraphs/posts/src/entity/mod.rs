//! The tables of posts.

pub(crate) mod announcement;
pub(crate) mod block;
pub(crate) mod erased_user;
pub(crate) mod follow;
pub(crate) mod friend;
pub(crate) mod post;
pub(crate) mod reaction;
pub(crate) mod revision;
