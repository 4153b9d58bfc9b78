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
        // `sequence` is the order of sending: that in which the commands arrived.
        manager
            .create_table(
                Table::create()
                    .table("delivery")
                    .col(big_integer("sequence").auto_increment().primary_key())
                    .col(uuid("id").unique_key())
                    .col(uuid("recipient_id"))
                    .col(string("to_address"))
                    .col(string("message_id").unique_key())
                    .col(text("command"))
                    .col(string("status"))
                    .col(integer("attempts").default(0))
                    .col(string_null("last_error"))
                    .col(timestamp_with_time_zone("queued_at"))
                    .col(timestamp_with_time_zone("next_attempt_at"))
                    .col(timestamp_with_time_zone_null("sent_at"))
                    .to_owned(),
            )
            .await?;
        for (name, columns) in [
            ("delivery_status_sequence", ["status", "sequence"]),
            ("delivery_recipient_id_sequence", ["recipient_id", "sequence"]),
        ] {
            let mut index = Index::create().name(name).table("delivery").to_owned();
            for column in columns {
                index.col(column);
            }
            manager.create_index(index).await?;
        }
        // What the embedded mailbox received.
        manager
            .create_table(
                Table::create()
                    .table("mailbox_message")
                    .col(uuid("id").primary_key())
                    .col(string("message_id").unique_key())
                    .col(text("to"))
                    .col(text("subject"))
                    .col(text("text"))
                    .col(text("html"))
                    .col(timestamp_with_time_zone("sent_at"))
                    .to_owned(),
            )
            .await
    }
}
