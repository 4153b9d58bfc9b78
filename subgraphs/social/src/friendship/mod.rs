//! Friendships: asked for by one, accepted by the other.

pub(crate) mod domain;
