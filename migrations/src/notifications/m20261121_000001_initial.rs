use crate::shared;
use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        shared::create_inbox(manager).await?;
        shared::create_streams(manager).await?;
        manager
            .create_table(
                Table::create()
                    .table("notification")
                    .col(uuid("id").primary_key())
                    .col(uuid("recipient_id"))
                    .col(string("kind"))
                    .col(string("title"))
                    .col(text_null("body"))
                    .col(uuid_null("actor_id"))
                    .col(integer("count").default(1))
                    .col(timestamp_with_time_zone("created_at"))
                    .col(timestamp_with_time_zone_null("read_at"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("notification_recipient_id_created_at_id")
                    .table("notification")
                    .col("recipient_id")
                    .col("created_at")
                    .col("id")
                    .to_owned(),
            )
            .await?;
        // What is unread is little of what there is, and it is counted all the time.
        manager
            .create_index(
                Index::create()
                    .name("notification_unread")
                    .table("notification")
                    .col("recipient_id")
                    .and_where(Expr::col("read_at").is_null())
                    .to_owned(),
            )
            .await
    }
}
