//! Objects that are equal are one while the answer is made; nobody may notice.

use crate::plans::Says::{Entities, This, Whatever};
use crate::plans::stage;
use serde_json::{Value, json};

const USER: &str = "type User @key(fields: \"id\") { id: ID! name: String team: Team } type Team { title: String! }";

#[tokio::test]
async fn equal_objects_are_asked_for_once_and_fail_everywhere() {
    let stage = stage(&[
        (
            "a",
            "type Query { things: [Thing] } type Thing { size: Int owner: User! } type User @key(fields: \"id\") { id: ID! }",
            &[(
                "things",
                This(
                    r#"{"data":{"things":[{"size":1,"owner":{"__typename":"User","id":"1"}},{"size":2,"owner":{"__typename":"User","id":"2"}},{"size":1,"owner":{"__typename":"User","id":"1"}},{"size":3,"owner":{"__typename":"User","id":"1"}}]}}"#,
                ),
            )],
        ),
        (
            "b",
            USER,
            &[(
                "_entities",
                This(
                    r#"{"data":{"_entities":[{"name":"Ada","team":{"title":null}},{"name":"Bob","team":{"title":"x"}}]},"errors":[{"message":"no","path":["_entities",0,"team","title"]}]}"#,
                ),
            )],
        ),
    ]);
    let answer: Value =
        serde_json::from_str(&stage.ask("{ things { size owner { name team { title } } } }").await).unwrap();
    let ada = json!({"name": "Ada", "team": null});
    let bob = json!({"name": "Bob", "team": {"title": "x"}});
    let thing = |size, owner: &Value| json!({"size": size, "owner": owner});
    assert_eq!(answer["data"], json!({"things": [thing(1, &ada), thing(2, &bob), thing(1, &ada), thing(3, &ada)]}));
    let paths: Vec<_> = answer["errors"].as_array().unwrap().iter().map(|error| &error["path"][1]).collect();
    assert_eq!(paths, [0, 2, 3], "{answer}");
    assert_eq!(stage.variables("b")[0]["representations"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_shared_object_whose_null_rises_is_written_right_everywhere() {
    let stage = stage(&[(
        "a",
        "type Query { things: [Thing!] } type Thing { name: String! owner: Thing }",
        &[(
            "things",
            This(
                r#"{"data":{"things":[{"name":"x","owner":{"name":null}},{"name":"y","owner":{"name":"z"}},{"name":"x","owner":{"name":null}},{"name":"y","owner":{"name":"z"}}]}}"#,
            ),
        )],
    )]);
    let answer: Value = serde_json::from_str(&stage.ask("{ things { name owner { name } } }").await).unwrap();
    let (x, y) = (json!({"name": "x", "owner": null}), json!({"name": "y", "owner": {"name": "z"}}));
    assert_eq!(answer["data"], json!({"things": [x, y, x, y]}));
    let paths: Vec<_> = answer["errors"].as_array().unwrap().iter().map(|error| error["path"].clone()).collect();
    assert_eq!(paths, [json!(["things", 0, "owner", "name"]), json!(["things", 2, "owner", "name"])]);
}

/// One company, for whose `posts` two places of the query ask differently.
fn posts(query: &str) -> String {
    let fields = query.split("_entities(").skip(1).enumerate().map(|(index, rest)| {
        let key = if query.contains("_e0:") { format!("_e{index}") } else { "_entities".into() };
        let ids = if rest.contains("first: 1") || rest.contains("first:1") {
            r#"[{"id":"p1"}]"#
        } else {
            r#"[{"id":"p1"},{"id":"p2"}]"#
        };
        let alias = rest.split("posts(").next().unwrap().rsplit('{').next().unwrap().trim().trim_end_matches(':');
        let posts = if alias.is_empty() { "posts" } else { alias };
        format!(r#""{key}":[{{"{posts}":{ids}}}]"#)
    });
    format!(r#"{{"data":{{{}}}}}"#, fields.collect::<Vec<_>>().join(","))
}

#[tokio::test]
async fn one_entity_in_two_places_can_be_asked_for_different_things() {
    const ROOT: &str =
        r#"{"data":{"x":{"owner":{"__typename":"User","id":"1"}},"y":{"owner":{"__typename":"User","id":"1"}}}}"#;
    let stage = stage(&[
        (
            "a",
            "type Query { x: X y: X } type X { owner: User }
                type User @key(fields: \"id\") { id: ID! }",
            &[("{", This(ROOT))],
        ),
        (
            "b",
            "type User @key(fields: \"id\") { id: ID! company: Company } type Company @key(fields: \"id\") { id: ID! }",
            &[("_entities", Entities(|_| r#"{"company":{"__typename":"Company","id":"c"}}"#))],
        ),
        (
            "c",
            "type Company @key(fields: \"id\") { id: ID! posts(first: Int): [Post] } type Post { id: ID! }",
            &[("_entities", Whatever(posts))],
        ),
    ]);
    let few = r#"{"owner":{"company":{"posts":[{"id":"p1"}]}}}"#;
    let many = r#"{"owner":{"company":{"posts":[{"id":"p1"},{"id":"p2"}]}}}"#;
    let fields = |first| format!("{{ owner {{ company {{ posts(first: {first}) {{ id }} }} }} }}");
    let query = format!("{{ x {} y {} }}", fields(1), fields(2));
    assert_eq!(stage.ask(&query).await, format!(r#"{{"data":{{"x":{few},"y":{many}}}}}"#));
}
