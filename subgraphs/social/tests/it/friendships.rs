use crate::world::{Person, World, everywhere, everywhere_with, ids_of, noon, refused, stranger};
use chrono::Duration;
use hansa_kit::{Viewer, ids};
use hansa_social::{Config, FriendshipConfig};
use serde_json::{Value, json};

async fn request(world: &World, who: &Person, whom: &Person) -> String {
    let friendship = world.change(who, "friendshipRequest", &whom.id).await.unwrap();
    assert_eq!(friendship["status"], "PENDING");
    friendship["id"].as_str().unwrap().to_owned()
}

/// The friendship of the two as one sees it: its status, or null.
async fn seen(world: &World, viewer: &Person, other: &Person) -> Value {
    let users = world.users(viewer, &[other], "viewerRelationship { isFriend friendship { status } }").await;
    let relationship = &users[0]["viewerRelationship"];
    assert_eq!(relationship["isFriend"], json!(relationship["friendship"]["status"] == "ACCEPTED"));
    relationship["friendship"]["status"].clone()
}

#[tokio::test]
async fn a_request_is_accepted_and_the_friendship_ended() {
    everywhere(async |world| {
        let [ann, bob] = world.people().await;
        let asked = world.change(&ann, "friendshipRequest", &bob.id).await.unwrap();
        assert_eq!(asked["status"], "PENDING");
        assert_eq!((&asked["requester"]["id"], &asked["addressee"]["id"]), (&json!(ann.id), &json!(bob.id)));
        assert_eq!(asked["createdAt"], json!(noon()).as_str().unwrap().replace('Z', "+00:00"));
        assert_eq!(asked["respondedAt"], Value::Null);
        assert_eq!(world.change(&ann, "friendshipRequest", &bob.id).await, Ok(asked.clone()));
        assert_eq!(seen(&world, &bob, &ann).await, "PENDING");

        world.clock.advance(Duration::hours(1));
        let id = asked["id"].as_str().unwrap();
        let accepted = world.change(&bob, "friendshipAccept", id).await.unwrap();
        assert_eq!((&accepted["status"], &accepted["id"]), (&json!("ACCEPTED"), &asked["id"]));
        assert_eq!(accepted["respondedAt"], "2026-03-01T13:00:00+00:00");
        for (one, other) in [(&ann, &bob), (&bob, &ann)] {
            assert_eq!(seen(&world, one, other).await, "ACCEPTED");
            assert_eq!(world.change(one, "friendshipRequest", &other.id).await, refused("ALREADY_FRIENDS"));
        }

        assert_eq!(world.change(&ann, "friendshipDelete", &bob.id).await, Ok(json!({ "id": bob.id })));
        assert_eq!(seen(&world, &bob, &ann).await, Value::Null);
        assert_eq!(world.change(&bob, "friendshipDelete", &ann.id).await, refused("INVALID_STATE"));
        assert_eq!(world.change(&bob, "friendshipAccept", id).await, refused("NOT_FOUND"));
        let types = ["requested", "accepted", "ended"].map(|what| format!("social.friendship.{what}"));
        assert_eq!(world.event_types().await, types);
        let [key, of_both] = [&world.events().await[0], &world.events().await[2]].map(|event| event["subject"].clone());
        assert_eq!(key, of_both);
        assert_ne!(request(&world, &bob, &ann).await, id);
    })
    .await;
}

