//! The objects and inputs of the schema.

use super::{
    loader,
    loaders::{CountOf, ReactionsTo, RevisionsOf},
};
use crate::{
    domain::{Filter, POST_PREFIX, Sort, SortField, Status, Visibility},
    entity::post::Model,
    reaction::Summary,
    revision::{self, RevisionPage},
    store::AuthorPage,
};
use async_graphql::{Context, ID, InputObject, Interface, MaybeUndefined, Object, SimpleObject};
use chrono::{DateTime, Utc};
use hansa_kit::{
    Viewer,
    codes::{Code, Denied, Fault, UserError},
    filter::{DateTimeRange, SortDirection, storable},
    ids,
    paging::{KeysetConnection, Page, Position, Slice, TotalCount, connection},
    scalars::Markdown,
    viewer::USER_PREFIX,
};
use uuid::Uuid;

/// What has a global id.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "The global id."))]
pub enum Node {
    /// A post.
    Post(Post),
    /// A user.
    User(User),
}

/// A text that a user has published.
#[derive(Clone, Debug)]
pub struct Post(pub(crate) Model);

/// A text that a user has published.
#[Object]
impl Post {
    /// The global id.
    async fn id(&self) -> ID {
        ids::encode(POST_PREFIX, self.0.id)
    }

    /// Who wrote it; null once the account is gone.
    async fn author(&self) -> Option<User> {
        Some(User { id: self.0.author_id })
    }

    /// The text: 1 to 10 000 characters.
    async fn body(&self) -> Markdown {
        Markdown(self.0.body.clone())
    }

    /// Who may read it once it is published. The author changes it as they like.
    async fn visibility(&self) -> Visibility {
        self.0.visibility
    }

    /// How far it has come; for everybody but its author `PUBLISHED`.
    async fn status(&self) -> Status {
        self.0.status
    }

    /// When it was written.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When its text was last edited, be it before it was published; null when it never was.
    async fn edited_at(&self) -> Option<DateTime<Utc>> {
        self.0.edited_at
    }

    /// When it was published; null for drafts and scheduled posts.
    async fn published_at(&self) -> Option<DateTime<Utc>> {
        self.0.published_at
    }

    /// When it is going to be published; null unless it is scheduled.
    async fn publish_at(&self) -> Option<DateTime<Utc>> {
        self.0.publish_at
    }

    /// Why a moderator took it down; null unless it is hidden.
    async fn hidden_reason(&self) -> Option<&str> {
        self.0.hidden_reason.as_deref()
    }

    /// Its former texts since it was published, the 100 newest, newest first. Whoever could not see the post while it had a
    /// text does not see that text.
    async fn revisions(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "How many at most, up to 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
    ) -> async_graphql::Result<Option<PostRevisionConnection>> {
        let Page { limit, after } = Page::new(first, after)?;
        let (reader, post_id) = (Viewer::in_context(context).user_id(), self.0.id);
        let revisions = async {
            let slice = loader(context).load_one(RevisionPage { reader, post_id, limit, after }).await?;
            Ok::<_, Fault>(slice.unwrap_or_else(|| Slice::of(Vec::new(), limit)))
        };
        let total = TotalCount::when_selected(context, async {
            Ok::<_, Fault>(loader(context).load_one(RevisionsOf(reader, post_id)).await?.unwrap_or(0))
        });
        let (revisions, total) = futures::try_join!(revisions, total)?;
        Ok(Some(connection(revisions, after.is_some(), total, revision::position, PostRevision::from)))
    }

    /// What its readers think of it, the most frequent emoji first.
    async fn reactions(&self, context: &Context<'_>) -> async_graphql::Result<Vec<ReactionSummary>> {
        let key = ReactionsTo(Viewer::in_context(context).user_id(), self.0.id);
        let summaries = loader(context).load_one(key).await?.unwrap_or_default();
        Ok(summaries.into_iter().map(ReactionSummary::from).collect())
    }
}

