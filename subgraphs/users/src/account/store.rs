//! Every query of accounts.

use super::{AccountRole, AccountStatus, Email, Username};
use crate::entity::account::{ActiveModel, Column, Entity, Model};
use hansa_kit::{
    filter::{DateTimeRange, SortDirection},
    paging::{Page, Position, Slice, keyset},
};
use sea_orm::{
    Condition, ConnectionTrait, DbErr, QueryOrder, QuerySelect, Select, Value,
    entity::prelude::*,
    sea_query::{LikeExpr, OnConflict},
};
use serde::{Deserialize, Serialize};

/// Which accounts are listed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// Part of the username or the address, folded.
    pub search: Option<String>,
    pub role: Option<AccountRole>,
    pub status: Option<AccountStatus>,
    pub created_at: DateTimeRange,
}

/// What a list of accounts is ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SortField {
    Username,
    CreatedAt,
}

/// How a list of accounts is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sort {
    pub field: SortField,
    pub direction: SortDirection,
}

/// The place of an account in a list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) enum Key {
    Username(String),
    CreatedAt(Position),
}

impl Key {
    /// The place of `account` in a list ordered by `field`.
    pub fn of(account: &Model, field: SortField) -> Self {
        match field {
            SortField::Username => Self::Username(account.username_key.clone()),
            SortField::CreatedAt => Self::CreatedAt(Position { time: account.created_at, id: account.id }),
        }
    }

    /// Whether it is a place in a list ordered by `field`.
    pub fn fits(&self, field: SortField) -> bool {
        match self {
            // A cursor is what else can hold a character that no database takes.
            Self::Username(key) => field == SortField::Username && !key.contains('\0'),
            Self::CreatedAt(..) => field == SortField::CreatedAt,
        }
    }
}

impl From<Key> for Vec<Value> {
    fn from(key: Key) -> Self {
        match key {
            Key::Username(key) => vec![key.into()],
            Key::CreatedAt(position) => position.into(),
        }
    }
}

pub(crate) async fn by_id<C: ConnectionTrait>(database: &C, id: Uuid) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(id).one(database).await
}

pub(crate) async fn by_ids<C: ConnectionTrait>(database: &C, ids: &[Uuid]) -> Result<Vec<Model>, DbErr> {
    Entity::find().filter(Column::Id.is_in(ids.iter().copied())).all(database).await
}

/// The account, locked until the transaction ends: sessions open and end, and roles change, one after the other.
pub(crate) async fn lock<C: ConnectionTrait>(transaction: &C, id: Uuid) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(id).lock_exclusive().one(transaction).await
}

pub(crate) async fn by_username_key<C: ConnectionTrait>(database: &C, key: &str) -> Result<Option<Model>, DbErr> {
    Entity::find().filter(Column::UsernameKey.eq(key)).one(database).await
}

/// The account with this folded username or address. No username has an `@`.
pub(crate) async fn by_login<C: ConnectionTrait>(database: &C, login: &str) -> Result<Option<Model>, DbErr> {
    let column = if login.contains('@') { Column::EmailKey } else { Column::UsernameKey };
    Entity::find().filter(column.eq(login)).one(database).await
}

/// Which of the two another account has already.
pub(crate) async fn taken<C: ConnectionTrait>(
    database: &C,
    username: &Username,
    email: &Email,
) -> Result<(bool, bool), DbErr> {
    let is_taken = async |column: Column, key: String| {
        Ok::<_, DbErr>(Entity::find().filter(column.eq(key)).count(database).await? > 0)
    };
    Ok((is_taken(Column::UsernameKey, username.key()).await?, is_taken(Column::EmailKey, email.key()).await?))
}

/// Adds an account. False when its username or address is taken.
pub(crate) async fn insert<C: ConnectionTrait>(database: &C, account: &Model) -> Result<bool, DbErr> {
    let added = Entity::insert(ActiveModel::from(account.clone()))
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(database)
        .await?;
    Ok(added == 1)
}

/// Writes what `changes` sets, and returns the account as it is then.
pub(crate) async fn update<C: ConnectionTrait>(database: &C, changes: ActiveModel) -> Result<Model, DbErr> {
    Entity::update(changes).exec(database).await
}

/// Deletes an account with its sessions, but never an administrator's.
pub(crate) async fn delete<C: ConnectionTrait>(database: &C, id: Uuid) -> Result<bool, DbErr> {
    let deleted =
        Entity::delete_many().filter(Column::Id.eq(id)).filter(Column::IsAdmin.eq(false)).exec(database).await?;
    Ok(deleted.rows_affected == 1)
}

pub(crate) async fn has_admin<C: ConnectionTrait>(database: &C) -> Result<bool, DbErr> {
    Ok(Entity::find().filter(Column::IsAdmin.eq(true)).limit(1).count(database).await? > 0)
}

/// The active administrators, locked until the transaction ends: of those who want to take the last ones' rights away at the
/// same time, one sees what the others have done. To be locked before any other account, in one order, against deadlocks.
pub(crate) async fn lock_admins<C: ConnectionTrait>(transaction: &C) -> Result<Vec<Uuid>, DbErr> {
    let admins = Entity::find()
        .filter(Column::IsAdmin.eq(true))
        .filter(Column::Status.eq(AccountStatus::Active))
        .order_by_asc(Column::Id)
        .lock_exclusive()
        .all(transaction)
        .await?;
    Ok(admins.into_iter().map(|admin| admin.id).collect())
}

/// One page of a list. Both orders have an index; a search reads along it.
pub(crate) async fn page<C: ConnectionTrait>(
    database: &C,
    filter: &Filter,
    Sort { field, direction }: Sort,
    page: &Page<Key>,
) -> Result<Slice<Model>, DbErr> {
    let columns: &[Column] = match field {
        SortField::Username => &[Column::UsernameKey],
        SortField::CreatedAt => &[Column::CreatedAt, Column::Id],
    };
    let after = page.after.clone().map(Into::into);
    let accounts = keyset(filtered(filter), columns, direction, after, page.limit);
    Ok(Slice::of(accounts.all(database).await?, page.limit))
}

pub(crate) async fn count<C: ConnectionTrait>(database: &C, filter: &Filter) -> Result<u64, DbErr> {
    filtered(filter).count(database).await
}

fn filtered(filter: &Filter) -> Select<Entity> {
    let mut wanted = Condition::all()
        .add_option(filter.status.map(|status| Column::Status.eq(status)))
        .add_option(filter.created_at.from.map(|from| Column::CreatedAt.gte(from)))
        .add_option(filter.created_at.to.map(|to| Column::CreatedAt.lt(to)));
    wanted = match filter.role {
        None | Some(AccountRole::User) => wanted,
        Some(AccountRole::Manager) => wanted.add(Column::IsManager.eq(true)),
        Some(AccountRole::Staff) => wanted.add(Column::IsStaff.eq(true)),
        Some(AccountRole::Admin) => wanted.add(Column::IsAdmin.eq(true)),
    };
    if let Some(search) = &filter.search {
        let literal = search.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_");
        let pattern = || LikeExpr::new(format!("%{literal}%")).escape('\\');
        wanted =
            wanted.add(Condition::any().add(Column::UsernameKey.like(pattern())).add(Column::EmailKey.like(pattern())));
    }
    Entity::find().filter(wanted)
}
