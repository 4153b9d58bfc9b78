use crate::world::{Person, World, everywhere, everywhere_with, ids_of, refused};
use hansa_social::{BlockConfig, Config};
use serde_json::{Value, json};

#[tokio::test]
async fn a_block_ends_all_that_is_between_two_people() {
    everywhere(async |world| {
        let [ann, bob] = world.people().await;
        world.befriend(&ann, &bob).await;
        world.change(&ann, "followCreate", &bob.id).await.unwrap();
        world.change(&bob, "followCreate", &ann.id).await.unwrap();
        let before = world.events().await.len();
        for _ in 0..2 {
            assert_eq!(world.change(&ann, "blockCreate", &bob.id).await, Ok(json!({ "id": bob.id })));
        }
        let events = world.events().await.split_off(before);
        let types: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
        let all = ["friendship.ended", "follow.deleted", "follow.deleted", "block.created"];
        assert_eq!(types, all.map(|what| format!("social.{what}")));
        assert_eq!(events[3]["data"], json!({ "blocker_id": ann.key, "blocked_id": bob.key }));
        assert!(events.iter().all(|event| event["subject"] == events[0]["subject"]));

        for (who, whom) in [(&ann, &bob), (&bob, &ann)] {
            for mutation in ["friendshipRequest", "followCreate"] {
                assert_eq!(world.change(who, mutation, &whom.id).await, refused("BLOCKED"));
            }
            assert_eq!(world.change(who, "friendshipDelete", &whom.id).await, refused("INVALID_STATE"));
        }
        // Who is blocked may block too; what one takes back is one's own alone.
        world.change(&bob, "blockCreate", &ann.id).await.unwrap();
        for _ in 0..2 {
            world.change(&ann, "blockDelete", &bob.id).await.unwrap();
        }
        assert_eq!(world.change(&ann, "followCreate", &bob.id).await, refused("BLOCKED"));
        world.change(&bob, "blockDelete", &ann.id).await.unwrap();
        world.change(&ann, "followCreate", &bob.id).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_block_answers_a_request() {
    everywhere(async |world| {
        for (blocker_asked, code) in [(true, "PENDING"), (false, "INVALID_STATE")] {
            let [ann, bob] = world.people().await;
            let id = world.change(&ann, "friendshipRequest", &bob.id).await.unwrap()["id"].take();
            let (blocker, blocked) = if blocker_asked { (&ann, &bob) } else { (&bob, &ann) };
            world.change(blocker, "blockCreate", &blocked.id).await.unwrap();
            assert_eq!(world.change(&bob, "friendshipAccept", id.as_str().unwrap()).await, refused("NOT_FOUND"));
            world.change(blocker, "blockDelete", &blocked.id).await.unwrap();
            // To have been blocked is to have been declined.
            match world.change(&ann, "friendshipRequest", &bob.id).await {
                Ok(asked) => assert_eq!(asked["status"], code),
                Err(refusal) => assert_eq!(refusal, code),
            }
        }
    })
    .await;
}

/// All that one can see of another: lists, the relationship, entities.
async fn traces(world: &World, viewer: &Person, other: &Person, common: &Person, friendship: &str) -> Value {
    let lists = "friends { totalCount nodes { id } } followers { totalCount nodes { id } }
                 following { totalCount nodes { id } }";
    let relationship = "viewerRelationship { isFriend isFollowing isFollowedBy friendship { id } }";
    let of_other = world.users(viewer, &[other], &format!("{lists} {relationship}")).await.remove(0);
    let of_common = world.users(viewer, &[common], lists).await.remove(0);
    let own = world.own(viewer, "friendships(filter: { status: DECLINED }) { totalCount nodes { id } }").await;
    let query = "query ($of: [_Any!]!) { _entities(representations: $of) { ... on Friendship { status } } }";
    let entity = json!({ "of": [{ "__typename": "Friendship", "id": friendship }] });
    let entity = world.ask(&viewer.viewer, query, entity).await["_entities"][0].take();
    json!({ "other": of_other, "common": of_common, "own": own, "entity": entity })
}

#[tokio::test]
async fn a_block_hides_each_from_the_other_everywhere() {
    everywhere(async |world| {
        for way in 0..2 {
            // Both know Carol, and Bob has declined Ann.
            let [ann, bob, carol] = world.people().await;
            for one in [&ann, &bob] {
                world.befriend(one, &carol).await;
                world.change(one, "followCreate", &carol.id).await.unwrap();
                world.change(&carol, "followCreate", &one.id).await.unwrap();
            }
            let id = world.change(&ann, "friendshipRequest", &bob.id).await.unwrap()["id"].take();
            let id = id.as_str().unwrap();
            world.change(&bob, "friendshipDecline", id).await.unwrap();
            for (viewer, other) in [(&ann, &bob), (&bob, &ann)] {
                let seen = traces(&world, viewer, other, &carol, id).await;
                assert_eq!(seen["entity"]["status"], "DECLINED");
                assert_eq!(seen["own"]["friendships"]["totalCount"], 1);
                for list in ["friends", "followers", "following"] {
                    assert_eq!(seen["other"][list]["totalCount"], 1, "{list}");
                    assert_eq!(ids_of(&seen["common"][list]["nodes"]).len(), 2, "{list}");
                }
            }
            let (blocker, blocked) = if way == 0 { (&ann, &bob) } else { (&bob, &ann) };
            world.change(blocker, "blockCreate", &blocked.id).await.unwrap();
            let nothing = json!({ "totalCount": 0, "nodes": [] });
            for (viewer, other) in [(&ann, &bob), (&bob, &ann)] {
                let seen = traces(&world, viewer, other, &carol, id).await;
                assert_eq!(seen["entity"], Value::Null);
                assert_eq!(seen["own"]["friendships"], nothing);
                for list in ["friends", "followers", "following"] {
                    assert_eq!(seen["other"][list], nothing, "{list}");
                    let left = json!({ "totalCount": 1, "nodes": [{ "id": viewer.id }] });
                    assert_eq!(seen["common"][list], left, "{list}");
                }
                let relationship =
                    json!({ "isFriend": false, "isFollowing": false, "isFollowedBy": false, "friendship": null });
                assert_eq!(seen["other"]["viewerRelationship"], relationship);
            }
            // Only who blocks is told of it; others see both.
            for (viewer, other, is_blocked) in [(blocker, blocked, true), (blocked, blocker, false)] {
                let seen = world.users(viewer, &[other], "viewerRelationship { isBlocked }").await;
                assert_eq!(seen[0]["viewerRelationship"]["isBlocked"], is_blocked);
                let own = world.own(viewer, "blockedUsers { totalCount nodes { id } edges { blockedAt } }").await;
                assert_eq!(own["blockedUsers"]["totalCount"], json!(u8::from(is_blocked)));
            }
            let seen = world.users(&carol, &[&ann, &bob, &carol], "friends { totalCount }").await;
            let counts: Vec<_> = seen.iter().map(|user| user["friends"]["totalCount"].clone()).collect();
            assert_eq!(counts, [1, 1, 2]);
        }
    })
    .await;
}

#[tokio::test]
async fn blocks_are_limited() {
    let blocks = BlockConfig { max_blocked: 1 };
    everywhere_with(Config { blocks, ..Config::default() }, async |world| {
        let [ann, one, two] = world.people().await;
        for _ in 0..2 {
            world.change(&ann, "blockCreate", &one.id).await.unwrap();
        }
        assert_eq!(world.change(&ann, "blockCreate", &two.id).await, refused("LIMIT_EXCEEDED"));
        world.change(&ann, "blockDelete", &one.id).await.unwrap();
        world.change(&ann, "blockCreate", &two.id).await.unwrap();
    })
    .await;
}
