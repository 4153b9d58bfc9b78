use crate::world::{Person, World, everywhere, ids_of};
use chrono::Duration;
use hansa_kit::Viewer;
use serde_json::{Value, json};

const FRIENDS_PAGE: &str = "friends(first: 50) {
    totalCount
    edges { friendsSince node {
        id
        viewerRelationship { isFriend isFollowing isFollowedBy isBlocked friendship { id status } }
        followers(first: 3) { totalCount nodes { id } }
    } }
}";

/// Gives `ann` more friends and followers.
async fn more(world: &World, ann: &Person, count: usize) -> Vec<Person> {
    let mut people = Vec::new();
    for _ in 0..count {
        world.clock.advance(Duration::seconds(1));
        let person = world.person().await;
        world.befriend(ann, &person).await;
        world.change(&person, "followCreate", &ann.id).await.unwrap();
        people.push(person);
    }
    people
}

#[tokio::test]
async fn the_page_of_friends_takes_the_same_statements_for_one_and_for_fifty() {
    everywhere(async |world| {
        let [ann, eve] = world.people().await;
        let mut friends = more(&world, &ann, 1).await;
        let (one, statements_of_one) = world.count(world.users(&eve, &[&ann], FRIENDS_PAGE)).await;
        friends.extend(more(&world, &ann, 49).await);
        world.befriend(&eve, &friends[7]).await;
        let (fifty, statements_of_fifty) = world.count(world.users(&eve, &[&ann], FRIENDS_PAGE)).await;
        assert_eq!(one[0]["friends"]["edges"].as_array().unwrap().len(), 1);
        let edges = fifty[0]["friends"]["edges"].as_array().unwrap();
        assert_eq!((edges.len(), &fifty[0]["friends"]["totalCount"]), (50, &json!(50)));
        // The page and its total, the relationships, their friendships, the followers and their totals.
        assert_eq!((statements_of_one, statements_of_fifty), (6, 6));
        for (edge, friend) in edges.iter().rev().zip(&friends) {
            assert_eq!(edge["node"]["id"], friend.id);
            assert_eq!(edge["node"]["viewerRelationship"]["isFriend"], json!(friend.id == friends[7].id));
        }
    })
    .await;
}

#[tokio::test]
async fn circles_are_paged_newest_first() {
    everywhere(async |world| {
        let ann = world.person().await;
        let mut people = more(&world, &ann, 4).await;
        // Two of one moment.
        let late = world.person().await;
        world.befriend(&ann, &late).await;
        world.change(&late, "followCreate", &ann.id).await.unwrap();
        people.push(late);
        for person in &people {
            world.change(&ann, "blockCreate", &world.person().await.id).await.unwrap();
            world.change(&ann, "followCreate", &person.id).await.unwrap();
        }
        for (list, time) in [("friends", "friendsSince"), ("followers", "followedAt"), ("following", "followedAt")] {
            let (mut seen, mut after) = (Vec::new(), String::new());
            loop {
                let selection = format!(
                    "{list}(first: 2{after}) {{
                        nodes {{ id }} edges {{ {time} cursor }} pageInfo {{ hasNextPage hasPreviousPage endCursor }}
                    }}"
                );
                let page = world.users(&ann, &[&ann], &selection).await[0][list].take();
                assert_eq!(page["pageInfo"]["hasPreviousPage"], json!(!after.is_empty()));
                let times =
                    page["edges"].as_array().unwrap().iter().map(|edge| edge[time].as_str().unwrap().to_owned());
                seen.extend(times.zip(ids_of(&page["nodes"])));
                if page["pageInfo"]["hasNextPage"] == false {
                    break;
                }
                after = format!(", after: {}", page["pageInfo"]["endCursor"]);
            }
            assert!(seen.is_sorted_by(|a, b| a > b), "{seen:?}");
            let mut found: Vec<_> = seen.into_iter().map(|(_, id)| id).collect();
            found.sort();
            let mut expected: Vec<_> = people.iter().map(|person| person.id.clone()).collect();
            expected.sort();
            assert_eq!(found, expected, "{list}");
        }
        let own = world.own(&ann, "blockedUsers(first: 3) { totalCount nodes { id } pageInfo { hasNextPage } }").await;
        assert_eq!(own["blockedUsers"]["totalCount"], 5);
        assert_eq!(own["blockedUsers"]["pageInfo"]["hasNextPage"], true);
    })
    .await;
}

#[tokio::test]
async fn circles_are_for_who_is_signed_in_and_pages_are_bounded() {
    everywhere(async |world| {
        let [ann, bob] = world.people().await;
        world.befriend(&ann, &bob).await;
        let of = json!({ "of": [{ "__typename": "User", "id": ann.id }, { "__typename": "Viewer", "id": ann.id }] });
        let query = "query ($of: [_Any!]!) { _entities(representations: $of) {
            ... on User { friends { totalCount } followers { totalCount } following { totalCount }
                          viewerRelationship { isFriend } }
            ... on Viewer { friendships { totalCount } blockedUsers { totalCount } }
        } }";
        let nothing = json!({ "friends": null, "followers": null, "following": null, "viewerRelationship": null });
        let data = world.ask(&Viewer::Anonymous, query, of.clone()).await;
        assert_eq!(data["_entities"], json!([nothing, null]));
        let data = world.ask(&bob.viewer, query, of).await;
        assert_eq!(data["_entities"][0]["friends"]["totalCount"], 1);
        assert_eq!(data["_entities"][1], Value::Null);
        for bad in ["first: 101", "first: -1", "after: \"?\""] {
            for list in ["friends", "followers", "following"] {
                let query = format!(
                    "query ($of: [_Any!]!) {{ _entities(representations: $of) {{
                        ... on User {{ {list}({bad}) {{ nodes {{ id }} }} }}
                    }} }}"
                );
                let of = json!({ "of": [{ "__typename": "User", "id": ann.id }] });
                assert_eq!(world.code(&bob.viewer, &query, of).await, "BAD_USER_INPUT");
            }
        }
    })
    .await;
}
