//! Which fields may share a response name (GraphQL spec, "Field Selection Merging").

use crate::operation::{prepare, schema};

const PETS: &str = "type Query { pet: Pet pets: [Pet!] dog: Dog any: Any box(of: [Int], like: Box): Query }
    input Box { a: Int b: Int }
    interface Pet { name: String size: Int owner: Pet }
    type Dog implements Pet { name: String size: Int owner: Pet nick(short: Boolean): String loud: Boolean! }
    type Cat implements Pet { name: String size: Int owner: Pet nick: String loud: Boolean mood: String }
    union Any = Dog | Cat";

#[tokio::test]
async fn fields_that_are_the_same_or_never_meet_may_share_a_name() {
    let supergraph = schema(PETS);
    for valid in [
        "{ dog { name name x: name x: name } }",
        "{ dog { nick(short: true) nick(short: true) } }",
        "{ pet { ... on Dog { x: name } ... on Cat { x: mood } } }",
        "{ pet { ... on Dog { nick(short: true) } ... on Cat { nick } } }",
        "{ pet { ...D ...C } } fragment D on Dog { x: owner { y: name } } fragment C on Cat { x: owner { y: name } }",
        "{ any { ... on Dog { o: owner { n: name } } ... on Cat { o: owner { n: name size } } } }",
        "{ box(of: [1, 2], like: { a: 1, b: 2 }) { dog { name } } box(like: { b: 2, a: 1 }, of: [1, 2]) { dog { size } } }",
        "{ pet { x: __typename ... on Dog { x: __typename } } }",
    ] {
        prepare(&supergraph, valid).await.unwrap_or_else(|errors| panic!("{valid}: {errors:?}"));
    }
}

#[tokio::test]
async fn fields_that_could_meet_and_differ_may_not_share_a_name() {
    let supergraph = schema(PETS);
    for (invalid, why) in [
        ("{ x: pet { name } x: dog { name } }", "\"pet\" and \"dog\" are different fields"),
        ("{ dog { nick nick(short: true) } }", "differing arguments"),
        ("{ dog { nick(short: false) nick(short: true) } }", "differing arguments"),
        ("{ box(of: [1]) { dog { name } } box(of: [1, 2]) { dog { name } } }", "differing arguments"),
        ("{ box(like: { a: 1 }) { __typename } box(like: { a: 1, b: 2 }) { __typename } }", "differing arguments"),
        ("{ pet { ... on Dog { x: name } x: size } }", "\"name\" and \"size\""),
        ("{ pet { ... on Dog { x: name } ... on Cat { x: size } } }", "conflicting types \"String\" and \"Int\""),
        ("{ pet { ... on Dog { loud } ... on Cat { loud } } }", "conflicting types \"Boolean!\" and \"Boolean\""),
        ("{ pet { ... on Dog { x: owner { name } } ... on Cat { x: name } } }", "conflicting types"),
        ("{ pet { x: __typename ... on Dog { x: name } } }", "\"__typename\" and \"name\""),
        ("{ pet { ... on Cat { x: __typename } ... on Dog { x: name } } }", "conflicting types"),
        // Below fields that never meet, shapes must be alike all the same.
        ("{ pet { ... on Dog { o: owner { x: name } } ... on Cat { o: owner { x: size } } } }", "conflicting types"),
        // In fragments in fragments, and two of them.
        ("{ pet { ...A x: size } } fragment A on Pet { ...B } fragment B on Pet { x: name }", "different fields"),
        (
            "{ pet { ...A ...C } } fragment A on Pet { ...B owner { name } } fragment B on Pet { owner { x: name } }
             fragment C on Pet { ...D } fragment D on Pet { ... on Dog { owner { ... { x: size } } } }",
            "different fields",
        ),
        (
            "{ dog { ...A } pet { ...A ...B } } fragment A on Pet { owner { ...C } } fragment B on Pet { owner { ...D ...C } }
             fragment C on Pet { x: name } fragment D on Pet { size ...E } fragment E on Pet { x: size }",
            "different fields",
        ),
    ] {
        let Err(errors) = prepare(&supergraph, invalid).await else { panic!("should be refused: {invalid}") };
        assert_eq!(errors[0].code(), Some("GRAPHQL_VALIDATION_FAILED"), "{invalid}: {errors:?}");
        assert!(errors[0].message.contains(why), "{invalid}: {errors:?}");
        assert_eq!(errors[0].locations.len(), 2, "{invalid}: {errors:?}");
    }
}
