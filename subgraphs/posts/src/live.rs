//! Live news of posts: how what happens to a post comes into its readers' durable streams, and out of them.
//!
//! The author's transaction writes one announcement, however many followers there are. [`distribute`] puts it into their
//! streams afterwards, some at a time, and notes with each batch how far it has come: nobody gets it twice or not at all.
//! Announcements of one author are worked off in their order, and many authors' by turns, so that none waits for another
//! who has more followers. Who gets one is decided by its visibility, and once more when it is read.

use crate::{
    Error, Service,
    domain::Visibility,
    entity::{
        announcement::{ActiveModel, Column, Entity, Model},
        post,
    },
    people, store,
};
use chrono::{DateTime, Utc};
use futures::{Stream, StreamExt};
use hansa_kit::{
    Viewer, database, signals,
    streams::{self, Item, StreamGap},
};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ConnectionTrait, DatabaseTransaction, DeriveActiveEnum, EnumIter, QueryOrder, QuerySelect,
    entity::prelude::*,
    prelude::StringLen,
    sea_query::{Expr, SelectStatement, UnionType},
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The name of the durable stream.
const STREAM: &str = "feed";
/// How often it is looked for announcements: what happened is told no later than this, but for the work itself.
pub(crate) const EVERY: Duration = Duration::from_millis(200);
/// Most streams that one transaction appends to.
const BATCH: u64 = 500;
/// How many authors' announcements are worked off by turns.
const AUTHORS: u64 = 16;

/// What happened to a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Deserialize, Serialize)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::None)", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub(crate) enum News {
    /// It was published.
    Published,
    /// It changed, or is gone.
    Changed,
}

/// An entry of the stream. The post is read when it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
struct Entry {
    post_id: Uuid,
    news: News,
}

/// Announces what happens to a published post with this transaction, to those for whom `visibility` is.
pub(crate) async fn announce(
    transaction: &impl ConnectionTrait,
    post: &post::Model,
    news: News,
    visibility: Visibility,
    now: DateTime<Utc>,
) -> Result<(), hansa_kit::Error> {
    if visibility == Visibility::Private {
        return Ok(());
    }
    let announcement = ActiveModel {
        seq: NotSet,
        author_id: Set(post.author_id),
        post_id: Set(post.id),
        news: Set(news),
        visibility: Set(visibility),
        occurred_at: Set(now),
        reached: Set(None),
    };
    Entity::insert(announcement).exec_without_returning(transaction).await?;
    Ok(())
}

/// Puts all that was announced into the streams.
pub(crate) async fn distribute(service: Service) -> Result<(), hansa_kit::Error> {
    loop {
        let turns = turns(&service.database).await?;
        if turns.is_empty() {
            return Ok(());
        }
        for seq in turns {
            distribute_some(&service, seq).await?;
        }
    }
}

/// The oldest announcement of each of some authors.
async fn turns(database: &impl ConnectionTrait) -> Result<Vec<i64>, hansa_kit::Error> {
    let oldest = Entity::find()
        .select_only()
        .column_as(Column::Seq.min(), "oldest")
        .group_by(Column::AuthorId)
        .order_by_asc(Column::Seq.min())
        .limit(AUTHORS);
    Ok(oldest.into_tuple().all(database).await?)
}

/// Puts the announcement `seq` into some more streams. Its lock keeps other replicas from the same ones.
async fn distribute_some(service: &Service, seq: i64) -> Result<(), hansa_kit::Error> {
    let transaction = database::begin(&service.database).await?;
    let Some(announcement) = Entity::find_by_id(seq).lock_exclusive().one(&transaction).await? else {
        return Ok(transaction.rollback().await?);
    };
    let Model { author_id, visibility, post_id, news, occurred_at, reached, .. } = announcement;
    let readers = streams::listeners(&transaction, STREAM, audience(author_id, visibility), reached, BATCH).await?;
    streams::append_all(&transaction, STREAM, &readers, occurred_at, &Entry { post_id, news }).await?;
    match readers.last() {
        Some(last) if readers.len() as u64 == BATCH => {
            let progress = Entity::update_many().col_expr(Column::Reached, Expr::val(*last));
            progress.filter(Column::Seq.eq(seq)).exec(&transaction).await?;
        }
        _ => {
            Entity::delete_by_id(seq).exec(&transaction).await?;
        }
    }
    transaction.commit().await?;
    for viewer in readers {
        service.signals.send(signals::Signal::News { stream: STREAM.to_owned(), viewer });
    }
    Ok(())
}

/// Whose feeds have the author's posts of this visibility, as a query of ids.
fn audience(author: Uuid, visibility: Visibility) -> SelectStatement {
    let friends = people::friends_of(author);
    match visibility {
        Visibility::Friends | Visibility::Private => friends,
        Visibility::Followers | Visibility::Public => {
            people::followers_of(author).union(UnionType::Distinct, friends).to_owned()
        }
    }
}

/// Forgets a user whose account is gone: their stream, and what was still to be told of their posts.
pub(crate) async fn erase(transaction: &DatabaseTransaction, user: Uuid) -> Result<(), hansa_kit::Error> {
    Entity::delete_many().filter(Column::AuthorId.eq(user)).exec(transaction).await?;
    streams::erase(transaction, user).await
}

/// What a subscriber is told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Occurrence {
    /// A post that they may see was published.
    Published { cursor: String, occurred_at: DateTime<Utc>, post: post::Model },
    /// A post has changed, or they may see it no more.
    Changed { cursor: String, occurred_at: DateTime<Utc>, post: Result<post::Model, Uuid> },
    /// What happened is not kept any more.
    Gap(StreamGap),
}

/// What happens to the posts in the viewer's feed, behind the cursor `after` or from now on.
pub(crate) async fn watch(
    service: &Service,
    viewer: &Viewer,
    after: Option<i64>,
) -> Result<impl Stream<Item = Result<Occurrence, Error>> + Send + use<>, Error> {
    let reader = viewer.require()?.user_id;
    let Service { database, signals, clock, .. } = service.clone();
    streams::open(&database, STREAM, reader).await?;
    let items = streams::subscribe(database.clone(), signals, clock, STREAM, reader, after);
    Ok(items.filter_map(move |item| {
        let database = database.clone();
        async move { occurrence(&database, reader, item).await.transpose() }
    }))
}

/// What an entry of the stream means to its reader now; nothing when it tells of the publication of what they may not see.
async fn occurrence(
    database: &impl ConnectionTrait,
    reader: Uuid,
    item: Result<Item, hansa_kit::Error>,
) -> Result<Option<Occurrence>, Error> {
    let (cursor, occurred_at, payload) = match item? {
        Item::Gap(gap) => return Ok(Some(Occurrence::Gap(gap))),
        Item::Event { cursor, occurred_at, payload } => (cursor, occurred_at, payload),
    };
    let Entry { post_id, news } = serde_json::from_str(&payload).map_err(hansa_kit::Error::from)?;
    let post = store::find(database, Some(reader), post_id).await?;
    Ok(match (news, post) {
        (News::Published, post) => post.map(|post| Occurrence::Published { cursor, occurred_at, post }),
        (News::Changed, post) => Some(Occurrence::Changed { cursor, occurred_at, post: post.ok_or(post_id) }),
    })
}
