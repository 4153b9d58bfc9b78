use crate::world::{World, noon, record, user, within};
use hansa_kit::{Clock, testing, viewer::Viewer};
use hansa_migrations::posts::Migrator;
use hansa_schema::{
    Envelope, Event,
    posts::{self, PostDeleted},
    users::{self, UserDeleted},
};
use std::collections::HashSet;

#[tokio::test]
async fn an_author_who_is_gone_takes_their_posts_along() {
    testing::on_every_database::<Migrator>(async |database| {
        let (deps, log) = testing::deps(Clock::manual(noon())).await.unwrap();
        let role = hansa_posts::role(database.clone(), &deps);
        let tasks: Vec<_> = role.tasks.into_iter().map(|task| tokio::spawn(task.work)).collect();
        let world = World::new(database);
        let ((ann, _), (bob, _)) = (user(), user());
        let mut of_ann = HashSet::new();
        for n in 0..510 {
            of_ann.insert(world.post(&ann, &n.to_string()).await);
        }
        world.post(&bob, "stays").await;

        let user_id = match &ann {
            Viewer::User(ann) => ann.user_id,
            Viewer::Anonymous => unreachable!(),
        };
        let deletion = record(UserDeleted { user_id });
        deps.bus.publish(users::TOPIC, vec![deletion.clone(), deletion]).await.unwrap();

        let mut consumer = deps.bus.consumer("test", &[posts::TOPIC]).await.unwrap();
        let all_deleted = async {
            let mut deleted = HashSet::new();
            while deleted.len() < of_ann.len() {
                let delivery = consumer.next().await.unwrap();
                let event: Envelope<serde_json::Value> = serde_json::from_slice(&delivery.payload).unwrap();
                if event.r#type == PostDeleted::TYPE {
                    let PostDeleted { post_id, .. } = serde_json::from_value(event.data).unwrap();
                    deleted.insert(hansa_kit::ids::encode("post", post_id).to_string());
                }
                consumer.commit(&delivery).await.unwrap();
            }
            deleted
        };
        assert_eq!(within(all_deleted).await, of_ann);
        assert_eq!(world.bodies("").await, ["stays"]);

        deps.shutdown.cancel();
        for task in tasks {
            within(task).await.unwrap();
        }
        log.drop().await;
    })
    .await;
}
