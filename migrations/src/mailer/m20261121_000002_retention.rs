use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // When a delivery was sent, given up or suppressed: its age from then on.
        manager
            .alter_table(
                Table::alter().table("delivery").add_column(timestamp_with_time_zone_null("settled_at")).to_owned(),
            )
            .await?;
        let settled = Query::update()
            .table("delivery")
            .value("settled_at", Func::coalesce([Expr::col("sent_at"), Expr::col("next_attempt_at")]))
            .and_where(Expr::col("status").is_in(["SENT", "DEAD"]))
            .to_owned();
        manager.execute(settled).await?;
        manager
            .create_index(
                Index::create()
                    .name("delivery_status_settled_at")
                    .table("delivery")
                    .col("status")
                    .col("settled_at")
                    .to_owned(),
            )
            .await?;
        // Deleted accounts, remembered for as long as a mail command to one of them may still arrive.
        manager
            .create_table(
                Table::create()
                    .table("deleted_user")
                    .col(uuid("id").primary_key())
                    .col(timestamp_with_time_zone("deleted_at"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create().name("deleted_user_deleted_at").table("deleted_user").col("deleted_at").to_owned(),
            )
            .await
    }
}
