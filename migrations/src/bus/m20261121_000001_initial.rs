use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("record")
                    .col(big_integer("position").auto_increment().primary_key())
                    .col(string("topic"))
                    .col(integer("partition"))
                    .col(big_integer("offset"))
                    .col(string("key"))
                    .col(binary("payload"))
                    .col(timestamp_with_time_zone("appended_at"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("record_offset")
                    .table("record")
                    .col("topic")
                    .col("partition")
                    .col("offset")
                    .unique()
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("head")
                    .col(string("topic"))
                    .col(integer("partition"))
                    .col(big_integer("next_offset"))
                    .primary_key(Index::create().col("topic").col("partition"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("committed")
                    .col(string("consumer_group"))
                    .col(string("topic"))
                    .col(integer("partition"))
                    .col(big_integer("next_offset"))
                    .primary_key(Index::create().col("consumer_group").col("topic").col("partition"))
                    .to_owned(),
            )
            .await
    }
}
