use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = [
            string_null("first_name"),
            string_null("last_name"),
            string_null("gender"),
            date_null("birthday"),
            text_null("bio"),
        ];
        // One by one: SQLite adds a column at a time.
        for column in columns {
            manager.alter_table(Table::alter().table("account").add_column(column).to_owned()).await?;
        }
        Ok(())
    }
}
