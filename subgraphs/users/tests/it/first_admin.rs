//! The first administrator.

use crate::world::{codes, on_every_database};
use futures::future::join_all;
use hansa_users::{Error, FIRST_ADMIN, create_admin, ensure_admin};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_is_one_first_administrator() {
    on_every_database(async |world| {
        let made = join_all((0..4).map(|_| ensure_admin(&world.database))).await;
        let logins: Vec<_> = made.into_iter().filter_map(|login| login.unwrap()).collect();
        assert_eq!(logins.len(), 1);
        assert_eq!(logins[0].username, FIRST_ADMIN);
        assert!(!format!("{:?}", logins[0]).contains(&logins[0].password));
        let payload = world.sign_in(&logins[0].username, &logins[0].password).await;
        let admin = world.viewer(&payload).await;
        assert_eq!(admin.identity().unwrap().claims.scope, "user manager staff admin");
        assert_eq!(world.events().await.len(), 1);
        assert!(ensure_admin(&world.database).await.unwrap().is_none());
        assert_eq!(world.count("account").await, 1);
    })
    .await;
}

#[tokio::test]
async fn more_administrators_can_be_made() {
    on_every_database(async |world| {
        let login = create_admin(&world.database, "ann", "ann@example.org").await.unwrap();
        assert_eq!(codes(&world.sign_in("ann@example.org", &login.password).await), [""; 0]);
        let taken = create_admin(&world.database, "ANN", "other@example.org").await.unwrap_err();
        assert!(matches!(&taken, Error::Refused(errors) if errors.len() == 1), "{taken}");
        assert!(create_admin(&world.database, "!", "ann@example.org").await.is_err());
        assert!(ensure_admin(&world.database).await.unwrap().is_none());
    })
    .await;
}
