//! What people are called and which language they read, as the users service has told so far.

use crate::entity::person::{ActiveModel, Column, Entity, Model};
use chrono::{DateTime, Utc};
use hansa_kit::Error;
use sea_orm::{
    ActiveValue::Set,
    ConnectionTrait,
    entity::prelude::*,
    sea_query::{Expr, ExprTrait, OnConflict},
};

/// Remembers what somebody is called now; nothing changes for one who is known to be gone.
pub(crate) async fn remember(
    transaction: &impl ConnectionTrait,
    id: Uuid,
    display_name: String,
    locale: String,
) -> Result<(), Error> {
    let person =
        ActiveModel { id: Set(id), display_name: Set(display_name), locale: Set(locale), deleted_at: Set(None) };
    let known = OnConflict::column(Column::Id)
        .update_columns([Column::DisplayName, Column::Locale])
        .action_and_where(Expr::col((Entity, Column::DeletedAt)).is_null())
        .to_owned();
    Entity::insert(person).on_conflict(known).exec_without_returning(transaction).await?;
    Ok(())
}

/// Forgets all of somebody but that they are gone.
pub(crate) async fn forget(transaction: &impl ConnectionTrait, id: Uuid, now: DateTime<Utc>) -> Result<(), Error> {
    let person = ActiveModel {
        id: Set(id),
        display_name: Set(String::new()),
        locale: Set(String::new()),
        deleted_at: Set(Some(now)),
    };
    let known = OnConflict::column(Column::Id)
        .update_columns([Column::DisplayName, Column::Locale, Column::DeletedAt])
        .to_owned();
    Entity::insert(person).on_conflict(known).exec_without_returning(transaction).await?;
    Ok(())
}

/// Those of `ids` of whom something is known.
pub(crate) async fn find_many(database: &impl ConnectionTrait, ids: &[Uuid]) -> Result<Vec<Model>, Error> {
    Ok(Entity::find().filter(Column::Id.is_in(ids.iter().copied())).all(database).await?)
}
