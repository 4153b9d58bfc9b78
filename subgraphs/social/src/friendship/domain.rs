//! What a friendship is: its id and its states.

use async_graphql::Enum;
use sea_orm::{DeriveActiveEnum, EnumIter, prelude::StringLen};

/// How far a friendship has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Enum, EnumIter, DeriveActiveEnum)]
#[graphql(name = "FriendshipStatus")]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::None)", rename_all = "snake_case")]
pub enum Status {
    /// Asked for, not answered yet.
    Pending,
    /// The two are friends.
    Accepted,
    /// Who was asked does not want it.
    Declined,
    /// Who asked has thought better of it.
    Cancelled,
}
