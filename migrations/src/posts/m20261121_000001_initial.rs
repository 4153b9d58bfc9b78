use crate::shared;
use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        shared::create_outbox(manager).await?;
        shared::create_inbox(manager).await?;
        shared::create_lease(manager).await?;
        shared::create_idempotency(manager).await?;
        manager
            .create_table(
                Table::create()
                    .table("post")
                    .col(uuid("id").primary_key())
                    .col(uuid("author_id"))
                    .col(text("body"))
                    .col(timestamp_with_time_zone("created_at"))
                    .col(timestamp_with_time_zone_null("edited_at"))
                    .to_owned(),
            )
            .await?;
        // Ids are UUIDv7: their order is that of creation.
        manager
            .create_index(
                Index::create().name("post_author_id_id").table("post").col("author_id").col("id").to_owned(),
            )
            .await
    }
}
