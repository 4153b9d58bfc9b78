//! The table `notification`.

use crate::domain::{Kind, Subject, SubjectType};
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "notification")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) recipient_id: Uuid,
    pub(crate) kind: Kind,
    pub(crate) title: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) body: Option<String>,
    pub(crate) actor_id: Option<Uuid>,
    pub(crate) subject_type: Option<SubjectType>,
    pub(crate) subject_id: Option<Uuid>,
    /// Where the messages were written that it tells of.
    pub(crate) conversation_id: Option<Uuid>,
    pub(crate) count: i32,
    pub(crate) created_at: DateTimeUtc,
    pub(crate) read_at: Option<DateTimeUtc>,
}

impl Model {
    /// What it leads to.
    pub(crate) fn subject(&self) -> Option<Subject> {
        Some(Subject::of(self.subject_type?, self.subject_id?))
    }
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
