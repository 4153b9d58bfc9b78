use crate::world::{World, noon, refused, stranger};
use hansa_kit::{Clock, bus::Record, testing};
use hansa_migrations::social::Migrator;
use hansa_schema::{
    Envelope, Event,
    social::{BlockDeleted, FollowDeleted, FriendshipEnded, TOPIC},
    users::{self, AccountRegistered, UserDeleted},
};
use hansa_social::Config;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::Value;
use std::time::Duration;
use uuid::Uuid;

const MANY: usize = 510;
const DEADLINE: Duration = Duration::from_secs(30);

fn record<E: Event>(event: E) -> Record {
    let envelope = Envelope::new(Uuid::now_v7(), noon(), event);
    Record { key: envelope.subject.clone(), payload: serde_json::to_vec(&envelope).unwrap() }
}

fn registered(user_id: Uuid) -> Record {
    let name = "ann".to_owned();
    let email = "ann@example.org".to_owned();
    record(AccountRegistered { user_id, username: name.clone(), display_name: name, email, locale: "en".into() })
}

#[tokio::test]
async fn who_is_gone_leaves_nothing_behind_and_does_not_come_back() {
    testing::on_every_database::<Migrator>(async |database| {
        let (deps, log) = testing::deps(Clock::manual(noon())).await.unwrap();
        let role = hansa_social::role(Config::default(), database.clone(), &deps);
        let tasks: Vec<_> = role.tasks.into_iter().map(|task| tokio::spawn(task.work)).collect();
        let world = World::new(Config::default(), database);
        let [bob, carol, dan, eve, fay] = world.people().await;
        let ann = stranger();
        deps.bus.publish(users::TOPIC, vec![registered(ann.key)]).await.unwrap();
        let known = async {
            while world.change(&bob, "friendshipRequest", &ann.id).await == refused("NOT_FOUND") {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(DEADLINE, known).await.unwrap();
        world.change(&ann, "friendshipRequest", &bob.id).await.unwrap();
        world.change(&ann, "friendshipRequest", &carol.id).await.unwrap();
        let declined = world.change(&dan, "friendshipRequest", &ann.id).await.unwrap()["id"].take();
        world.change(&ann, "friendshipDecline", declined.as_str().unwrap()).await.unwrap();
        world.change(&ann, "followCreate", &dan.id).await.unwrap();
        world.change(&dan, "followCreate", &ann.id).await.unwrap();
        world.change(&ann, "blockCreate", &eve.id).await.unwrap();
        world.change(&fay, "blockCreate", &ann.id).await.unwrap();

        // More than are erased by one statement.
        let sql =
            "INSERT INTO follow (follower_id, followee_id, created_at) VALUES ($1, $2, '2026-03-01 12:00:00+00:00')";
        let backend = world.database.get_database_backend();
        for _ in 0..MANY {
            let row = [Uuid::now_v7().into(), ann.key.into()];
            world.database.execute_raw(Statement::from_sql_and_values(backend, sql, row)).await.unwrap();
        }

        let deleted = record(UserDeleted { user_id: ann.key });
        deps.bus.publish(users::TOPIC, vec![deleted.clone(), deleted, registered(ann.key)]).await.unwrap();
        let mut consumer = deps.bus.consumer("test", &[TOPIC]).await.unwrap();
        let mut ended = Vec::new();
        let all = async {
            while ended.len() < 7 + MANY {
                let delivery = consumer.next().await.unwrap();
                let event: Envelope<Value> = serde_json::from_slice(&delivery.payload).unwrap();
                let of_erasure = [FriendshipEnded::TYPE, FollowDeleted::TYPE, BlockDeleted::TYPE];
                if of_erasure.contains(&&*event.r#type) {
                    ended.push(event.r#type);
                }
                consumer.commit(&delivery).await.unwrap();
            }
        };
        tokio::time::timeout(DEADLINE, all).await.unwrap();
        // One friendship had ended before, when its request was declined.
        let count = |kind: &str| ended.iter().filter(|ended| *ended == kind).count();
        assert_eq!([FriendshipEnded::TYPE, FollowDeleted::TYPE, BlockDeleted::TYPE].map(count), [1 + 2, 2 + MANY, 2]);
        for mutation in ["friendshipRequest", "followCreate", "blockCreate"] {
            assert_eq!(world.change(&bob, mutation, &ann.id).await, refused("NOT_FOUND"));
            let query = format!("mutation ($id: ID!) {{ {mutation}(userId: $id) {{ userErrors {{ code }} }} }}");
            let variables = serde_json::json!({ "id": bob.id });
            assert_eq!(world.code(&ann.viewer, &query, variables).await, "UNAUTHENTICATED");
        }
        for person in [&bob, &carol, &dan, &eve, &fay] {
            let own = world.own(person, "friendships { totalCount } blockedUsers { totalCount }").await;
            assert_eq!((&own["friendships"]["totalCount"], &own["blockedUsers"]["totalCount"]), (&0.into(), &0.into()));
            let user = &world.users(person, &[person], "followers { totalCount } following { totalCount }").await[0];
            assert_eq!((&user["followers"]["totalCount"], &user["following"]["totalCount"]), (&0.into(), &0.into()));
        }
        deps.shutdown.cancel();
        for task in tasks {
            tokio::time::timeout(DEADLINE, task).await.unwrap().unwrap();
        }
        log.drop().await;
    })
    .await;
}
