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
                    // What EDITED_AT sorts by: a post that was never edited counts as edited when it was created.
                    .col(
                        timestamp_with_time_zone("changed_at")
                            .generated(Func::coalesce([Expr::col("edited_at"), Expr::col("created_at")]), true),
                    )
                    .to_owned(),
            )
            .await?;
        for order in ["created_at", "changed_at"] {
            let all = format!("post_{order}_id");
            manager.create_index(Index::create().name(all).table("post").col(order).col("id").to_owned()).await?;
            let of_author = format!("post_author_id_{order}_id");
            manager
                .create_index(
                    Index::create().name(of_author).table("post").col("author_id").col(order).col("id").to_owned(),
                )
                .await?;
        }
        Ok(())
    }
}
