use crate::shared;
use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        shared::create_outbox(manager).await?;
        shared::create_lease(manager).await?;
        shared::create_idempotency(manager).await?;
        create_account(manager).await?;
        create_session(manager).await?;
        create_signing_key(manager).await
    }
}

async fn create_account(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("account")
                .col(uuid("id").primary_key())
                .col(string("username"))
                // Case-folded: what uniqueness and login go by.
                .col(string("username_key").unique_key())
                .col(string("email"))
                .col(string("email_key").unique_key())
                .col(string("password_hash"))
                .col(string("display_name"))
                .col(string("locale"))
                .col(string("time_zone"))
                // Roles; that of a user is implied.
                .col(boolean("is_manager"))
                .col(boolean("is_staff"))
                .col(boolean("is_admin"))
                .col(string("status"))
                .col(timestamp_with_time_zone("created_at"))
                .col(timestamp_with_time_zone("updated_at"))
                .to_owned(),
        )
        .await?;
    manager
        .create_index(
            Index::create().name("account_created_at_id").table("account").col("created_at").col("id").to_owned(),
        )
        .await
}

async fn create_session(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("session")
                .col(uuid("id").primary_key())
                .col(uuid("account_id"))
                // SHA-256 of the refresh token that is valid now.
                .col(string("refresh_hash").unique_key())
                .col(string_null("user_agent"))
                .col(string_null("ip_address"))
                .col(timestamp_with_time_zone("created_at"))
                .col(timestamp_with_time_zone("last_used_at"))
                .col(timestamp_with_time_zone("expires_at"))
                .col(timestamp_with_time_zone_null("revoked_at"))
                .foreign_key(
                    ForeignKey::create()
                        .from("session", "account_id")
                        .to("account", "id")
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .to_owned(),
        )
        .await?;
    manager
        .create_index(
            Index::create().name("session_account_id_id").table("session").col("account_id").col("id").to_owned(),
        )
        .await?;
    for column in ["revoked_at", "expires_at"] {
        let name = format!("session_{column}");
        manager.create_index(Index::create().name(name).table("session").col(column).to_owned()).await?;
    }
    // Refresh tokens that were used up: one of them again means that somebody copied it.
    manager
        .create_table(
            Table::create()
                .table("used_refresh_token")
                .col(string("hash").primary_key())
                .col(uuid("session_id"))
                .col(timestamp_with_time_zone("used_at"))
                .foreign_key(
                    ForeignKey::create()
                        .from("used_refresh_token", "session_id")
                        .to("session", "id")
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .to_owned(),
        )
        .await?;
    for column in ["session_id", "used_at"] {
        let name = format!("used_refresh_token_{column}");
        manager.create_index(Index::create().name(name).table("used_refresh_token").col(column).to_owned()).await?;
    }
    // Outlives the session and the account: routers read from it which sessions to refuse.
    manager
        .create_table(
            Table::create()
                .table("revocation")
                .col(uuid("session_id").primary_key())
                .col(timestamp_with_time_zone("until"))
                .to_owned(),
        )
        .await?;
    manager.create_index(Index::create().name("revocation_until").table("revocation").col("until").to_owned()).await
}

async fn create_signing_key(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("signing_key")
                .col(string("kid").primary_key())
                // PKCS #8 DER of an Ed25519 key.
                .col(ColumnDef::new("private_key").blob().not_null())
                .col(ColumnDef::new("public_key").blob().not_null())
                // Counts keys; of replicas that make the next one at once, one succeeds.
                .col(big_integer("generation").unique_key())
                .col(timestamp_with_time_zone("created_at"))
                .col(timestamp_with_time_zone("signs_from"))
                .col(timestamp_with_time_zone("signs_until"))
                .col(timestamp_with_time_zone("verifies_until"))
                .to_owned(),
        )
        .await
}
