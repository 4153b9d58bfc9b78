//! Tables that the kit keeps in a service's own database, so that they share its transactions.

use sea_orm_migration::{prelude::*, schema::*};

/// `outbox`: events that are committed and not yet published. `seq` is the order of publishing.
pub async fn create_outbox(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("outbox")
                .col(big_integer("seq").auto_increment().primary_key())
                .col(uuid("event_id").unique_key())
                .col(string("topic"))
                .col(string("key"))
                .col(text("payload"))
                .col(timestamp_with_time_zone("created_at"))
                .to_owned(),
        )
        .await
}

/// `inbox`: events whose effect is committed, so that a redelivery has none.
pub async fn create_inbox(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("inbox")
                .col(uuid("event_id").primary_key())
                .col(timestamp_with_time_zone("received_at"))
                .to_owned(),
        )
        .await?;
    manager.create_index(Index::create().name("inbox_received_at").table("inbox").col("received_at").to_owned()).await
}

/// `lease`: what only one replica may do at a time, and which one does it until when.
pub async fn create_lease(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("lease")
                .col(string("name").primary_key())
                .col(uuid("holder"))
                .col(timestamp_with_time_zone("expires_at"))
                .to_owned(),
        )
        .await
}

/// `idempotency`: what a create with a key has made already.
pub async fn create_idempotency(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("idempotency")
                .col(string("scope"))
                .col(string("key"))
                .col(string("request_hash"))
                .col(uuid("entity_id"))
                .col(timestamp_with_time_zone("created_at"))
                .primary_key(Index::create().col("scope").col("key"))
                .to_owned(),
        )
        .await?;
    manager
        .create_index(Index::create().name("idempotency_created_at").table("idempotency").col("created_at").to_owned())
        .await
}

/// `stream_head` and `stream_event`: durable streams, a sequence per stream and viewer without holes.
pub async fn create_streams(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("stream_head")
                .col(string("stream"))
                .col(uuid("viewer_id"))
                .col(big_integer("sequence"))
                .primary_key(Index::create().col("stream").col("viewer_id"))
                .to_owned(),
        )
        .await?;
    manager
        .create_table(
            Table::create()
                .table("stream_event")
                .col(string("stream"))
                .col(uuid("viewer_id"))
                .col(big_integer("sequence"))
                .col(text("payload"))
                .col(timestamp_with_time_zone("occurred_at"))
                .primary_key(Index::create().col("stream").col("viewer_id").col("sequence"))
                .to_owned(),
        )
        .await?;
    manager
        .create_index(
            Index::create().name("stream_event_occurred_at").table("stream_event").col("occurred_at").to_owned(),
        )
        .await
}
