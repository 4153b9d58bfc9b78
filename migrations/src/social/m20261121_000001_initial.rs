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
        shared::create_streams(manager).await?;
        // Who has an account. A row of somebody who has none any more stays, so that no late event brings them back.
        manager
            .create_table(
                Table::create()
                    .table("person")
                    .col(uuid("id").primary_key())
                    .col(timestamp_with_time_zone_null("deleted_at"))
                    .to_owned(),
            )
            .await
    }
}
