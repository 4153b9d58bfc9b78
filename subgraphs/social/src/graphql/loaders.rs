//! Reads for many objects at once. Who asks is part of the key, so that requests may share a batch.

use crate::{
    Service,
    circle::{self, Circle, CirclePage, Member},
    entity::friendship::Model as Friendship,
    friendship,
    relationship::{self, Relationship, View},
};
use async_graphql::dataloader::Loader;
use hansa_kit::{codes::Fault, paging::Slice};
use std::collections::HashMap;
use uuid::Uuid;

/// Reads what people are to each other.
pub(super) struct People(pub(super) Service);

/// Asks for the friendship of this id, if it is one of the viewer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct OwnFriendship {
    pub(super) viewer: Uuid,
    pub(super) id: Uuid,
}

/// Asks for the friendship between these two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FriendshipOf(pub(super) View);

impl Loader<CirclePage> for People {
    type Value = Slice<Member>;
    type Error = Fault;

    async fn load(&self, keys: &[CirclePage]) -> Result<HashMap<CirclePage, Slice<Member>>, Fault> {
        Ok(circle::list(&self.0.database, keys).await?)
    }
}

impl Loader<Circle> for People {
    type Value = u64;
    type Error = Fault;

    async fn load(&self, keys: &[Circle]) -> Result<HashMap<Circle, u64>, Fault> {
        Ok(circle::count(&self.0.database, keys).await?)
    }
}

impl Loader<View> for People {
    type Value = Relationship;
    type Error = Fault;

    async fn load(&self, keys: &[View]) -> Result<HashMap<View, Relationship>, Fault> {
        Ok(relationship::find_many(&self.0.database, keys).await?)
    }
}

impl Loader<FriendshipOf> for People {
    type Value = Friendship;
    type Error = Fault;

    async fn load(&self, keys: &[FriendshipOf]) -> Result<HashMap<FriendshipOf, Friendship>, Fault> {
        let views: Vec<_> = keys.iter().map(|key| key.0).collect();
        let found = friendship::store::find_between(&self.0.database, &views).await?;
        Ok(found.into_iter().map(|(view, one)| (FriendshipOf(view), one)).collect())
    }
}

impl Loader<OwnFriendship> for People {
    type Value = Friendship;
    type Error = Fault;

    async fn load(&self, keys: &[OwnFriendship]) -> Result<HashMap<OwnFriendship, Friendship>, Fault> {
        let ids: Vec<_> = keys.iter().map(|key| key.id).collect();
        let found = friendship::store::find_many(&self.0.database, &ids).await?;
        let of_both = found.into_iter().flat_map(|one| [one.low_id, one.high_id].map(|viewer| (viewer, one.clone())));
        Ok(of_both.map(|(viewer, one)| (OwnFriendship { viewer, id: one.id }, one)).collect())
    }
}
