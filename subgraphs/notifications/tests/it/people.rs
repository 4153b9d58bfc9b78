//! What people do to each other, and who is told of it.

use crate::world::{User, World, everywhere, record, user, within};
use hansa_kit::{bus::Record, ids};
use hansa_schema::{
    social::{BlockCreated, FollowCreated, FollowDeleted, FriendshipAccepted, FriendshipEnded, FriendshipRequested},
    users::{self, UserDeleted, UserUpdated},
};
use serde_json::{Value, json};
use uuid::Uuid;

/// What a user is told of others.
async fn told(world: &World, user: &User) -> Vec<Value> {
    let kinds = json!({ "kind": ["FRIENDSHIP_REQUESTED", "FRIENDSHIP_ACCEPTED", "FOLLOWED"] });
    world.inbox(user, kinds).await["notifications"]["nodes"].as_array().unwrap().clone()
}

async fn kinds(world: &World, user: &User) -> Vec<String> {
    told(world, user).await.iter().map(|one| one["kind"].as_str().unwrap().to_owned()).collect()
}

fn requested(friendship_id: Uuid, requester: &User, addressee: &User) -> Record {
    record(FriendshipRequested { friendship_id, requester_id: requester.key, addressee_id: addressee.key })
}

fn accepted(friendship_id: Uuid, requester: &User, addressee: &User) -> Record {
    record(FriendshipAccepted { friendship_id, requester_id: requester.key, addressee_id: addressee.key })
}

fn ended(friendship_id: Uuid, requester: &User, addressee: &User) -> Record {
    record(FriendshipEnded { friendship_id, requester_id: requester.key, addressee_id: addressee.key })
}

fn followed(follower: &User, followee: &User) -> Record {
    record(FollowCreated { follower_id: follower.key, followee_id: followee.key })
}

async fn known(world: &World, locale: &str) -> User {
    let user = user();
    world.welcome(&user, locale, 1).await;
    user
}

#[tokio::test]
async fn people_are_told_in_their_language_of_requests_answers_and_followers() {
    everywhere(async |world| {
        let (ann, anya) = (known(world, "en").await, known(world, "ru").await);
        let id = ids::new();
        world.happen(vec![requested(id, &anya, &ann), followed(&anya, &ann), followed(&ann, &anya)]).await;
        let of_ann = told(world, &ann).await;
        let friendship = json!({ "__typename": "Friendship", "id": ids::encode("friendship", id) });
        assert_eq!((&of_ann[1]["kind"], &of_ann[1]["subject"]), (&json!("FRIENDSHIP_REQUESTED"), &friendship));
        assert_eq!(of_ann[1]["title"], "Ann asks for your friendship");
        assert_eq!((&of_ann[0]["kind"], &of_ann[0]["title"]), (&json!("FOLLOWED"), &json!("Ann follows you now")));
        assert_eq!(of_ann[0]["subject"], json!({ "__typename": "User", "id": anya.id }));
        assert!(of_ann.iter().all(|one| one["actor"]["id"] == anya.id && one["readAt"] == Value::Null));
        assert_eq!(told(world, &anya).await[0]["title"], "Ann теперь читает вас");

        world.happen(vec![accepted(id, &anya, &ann)]).await;
        let of_anya = told(world, &anya).await;
        assert_eq!((&of_anya[0]["kind"], &of_anya[0]["subject"]), (&json!("FRIENDSHIP_ACCEPTED"), &friendship));
        assert_eq!(of_anya[0]["title"], "Ann теперь у вас в друзьях");
        // Who accepted has seen the request.
        let of_ann = told(world, &ann).await;
        assert_eq!(of_ann[1]["readAt"], "2026-03-01T12:00:00+00:00");
        assert_eq!((of_ann.len(), &of_ann[0]["readAt"]), (2, &Value::Null));
    })
    .await;
}

