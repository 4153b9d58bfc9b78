//! Who can sign in.

use crate::account::{AccountStatus, Gender, Roles};
use sea_orm::entity::prelude::*;

/// An account.
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "account")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub username: String,
    pub username_key: String,
    pub email: String,
    pub email_key: String,
    pub password_hash: String,
    pub display_name: String,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub gender: Option<Gender>,
    pub birthday: Option<Date>,
    pub bio: Option<String>,
    pub locale: String,
    pub time_zone: String,
    pub is_manager: bool,
    pub is_staff: bool,
    pub is_admin: bool,
    pub status: AccountStatus,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

impl Model {
    /// The roles of its owner.
    pub fn roles(&self) -> Roles {
        Roles { manager: self.is_manager, staff: self.is_staff, admin: self.is_admin }
    }
}

/// Personal data stays out of logs.
impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("id", &self.id).finish_non_exhaustive()
    }
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
