use crate::world::{everywhere, texts, user};
use hansa_kit::{Viewer, ids};
use serde_json::{Value, json};

#[tokio::test]
async fn many_entities_are_read_by_one_statement() {
    everywhere(async |world| {
        let (ann, _) = user();
        let mut entities = Vec::new();
        for n in 0..20 {
            entities.push(json!({ "__typename": "Post", "id": world.post(&ann, &n.to_string()).await }));
        }
        entities.push(json!({ "__typename": "Post", "id": ids::encode("post", ids::new()) }));
        entities.push(json!({ "__typename": "Post", "id": "nonsense" }));
        let query = "query ($of: [_Any!]!) { _entities(representations: $of) { ... on Post { body } } }";
        let (data, statements) = world.count(world.ask(&Viewer::Anonymous, query, json!({ "of": entities }))).await;
        let found = data["_entities"].as_array().unwrap();
        assert_eq!(found[7], json!({ "body": "7" }));
        assert_eq!(found[20..], [Value::Null, Value::Null]);
        assert_eq!(statements, 1);
    })
    .await;
}

#[tokio::test]
async fn the_posts_of_a_page_of_users_are_read_by_one_statement() {
    everywhere(async |world| {
        let mut users = Vec::new();
        for n in 0..30 {
            let (viewer, id) = user();
            for post in 0..n % 4 {
                world.post(&viewer, &format!("{n}.{post}")).await;
            }
            users.push(json!({ "__typename": "User", "id": id }));
        }
        let query = "query ($of: [_Any!]!) { _entities(representations: $of) { ... on User {
            posts(first: 2) { nodes { body } pageInfo { hasNextPage } }
            oldest: posts(first: 1, sort: { field: EDITED_AT, direction: ASC }) { nodes { body } }
        } } }";
        let (data, statements) = world.count(world.ask(&Viewer::Anonymous, query, json!({ "of": users }))).await;
        assert_eq!(statements, 1);
        let found = data["_entities"].as_array().unwrap();
        assert_eq!(texts(&found[4]["posts"]["nodes"]), [""; 0]);
        assert_eq!(texts(&found[9]["posts"]["nodes"]), ["9.0"]);
        assert_eq!(texts(&found[7]["posts"]["nodes"]), ["7.2", "7.1"]);
        assert_eq!(texts(&found[7]["oldest"]["nodes"]), ["7.0"]);
        assert_eq!(found[7]["posts"]["pageInfo"]["hasNextPage"], true);
        assert_eq!(found[6]["posts"]["pageInfo"]["hasNextPage"], false);

        let query = "query ($of: [_Any!]!) { _entities(representations: $of) { ... on User {
            posts(first: 1) { totalCount pageInfo { endCursor } }
        } } }";
        let (data, statements) = world.count(world.ask(&Viewer::Anonymous, query, json!({ "of": users }))).await;
        assert_eq!(statements, 2);
        let totals: Vec<_> = data["_entities"].as_array().unwrap().iter().map(|u| &u["posts"]["totalCount"]).collect();
        assert_eq!(totals[..5], [0, 1, 2, 3, 0]);

        let query = "query ($of: [_Any!]!, $after: String) { _entities(representations: $of) { ... on User {
            posts(first: 1, after: $after) { nodes { body } pageInfo { hasNextPage hasPreviousPage } }
        } } }";
        let after = &data["_entities"][7]["posts"]["pageInfo"]["endCursor"];
        let data = world.ask(&Viewer::Anonymous, query, json!({ "of": [users[7]], "after": after })).await;
        let posts = &data["_entities"][0]["posts"];
        assert_eq!(texts(&posts["nodes"]), ["7.1"]);
        assert_eq!(posts["pageInfo"], json!({ "hasNextPage": true, "hasPreviousPage": true }));
    })
    .await;
}

#[test]
fn the_sdl_is_as_agreed() {
    let sdl = on_one_line(&hansa_posts::sdl());
    for part in [
        "type Post implements Node @key(fields: \"id\") { id: ID! author: User body: Markdown! visibility: \
         PostVisibility! status: PostStatus! createdAt: DateTime! editedAt: DateTime publishedAt: DateTime \
         publishAt: DateTime hiddenReason: String revisions( first: Int = 20, after: String ): PostRevisionConnection \
         reactions: [ReactionSummary!]! }",
        "type User implements Node @key(fields: \"id\") { id: ID! posts( sort: PostSort, first: Int = 20, \
         after: String ): PostConnection }",
        "type PostConnection @shareable { pageInfo: PageInfo! edges: [PostEdge!]! nodes: [Post!]! totalCount: Int }",
        "post( id: ID! ): Post posts( filter: PostFilter, sort: PostSort, first: Int = 20, after: String ): PostConnection",
        "postUpdate( id: ID!, input: PostUpdateInput! ): PostUpdatePayload",
        "input PostUpdateInput { body: String visibility: PostVisibility isDraft: Boolean publishAt: DateTime ifEditedAt: \
         DateTime }",
        "postHide( id: ID!, reason: String! ): PostHidePayload @requiresScopes(scopes: [[\"admin\"], [\"staff\"]])",
        "feedEvents( after: String ): FeedEvent!",
        "input PostSort { field: PostSortField! direction: SortDirection! = DESC }",
        "type PostDeletePayload { deletedPostId: ID userErrors: [UserError!]! }",
    ] {
        assert!(sdl.contains(part), "{part} is not in {sdl}");
    }
}

/// The SDL without descriptions and with single spaces.
fn on_one_line(sdl: &str) -> String {
    let code: String = sdl.split("\"\"\"").step_by(2).collect();
    code.split_whitespace().collect::<Vec<_>>().join(" ")
}
