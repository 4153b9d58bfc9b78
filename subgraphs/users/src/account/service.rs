//! What happens to accounts once they are there: changes by their owners and by administrators, deletion.

use super::{
    AccountRole, AccountStatus, Email, Password, Roles, Username,
    domain::{known_names, valid},
    lookup_key,
    store::{self, Filter, Key, Sort},
};
use crate::{
    Error, Service,
    entity::account::{ActiveModel, Model},
    session::{self, service::Ended},
};
use chrono::{DateTime, Utc};
use hansa_kit::{
    Viewer,
    codes::{Code, Denied, UserError, UserErrorCode},
    database, outbox,
    paging::{Page, Slice},
};
use hansa_schema::users::{UserDeleted, UserUpdated};
use sea_orm::{
    ActiveValue::{Set, Unchanged},
    ConnectionTrait, DbErr, SqlErr,
};
use uuid::Uuid;

/// Scopes that see the private facts of every account.
const PRIVY: &[&str] = &["admin", "staff"];
const ADMIN: &[&str] = &["admin"];

/// What an administrator changes; `None` leaves it as it is.
pub(crate) struct Changes {
    pub username: Option<String>,
    pub email: Option<String>,
    pub status: Option<AccountStatus>,
}

/// A new password of the viewer.
pub(crate) struct PasswordChange {
    pub current: String,
    pub new: String,
    pub revoke_other_sessions: bool,
}

pub(super) const USERNAME_KEY: &str = "username_key";
pub(super) const EMAIL_KEY: &str = "email_key";

/// Somebody else has the value of this unique column.
pub(super) fn taken(column: &str) -> UserError {
    match column {
        EMAIL_KEY => UserError::at(UserErrorCode::Taken, &["input", "email"], "this e-mail address has an account"),
        _ => UserError::at(UserErrorCode::Taken, &["input", "username"], "this username is taken"),
    }
}

/// A violated unique constraint is a business failure; both databases name its column.
pub(super) fn or_taken(error: DbErr) -> Error {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(message)) => {
            match [USERNAME_KEY, EMAIL_KEY].into_iter().find(|column| message.contains(column)) {
                Some(column) => taken(column).into(),
                None => error.into(),
            }
        }
        _ => error.into(),
    }
}

/// Refuses those who may not see the private facts of every account.
pub(crate) fn require_privy(viewer: &Viewer) -> Result<(), Denied> {
    viewer.require_any_scope(PRIVY).map(drop)
}

/// The account with this username, whatever its case.
pub(crate) async fn by_username(service: &Service, username: &str) -> Result<Option<Model>, Error> {
    let Some(key) = lookup_key(username) else { return Ok(None) };
    Ok(store::by_username_key(&service.database, &key).await?)
}

/// Lists accounts, to administrators.
pub(crate) async fn list(
    service: &Service,
    viewer: &Viewer,
    filter: &Filter,
    sort: Sort,
    page: &Page<Key>,
) -> Result<Slice<Model>, Error> {
    viewer.require_any_scope(ADMIN)?;
    if page.after.as_ref().is_some_and(|key| !key.fits(sort.field)) {
        return Err(Denied::new(Code::BadUserInput, "`after` is a cursor of a list in another order").into());
    }
    Ok(store::page(&service.database, filter, sort, page).await?)
}

/// Counts accounts, for administrators.
pub(crate) async fn count(service: &Service, viewer: &Viewer, filter: &Filter) -> Result<u64, Error> {
    viewer.require_any_scope(ADMIN)?;
    Ok(store::count(&service.database, filter).await?)
}

fn not_found() -> UserError {
    UserError::at(UserErrorCode::NotFound, &["id"], "there is no such user")
}

/// Whether `id` is the last administrator who can sign in. Nobody else can become that, nor cease to be another, before the
/// transaction ends: so somebody is always left who can give roles.
async fn is_last_admin<C: ConnectionTrait>(transaction: &C, id: Uuid) -> Result<bool, Error> {
    Ok(store::lock_admins(transaction).await? == [id])
}

fn last_admin(field: &[&str]) -> Error {
    UserError::at(UserErrorCode::Forbidden, field, "this is the last administrator").into()
}

/// Changes an account. One that gets locked loses its sessions.
pub(crate) async fn update(
    service: &Service,
    viewer: &Viewer,
    id: Option<Uuid>,
    changes: Changes,
) -> Result<Model, Error> {
    let admin = viewer.require_any_scope(ADMIN)?;
    let id = id.ok_or_else(not_found)?;
    let is_lock = changes.status == Some(AccountStatus::Locked);
    let mut errors = Vec::new();
    let username = changes.username.map(|username| Username::parse(&username, &["input", "username"]));
    let username = username.and_then(|username| valid(username, &mut errors));
    let email = changes.email.map(|email| Email::parse(&email, &["input", "email"]));
    let email = email.and_then(|email| valid(email, &mut errors));
    if is_lock && admin.user_id == id {
        let message = "you cannot lock your own account";
        errors.push(UserError::at(UserErrorCode::Forbidden, &["input", "status"], message));
    }
    if !errors.is_empty() {
        return Err(Error::Refused(errors));
    }

    let now = service.clock.now();
    let transaction = database::begin(&service.database).await?;
    if is_lock && is_last_admin(&transaction, id).await? {
        return Err(last_admin(&["input", "status"]));
    }
    let account = store::lock(&transaction, id).await?.ok_or_else(not_found)?;
    let mut row = ActiveModel { id: Unchanged(id), updated_at: Set(now), ..Default::default() };
    if let Some(username) = username {
        rename(&account, &username, &mut row);
    }
    if let Some(email) = email {
        row.email_key = Set(email.key());
        row.email = Set(email.as_str().to_owned());
    }
    if let Some(status) = changes.status {
        row.status = Set(status);
    }
    let account = store::update(&transaction, row).await.map_err(or_taken)?;
    let ended = match is_lock {
        true => session::service::end_all(service, &transaction, id, now).await?,
        false => Ended::none(now),
    };
    announce_update(&transaction, &account, now).await?;
    transaction.commit().await?;
    service.outbox.wake();
    session::service::announce(service, &ended);
    Ok(account)
}

