//! Keys that access tokens are signed with.

use sea_orm::entity::prelude::*;

/// An Ed25519 key pair and the times it is good for.
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "signing_key")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub kid: String,
    pub private_key: Vec<u8>,
    pub public_key: Vec<u8>,
    pub generation: i64,
    pub created_at: DateTimeUtc,
    pub signs_from: DateTimeUtc,
    pub signs_until: DateTimeUtc,
    pub verifies_until: DateTimeUtc,
}

/// The key itself stays out of logs.
impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
