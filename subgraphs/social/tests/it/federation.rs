use crate::world::{everywhere, stranger};
use hansa_kit::{Viewer, ids};
use serde_json::{Value, json};

#[tokio::test]
async fn a_friendship_is_seen_by_its_two_people_alone() {
    everywhere(async |world| {
        let [ann, bob, eve] = world.people().await;
        let id = world.befriend(&ann, &bob).await;
        let other = world.befriend(&ann, &eve).await;
        let missing = ids::encode("friendship", ids::new());
        let of: Vec<_> =
            [&*id, &*other, &*missing, "?"].iter().map(|id| json!({ "__typename": "Friendship", "id": id })).collect();
        let query = "query ($of: [_Any!]!) { _entities(representations: $of) { ... on Friendship {
            id requester { id } addressee { id }
        } } }";
        let seen = async |viewer: &Viewer| -> Vec<Value> {
            let (data, statements) = world.count(world.ask(viewer, query, json!({ "of": of }))).await;
            assert!(statements <= 1);
            data["_entities"].as_array().unwrap().iter().map(|entity| entity["id"].clone()).collect()
        };
        assert_eq!(seen(&ann.viewer).await, [json!(id), json!(other), Value::Null, Value::Null]);
        assert_eq!(seen(&bob.viewer).await, [json!(id), Value::Null, Value::Null, Value::Null]);
        for viewer in [&stranger().viewer, &Viewer::Anonymous] {
            assert_eq!(seen(viewer).await, [Value::Null, Value::Null, Value::Null, Value::Null]);
        }
    })
    .await;
}

#[test]
fn the_sdl_is_as_agreed() {
    let sdl = on_one_line(&hansa_social::sdl());
    for part in [
        "type Friendship implements Node @key(fields: \"id\") { id: ID! requester: User addressee: User \
         status: FriendshipStatus! createdAt: DateTime! respondedAt: DateTime }",
        "enum FriendshipStatus { PENDING ACCEPTED DECLINED CANCELLED }",
        "input FriendshipFilter { status: FriendshipStatus direction: FriendshipDirection }",
        "type ViewerRelationship { isFriend: Boolean! isFollowing: Boolean! isFollowedBy: Boolean! isBlocked: Boolean! \
         friendship: Friendship }",
        "friends( first: Int = 20, after: String ): FriendConnection",
        "followers( first: Int = 20, after: String ): FollowConnection",
        "friendships( filter: FriendshipFilter, first: Int = 20, after: String ): FriendshipConnection",
        "blockedUsers( first: Int = 20, after: String ): BlockConnection",
        "type FriendConnection @shareable { pageInfo: PageInfo! edges: [FriendEdge!]! nodes: [User!]! totalCount: Int }",
        "friendsSince: DateTime!",
        "followedAt: DateTime!",
        "blockedAt: DateTime!",
        "friendshipRequest( userId: ID! ): FriendshipRequestPayload",
        "type BlockCreatePayload { user: User userErrors: [UserError!]! }",
    ] {
        assert!(sdl.contains(part), "{part} is not in {sdl}");
    }
}

/// The SDL without descriptions and with single spaces.
fn on_one_line(sdl: &str) -> String {
    let code: String = sdl.split("\"\"\"").step_by(2).collect();
    code.split_whitespace().collect::<Vec<_>>().join(" ")
}