#[tokio::test]
async fn who_was_asked_answers_and_who_asked_cancels() {
    everywhere(async |world| {
        let [ann, bob, eve] = world.people().await;
        let id = request(&world, &ann, &bob).await;
        for mutation in ["friendshipAccept", "friendshipDecline", "friendshipCancel"] {
            assert_eq!(world.change(&eve, mutation, &id).await, refused("NOT_FOUND"));
            for missing in [ids::encode("friendship", ids::new()).to_string(), ann.id.clone(), "?".into()] {
                assert_eq!(world.change(&ann, mutation, &missing).await, refused("NOT_FOUND"));
            }
        }
        assert_eq!(world.change(&ann, "friendshipAccept", &id).await, refused("FORBIDDEN"));
        assert_eq!(world.change(&ann, "friendshipDecline", &id).await, refused("FORBIDDEN"));
        assert_eq!(world.change(&bob, "friendshipCancel", &id).await, refused("FORBIDDEN"));
        assert_eq!(world.change(&ann, "friendshipDelete", &bob.id).await, refused("INVALID_STATE"));
        assert_eq!(world.event_types().await, ["social.friendship.requested"]);

        assert_eq!(world.change(&ann, "friendshipCancel", &id).await.unwrap()["status"], "CANCELLED");
        for (who, mutation, code) in [
            (&bob, "friendshipAccept", "INVALID_STATE"),
            (&bob, "friendshipDecline", "INVALID_STATE"),
            (&ann, "friendshipCancel", "INVALID_STATE"),
            (&bob, "friendshipCancel", "FORBIDDEN"),
        ] {
            assert_eq!(world.change(who, mutation, &id).await, refused(code), "{mutation}");
        }
        // Who has taken a request back may ask again at once.
        let again = request(&world, &ann, &bob).await;
        assert_ne!(again, id);
        assert_eq!(world.change(&bob, "friendshipAccept", &again).await.unwrap()["status"], "ACCEPTED");
        assert_eq!(world.change(&bob, "friendshipDecline", &again).await, refused("INVALID_STATE"));
    })
    .await;
}

#[tokio::test]
async fn who_was_declined_waits_and_may_be_asked_meanwhile() {
    everywhere(async |world| {
        let [ann, bob, eve] = world.people().await;
        for whom in [&bob, &eve] {
            let id = request(&world, &ann, whom).await;
            assert_eq!(world.change(whom, "friendshipDecline", &id).await.unwrap()["status"], "DECLINED");
            assert_eq!(seen(&world, &ann, whom).await, "DECLINED");
        }
        world.clock.advance(Duration::hours(24) - Duration::seconds(1));
        assert_eq!(world.change(&ann, "friendshipRequest", &bob.id).await, refused("INVALID_STATE"));
        let asked = world.change(&eve, "friendshipRequest", &ann.id).await.unwrap();
        assert_eq!((&asked["status"], &asked["requester"]["id"]), (&json!("PENDING"), &json!(eve.id)));
        world.clock.advance(Duration::seconds(1));
        request(&world, &ann, &bob).await;
    })
    .await;
}

#[tokio::test]
async fn people_who_ask_each_other_are_friends_once() {
    everywhere(async |world| {
        for _ in 0..10 {
            let [ann, bob] = world.people().await;
            let before = world.events().await.len();
            let requests = (0..8).map(|n| {
                let (who, whom) = if n % 2 == 0 { (&ann, &bob) } else { (&bob, &ann) };
                world.change(who, "friendshipRequest", &whom.id)
            });
            let made = futures::future::join_all(requests).await;
            let ids: Vec<_> = made.iter().flatten().map(|friendship| friendship["id"].clone()).collect();
            assert!(ids.iter().all(|id| *id == ids[0]));
            let accepted = made.iter().flatten().filter(|friendship| friendship["status"] == "ACCEPTED").count();
            let late = made.iter().filter(|result| **result == refused("ALREADY_FRIENDS")).count();
            assert_eq!((accepted, ids.len() + late), (1, 8));
            let types = &world.event_types().await[before..];
            assert_eq!(types, ["social.friendship.requested", "social.friendship.accepted"]);
        }
    })
    .await;
}

#[tokio::test]
async fn oneself_nobody_and_strangers_cannot_be_asked() {
    everywhere(async |world| {
        let ann = world.person().await;
        for mutation in
            ["friendshipRequest", "friendshipDelete", "followCreate", "followDelete", "blockCreate", "blockDelete"]
        {
            assert_eq!(world.change(&ann, mutation, &ann.id).await, refused("CANNOT_TARGET_SELF"), "{mutation}");
            for id in [stranger().id, "?".into(), ids::encode("post", ids::new()).to_string()] {
                assert_eq!(world.change(&ann, mutation, &id).await, refused("NOT_FOUND"), "{mutation}");
            }
            let query = format!("mutation ($id: ID!) {{ {mutation}(userId: $id) {{ userErrors {{ code }} }} }}");
            let code = world.code(&Viewer::Anonymous, &query, json!({ "id": ann.id })).await;
            assert_eq!(code, "UNAUTHENTICATED", "{mutation}");
        }
        for mutation in ["friendshipAccept", "friendshipDecline", "friendshipCancel"] {
            let query = format!("mutation {{ {mutation}(id: \"?\") {{ userErrors {{ code }} }} }}");
            assert_eq!(world.code(&Viewer::Anonymous, &query, json!({})).await, "UNAUTHENTICATED", "{mutation}");
        }
        // Somebody who has only just registered may ask, though not be asked yet.
        let new = stranger();
        request(&world, &new, &ann).await;
    })
    .await;
}

