use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // One sequence for all topics: offsets within a topic increase, and have holes.
        manager
            .create_table(
                Table::create()
                    .table("record")
                    .col(big_integer("offset").auto_increment().primary_key())
                    .col(string("topic"))
                    .col(string("key"))
                    .col(ColumnDef::new("payload").blob().not_null())
                    .col(timestamp_with_time_zone("appended_at"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(Index::create().name("record_topic").table("record").col("topic").col("offset").to_owned())
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("committed")
                    .col(string("consumer_group"))
                    .col(string("topic"))
                    .col(big_integer("next_offset"))
                    .primary_key(Index::create().col("consumer_group").col("topic"))
                    .to_owned(),
            )
            .await
    }
}