/// Gives an account another username. A name to be called by that was never chosen follows it.
pub(super) fn rename(account: &Model, username: &Username, row: &mut ActiveModel) {
    if account.display_name == account.username && row.display_name.is_not_set() {
        row.display_name = Set(username.as_str().to_owned());
    }
    row.username_key = Set(username.key());
    row.username = Set(username.as_str().to_owned());
}

/// Tells other services what the account is now.
pub(super) async fn announce_update<C: ConnectionTrait>(
    transaction: &C,
    account: &Model,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let event = UserUpdated {
        user_id: account.id,
        username: account.username.clone(),
        display_name: account.display_name.clone(),
        email: account.email.clone(),
        locale: account.locale.clone(),
    };
    Ok(outbox::write(transaction, now, event).await?)
}

/// Deletes an account, its sessions and all that this service knows of its owner.
pub(crate) async fn delete(service: &Service, viewer: &Viewer, id: Option<Uuid>) -> Result<Uuid, Error> {
    viewer.require_any_scope(ADMIN)?;
    let id = id.ok_or_else(not_found)?;
    let now = service.clock.now();
    let transaction = database::begin(&service.database).await?;
    store::lock(&transaction, id).await?.ok_or_else(not_found)?;
    let ended = session::service::end_all(service, &transaction, id, now).await?;
    if !store::delete(&transaction, id).await? {
        let message = "an administrator's account cannot be deleted; take the role away first";
        return Err(UserError::at(UserErrorCode::CannotDeleteAdmin, &["id"], message).into());
    }
    outbox::write(&transaction, now, UserDeleted { user_id: id }).await?;
    transaction.commit().await?;
    service.outbox.wake();
    session::service::announce(service, &ended);
    Ok(id)
}

/// Gives an account exactly these roles. Its sessions end, for their tokens tell of the old ones.
pub(crate) async fn set_roles(
    service: &Service,
    viewer: &Viewer,
    id: Option<Uuid>,
    roles: Roles,
) -> Result<Model, Error> {
    let admin = viewer.require_any_scope(ADMIN)?;
    let id = id.ok_or_else(not_found)?;
    if admin.user_id == id && !roles.admin {
        let message = format!("you cannot take the role {} from yourself", AccountRole::Admin.as_str());
        return Err(UserError::at(UserErrorCode::Forbidden, &["roles"], message).into());
    }
    let now = service.clock.now();
    let transaction = database::begin(&service.database).await?;
    if !roles.admin && is_last_admin(&transaction, id).await? {
        return Err(last_admin(&["roles"]));
    }
    let account = store::lock(&transaction, id).await?.ok_or_else(not_found)?;
    if account.roles() == roles {
        return Ok(account);
    }
    let row = ActiveModel {
        id: Unchanged(id),
        is_manager: Set(roles.manager),
        is_staff: Set(roles.staff),
        is_admin: Set(roles.admin),
        updated_at: Set(now),
        ..Default::default()
    };
    let account = store::update(&transaction, row).await?;
    let ended = session::service::end_all(service, &transaction, id, now).await?;
    transaction.commit().await?;
    session::service::announce(service, &ended);
    Ok(account)
}

/// Gives the viewer's account another password.
pub(crate) async fn change_password(
    service: &Service,
    viewer: &Viewer,
    change: PasswordChange,
) -> Result<Model, Error> {
    const NEW: &[&str] = &["input", "newPassword"];
    let wrong = || {
        let message = "this is not the current password";
        UserError::at(UserErrorCode::InvalidCredentials, &["input", "currentPassword"], message)
    };
    let identity = viewer.require()?;
    let account = store::by_id(&service.database, identity.user_id).await?.ok_or_else(wrong)?;
    let current = Password::new(&change.current);
    if !service.passwords.verify(current, Some(account.password_hash.clone())).await? {
        return Err(wrong().into());
    }
    let password = Password::parse(&change.new, NEW)?;
    let names = known_names(&account.username, &account.email);
    if let Some(flaw) = service.passwords.weakness(password.clone(), names, NEW).await? {
        return Err(flaw.into());
    }
    let password_hash = service.passwords.hash(password).await?;

    let now = service.clock.now();
    let transaction = database::begin(&service.database).await?;
    store::lock(&transaction, account.id)
        .await?
        .filter(|current| current.password_hash == account.password_hash)
        .ok_or_else(wrong)?;
    let row = ActiveModel {
        id: Unchanged(account.id),
        password_hash: Set(password_hash),
        updated_at: Set(now),
        ..Default::default()
    };
    let account = store::update(&transaction, row).await?;
    let ended = match change.revoke_other_sessions {
        true => session::service::end_others(service, &transaction, identity, now).await?,
        false => Ended::none(now),
    };
    transaction.commit().await?;
    session::service::announce(service, &ended);
    Ok(account)
}