/// A text that a post had before it was edited.
#[derive(Clone, Debug, SimpleObject)]
pub struct PostRevision {
    /// The text.
    body: Markdown,
    /// When the post got this text.
    edited_at: DateTime<Utc>,
}

impl From<crate::entity::revision::Model> for PostRevision {
    fn from(revision: crate::entity::revision::Model) -> Self {
        Self { body: Markdown(revision.body), edited_at: revision.edited_at }
    }
}

/// A page of a post's revisions.
pub(crate) type PostRevisionConnection = KeysetConnection<Position, PostRevision>;

/// How many readers have reacted to a post with one emoji.
#[derive(Clone, Debug, SimpleObject)]
pub struct ReactionSummary {
    /// The emoji, fully qualified as Unicode has it.
    emoji: String,
    /// How many readers.
    count: i32,
    /// Whether the caller is one of them.
    viewer_has_reacted: bool,
}

impl From<Summary> for ReactionSummary {
    fn from(Summary { emoji, count, is_own }: Summary) -> Self {
        Self { emoji, count: i32::try_from(count).unwrap_or(i32::MAX), viewer_has_reacted: is_own }
    }
}

/// A user, with what they have published.
#[derive(Clone, Copy, Debug)]
pub struct User {
    pub(crate) id: Uuid,
}

#[Object]
impl User {
    /// The global id.
    async fn id(&self) -> ID {
        ids::encode(USER_PREFIX, self.id)
    }

    /// The user's published posts that the caller may see, newest first unless sorted otherwise.
    async fn posts(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The order.")] sort: Option<PostSort>,
        #[graphql(desc = "How many at most, up to 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
    ) -> async_graphql::Result<Option<PostConnection>> {
        let Page { limit, after } = Page::new(first, after)?;
        let sort = sort.map(Sort::from).unwrap_or_default();
        let reader = Viewer::in_context(context).user_id();
        let key = AuthorPage { reader, author_id: self.id, sort, limit, after };
        let posts = async {
            let posts = loader(context).load_one(key).await?;
            Ok::<_, Fault>(posts.unwrap_or_else(|| Slice::of(Vec::new(), limit)))
        };
        let total = TotalCount::when_selected(context, async {
            Ok::<_, Fault>(loader(context).load_one(CountOf(reader, self.id)).await?.unwrap_or(0))
        });
        let (posts, total) = futures::try_join!(posts, total)?;
        Ok(Some(post_connection(posts, sort, after.is_some(), total)))
    }
}

/// A page of posts.
pub(crate) type PostConnection = KeysetConnection<Position, Post>;

pub(crate) fn post_connection(
    posts: Slice<Model>,
    sort: Sort,
    has_previous: bool,
    total: TotalCount,
) -> PostConnection {
    connection(posts, has_previous, total, |post| sort.position(post), Post)
}

/// Which posts to list; what is omitted restricts nothing.
#[derive(Clone, Debug, Default, InputObject)]
pub struct PostFilter {
    /// Posts of this user.
    pub(crate) author_id: Option<ID>,
    /// Posts of this visibility.
    pub(crate) visibility: Option<Visibility>,
    /// Posts written within this time.
    pub(crate) created_at: Option<DateTimeRange>,
}

impl TryFrom<PostFilter> for Filter {
    type Error = Denied;

    fn try_from(filter: PostFilter) -> Result<Self, Denied> {
        let denied = || Denied::new(Code::BadUserInput, "`authorId` is not the id of a user");
        let author_id = filter.author_id.map(|id| ids::decode(USER_PREFIX, &id).ok_or_else(denied)).transpose()?;
        Ok(Self { author_id, visibility: filter.visibility, created_at: filter.created_at.unwrap_or_default() })
    }
}

/// An order of posts.
#[derive(Clone, Copy, Debug, InputObject)]
pub struct PostSort {
    /// What to sort by.
    pub(crate) field: SortField,
    /// Which way.
    #[graphql(default_with = "SortDirection::Desc")]
    pub(crate) direction: SortDirection,
}