#[tokio::test]
async fn requests_that_wait_are_limited() {
    let friendships = FriendshipConfig { max_pending: 3, ..FriendshipConfig::default() };
    everywhere_with(Config { friendships, ..Config::default() }, async |world| {
        let [ann, bob] = world.people().await;
        let others: [Person; 8] = world.people().await;
        let requests = others.iter().map(|other| world.change(&ann, "friendshipRequest", &other.id));
        let made = futures::future::join_all(requests).await;
        assert_eq!(made.iter().filter(|result| result.is_ok()).count(), 3);
        assert_eq!(made.iter().filter(|result| **result == refused("LIMIT_EXCEEDED")).count(), 5);
        // Others may ask, who is asked may accept, and a request that is answered makes room.
        let id = request(&world, &bob, &ann).await;
        world.change(&ann, "friendshipAccept", &id).await.unwrap();
        let (first, other) = others.iter().zip(&made).find(|(_, result)| result.is_ok()).unwrap();
        world.change(first, "friendshipAccept", other.as_ref().unwrap()["id"].as_str().unwrap()).await.unwrap();
        let last = others.iter().zip(&made).find(|(_, result)| result.is_err()).unwrap().0;
        request(&world, &ann, last).await;
    })
    .await;
}

#[tokio::test]
async fn friendships_are_listed_by_status_and_direction() {
    everywhere(async |world| {
        let [ann, friend, asked, asking, declined, cancelled] = world.people().await;
        let step = || world.clock.advance(Duration::seconds(1));
        let mut ids = vec![world.befriend(&friend, &ann).await];
        for (who, whom) in [(&ann, &asked), (&asking, &ann), (&ann, &declined), (&ann, &cancelled)] {
            step();
            ids.push(request(&world, who, whom).await);
        }
        world.change(&declined, "friendshipDecline", &ids[3]).await.unwrap();
        world.change(&ann, "friendshipCancel", &ids[4]).await.unwrap();
        let listed = async |filter: &str, expected: &[usize]| {
            let selection = format!("friendships{filter} {{ totalCount nodes {{ id }} }}");
            let own = world.own(&ann, &selection).await;
            let expected: Vec<_> = expected.iter().map(|n| ids[*n].clone()).collect();
            assert_eq!(ids_of(&own["friendships"]["nodes"]), expected, "{filter}");
            assert_eq!(own["friendships"]["totalCount"], json!(expected.len()), "{filter}");
        };
        listed("", &[4, 3, 2, 1, 0]).await;
        listed("(filter: { status: PENDING })", &[2, 1]).await;
        listed("(filter: { status: PENDING, direction: INCOMING })", &[2]).await;
        listed("(filter: { status: PENDING, direction: OUTGOING })", &[1]).await;
        listed("(filter: { status: ACCEPTED })", &[0]).await;
        listed("(filter: { direction: INCOMING })", &[2, 0]).await;
        listed("(filter: { status: DECLINED })", &[3]).await;
        listed("(filter: { status: CANCELLED, direction: INCOMING })", &[]).await;

        let mut paged = Vec::new();
        let mut after = String::new();
        loop {
            let selection =
                format!("friendships(first: 2{after}) {{ nodes {{ id }} pageInfo {{ hasNextPage endCursor }} }}");
            let page = world.own(&ann, &selection).await["friendships"].take();
            paged.extend(ids_of(&page["nodes"]));
            if page["pageInfo"]["hasNextPage"] == false {
                break;
            }
            after = format!(", after: {}", page["pageInfo"]["endCursor"]);
        }
        paged.reverse();
        assert_eq!(paged, ids);
    })
    .await;
}
