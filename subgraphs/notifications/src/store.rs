//! Every query of notifications. Each asks for whose they are: nobody sees or changes another's.

use crate::{
    domain::{Filter, Kind, NewMessage, NewNotification, Subject, SubjectType},
    entity::notification::{ActiveModel, Column, Entity, Model},
};
use chrono::{DateTime, Utc};
use hansa_kit::{
    Error,
    filter::SortDirection,
    paging::{Page, Position, Slice, keyset},
};
use sea_orm::{
    ActiveValue::Set,
    ConnectionTrait, QueryOrder, QuerySelect,
    entity::prelude::*,
    sea_query::{Condition, Expr, ExprTrait},
};
use std::collections::HashMap;

/// Notifications that one statement deletes, at most.
const BATCH: u64 = 500;

/// Whose a notification must be, and its id.
pub(crate) type OwnId = (Uuid, Uuid);

/// The recipient's notification `id`.
pub(crate) async fn find(database: &impl ConnectionTrait, recipient: Uuid, id: Uuid) -> Result<Option<Model>, Error> {
    Ok(of(recipient).filter(Column::Id.eq(id)).one(database).await?)
}

/// Those of `ids` that exist, and nothing under the key of somebody whose they are not.
pub(crate) async fn find_many(database: &impl ConnectionTrait, ids: &[OwnId]) -> Result<HashMap<OwnId, Model>, Error> {
    // SQLite finds no index for pairs; that the recipient is the right one, the key of the result tells.
    let found = Entity::find().filter(Column::Id.is_in(ids.iter().map(|(_, id)| *id))).all(database).await?;
    Ok(found.into_iter().map(|one| ((one.recipient_id, one.id), one)).collect())
}

/// A page of the recipient's notifications that match `filter`, newest first.
pub(crate) async fn list(
    database: &impl ConnectionTrait,
    recipient: Uuid,
    filter: &Filter,
    page: &Page<Position>,
) -> Result<Slice<Model>, Error> {
    let columns = &[Column::CreatedAt, Column::Id];
    let after = page.after.map(Into::into);
    let wanted = of(recipient).filter(matching(filter));
    let rows = keyset(wanted, columns, SortDirection::Desc, after, page.limit).all(database).await?;
    Ok(Slice::of(rows, page.limit))
}

/// How many of the recipient's notifications match `filter`.
pub(crate) async fn count(database: &impl ConnectionTrait, recipient: Uuid, filter: &Filter) -> Result<u64, Error> {
    Ok(of(recipient).filter(matching(filter)).count(database).await?)
}

fn of(recipient: Uuid) -> Select<Entity> {
    Entity::find().filter(Column::RecipientId.eq(recipient))
}

/// Only the notification `id`.
pub(crate) fn is(id: Uuid) -> Condition {
    Condition::all().add(Column::Id.eq(id))
}

/// Those of this kind about `subject`, whosever they are.
pub(crate) fn about(kind: Kind, subject: Subject) -> Condition {
    let (subject_type, subject_id) = subject.parts();
    Condition::all()
        .add(Column::SubjectId.eq(subject_id))
        .add(Column::Kind.eq(kind))
        .add(Column::SubjectType.eq(subject_type))
}

/// Those that `actor` caused, whosever they are.
pub(crate) fn by(actor: Uuid) -> Condition {
    Condition::all().add(Column::ActorId.eq(actor))
}

/// Those of `recipient`.
pub(crate) fn is_to(recipient: Uuid) -> Condition {
    Condition::all().add(Column::RecipientId.eq(recipient))
}

/// Those that match `filter`.
pub(crate) fn matching(filter: &Filter) -> Condition {
    Condition::all()
        .add_option(filter.kinds.as_ref().map(|kinds| Column::Kind.is_in(kinds.iter().copied())))
        .add_option(filter.is_read.map(|is_read| match is_read {
            true => Column::ReadAt.is_not_null(),
            false => Column::ReadAt.is_null(),
        }))
        .add_option(filter.created_at.from.map(|from| Column::CreatedAt.gte(from)))
        .add_option(filter.created_at.to.map(|to| Column::CreatedAt.lt(to)))
}

/// Adds a notification, unread.
pub(crate) async fn insert(
    transaction: &impl ConnectionTrait,
    id: Uuid,
    new: NewNotification,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let subject = new.subject.map(Subject::parts);
    let row = ActiveModel {
        id: Set(id),
        recipient_id: Set(new.recipient_id),
        kind: Set(new.kind),
        title: Set(new.text.title),
        body: Set(new.text.body),
        actor_id: Set(new.actor_id),
        subject_type: Set(subject.map(|(subject_type, _)| subject_type)),
        subject_id: Set(subject.map(|(_, id)| id)),
        conversation_id: Set(None),
        count: Set(1),
        created_at: Set(now),
        read_at: Set(None),
    };
    Entity::insert(row).exec_without_returning(transaction).await?;
    Ok(())
}

