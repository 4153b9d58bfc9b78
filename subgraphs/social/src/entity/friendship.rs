//! The table `friendship`: one row for two people.

use crate::friendship::domain::Status;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "friendship")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    /// The smaller of the two people's ids. Unique together with `high_id`.
    pub(crate) low_id: Uuid,
    pub(crate) high_id: Uuid,
    pub(crate) requester_id: Uuid,
    pub(crate) addressee_id: Uuid,
    pub(crate) status: Status,
    /// When it was asked for.
    pub(crate) created_at: DateTimeUtc,
    /// When it was accepted, declined or cancelled.
    pub(crate) responded_at: Option<DateTimeUtc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
