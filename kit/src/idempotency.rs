//! Idempotency keys: a create that is sent again makes nothing new and answers as before.

use crate::codes::{UserError, UserErrorCode};
use chrono::{DateTime, Duration, Utc};
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbErr, QueryFilter, entity::prelude::*, sea_query::OnConflict};
use sha2::{Digest, Sha256};

mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "idempotency")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub scope: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub key: String,
        pub request_hash: String,
        pub entity_id: Uuid,
        pub created_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// How long a key is remembered.
pub const RETENTION: Duration = Duration::hours(24);
/// The longest key that is taken, in characters.
pub const MAX_KEY_LENGTH: usize = 255;

/// Why a create is refused for its idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is empty.
    #[error("an idempotency key is not empty")]
    Blank,
    /// It is longer than [`MAX_KEY_LENGTH`].
    #[error("an idempotency key has at most {MAX_KEY_LENGTH} characters")]
    TooLong,
    /// It was used with another input.
    #[error("this idempotency key was used with another input")]
    Reused,
}

impl From<KeyError> for UserError {
    fn from(error: KeyError) -> Self {
        let code = match error {
            KeyError::Blank => UserErrorCode::Blank,
            KeyError::TooLong => UserErrorCode::TooLong,
            KeyError::Reused => UserErrorCode::IdempotencyKeyReused,
        };
        Self::at(code, FIELD, error.to_string())
    }
}

/// Where inputs have their key.
pub const FIELD: &[&str] = &["input", "idempotencyKey"];

/// Checks a key that a client made up.
///
/// # Errors
/// [`KeyError::Blank`] and [`KeyError::TooLong`].
pub fn check_key(key: &str) -> Result<(), KeyError> {
    match key.chars().take(MAX_KEY_LENGTH + 1).count() {
        0 => Err(KeyError::Blank),
        1..=MAX_KEY_LENGTH => Ok(()),
        _ => Err(KeyError::TooLong),
    }
}

/// What is known of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Not seen before: the caller creates the entity with the id it claimed.
    Fresh,
    /// The same create has been done: this is its entity.
    Replay(Uuid),
    /// The key was used with another input.
    Reused,
}

/// Claims `key` within `scope` (caller and mutation) for the entity about to be created as `entity_id`, in the same
/// transaction as the create. `request` is the input that must be equal on a replay. A concurrent create with the same
/// key waits for this transaction to end.
///
/// # Errors
/// When the database fails.
pub async fn claim<C: ConnectionTrait>(
    transaction: &C,
    scope: &str,
    key: &str,
    request: &impl serde::Serialize,
    entity_id: Uuid,
    now: DateTime<Utc>,
) -> Result<Claim, crate::Error> {
    entity::Entity::delete_many()
        .filter(entity::Column::Scope.eq(scope))
        .filter(entity::Column::CreatedAt.lt(now - RETENTION))
        .exec(transaction)
        .await?;
    let request_hash = format!("{:x}", Sha256::digest(serde_json::to_vec(request)?));
    let row = entity::ActiveModel {
        scope: Set(scope.to_owned()),
        key: Set(key.to_owned()),
        request_hash: Set(request_hash.clone()),
        entity_id: Set(entity_id),
        created_at: Set(now),
    };
    let inserted = entity::Entity::insert(row)
        .on_conflict(OnConflict::columns([entity::Column::Scope, entity::Column::Key]).do_nothing().to_owned())
        .exec_without_returning(transaction)
        .await?;
    if inserted == 1 {
        return Ok(Claim::Fresh);
    }
    let known = entity::Entity::find_by_id((scope.to_owned(), key.to_owned()))
        .one(transaction)
        .await?
        .ok_or_else(|| DbErr::RecordNotFound(format!("idempotency key of {scope}")))?;
    Ok(if known.request_hash == request_hash { Claim::Replay(known.entity_id) } else { Claim::Reused })
}

/// Forgets keys that are older than [`RETENTION`].
///
/// # Errors
/// When the database fails.
pub async fn prune<C: ConnectionTrait>(database: &C, now: DateTime<Utc>) -> Result<(), crate::Error> {
    entity::Entity::delete_many().filter(entity::Column::CreatedAt.lt(now - RETENTION)).exec(database).await?;
    Ok(())
}
