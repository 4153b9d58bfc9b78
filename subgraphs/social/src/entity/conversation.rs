//! The table `conversation`.

use crate::conversation::domain::Kind;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "conversation")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) kind: Kind,
    pub(crate) title: Option<String>,
    /// Who made it; null once their account is gone.
    pub(crate) creator_id: Option<Uuid>,
    /// The smaller of the two people's ids in a direct conversation, unique together with `high_id`; both are null in a
    /// group, and once one of the two is gone.
    pub(crate) low_id: Option<Uuid>,
    pub(crate) high_id: Option<Uuid>,
    /// The sequence of the last message; 0 when there is none.
    pub(crate) head: i64,
    pub(crate) last_message_id: Option<Uuid>,
    pub(crate) created_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
