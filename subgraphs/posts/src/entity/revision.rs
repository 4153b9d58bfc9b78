//! The table `revision`: former texts of published posts.

use crate::domain::Visibility;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "revision")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) post_id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub(crate) body: String,
    /// Who could read the post while this was its text.
    pub(crate) visibility: Visibility,
    /// When the post got this text.
    pub(crate) edited_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
