//! Who has an account, as the users service has told so far.

use crate::{
    Error as SocialError,
    entity::person::{ActiveModel, Column, Entity},
};
use chrono::{DateTime, Utc};
use hansa_kit::{
    Error,
    codes::{Code, Denied},
};
use sea_orm::{ActiveValue::Set, ConnectionTrait, QuerySelect, entity::prelude::*, sea_query::OnConflict};

/// Remembers somebody who has an account; nothing changes for one who is known, or known to be gone.
pub(crate) async fn remember(transaction: &impl ConnectionTrait, id: Uuid) -> Result<(), Error> {
    let person = ActiveModel { id: Set(id), deleted_at: Set(None) };
    let known = OnConflict::column(Column::Id).do_nothing().to_owned();
    Entity::insert(person).on_conflict(known).exec_without_returning(transaction).await?;
    Ok(())
}

/// Remembers that somebody has no account any more, even if nothing was known of them. Waits for what [`hold`]s them.
pub(crate) async fn forget(transaction: &impl ConnectionTrait, id: Uuid, now: DateTime<Utc>) -> Result<(), Error> {
    let person = ActiveModel { id: Set(id), deleted_at: Set(Some(now)) };
    let known = OnConflict::column(Column::Id).update_column(Column::DeletedAt).to_owned();
    Entity::insert(person).on_conflict(known).exec_without_returning(transaction).await?;
    Ok(())
}

/// Makes sure that all have accounts until the transaction ends: whoever erases one waits for it. A caller who is not
/// known yet has just registered, as their token says.
///
/// # Errors
/// [`SocialError::NoSuchPerson`] for any of the others; `UNAUTHENTICATED` for a caller whose account is gone.
pub(crate) async fn hold(transaction: &impl ConnectionTrait, caller: Uuid, others: &[Uuid]) -> Result<(), SocialError> {
    let ids = others.iter().copied().chain([caller]);
    let people = Entity::find().filter(Column::Id.is_in(ids)).lock_shared().all(transaction).await?;
    let find = |id| people.iter().find(|person| person.id == id);
    match find(caller) {
        None => remember(transaction, caller).await?,
        Some(caller) if caller.deleted_at.is_none() => {}
        Some(_) => return Err(Denied::new(Code::Unauthenticated, "your account is gone").into()),
    }
    let has_account = |id: &Uuid| find(*id).is_some_and(|person| person.deleted_at.is_none());
    if others.iter().all(has_account) { Ok(()) } else { Err(SocialError::NoSuchPerson) }
}
