//! Every query of messages.

use super::domain::{Body, MessagePage};
use crate::{
    conversation::{domain::OwnId, store::is_open},
    entity::{
        message::{ActiveModel, Column, Entity, Model},
        participant,
    },
};
use chrono::{DateTime, Utc};
use hansa_kit::{
    Error, pages,
    paging::{End, Slice, window},
};
use sea_orm::{
    ActiveValue::Set,
    ConnectionTrait, QueryTrait,
    entity::prelude::*,
    sea_query::{Expr, ExprTrait},
};
use std::collections::HashMap;

/// Those of the messages that are in conversations which their users have.
pub(crate) async fn find_many(database: &impl ConnectionTrait, ids: &[OwnId]) -> Result<HashMap<OwnId, Model>, Error> {
    // SQLite finds no index for pairs; that the user is the right one, the key of the result tells.
    let found = Entity::find()
        .find_also_related(participant::Entity)
        .filter(Column::Id.is_in(ids.iter().map(|(_, id)| *id)))
        .filter(participant::Column::UserId.is_in(ids.iter().map(|(user, _)| *user)))
        .filter(is_open((Entity, Column::ConversationId)))
        .all(database)
        .await?;
    Ok(found.into_iter().filter_map(|(message, own)| Some(((own?.user_id, message.id), message))).collect())
}

/// The message `id` of a conversation.
pub(crate) async fn find_in(
    database: &impl ConnectionTrait,
    conversation: Uuid,
    id: Uuid,
) -> Result<Option<Model>, Error> {
    Ok(Entity::find_by_id(id).filter(Column::ConversationId.eq(conversation)).one(database).await?)
}

/// The message `id`, whoever asks.
pub(crate) async fn find(database: &impl ConnectionTrait, id: Uuid) -> Result<Option<Model>, Error> {
    Ok(Entity::find_by_id(id).one(database).await?)
}

/// Some messages of many conversations each, by one statement. Beside a page, whether messages come before it.
pub(crate) async fn list(
    database: &impl ConnectionTrait,
    wanted: &[MessagePage],
) -> Result<HashMap<MessagePage, (Slice<Model>, bool)>, Error> {
    let queries = wanted.iter().map(|page| {
        let messages = Entity::find().filter(Column::ConversationId.eq(page.conversation_id));
        window(messages, &[Column::Sequence], &page.window).into_query()
    });
    let mut found = pages::read::<Model>(database, queries.enumerate()).await?;
    let slices = wanted.iter().enumerate().map(|(n, page)| {
        let mut messages = found.remove(&n).unwrap_or_default();
        messages.sort_by_key(|message| message.sequence);
        if page.window.from == End::Last {
            messages.reverse();
        }
        (*page, page.window.slice(messages))
    });
    Ok(slices.collect())
}

/// A message to be kept.
#[derive(Clone, Debug)]
pub(crate) struct NewRow<'a> {
    pub(crate) id: Uuid,
    pub(crate) conversation_id: Uuid,
    pub(crate) sequence: i64,
    pub(crate) sender_id: Uuid,
    pub(crate) body: &'a Body,
    pub(crate) reply_to_id: Option<Uuid>,
    pub(crate) sent_at: DateTime<Utc>,
}

/// Adds a message.
pub(crate) async fn insert(transaction: &impl ConnectionTrait, new: NewRow<'_>) -> Result<Model, Error> {
    let row = ActiveModel {
        id: Set(new.id),
        conversation_id: Set(new.conversation_id),
        sequence: Set(new.sequence),
        sender_id: Set(Some(new.sender_id)),
        body: Set(Some(new.body.as_str().to_owned())),
        reply_to_id: Set(new.reply_to_id),
        sent_at: Set(new.sent_at),
        edited_at: Set(None),
        deleted_at: Set(None),
    };
    Ok(Entity::insert(row).exec_with_returning(transaction).await?)
}

/// Gives the sender's message another text; `None` when there is no such message, or not any more.
pub(crate) async fn update_body(
    transaction: &impl ConnectionTrait,
    id: Uuid,
    sender: Uuid,
    body: &Body,
    now: DateTime<Utc>,
) -> Result<Option<Model>, Error> {
    let update = Entity::update_many()
        .col_expr(Column::Body, Expr::val(body.as_str()))
        .col_expr(Column::EditedAt, Expr::val(now));
    change(transaction, update, id, sender).await
}

/// Leaves nothing of the sender's message but that it was there; `None` when there is no such message, or not any more.
pub(crate) async fn delete(
    transaction: &impl ConnectionTrait,
    id: Uuid,
    sender: Uuid,
    now: DateTime<Utc>,
) -> Result<Option<Model>, Error> {
    let update = Entity::update_many()
        .col_expr(Column::Body, Expr::val(None::<String>))
        .col_expr(Column::DeletedAt, Expr::val(now));
    change(transaction, update, id, sender).await
}

async fn change(
    transaction: &impl ConnectionTrait,
    update: sea_orm::UpdateMany<Entity>,
    id: Uuid,
    sender: Uuid,
) -> Result<Option<Model>, Error> {
    let changed = update
        .filter(Column::Id.eq(id))
        .filter(Column::SenderId.eq(sender))
        .filter(Column::DeletedAt.is_null())
        .exec_with_returning(transaction)
        .await?;
    Ok(changed.into_iter().next())
}

/// Leaves nothing of a sender's messages but that they were there.
pub(crate) async fn erase(transaction: &impl ConnectionTrait, sender: Uuid, now: DateTime<Utc>) -> Result<(), Error> {
    let deleted_at = Expr::col(Column::DeletedAt).if_null(now);
    Entity::update_many()
        .col_expr(Column::SenderId, Expr::val(None::<Uuid>))
        .col_expr(Column::Body, Expr::val(None::<String>))
        .col_expr(Column::DeletedAt, deleted_at)
        .filter(Column::SenderId.eq(sender))
        .exec(transaction)
        .await?;
    Ok(())
}
