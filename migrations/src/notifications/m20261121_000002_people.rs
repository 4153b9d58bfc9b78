use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // What people are called, in whose language they are told. A row of somebody who has no account any more stays,
        // without a name, so that no late event tells of them or tells them anything.
        manager
            .create_table(
                Table::create()
                    .table("person")
                    .col(uuid("id").primary_key())
                    .col(string("display_name"))
                    .col(string("locale"))
                    .col(timestamp_with_time_zone_null("deleted_at"))
                    .to_owned(),
            )
            .await?;
        // One by one: SQLite adds a column at a time.
        for column in [string_null("subject_type"), uuid_null("subject_id")] {
            manager.alter_table(Table::alter().table("notification").add_column(column).to_owned()).await?;
        }
        // Notifications are taken away by what they are about, or by whom.
        for (owner, further) in [("subject_id", "kind"), ("actor_id", "recipient_id")] {
            let index = Index::create()
                .name(format!("notification_{owner}_{further}"))
                .table("notification")
                .col(owner)
                .col(further)
                .and_where(Expr::col(owner).is_not_null())
                .take();
            manager.create_index(index).await?;
        }
        Ok(())
    }
}
