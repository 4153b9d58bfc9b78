//! The mutations.

use super::{
    service,
    types::{
        Notification, NotificationDeletePayload, NotificationUpdateInput, NotificationUpdatePayload,
        NotificationsMarkAllReadPayload, ViewerFields,
    },
    viewer,
};
use crate::{
    Error,
    domain::{Filter, Kind, NOTIFICATION_PREFIX},
    service as notifications,
};
use async_graphql::{Context, ID, Object, Result};
use chrono::{DateTime, Utc};
use hansa_kit::{codes::payload, filter::DateTimeRange, ids};
use uuid::Uuid;

/// The root of mutations.
#[derive(Debug)]
pub struct Mutation;

#[Object]
impl Mutation {
    /// Changes one's own notification. Needs a signed-in caller.
    async fn notification_update(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The notification's id.")] id: ID,
        #[graphql(desc = "The change.")] input: NotificationUpdateInput,
    ) -> Result<Option<NotificationUpdatePayload>> {
        let viewer = viewer(context);
        let me = viewer.require()?;
        let updated = async { notifications::update(service(context), me, key(&id)?, input.is_read).await };
        let (notification, user_errors) = payload(updated.await)?;
        Ok(Some(NotificationUpdatePayload {
            notification: notification.map(Notification),
            viewer: Some(ViewerFields { id: me.user_id }),
            user_errors,
        }))
    }

    /// Marks one's own notifications as read. Needs a signed-in caller.
    async fn notifications_mark_all_read(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Only those that came before this time.")] before: Option<DateTime<Utc>>,
        #[graphql(desc = "Only those of any of these kinds.")] kind: Option<Vec<Kind>>,
    ) -> Result<Option<NotificationsMarkAllReadPayload>> {
        let viewer = viewer(context);
        let me = viewer.require()?;
        let created_at = DateTimeRange { from: None, to: before };
        let filter = Filter { kinds: kind, is_read: None, created_at };
        let (changed, user_errors) = payload(notifications::mark_all_read(service(context), me, &filter).await)?;
        Ok(Some(NotificationsMarkAllReadPayload {
            updated_count: changed.map(|count| i32::try_from(count).unwrap_or(i32::MAX)),
            viewer: Some(ViewerFields { id: me.user_id }),
            user_errors,
        }))
    }

    /// Deletes one's own notification. Needs a signed-in caller.
    async fn notification_delete(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The notification's id.")] id: ID,
    ) -> Result<Option<NotificationDeletePayload>> {
        let viewer = viewer(context);
        let me = viewer.require()?;
        let deleted = async { notifications::delete(service(context), me, key(&id)?).await };
        let (deleted, user_errors) = payload(deleted.await)?;
        Ok(Some(NotificationDeletePayload {
            deleted_notification_id: deleted.map(|()| id),
            viewer: Some(ViewerFields { id: me.user_id }),
            user_errors,
        }))
    }
}

fn key(id: &ID) -> Result<Uuid, Error> {
    ids::decode(NOTIFICATION_PREFIX, id).ok_or(Error::NotFound)
}