#[tokio::test]
async fn what_is_taken_back_is_no_news_any_more() {
    everywhere(async |world| {
        let (ann, bob) = (known(world, "en").await, known(world, "en").await);
        let (first, second) = (ids::new(), ids::new());
        world.happen(vec![requested(first, &bob, &ann), followed(&bob, &ann)]).await;
        assert_eq!(kinds(world, &ann).await, ["FOLLOWED", "FRIENDSHIP_REQUESTED"]);
        let unfollowed = record(FollowDeleted { follower_id: bob.key, followee_id: ann.key });
        world.happen(vec![ended(first, &bob, &ann), unfollowed]).await;
        assert_eq!(kinds(world, &ann).await, [""; 0]);
        assert_eq!(world.inbox(&ann, Value::Null).await["unreadNotificationCount"], 1);
        // That they became friends they may remember.
        let friends = vec![requested(second, &ann, &bob), accepted(second, &ann, &bob), ended(second, &ann, &bob)];
        world.happen(friends).await;
        assert_eq!(kinds(world, &ann).await, ["FRIENDSHIP_ACCEPTED"]);
        assert_eq!(kinds(world, &bob).await, [""; 0]);

        // Who watches is told of both.
        let mut events = world.watch(&bob.viewer, Some(&cursor_of_nothing()));
        assert_eq!(events.next().await["__typename"], "NotificationReceived"); // the welcome
        let request = events.next().await;
        assert_eq!((&request["__typename"], &request["notification"]), (&json!("NotificationReceived"), &Value::Null));
        assert_eq!(events.next().await["__typename"], "NotificationChanged"); // read, as it was accepted
        let taken = events.next().await;
        assert!(taken["deletedNotificationId"].as_str().unwrap().starts_with("notification_"));
    })
    .await;
}

/// A cursor before all events.
fn cursor_of_nothing() -> String {
    use async_graphql::connection::{CursorType, OpaqueCursor};
    OpaqueCursor(0_i64).encode_cursor()
}

#[tokio::test]
async fn a_block_takes_away_what_told_of_the_other() {
    everywhere(async |world| {
        let (ann, bob, eve) = (known(world, "en").await, known(world, "en").await, known(world, "en").await);
        let id = ids::new();
        let friends = vec![requested(id, &ann, &bob), accepted(id, &ann, &bob), followed(&ann, &bob)];
        world.happen([friends, vec![followed(&eve, &bob), followed(&eve, &ann)]].concat()).await;
        let block = record(BlockCreated { blocker_id: ann.key, blocked_id: bob.key });
        world.happen(vec![block]).await;
        assert_eq!(kinds(world, &ann).await, ["FOLLOWED"]);
        assert_eq!(kinds(world, &bob).await, ["FOLLOWED"]);
    })
    .await;
}

#[tokio::test]
async fn who_is_gone_is_told_nothing_and_nobody_is_told_of_them() {
    everywhere(async |world| {
        let (ann, bob) = (known(world, "en").await, known(world, "en").await);
        world.happen(vec![followed(&bob, &ann)]).await;
        let mut news = world.deps.signals.news("notifications", bob.key);
        let deleted = record(UserDeleted { user_id: bob.key });
        world.deps.bus.publish(users::TOPIC, vec![deleted]).await.unwrap();
        within(async {
            while !told(world, &ann).await.is_empty() {
                news.wait().await;
            }
        })
        .await;
        let late = ids::new();
        world.happen(vec![requested(late, &bob, &ann), accepted(late, &bob, &ann), followed(&ann, &bob)]).await;
        assert_eq!(kinds(world, &ann).await, [""; 0]);
        assert_eq!(kinds(world, &bob).await, [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn people_go_by_their_name_of_the_moment() {
    everywhere(async |world| {
        let (ann, bob, stranger) = (known(world, "en").await, known(world, "en").await, user());
        world.happen(vec![followed(&stranger, &ann), followed(&ann, &stranger)]).await;
        assert_eq!(told(world, &ann).await[0]["title"], "Somebody new follows you now");
        assert_eq!(told(world, &stranger).await[0]["title"], "Ann follows you now");
        let updated = record(UserUpdated {
            user_id: bob.key,
            username: "bob".into(),
            display_name: "Robert".into(),
            email: "bob@example.org".into(),
            locale: "ru".into(),
        });
        world.deps.bus.publish(users::TOPIC, vec![updated]).await.unwrap();
        known(world, "en").await; // what comes after it on the same topic has come
        world.happen(vec![followed(&bob, &ann), followed(&ann, &bob)]).await;
        assert_eq!(told(world, &ann).await[0]["title"], "Robert follows you now");
        assert_eq!(told(world, &bob).await[0]["title"], "Ann теперь читает вас");
    })
    .await;
}
