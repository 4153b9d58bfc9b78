//! The table `message`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "message")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) conversation_id: Uuid,
    /// Its place in the conversation: 1, 2, 3, without holes.
    pub(crate) sequence: i64,
    /// Who wrote it; null once their account is gone.
    pub(crate) sender_id: Option<Uuid>,
    /// The text; null once the message is deleted.
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) body: Option<String>,
    pub(crate) reply_to_id: Option<Uuid>,
    pub(crate) sent_at: DateTimeUtc,
    pub(crate) edited_at: Option<DateTimeUtc>,
    pub(crate) deleted_at: Option<DateTimeUtc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {
    /// Those who may read it.
    #[sea_orm(
        belongs_to = "super::participant::Entity",
        from = "Column::ConversationId",
        to = "super::participant::Column::ConversationId"
    )]
    Participant,
}

impl Related<super::participant::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Participant.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
