use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_friendship(manager).await?;
        create_edges(manager, "follow", "follower_id", "followee_id").await?;
        create_edges(manager, "block", "blocker_id", "blocked_id").await
    }
}

/// `friendship`: one row for two people, whoever asked; `friend`: the same as each of two friends sees it.
async fn create_friendship(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("friendship")
                .col(uuid("id").primary_key())
                .col(uuid("low_id"))
                .col(uuid("high_id"))
                .col(uuid("requester_id"))
                .col(uuid("addressee_id"))
                .col(string("status"))
                .col(timestamp_with_time_zone("created_at"))
                .col(timestamp_with_time_zone_null("responded_at"))
                .check(Expr::col("low_id").lt(Expr::col("high_id")))
                .to_owned(),
        )
        .await?;
    let pair = Index::create().name("friendship_pair").table("friendship").col("low_id").col("high_id").unique().take();
    manager.create_index(pair).await?;
    for (owner, other) in [("requester_id", "addressee_id"), ("addressee_id", "requester_id")] {
        let listed = Index::create()
            .name(format!("friendship_{owner}_status_created_at_id"))
            .table("friendship")
            .col(owner)
            .col("status")
            .col("created_at")
            .col("id")
            .take();
        manager.create_index(listed).await?;
        let friends = Index::create()
            .name(format!("friendship_{owner}_friends"))
            .table("friendship")
            .col(owner)
            .col("responded_at")
            .col(other)
            .and_where(Expr::col("status").eq("accepted"))
            .take();
        manager.create_index(friends).await?;
    }
    let friend = "CREATE VIEW friend AS \
         SELECT requester_id AS user_id, addressee_id AS friend_id, responded_at AS since \
         FROM friendship WHERE status = 'accepted' \
         UNION ALL \
         SELECT addressee_id AS user_id, requester_id AS friend_id, responded_at AS since \
         FROM friendship WHERE status = 'accepted'";
    manager.get_connection().execute_unprepared(friend).await?;
    Ok(())
}

/// A table of what people are to others, one way, listed from either side.
async fn create_edges(
    manager: &SchemaManager<'_>,
    table: &'static str,
    from: &'static str,
    to: &'static str,
) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table(table)
                .col(uuid(from))
                .col(uuid(to))
                .col(timestamp_with_time_zone("created_at"))
                .primary_key(Index::create().col(from).col(to))
                .check(Expr::col(from).ne(Expr::col(to)))
                .to_owned(),
        )
        .await?;
    for (owner, other) in [(from, to), (to, from)] {
        let name = format!("{table}_{owner}_created_at_{other}");
        let listed = Index::create().name(name).table(table).col(owner).col("created_at").col(other).take();
        manager.create_index(listed).await?;
    }
    Ok(())
}