/// The unread notification of a conversation that each of `recipients` has, if any; the newest of several.
pub(crate) async fn unread_of(
    transaction: &impl ConnectionTrait,
    conversation: Uuid,
    recipients: &[Uuid],
) -> Result<HashMap<Uuid, Model>, Error> {
    let found = Entity::find()
        .filter(in_conversation(conversation))
        .filter(Column::ReadAt.is_null())
        .filter(Column::RecipientId.is_in(recipients.iter().copied()))
        .order_by_asc(Column::CreatedAt)
        .all(transaction)
        .await?;
    Ok(found.into_iter().map(|one| (one.recipient_id, one)).collect())
}

/// Those that tell of messages in a conversation.
pub(crate) fn in_conversation(conversation: Uuid) -> Condition {
    Condition::all().add(Column::ConversationId.eq(conversation))
}

/// Adds a notification of a message, unread, for each of the recipients, whose new notification's id stands beside.
pub(crate) async fn insert_message(
    transaction: &impl ConnectionTrait,
    recipients: &[OwnId],
    new: &NewMessage,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let rows = recipients.iter().map(|(recipient, id)| ActiveModel {
        id: Set(*id),
        recipient_id: Set(*recipient),
        kind: Set(Kind::MessageReceived),
        title: Set(new.text.title.clone()),
        body: Set(new.text.body.clone()),
        actor_id: Set(Some(new.sender_id)),
        subject_type: Set(Some(SubjectType::Message)),
        subject_id: Set(Some(new.message_id)),
        conversation_id: Set(Some(new.conversation_id)),
        count: Set(1),
        created_at: Set(now),
        read_at: Set(None),
    });
    Entity::insert_many(rows).exec_without_returning(transaction).await?;
    Ok(())
}

/// Lets notifications of earlier messages tell of one more, which is the one that they lead to.
pub(crate) async fn add_message(
    transaction: &impl ConnectionTrait,
    ids: &[Uuid],
    new: &NewMessage,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    Entity::update_many()
        .col_expr(Column::Count, Expr::col(Column::Count).add(1))
        .col_expr(Column::Title, Expr::val(new.text.title.as_str()))
        .col_expr(Column::ActorId, Expr::val(new.sender_id))
        .col_expr(Column::SubjectId, Expr::val(new.message_id))
        .col_expr(Column::CreatedAt, Expr::val(now))
        .filter(Column::Id.is_in(ids.iter().copied()))
        .exec(transaction)
        .await?;
    Ok(())
}

/// Sets how many events a notification stands for.
pub(crate) async fn set_count(transaction: &impl ConnectionTrait, id: Uuid, count: i32) -> Result<(), Error> {
    let update = Entity::update_many().col_expr(Column::Count, Expr::val(count)).filter(Column::Id.eq(id));
    update.exec(transaction).await?;
    Ok(())
}

/// Marks the recipient's notifications that match `which` as read at `read_at`, or as unread; those that are so already
/// stay as they are. Returns how many changed.
pub(crate) async fn set_read(
    transaction: &impl ConnectionTrait,
    recipient: Uuid,
    which: Condition,
    read_at: Option<DateTime<Utc>>,
) -> Result<u64, Error> {
    let is_other = match read_at {
        Some(_) => Column::ReadAt.is_null(),
        None => Column::ReadAt.is_not_null(),
    };
    let update = Entity::update_many()
        .col_expr(Column::ReadAt, Expr::val(read_at))
        .filter(Column::RecipientId.eq(recipient))
        .filter(is_other)
        .filter(which);
    Ok(update.exec(transaction).await?.rows_affected)
}

/// Deletes the recipient's notification; false when there is no such one.
pub(crate) async fn delete(transaction: &impl ConnectionTrait, recipient: Uuid, id: Uuid) -> Result<bool, Error> {
    let deleted = Entity::delete_many()
        .filter(Column::RecipientId.eq(recipient))
        .filter(Column::Id.eq(id))
        .exec(transaction)
        .await?;
    Ok(deleted.rows_affected > 0)
}

/// Deletes some of the notifications that match `which` and returns which; none when none is left.
pub(crate) async fn delete_some(transaction: &impl ConnectionTrait, which: &Condition) -> Result<Vec<OwnId>, Error> {
    let some: Vec<OwnId> = Entity::find()
        .select_only()
        .columns([Column::RecipientId, Column::Id])
        .filter(which.clone())
        .limit(BATCH)
        .into_tuple()
        .all(transaction)
        .await?;
    if !some.is_empty() {
        Entity::delete_many().filter(Column::Id.is_in(some.iter().map(|(_, id)| *id))).exec(transaction).await?;
    }
    Ok(some)
}

/// Deletes all of the recipient's notifications.
pub(crate) async fn delete_all(transaction: &impl ConnectionTrait, recipient: Uuid) -> Result<(), Error> {
    Entity::delete_many().filter(Column::RecipientId.eq(recipient)).exec(transaction).await?;
    Ok(())
}
