use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_conversation(manager).await?;
        create_participant(manager).await?;
        create_message(manager).await?;
        create_presence(manager).await
    }
}

async fn create_conversation(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("conversation")
                .col(uuid("id").primary_key())
                .col(string("kind"))
                .col(string_null("title"))
                .col(uuid_null("creator_id"))
                .col(uuid_null("low_id"))
                .col(uuid_null("high_id"))
                .col(big_integer("head").default(0))
                .col(uuid_null("last_message_id"))
                .col(timestamp_with_time_zone("created_at"))
                .check(Expr::col("low_id").lt(Expr::col("high_id")))
                .to_owned(),
        )
        .await?;
    // Two people have one direct conversation; groups have no pair.
    let pair =
        Index::create().name("conversation_pair").table("conversation").col("low_id").col("high_id").unique().take();
    manager.create_index(pair).await?;
    let created =
        Index::create().name("conversation_creator").table("conversation").col("creator_id").col("created_at").take();
    manager.create_index(created).await
}

async fn create_participant(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("participant")
                .col(uuid("conversation_id"))
                .col(uuid("user_id"))
                .col(timestamp_with_time_zone("joined_at"))
                .col(timestamp_with_time_zone("active_at"))
                .col(timestamp_with_time_zone_null("wrote_at"))
                .col(big_integer("last_read_sequence").default(0))
                .col(uuid_null("last_read_message_id"))
                .col(timestamp_with_time_zone_null("last_read_at"))
                .col(timestamp_with_time_zone_null("muted_until"))
                .col(big_integer("unread_count").default(0))
                .primary_key(Index::create().col("conversation_id").col("user_id"))
                .to_owned(),
        )
        .await?;
    let listed = Index::create()
        .name("participant_user_id_active_at_conversation_id")
        .table("participant")
        .col("user_id")
        .col("active_at")
        .col("conversation_id")
        .take();
    manager.create_index(listed).await?;
    // What is unread is little of what there is, and it is counted all the time.
    let unread = Index::create()
        .name("participant_unread")
        .table("participant")
        .col("user_id")
        .and_where(Expr::col("unread_count").gt(0))
        .take();
    manager.create_index(unread).await
}

async fn create_message(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("message")
                .col(uuid("id").primary_key())
                .col(uuid("conversation_id"))
                .col(big_integer("sequence"))
                .col(uuid_null("sender_id"))
                .col(text_null("body"))
                .col(uuid_null("reply_to_id"))
                .col(timestamp_with_time_zone("sent_at"))
                .col(timestamp_with_time_zone_null("edited_at"))
                .col(timestamp_with_time_zone_null("deleted_at"))
                .to_owned(),
        )
        .await?;
    let order =
        Index::create().name("message_order").table("message").col("conversation_id").col("sequence").unique().take();
    manager.create_index(order).await?;
    manager.create_index(Index::create().name("message_sender").table("message").col("sender_id").take()).await
}

/// `presence`: who is online. Whoever listens is seen again every few seconds, by whichever replica.
async fn create_presence(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("presence")
                .col(uuid("user_id").primary_key())
                .col(boolean("is_online"))
                .col(timestamp_with_time_zone("seen_at"))
                .to_owned(),
        )
        .await?;
    let online = Index::create()
        .name("presence_online")
        .table("presence")
        .col("seen_at")
        .and_where(Expr::col("is_online").eq(true))
        .take();
    manager.create_index(online).await
}
