use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let conversation = uuid_null("conversation_id");
        manager.alter_table(Table::alter().table("notification").add_column(conversation).to_owned()).await?;
        // What is unread of a conversation is added to, and read together with it.
        let index = Index::create()
            .name("notification_conversation_unread")
            .table("notification")
            .col("conversation_id")
            .col("recipient_id")
            .and_where(Expr::col("conversation_id").is_not_null().and(Expr::col("read_at").is_null()))
            .take();
        manager.create_index(index).await
    }
}
