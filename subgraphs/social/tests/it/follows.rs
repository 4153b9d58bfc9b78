use crate::world::{Person, everywhere, everywhere_with, refused};
use hansa_social::{Config, FollowConfig};
use serde_json::{Value, json};

#[tokio::test]
async fn somebody_is_followed_and_left_again() {
    everywhere(async |world| {
        let [ann, bob] = world.people().await;
        let relationship = async |viewer: &Person, other: &Person| -> Value {
            let selection = "viewerRelationship { isFollowing isFollowedBy isFriend isBlocked friendship { id } }";
            world.users(viewer, &[other], selection).await[0]["viewerRelationship"].take()
        };
        for _ in 0..2 {
            assert_eq!(world.change(&ann, "followCreate", &bob.id).await, Ok(json!({ "id": bob.id })));
        }
        let none = json!({ "isFollowing": false, "isFollowedBy": false, "isFriend": false, "isBlocked": false,
                           "friendship": null });
        let with = |name: &str| {
            let mut relationship = none.clone();
            relationship[name] = json!(true);
            relationship
        };
        assert_eq!(relationship(&ann, &bob).await, with("isFollowing"));
        assert_eq!(relationship(&bob, &ann).await, with("isFollowedBy"));
        for _ in 0..2 {
            assert_eq!(world.change(&ann, "followDelete", &bob.id).await, Ok(json!({ "id": bob.id })));
        }
        assert_eq!(relationship(&ann, &bob).await, none);
        assert_eq!(world.event_types().await, ["social.follow.created", "social.follow.deleted"]);
        let data = json!({ "follower_id": ann.key, "followee_id": bob.key });
        assert!(world.events().await.iter().all(|event| event["data"] == data));
        assert_eq!(
            world.users(&ann, &[&ann], "viewerRelationship { isFriend }").await[0],
            json!({ "viewerRelationship": null })
        );
    })
    .await;
}

#[tokio::test]
async fn concurrent_follows_are_one() {
    everywhere(async |world| {
        let [ann, bob] = world.people().await;
        let follows = (0..10).map(|_| world.change(&ann, "followCreate", &bob.id));
        for followed in futures::future::join_all(follows).await {
            followed.unwrap();
        }
        assert_eq!(world.event_types().await, ["social.follow.created"]);
    })
    .await;
}

#[tokio::test]
async fn follows_are_limited() {
    let follows = FollowConfig { max_following: 2 };
    everywhere_with(Config { follows, ..Config::default() }, async |world| {
        let [ann, one, two, three] = world.people().await;
        for other in [&one, &two, &one] {
            world.change(&ann, "followCreate", &other.id).await.unwrap();
        }
        assert_eq!(world.change(&ann, "followCreate", &three.id).await, refused("LIMIT_EXCEEDED"));
        world.change(&ann, "followDelete", &one.id).await.unwrap();
        world.change(&ann, "followCreate", &three.id).await.unwrap();
    })
    .await;
}
