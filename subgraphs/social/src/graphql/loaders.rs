//! Reads for many objects at once. Who asks is part of the key, so that requests may share a batch.

use super::{
    conversation::{ConversationId, ParticipantsOf},
    message::MessageId,
    presence::PresenceOf,
};
use crate::{
    Service,
    circle::{self, Circle, CirclePage, Member},
    conversation::{self, service as conversations},
    entity::{friendship::Model as Friendship, message, participant},
    friendship,
    message::{domain::MessagePage, service as messages},
    presence::service::{self as presence, Presence},
    relationship::{self, Relationship, View},
};
use async_graphql::dataloader::Loader;
use hansa_kit::{codes::Fault, paging::Slice};
use std::collections::HashMap;
use uuid::Uuid;

/// Reads what people are to each other.
pub(super) struct People(pub(super) Service);

/// Reads what people write to each other, and whether they are there.
pub(super) struct Chats(pub(super) Service);

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

impl Loader<ConversationId> for Chats {
    type Value = conversation::domain::View;
    type Error = Fault;

    async fn load(
        &self,
        keys: &[ConversationId],
    ) -> Result<HashMap<ConversationId, conversation::domain::View>, Fault> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let found = conversations::find_many(&self.0, &ids).await?;
        Ok(found.into_iter().map(|(id, view)| (ConversationId(id), view)).collect())
    }
}

impl Loader<ParticipantsOf> for Chats {
    type Value = Vec<participant::Model>;
    type Error = Fault;

    async fn load(&self, keys: &[ParticipantsOf]) -> Result<HashMap<ParticipantsOf, Self::Value>, Fault> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let found = conversations::participants(&self.0, &ids).await?;
        Ok(found.into_iter().map(|(id, participants)| (ParticipantsOf(id), participants)).collect())
    }
}

impl Loader<MessageId> for Chats {
    type Value = message::Model;
    type Error = Fault;

    async fn load(&self, keys: &[MessageId]) -> Result<HashMap<MessageId, message::Model>, Fault> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let found = messages::find_many(&self.0, &ids).await?;
        Ok(found.into_iter().map(|(id, message)| (MessageId(id), message)).collect())
    }
}

impl Loader<MessagePage> for Chats {
    type Value = (Slice<message::Model>, bool);
    type Error = Fault;

    async fn load(&self, keys: &[MessagePage]) -> Result<HashMap<MessagePage, Self::Value>, Fault> {
        Ok(messages::list(&self.0, keys).await?)
    }
}

impl Loader<PresenceOf> for Chats {
    type Value = Presence;
    type Error = Fault;

    async fn load(&self, keys: &[PresenceOf]) -> Result<HashMap<PresenceOf, Presence>, Fault> {
        let wanted: Vec<_> = keys.iter().map(|key| key.0).collect();
        let found = presence::find_many(&self.0, &wanted).await?;
        Ok(found.into_iter().map(|(seen, presence)| (PresenceOf(seen), presence)).collect())
    }
}
