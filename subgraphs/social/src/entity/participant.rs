//! The table `participant`: who is in a conversation, and how far they have come.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "participant")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) conversation_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) user_id: Uuid,
    pub(crate) joined_at: DateTimeUtc,
    /// When the conversation was last active: the same in all of its rows, here for the order of a user's list.
    pub(crate) active_at: DateTimeUtc,
    /// When they last wrote; null when they never have.
    pub(crate) wrote_at: Option<DateTimeUtc>,
    /// The sequence of the last message that they have read; 0 when it is none.
    pub(crate) last_read_sequence: i64,
    pub(crate) last_read_message_id: Option<Uuid>,
    pub(crate) last_read_at: Option<DateTimeUtc>,
    pub(crate) muted_until: Option<DateTimeUtc>,
    /// How many messages of others behind the last that was read are not deleted.
    pub(crate) unread_count: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {
    #[sea_orm(
        belongs_to = "super::conversation::Entity",
        from = "Column::ConversationId",
        to = "super::conversation::Column::Id"
    )]
    Conversation,
}

impl Related<super::conversation::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Conversation.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
