//! Who has an account, as the users service has told so far.

use crate::entity::person::{ActiveModel, Column, Entity};
use chrono::{DateTime, Utc};
use hansa_kit::Error;
use sea_orm::{ActiveValue::Set, ConnectionTrait, entity::prelude::*, sea_query::OnConflict};

/// Remembers somebody who has an account; nothing changes for one who is known, or known to be gone.
pub(crate) async fn remember(transaction: &impl ConnectionTrait, id: Uuid) -> Result<(), Error> {
    let person = ActiveModel { id: Set(id), deleted_at: Set(None) };
    let known = OnConflict::column(Column::Id).do_nothing().to_owned();
    Entity::insert(person).on_conflict(known).exec_without_returning(transaction).await?;
    Ok(())
}

/// Remembers that somebody has no account any more, even if nothing was known of them.
pub(crate) async fn forget(transaction: &impl ConnectionTrait, id: Uuid, now: DateTime<Utc>) -> Result<(), Error> {
    let person = ActiveModel { id: Set(id), deleted_at: Set(Some(now)) };
    let known = OnConflict::column(Column::Id).update_column(Column::DeletedAt).to_owned();
    Entity::insert(person).on_conflict(known).exec_without_returning(transaction).await?;
    Ok(())
}

/// Whether somebody has an account.
pub(crate) async fn exists(database: &impl ConnectionTrait, id: Uuid) -> Result<bool, Error> {
    let people = Entity::find_by_id(id).filter(Column::DeletedAt.is_null());
    Ok(people.one(database).await?.is_some())
}
