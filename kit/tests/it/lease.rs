//! Leases on every database.

use chrono::{DateTime, Duration, Utc};
use futures::future::join_all;
use hansa_kit::{
    lease::{TTL, acquire, release},
    testing::on_every_database,
};
use hansa_migrations::posts::Migrator;
use uuid::Uuid;

fn noon() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

#[tokio::test]
async fn one_holds_it_until_it_expires_or_is_released() {
    on_every_database::<Migrator>(async |database| {
        let (ann, bob) = (Uuid::now_v7(), Uuid::now_v7());
        let take = async |who, at| acquire(&database, "work", who, at).await.unwrap();
        assert!(take(ann, noon()).await);
        assert!(!take(bob, noon()).await);
        let almost = noon() + TTL - Duration::microseconds(1);
        assert!(!take(bob, almost).await);
        assert!(take(ann, almost).await); // renewed
        assert!(!take(bob, noon() + TTL).await);
        assert!(take(bob, almost + TTL).await);
        assert!(!take(ann, almost + TTL).await);
        release(&database, "work", ann).await.unwrap(); // not ann's to release
        assert!(!take(ann, almost + TTL).await);
        release(&database, "work", bob).await.unwrap();
        assert!(take(ann, almost + TTL).await);
        assert!(acquire(&database, "other work", bob, noon()).await.unwrap());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_one_gets_it() {
    on_every_database::<Migrator>(async |database| {
        for at in [noon(), noon() + TTL, noon() + TTL * 3] {
            let holders: Vec<_> = (0..20).map(|_| Uuid::now_v7()).collect();
            let held = join_all(holders.iter().map(|holder| acquire(&database, "work", *holder, at))).await;
            assert_eq!(held.into_iter().filter(|held| *held.as_ref().unwrap()).count(), 1);
        }
    })
    .await;
}
