//! Writing the data.

use crate::corpus::{self, user};
use anyhow::Context;
use clap::Args;
use hansa_kit::{Clock, database, testing};
use rand::Rng;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend,
    sea_query::{Expr, ExprTrait, OnConflict, Query},
};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Rows of one statement.
const ROWS: u32 = 2_000;
/// Statements of one transaction.
const STATEMENTS: u32 = 25;
/// Whom everybody follows and befriends, at random.
const FOLLOWED: u32 = 20;
const FRIENDS: u32 = 3;

/// How much to write.
#[derive(Clone, Copy, Debug, Args)]
pub struct Size {
    /// How many posts.
    #[arg(long, default_value_t = 1_000_000)]
    posts: u32,
    /// How many users.
    #[arg(long, default_value_t = 100_000)]
    users: u32,
    /// How many of them the first user follows.
    #[arg(long, default_value_t = 10_000)]
    followed: u32,
}

/// Writes relations and posts, and has them indexed.
pub async fn load(database: &DatabaseConnection, size: Size) -> anyhow::Result<()> {
    let begun = Instant::now();
    let done = |what: &str| println!("{:6.1} s  {what}", begun.elapsed().as_secs_f64());
    relate(database, size).await?;
    done("relations");
    write(database, size).await?;
    done("posts");
    // An index of many rows is built at once sooner than row by row.
    let is_postgres = database.get_database_backend() == DbBackend::Postgres;
    if is_postgres {
        database.execute_unprepared("DROP INDEX post_search_lexemes").await?;
    }
    index(database, size).await?;
    if is_postgres {
        database.execute_unprepared("CREATE INDEX post_search_lexemes ON post_search USING gin (lexemes)").await?;
    }
    done("index");
    database.execute_unprepared(if is_postgres { "VACUUM ANALYZE" } else { "ANALYZE" }).await?;
    done("statistics");
    Ok(())
}

async fn relate(database: &DatabaseConnection, size: Size) -> anyhow::Result<()> {
    let mut random = corpus::random(1);
    let mut others = |count: u32| -> Vec<u32> { (0..count).map(|_| random.random_range(0..size.users)).collect() };
    let (mut follows, mut friends) = (Vec::new(), Vec::new());
    for number in 0..size.users {
        let followed = if number == 0 { (1..=size.followed).collect() } else { others(FOLLOWED) };
        follows.extend(followed.into_iter().filter(|other| *other != number).map(|other| (number, other)));
        for other in others(FRIENDS).into_iter().filter(|other| *other != number) {
            friends.extend([(number, other), (other, number)]);
        }
    }
    insert_pairs(database, "follow", ["follower_id", "followee_id"], &follows).await?;
    insert_pairs(database, "friend", ["user_id", "friend_id"], &friends).await
}

async fn insert_pairs(
    database: &DatabaseConnection,
    table: &'static str,
    columns: [&'static str; 2],
    pairs: &[(u32, u32)],
) -> anyhow::Result<()> {
    for chunk in pairs.chunks((ROWS * STATEMENTS) as usize) {
        let transaction = database::begin(database).await?;
        for rows in chunk.chunks(ROWS as usize) {
            let mut insert = Query::insert().into_table(table).columns(columns).to_owned();
            for (one, other) in rows {
                insert.values([user(*one).into(), user(*other).into()])?;
            }
            transaction.execute(insert.on_conflict(OnConflict::new().do_nothing().to_owned())).await?;
        }
        transaction.commit().await?;
    }
    Ok(())
}

async fn write(database: &DatabaseConnection, size: Size) -> anyhow::Result<()> {
    let mut random = corpus::random(2);
    let columns = ["id", "author_id", "body", "visibility", "created_at", "published_at"];
    for first in (0..size.posts).step_by((ROWS * STATEMENTS) as usize) {
        let transaction = database::begin(database).await?;
        let end = Ord::min(size.posts, first + ROWS * STATEMENTS);
        for from in (first..end).step_by(ROWS as usize) {
            let mut insert = Query::insert().into_table("post").columns(columns).to_owned();
            for number in from..Ord::min(end, from + ROWS) {
                let post = corpus::write(number, size.users, &mut random);
                let (visibility, time) = (post.visibility, post.created_at);
                let values: [Expr; 6] = [
                    post.id.into(),
                    post.author_id.into(),
                    post.body.into(),
                    visibility.into(),
                    time.into(),
                    time.into(),
                ];
                insert.values(values)?;
            }
            transaction.execute(&insert).await?;
        }
        transaction.commit().await?;
    }
    Ok(())
}

/// Runs the service's own task until the last post is in the index.
async fn index(database: &DatabaseConnection, size: Size) -> anyhow::Result<()> {
    let (deps, log) = testing::deps(Clock::System).await?;
    let mut tasks = hansa_posts::role(database.clone(), &deps).tasks;
    tasks.retain(|task| task.name == "posts.search");
    let task = tokio::spawn(tasks.pop().context("the service has no such task")?.work);
    let last: Uuid = corpus::post(size.posts - 1);
    let is_there =
        Query::select().expr(Expr::val(1)).from("post_search").and_where(Expr::col("post_id").eq(last)).to_owned();
    while database.query_one(&is_there).await?.is_none() {
        anyhow::ensure!(!task.is_finished(), "the index was not finished");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    deps.shutdown.cancel();
    task.await?;
    log.drop().await;
    Ok(())
}
