//! The mutations.

use super::{
    service,
    types::{
        Notification, NotificationDeletePayload, NotificationUpdateInput, NotificationUpdatePayload,
        NotificationsMarkAllReadPayload, ViewerFields,
    },
};
use crate::{
    domain::{Filter, Kind, NOTIFICATION_PREFIX},
    service as notifications,
};
use async_graphql::{Context, ID, Object, Result};
use chrono::{DateTime, Utc};
use hansa_kit::{
    Viewer,
    codes::payload,
    filter::{DateTimeRange, storable},
    ids,
};
use uuid::Uuid;

/// The root of mutations.
#[derive(Debug)]
pub struct Mutation;

/// All that can be changed.
#[Object]
impl Mutation {
    /// Changes one's own notification. Needs a signed-in caller.
    async fn notification_update(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The notification's id.")] id: ID,
        #[graphql(desc = "The change.")] input: NotificationUpdateInput,
    ) -> Result<Option<NotificationUpdatePayload>> {
        let viewer = Viewer::in_context(context);
        let updated = notifications::update(service(context), viewer, key(&id), input.is_read).await;
        let (notification, user_errors) = payload(updated)?;
        Ok(Some(NotificationUpdatePayload {
            notification: notification.map(Notification),
            viewer: ViewerFields::of(viewer),
            user_errors,
        }))
    }

    /// Marks one's own notifications as read. Needs a signed-in caller.
    async fn notifications_mark_all_read(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Only those that came before this time.", validator(custom = "storable"))] before: Option<
            DateTime<Utc>,
        >,
        #[graphql(desc = "Only those of any of these kinds.")] kind: Option<Vec<Kind>>,
    ) -> Result<Option<NotificationsMarkAllReadPayload>> {
        let viewer = Viewer::in_context(context);
        let created_at = DateTimeRange { from: None, to: before };
        let filter = Filter { kinds: kind, is_read: None, created_at };
        let (changed, user_errors) = payload(notifications::mark_all_read(service(context), viewer, &filter).await)?;
        Ok(Some(NotificationsMarkAllReadPayload {
            updated_count: changed.map(|count| i32::try_from(count).unwrap_or(i32::MAX)),
            viewer: ViewerFields::of(viewer),
            user_errors,
        }))
    }

    /// Deletes one's own notification. Needs a signed-in caller.
    async fn notification_delete(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The notification's id.")] id: ID,
    ) -> Result<Option<NotificationDeletePayload>> {
        let viewer = Viewer::in_context(context);
        let deleted = notifications::delete(service(context), viewer, key(&id)).await;
        let (deleted, user_errors) = payload(deleted)?;
        Ok(Some(NotificationDeletePayload {
            deleted_notification_id: deleted.map(|()| id),
            viewer: ViewerFields::of(viewer),
            user_errors,
        }))
    }
}

fn key(id: &ID) -> Option<Uuid> {
    ids::decode(NOTIFICATION_PREFIX, id)
}
