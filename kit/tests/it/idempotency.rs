//! Idempotency keys on every database.

use chrono::{DateTime, Duration, Utc};
use futures::future::join_all;
use hansa_kit::{
    database,
    idempotency::{Claim, RETENTION, claim, prune},
    testing::on_every_database,
};
use hansa_migrations::posts::Migrator;
use sea_orm::DatabaseConnection;
use uuid::Uuid;

fn noon() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

/// Claims in a transaction of its own, committed when the claim is fresh, and returns the id that counts.
async fn create(database: &DatabaseConnection, scope: &str, request: &str, at: DateTime<Utc>) -> Option<Uuid> {
    let id = Uuid::now_v7();
    let transaction = database::begin(database).await.unwrap();
    match claim(&transaction, scope, "key", &request, id, at).await.unwrap() {
        Claim::Fresh => {
            transaction.commit().await.unwrap();
            Some(id)
        }
        Claim::Replay(known) => Some(known),
        Claim::Reused => None,
    }
}

#[tokio::test]
async fn a_key_stands_for_one_request_of_one_caller() {
    on_every_database::<Migrator>(async |database| {
        let first = create(&database, "ann:postCreate", "one", noon()).await;
        assert!(first.is_some());
        assert_eq!(create(&database, "ann:postCreate", "one", noon()).await, first);
        assert_eq!(create(&database, "ann:postCreate", "two", noon()).await, None);
        for other in ["bob:postCreate", "ann:orderCreate"] {
            assert_ne!(create(&database, other, "one", noon()).await, first);
        }
    })
    .await;
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day() {
    on_every_database::<Migrator>(async |database| {
        let first = create(&database, "ann", "one", noon()).await;
        assert_eq!(create(&database, "ann", "one", noon() + RETENTION).await, first);
        let later = noon() + RETENTION + Duration::microseconds(1);
        let second = create(&database, "ann", "two", later).await;
        assert_ne!(second, first);
        prune(&database, later + RETENTION).await.unwrap();
        assert_eq!(create(&database, "ann", "two", later).await, second);
        prune(&database, later + RETENTION + Duration::microseconds(1)).await.unwrap();
        assert_ne!(create(&database, "ann", "two", later).await, second);
    })
    .await;
}

#[tokio::test]
async fn a_create_that_failed_leaves_its_key_free() {
    on_every_database::<Migrator>(async |database| {
        let transaction = database::begin(&database).await.unwrap();
        let claimed = claim(&transaction, "ann", "key", &"one", Uuid::now_v7(), noon()).await.unwrap();
        assert_eq!(claimed, Claim::Fresh);
        transaction.rollback().await.unwrap();
        assert!(create(&database, "ann", "two", noon()).await.is_some());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_one_creates() {
    on_every_database::<Migrator>(async |database| {
        let ids = join_all((0..20).map(|_| create(&database, "ann", "one", noon()))).await;
        assert!(ids[0].is_some());
        assert!(ids.iter().all(|id| *id == ids[0]));
    })
    .await;
}
