//! The table `announcement`: news of posts that are still to be put into their readers' streams.

use crate::{domain::Visibility, live::News};
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "announcement")]
pub(crate) struct Model {
    #[sea_orm(primary_key)]
    pub(crate) seq: i64,
    pub(crate) author_id: Uuid,
    pub(crate) post_id: Uuid,
    pub(crate) news: News,
    /// For whom it is: the wider of what the post's visibility was and is.
    pub(crate) visibility: Visibility,
    pub(crate) occurred_at: DateTimeUtc,
    /// The last reader, in the order of ids, whose stream has it.
    pub(crate) reached: Option<Uuid>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
