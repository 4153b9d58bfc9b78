use crate::shared;
use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_revision(manager).await?;
        create_reaction(manager).await?;
        shared::create_streams(manager).await?;
        create_announcement(manager).await
    }
}

fn of_post(table: &'static str) -> ForeignKeyCreateStatement {
    ForeignKey::create().from(table, "post_id").to("post", "id").on_delete(ForeignKeyAction::Cascade).to_owned()
}

/// Former texts of published posts.
async fn create_revision(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("revision")
                .col(uuid("id").primary_key())
                .col(uuid("post_id"))
                .col(text("body"))
                .col(string("visibility"))
                .col(timestamp_with_time_zone("edited_at"))
                .foreign_key(&mut of_post("revision"))
                .to_owned(),
        )
        .await?;
    manager
        .create_index(
            Index::create()
                .name("revision_post_id_edited_at_id")
                .table("revision")
                .col("post_id")
                .col("edited_at")
                .col("id")
                .to_owned(),
        )
        .await
}

async fn create_reaction(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("reaction")
                .col(uuid("post_id"))
                .col(string("emoji"))
                .col(uuid("user_id"))
                .col(timestamp_with_time_zone("created_at"))
                .primary_key(Index::create().col("post_id").col("emoji").col("user_id"))
                .foreign_key(&mut of_post("reaction"))
                .to_owned(),
        )
        .await?;
    manager.create_index(Index::create().name("reaction_user_id").table("reaction").col("user_id").to_owned()).await
}

/// News of posts that are still to be put into their readers' streams, and how far that has come.
async fn create_announcement(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("announcement")
                .col(big_integer("seq").auto_increment().primary_key())
                .col(uuid("author_id"))
                .col(uuid("post_id"))
                .col(string("news"))
                .col(string("visibility"))
                .col(timestamp_with_time_zone("occurred_at"))
                .col(uuid_null("reached"))
                .to_owned(),
        )
        .await?;
    manager
        .create_index(
            Index::create()
                .name("announcement_author_id_seq")
                .table("announcement")
                .col("author_id")
                .col("seq")
                .to_owned(),
        )
        .await
}
