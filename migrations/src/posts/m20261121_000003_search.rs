use sea_orm_migration::{prelude::*, schema::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create()
            .table("post_search")
            .col(big_pk_auto("seq")) // never reused
            .col(uuid_uniq("post_id"))
            .col(small_integer("version"))
            .col(text("stems"))
            .foreign_key(
                ForeignKey::create()
                    .name("post_search_post_id")
                    .from("post_search", "post_id")
                    .to("post", "id")
                    .on_delete(ForeignKeyAction::Cascade),
            )
            .to_owned();
        let database = manager.get_connection();
        if manager.get_database_backend() == DbBackend::Postgres {
            manager.create_table(table.col(custom("lexemes", "tsvector")).to_owned()).await?;
            database.execute_unprepared("CREATE INDEX post_search_lexemes ON post_search USING gin (lexemes)").await?;
            return Ok(());
        }
        manager.create_table(table).await?;
        // Lexemes come ready: the tokenizer has but to part them at spaces.
        database
            .execute_unprepared(
                "CREATE VIRTUAL TABLE post_lexeme USING fts5 (
                    lexemes, content = '', contentless_delete = 1, detail = none, tokenize = \"ascii tokenchars '_'\"
                )",
            )
            .await?;
        database
            .execute_unprepared(
                "CREATE TRIGGER post_search_deleted AFTER DELETE ON post_search
                BEGIN DELETE FROM post_lexeme WHERE rowid = OLD.seq; END",
            )
            .await?;
        Ok(())
    }
}
