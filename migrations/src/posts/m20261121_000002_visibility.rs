use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        extend_posts(manager).await?;
        create_people(manager).await
    }
}

/// Who may read a post, from when on. `published_at` is null before, `publish_at` is null unless the post is scheduled.
async fn extend_posts(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    for column in [
        string("status").default("published").to_owned(),
        string("visibility").default("public").to_owned(),
        timestamp_with_time_zone_null("published_at"),
        timestamp_with_time_zone_null("publish_at"),
        text_null("hidden_reason"),
    ] {
        manager.alter_table(Table::alter().table("post").add_column(column).to_owned()).await?;
    }
    let published = Query::update().table("post").value("published_at", Expr::col("created_at")).to_owned();
    manager.get_connection().execute(&published).await?;
    for (name, columns, only) in [
        ("post_published_at_id", &["published_at", "id"][..], None),
        ("post_author_id_published_at_id", &["author_id", "published_at", "id"], None),
        ("post_draft", &["author_id", "changed_at", "id"], Some(Expr::col("published_at").is_null())),
        ("post_scheduled", &["publish_at", "id"], Some(Expr::col("publish_at").is_not_null())),
    ] {
        let mut index = Index::create().name(name).table("post").to_owned();
        for column in columns {
            index.col(*column);
        }
        if let Some(only) = only {
            index.and_where(only);
        }
        manager.create_index(index).await?;
    }
    Ok(())
}

/// What the social service has told of people so far.
async fn create_people(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    // A friendship is two rows, so that either friend's friends are one range.
    for (table, one, other) in [
        ("follow", "follower_id", "followee_id"),
        ("friend", "user_id", "friend_id"),
        ("block", "blocker_id", "blocked_id"),
    ] {
        let pair = Index::create().col(one).col(other).to_owned();
        manager
            .create_table(
                Table::create().table(table).col(uuid(one)).col(uuid(other)).primary_key(&mut pair.clone()).to_owned(),
            )
            .await?;
        if table != "friend" {
            let name = format!("{table}_{other}_{one}");
            manager.create_index(Index::create().name(name).table(table).col(other).col(one).to_owned()).await?;
        }
    }
    // Who has no account any more. No late event brings them back.
    manager
        .create_table(
            Table::create()
                .table("erased_user")
                .col(uuid("id").primary_key())
                .col(timestamp_with_time_zone("erased_at"))
                .to_owned(),
        )
        .await
}