impl From<PostSort> for Sort {
    fn from(PostSort { field, direction }: PostSort) -> Self {
        Self { field, direction }
    }
}

/// A post to be made.
#[derive(Clone, Debug, InputObject)]
pub struct PostCreateInput {
    /// The text: 1 to 10 000 characters, white space around it not counted and not kept.
    pub(crate) body: String,
    /// Who may read it once it is published.
    #[graphql(default)]
    pub(crate) visibility: Visibility,
    /// Whether it is kept for its author, to be published by `postUpdate`.
    #[graphql(default)]
    pub(crate) is_draft: bool,
    /// When it is going to be published, up to a year ahead. A time that has come means now, as none does; drafts have none.
    #[graphql(validator(custom = "storable"))]
    pub(crate) publish_at: Option<DateTime<Utc>>,
    /// Sent again with the same key within 24 hours, the mutation makes nothing new and answers with the same post.
    pub(crate) idempotency_key: Option<String>,
}

/// A change of a post; what is omitted stays as it is.
#[derive(Clone, Debug, InputObject)]
pub struct PostUpdateInput {
    /// The new text: 1 to 10 000 characters, white space around it not counted and not kept.
    pub(crate) body: Option<String>,
    /// Who may read it from now on.
    pub(crate) visibility: Option<Visibility>,
    /// False publishes a draft, at `publishAt` or else now; true makes a draft of a scheduled post. A post that has been
    /// published stays so.
    pub(crate) is_draft: Option<bool>,
    /// When it is going to be published, up to a year ahead; a time that has come means now. Null makes a draft of a
    /// scheduled post.
    #[graphql(validator(custom = "storable"))]
    pub(crate) publish_at: MaybeUndefined<DateTime<Utc>>,
    /// The post's `editedAt` as the caller has read it, null included: the change is refused as STALE when the text was
    /// edited meanwhile. Without it the last change wins.
    #[graphql(validator(custom = "storable"))]
    pub(crate) if_edited_at: MaybeUndefined<DateTime<Utc>>,
}

/// The result of `postCreate`.
#[derive(Debug, SimpleObject)]
pub struct PostCreatePayload {
    /// The new post.
    pub(crate) post: Option<Post>,
    /// Why nothing was done; empty on success.
    pub(crate) user_errors: Vec<UserError>,
}

/// The result of `postUpdate`.
#[derive(Debug, SimpleObject)]
pub struct PostUpdatePayload {
    /// The post as it is now.
    pub(crate) post: Option<Post>,
    /// Why nothing was done; empty on success.
    pub(crate) user_errors: Vec<UserError>,
}

/// The result of `postDelete`.
#[derive(Debug, SimpleObject)]
pub struct PostDeletePayload {
    /// The id that the post had.
    pub(crate) deleted_post_id: Option<ID>,
    /// Why nothing was done; empty on success.
    pub(crate) user_errors: Vec<UserError>,
}

/// The result of `postReactionAdd`.
#[derive(Debug, SimpleObject)]
pub struct PostReactionAddPayload {
    /// The post as it is now.
    pub(crate) post: Option<Post>,
    /// Why nothing was done; empty on success.
    pub(crate) user_errors: Vec<UserError>,
}

/// The result of `postReactionRemove`.
#[derive(Debug, SimpleObject)]
pub struct PostReactionRemovePayload {
    /// The post as it is now.
    pub(crate) post: Option<Post>,
    /// Why nothing was done; empty on success.
    pub(crate) user_errors: Vec<UserError>,
}

/// The result of `postHide`.
#[derive(Debug, SimpleObject)]
pub struct PostHidePayload {
    /// The hidden post.
    pub(crate) post: Option<Post>,
    /// Why nothing was done; empty on success.
    pub(crate) user_errors: Vec<UserError>,
}

/// The result of `postUnhide`.
#[derive(Debug, SimpleObject)]
pub struct PostUnhidePayload {
    /// The post as it is now.
    pub(crate) post: Option<Post>,
    /// Why nothing was done; empty on success.
    pub(crate) user_errors: Vec<UserError>,
}
