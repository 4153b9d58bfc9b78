//! The objects and inputs of the schema.

use super::{query, service};
use crate::{
    domain::{Filter, Kind, NOTIFICATION_PREFIX, Subject},
    entity::notification::Model,
    service as notifications,
};
use async_graphql::{ComplexObject, Context, ID, InputObject, Interface, Object, Result, SimpleObject, Union};
use chrono::{DateTime, Utc};
use hansa_kit::{
    Viewer,
    codes::UserError,
    filter::DateTimeRange,
    ids,
    paging::{KeysetConnection, Page, Position, TotalCount, connection},
    scalars::Markdown,
    streams::StreamGap,
    viewer::USER_PREFIX,
};
use uuid::Uuid;

/// What has a global id.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "The global id."))]
pub enum Node {
    /// A notification.
    Notification(Notification),
}

/// Something that a user is told.
#[derive(Clone, Debug)]
pub struct Notification(pub(crate) Model);

/// Something that a user is told.
#[Object]
impl Notification {
    /// The global id.
    async fn id(&self) -> ID {
        ids::encode(NOTIFICATION_PREFIX, self.0.id)
    }

    /// What it is about.
    async fn kind(&self) -> Kind {
        self.0.kind
    }

    /// What it says, in one line of plain text and the language that the account had at that time.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// What it says further.
    async fn body(&self) -> Option<Markdown> {
        self.0.body.clone().map(Markdown)
    }

    /// Who caused it; null when nobody did, or their account is gone.
    async fn actor(&self) -> Option<User> {
        self.0.actor_id.map(|id| User { id: ids::encode(USER_PREFIX, id) })
    }

    /// What it leads to; null when it leads nowhere. Its fields are null once it is gone, or the recipient may not see it
    /// any more.
    async fn subject(&self) -> Option<NotificationSubject> {
        self.0.subject().map(NotificationSubject::from)
    }

    /// How many events it stands for.
    async fn count(&self) -> i32 {
        self.0.count
    }

    /// When it came, or began to count one more.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it was read; null while it is unread.
    async fn read_at(&self) -> Option<DateTime<Utc>> {
        self.0.read_at
    }
}

/// A user, whom the users subgraph knows.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(unresolvable = "id")]
pub struct User {
    /// The global id.
    id: ID,
}

/// A friendship, which the social subgraph knows.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(unresolvable = "id")]
pub struct Friendship {
    /// The global id.
    id: ID,
}

/// A message, which the social subgraph knows.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(unresolvable = "id")]
pub struct Message {
    /// The global id.
    id: ID,
}

/// What a notification leads to.
#[derive(Clone, Debug, Union)]
pub enum NotificationSubject {
    /// A user.
    User(User),
    /// A friendship.
    Friendship(Friendship),
    /// A message: the last one that the notification tells of.
    Message(Message),
}

impl From<Subject> for NotificationSubject {
    fn from(subject: Subject) -> Self {
        match subject {
            Subject::User(id) => Self::User(User { id: ids::encode(USER_PREFIX, id) }),
            Subject::Friendship(id) => Self::Friendship(Friendship { id: ids::encode("friendship", id) }),
            Subject::Message(id) => Self::Message(Message { id: ids::encode("message", id) }),
        }
    }
}

/// The caller's private data. Its fields are those of the viewer of the request, who is the one of this id.
#[derive(Clone, Copy, Debug)]
pub struct ViewerFields {
    pub(crate) id: Uuid,
}

impl ViewerFields {
    /// Those of the signed-in viewer.
    pub(crate) fn of(viewer: &Viewer) -> Option<Self> {
        viewer.identity().map(|identity| Self { id: identity.user_id })
    }
}

#[Object(name = "Viewer")]
impl ViewerFields {
    /// The caller's user id.
    async fn id(&self) -> ID {
        ids::encode(USER_PREFIX, self.id)
    }

    /// The caller's notifications, newest first.
    async fn notifications(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which notifications.")] filter: Option<NotificationFilter>,
        #[graphql(desc = "How many at most, up to 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
    ) -> Result<Option<NotificationConnection>> {
        let page = Page::new(first, after)?;
        let filter = Filter::from(filter.unwrap_or_default());
        let (service, viewer) = (service(context), Viewer::in_context(context));
        let total = TotalCount::when_selected(context, notifications::count(service, viewer, &filter)).await?;
        let slice = notifications::list(service, viewer, &filter, &page).await?;
        let position = |one: &Model| Position { time: one.created_at, id: one.id };
        Ok(Some(connection(slice, page.after.is_some(), total, position, Notification)))
    }

    /// How many of the caller's notifications are unread: the exact number.
    async fn unread_notification_count(&self, context: &Context<'_>) -> Result<Option<i32>> {
        unread_count(context).await.map(Some)
    }
}

async fn unread_count(context: &Context<'_>) -> Result<i32> {
    let unread = Filter { is_read: Some(false), ..Filter::default() };
    let count = notifications::count(service(context), Viewer::in_context(context), &unread).await?;
    Ok(i32::try_from(count).unwrap_or(i32::MAX))
}

