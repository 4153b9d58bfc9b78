//! Two people: what happens between them happens one thing after another, so that their friendship, follows and blocks
//! are never of two minds and their events are in the order of what happened.

use crate::{Error, Service, person};
use hansa_kit::database;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, Statement, entity::prelude::*};

/// Two people, whichever way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pair {
    pub(crate) low: Uuid,
    pub(crate) high: Uuid,
}

impl Pair {
    pub(crate) fn of(one: Uuid, other: Uuid) -> Self {
        Self { low: one.min(other), high: one.max(other) }
    }
}

/// Begins a change that `caller` makes and that concerns `other`; nothing else happens between the two before it ends,
/// nor does the caller do anything to anybody else, so that quotas are exact.
///
/// # Errors
/// [`Error::Oneself`], and [`Error::NoSuchPerson`] when the other has no account.
pub(crate) async fn begin(service: &Service, caller: Uuid, other: Uuid) -> Result<DatabaseTransaction, Error> {
    if caller == other {
        return Err(Error::Oneself);
    }
    let transaction = database::begin(&service.database).await?;
    lock(&transaction, caller, other).await?;
    person::hold(&transaction, caller, &[other]).await?;
    Ok(transaction)
}

/// Waits for the pair, then for the caller: always in this order, so that nobody waits in a circle. SQLite has one writer
/// anyway.
async fn lock(transaction: &DatabaseTransaction, caller: Uuid, other: Uuid) -> Result<(), DbErr> {
    if transaction.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let Pair { low, high } = Pair::of(caller, other);
    let sql = "SELECT pg_advisory_xact_lock(hashtextextended('social.pair:' || $1::text, 0)), \
               pg_advisory_xact_lock(hashtextextended('social.person:' || $2::text, 0))";
    let values = [format!("{low}:{high}").into(), caller.to_string().into()];
    transaction.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
    Ok(())
}