/// A page of notifications.
pub(crate) type NotificationConnection = KeysetConnection<Position, Notification>;

/// Which notifications to list; what is omitted restricts nothing.
#[derive(Clone, Debug, Default, InputObject)]
pub struct NotificationFilter {
    /// Notifications of any of these kinds.
    kind: Option<Vec<Kind>>,
    /// Only read or only unread ones.
    is_read: Option<bool>,
    /// Notifications that came within this time.
    created_at: Option<DateTimeRange>,
}

impl From<NotificationFilter> for Filter {
    fn from(filter: NotificationFilter) -> Self {
        Self { kinds: filter.kind, is_read: filter.is_read, created_at: filter.created_at.unwrap_or_default() }
    }
}

/// A change of a notification; what is omitted stays as it is.
#[derive(Clone, Debug, InputObject)]
pub struct NotificationUpdateInput {
    /// Whether it has been read.
    pub(crate) is_read: Option<bool>,
}

/// The result of `notificationUpdate`.
#[derive(Debug, SimpleObject)]
pub struct NotificationUpdatePayload {
    /// The notification as it is now.
    pub(crate) notification: Option<Notification>,
    /// The caller.
    pub(crate) viewer: Option<ViewerFields>,
    /// Why nothing was done; empty on success.
    pub(crate) user_errors: Vec<UserError>,
}

/// The result of `notificationDelete`.
#[derive(Debug, SimpleObject)]
pub struct NotificationDeletePayload {
    /// The id that the notification had.
    pub(crate) deleted_notification_id: Option<ID>,
    /// The caller.
    pub(crate) viewer: Option<ViewerFields>,
    /// Why nothing was done; empty on success.
    pub(crate) user_errors: Vec<UserError>,
}

/// The result of `notificationsMarkAllRead`.
#[derive(Debug, SimpleObject)]
pub struct NotificationsMarkAllReadPayload {
    /// How many were unread until now.
    pub(crate) updated_count: Option<i32>,
    /// The caller.
    pub(crate) viewer: Option<ViewerFields>,
    /// Why nothing was done; empty on success.
    pub(crate) user_errors: Vec<UserError>,
}

/// An event of a durable stream.
#[derive(Interface)]
#[graphql(
    field(name = "cursor", ty = "&String", desc = "Its place in the stream: pass it as `after` to go on behind it."),
    field(name = "occurred_at", ty = "&DateTime<Utc>", desc = "When it happened.")
)]
pub enum StreamEvent {
    /// A notification came.
    NotificationReceived(NotificationReceived),
    /// Notifications were changed.
    NotificationChanged(NotificationChanged),
    /// Events are missing.
    StreamGap(StreamGap),
}

/// What happens to one's notifications.
#[derive(Clone, Debug, Union)]
pub enum NotificationEvent {
    /// A notification came.
    NotificationReceived(NotificationReceived),
    /// Notifications were changed.
    NotificationChanged(NotificationChanged),
    /// Events are missing.
    StreamGap(StreamGap),
}

/// A notification came.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct NotificationReceived {
    /// Its place in the stream: pass it as `after` to go on behind it.
    pub(crate) cursor: String,
    /// When it came.
    pub(crate) occurred_at: DateTime<Utc>,
    #[graphql(skip)]
    pub(crate) id: Uuid,
}

#[ComplexObject]
impl NotificationReceived {
    /// The notification as it is now; null when it has been deleted meanwhile.
    async fn notification(&self, context: &Context<'_>) -> Result<Option<Notification>> {
        current(context, self.id).await
    }

    /// How many notifications are unread at the moment this is sent: the exact number.
    async fn unread_count(&self, context: &Context<'_>) -> Result<i32> {
        unread_count(context).await
    }
}

/// A notification was changed or deleted, here or on another device, or many were at once.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct NotificationChanged {
    /// Its place in the stream: pass it as `after` to go on behind it.
    pub(crate) cursor: String,
    /// When it happened.
    pub(crate) occurred_at: DateTime<Utc>,
    #[graphql(skip)]
    pub(crate) changed: Option<Uuid>,
    /// The id that a deleted notification had.
    pub(crate) deleted_notification_id: Option<ID>,
}

#[ComplexObject]
impl NotificationChanged {
    /// The changed notification as it is now; null when it is deleted. When `deletedNotificationId` is null too, many were
    /// changed at once: read them again.
    async fn notification(&self, context: &Context<'_>) -> Result<Option<Notification>> {
        match self.changed {
            Some(id) => current(context, id).await,
            None => Ok(None),
        }
    }

    /// How many notifications are unread at the moment this is sent: the exact number.
    async fn unread_count(&self, context: &Context<'_>) -> Result<i32> {
        unread_count(context).await
    }
}

async fn current(context: &Context<'_>, id: Uuid) -> Result<Option<Notification>> {
    query::find(context, &ids::encode(NOTIFICATION_PREFIX, id)).await
}
