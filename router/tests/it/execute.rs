//! Execution of plans over real subgraphs.

use crate::federation::{By, Fault, Federation, products, soon};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use hansa_router::execute::{Broken, Step};
use hansa_router::operation::Operation;
use hansa_router::request::Caller;
use hansa_router::{execute, limits, operation};
use serde_json::{Value, json};
use std::sync::Arc;

#[tokio::test]
async fn hops_over_subgraphs_keep_the_clients_order() {
    for by in [By::Call, By::Http] {
        let federation = Federation::start(by).await;
        let data =
            federation.data("{ product(id: \"p2\") { reviews { author { name id } body } name: price title: name } }");
        assert_eq!(
            data.await,
            r#"{"product":{"reviews":[{"author":{"name":"Bob","id":"u2"},"body":"review r3"}],"name":20,"title":"Couch"}}"#
        );
    }
}

#[tokio::test]
async fn fragments_and_aliases_are_written_where_they_first_stand() {
    let federation = Federation::start(By::Call).await;
    let query = "query { items { ... on Book { stars } title ...I ... on Gadget { stars watts } kind: __typename } }
        fragment I on Item { id ... on Book { pages } }";
    assert_eq!(
        federation.data(query).await,
        concat!(
            r#"{"items":[{"stars":4,"title":"Book b1","id":"b1","pages":100,"kind":"Book"},"#,
            r#"{"title":"Gadget g1","id":"g1","stars":2,"watts":5,"kind":"Gadget"},"#,
            r#"{"stars":4,"title":"Book b2","id":"b2","pages":100,"kind":"Book"}]}"#,
        )
    );
}

#[tokio::test]
async fn equal_entities_are_asked_for_once() {
    let federation = Federation::start(By::Call).await;
    let answer = federation.json("{ reviews { product { name } } }").await;
    let names: Vec<_> =
        answer["data"]["reviews"].as_array().unwrap().iter().map(|review| &review["product"]["name"]).collect();
    assert_eq!(names, ["Table", "Table", "Couch", "Table"]);
    assert_eq!(
        federation.desk("products").representations(),
        [json!({"__typename": "Product", "id": "p1"}), json!({"__typename": "Product", "id": "p2"})]
    );
}

#[tokio::test]
async fn absent_entities_are_null_and_fail_nothing_else() {
    let federation = Federation::start(By::Call).await;
    let data = federation.data("{ products(ids: [\"p1\", \"nope\", \"p2\"]) { name reviews { id } } }").await;
    assert_eq!(
        data,
        r#"{"products":[{"name":"Table","reviews":[{"id":"r1"},{"id":"r2"},{"id":"r4"}]},null,{"name":"Couch","reviews":[{"id":"r3"}]}]}"#
    );
    assert_eq!(
        federation.desk("reviews").representations(),
        [json!({"__typename": "Product", "id": "p1"}), json!({"__typename": "Product", "id": "p2"})]
    );
}

#[tokio::test]
async fn requires_carries_fields_over_even_null_ones() {
    let federation = Federation::start(By::Call).await;
    let data = federation.data("{ products(ids: [\"p1\", \"p2\"]) { shipping } }").await;
    assert_eq!(data, r#"{"products":[{"shipping":"price 10 weight Some(100)"},{"shipping":"price 20 weight None"}]}"#);
    assert_eq!(federation.desk("inventory").representations()[1]["weight"], Value::Null);
}

#[tokio::test]
async fn an_answer_is_bounded_whatever_makes_it_large() {
    // One entity in many places, objects of a subgraph's own list, errors, and what becomes null.
    let many = format!("{{ products(ids: [{}]) {{ name reviews {{ body }} }} }}", "\"p1\" ".repeat(500));
    for (query, fault) in [
        (many.as_str(), Fault::None),
        ("{ reviews { id body author { username } } }", Fault::None),
        ("{ reviews { id } product(id: \"p1\") { name } }", Fault::Status(500)),
        (many.as_str(), Fault::Says(r#"{"data":{"_entities":[{"__typename":"Product","reviews":[{"body":null}]}]}}"#)),
    ] {
        let within = async |max_response_bytes| {
            let federation = Federation::start(By::Call).await;
            federation.desk("reviews").fail(fault.clone());
            let limits = limits::Operation { max_response_bytes, ..limits::Operation::default() };
            federation.run_within(&limits, query, json!({})).await.body
        };
        let whole = within(usize::MAX).await;
        let refusal: Value = serde_json::from_slice(&within(whole.len() / 2).await).unwrap();
        assert_eq!(refusal["data"], Value::Null);
        assert_eq!(refusal["errors"][0]["extensions"]["code"], "RESPONSE_TOO_LARGE");
        assert_eq!(refusal["errors"].as_array().unwrap().len(), 1);
        if fault == Fault::None {
            assert_eq!(within(whole.len()).await, whole);
            assert_ne!(within(whole.len() - 1).await, whole);
        }
    }
}

#[tokio::test]
async fn provided_fields_need_no_second_call() {
    let federation = Federation::start(By::Call).await;
    let data = federation.data("{ reviews { author { username } } }").await;
    assert!(data.contains(r#"{"author":{"username":"u2 as provided"}}"#), "{data}");
    assert_eq!(federation.desk("users").calls(), 0);
}

#[tokio::test]
async fn conditions_are_kept_to() {
    let federation = Federation::start(By::Call).await;
    let query = "query($yes: Boolean!, $no: Boolean!) {
        product(id: \"p1\") { name reviews @include(if: $no) { id } shipping @skip(if: $yes) price @skip(if: $no) }
    }";
    let answer = federation.run_with(query, json!({"yes": true, "no": false})).await;
    assert_eq!(answer.body, r#"{"data":{"product":{"name":"Table","price":10}}}"#);
    assert_eq!((federation.desk("reviews").calls(), federation.desk("inventory").calls()), (0, 0));
    let answer = federation.run_with(query, json!({"yes": false, "no": true})).await;
    assert_eq!(
        answer.body,
        concat!(
            r#"{"data":{"product":{"name":"Table","reviews":[{"id":"r1"},{"id":"r2"},{"id":"r4"}],"#,
            r#""shipping":"price 10 weight Some(100)"}}}"#
        )
    );
}

#[tokio::test]
async fn one_field_may_stand_under_several_conditions() {
    let federation = Federation::start(By::Call).await;
    let query = "query($yes: Boolean!) {
        items { ... on Item @skip(if: $yes) { __typename } ... on Item @include(if: $yes) { id ... on Item @include(if: $yes) { title } } }
        product(id: \"p1\") { name } product(id: \"p1\") @include(if: $yes) { price } product(id: \"p1\") { id: id id }
    }";
    let first = r#"{"id":"b1","title":"Book b1"},{"id":"g1","title":"Gadget g1"},{"id":"b2","title":"Book b2"}"#;
    assert_eq!(
        federation.run_with(query, json!({"yes": true})).await.body,
        format!(r#"{{"data":{{"items":[{first}],"product":{{"name":"Table","price":10,"id":"p1"}}}}}}"#)
    );
    let first = r#"{"__typename":"Book"},{"__typename":"Gadget"},{"__typename":"Book"}"#;
    assert_eq!(
        federation.run_with(query, json!({"yes": false})).await.body,
        format!(r#"{{"data":{{"items":[{first}],"product":{{"name":"Table","id":"p1"}}}}}}"#)
    );
}

#[tokio::test]
async fn a_subgraph_that_is_down_costs_only_its_own_fields() {
    let federation = Federation::start(By::Call).await;
    federation.desk("reviews").fail(Fault::Status(503));
    let answer = federation.json("{ products(ids: [\"p1\", \"p2\"]) { name reviews { id } } }").await;
    assert_eq!(
        answer["data"],
        json!({"products": [{"name": "Table", "reviews": null}, {"name": "Couch", "reviews": null}]})
    );
    let errors = answer["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert_eq!(errors[0]["extensions"], json!({"code": "SUBGRAPH_UNAVAILABLE", "service": "reviews"}));
    assert_eq!(errors[0]["path"], json!(["products", 0]));
}

#[tokio::test]
async fn a_missing_field_that_must_not_be_null_takes_its_parent_with_it() {
    let federation = Federation::start(By::Call).await;
    federation.desk("inventory").fail(Fault::Status(500));
    let answer = federation.json("{ products(ids: [\"p1\"]) { name stock } }").await;
    assert_eq!(answer["data"], json!({"products": [null]}));
    let errors = answer["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "the subgraph's failure explains the null: {errors:#?}");
    federation.desk("inventory").fail(Fault::None);
    // Nothing failed, but the entity is not there: the null needs an error of its own.
    let answer = federation.json("{ products(ids: [\"p1\", \"p3\"]) { stock } }").await;
    assert_eq!(answer["data"], json!({"products": [{"stock": 7}, null]}));
    assert_eq!(answer["errors"].as_array().unwrap().len(), 1);
    assert_eq!(answer["errors"][0]["path"], json!(["products", 1, "stock"]));
}

#[tokio::test]
async fn a_null_in_a_root_field_that_must_not_be_null_leaves_no_data() {
    let federation = Federation::start(By::Call).await;
    federation.desk("reviews").fail(Fault::Status(502));
    let answer = federation.run_with("{ reviews { id } me { id } }", json!({})).await;
    assert!(!answer.has_data);
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer["data"], Value::Null);
    assert_eq!(answer["errors"][0]["path"], json!(["reviews"]));
    assert_eq!(answer["errors"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn errors_of_subgraphs_get_the_clients_path_and_the_services_name() {
    let federation = Federation::start(By::Call).await;
    let answer = federation.json("{ b: broken ps: products(ids: [\"p1\", \"p3\"]) { rs: reviews { id } } }").await;
    assert_eq!(answer["data"]["b"], Value::Null);
    assert_eq!(answer["data"]["ps"][0]["rs"][0], json!({"id": "r1"}));
    assert_eq!(answer["data"]["ps"][1], json!({"rs": null}));
    assert_eq!(
        answer["errors"],
        json!([
            {"message": "it broke", "path": ["b"], "extensions": {"code": "BROKEN", "service": "products"}},
            {
                "message": "no reviews here",
                "path": ["ps", 1, "rs"],
                "extensions": {"code": "SUBGRAPH_ERROR", "service": "reviews"}
            }
        ])
    );
}

#[tokio::test]
async fn nonsense_is_an_unavailable_subgraph() {
    let federation = Federation::start(By::Call).await;
    for nonsense in ["<html>", "[]", "{}", "{\"data\":{\"me\":{\"id\":\"u1\"}}", "{\"data\":{}} x", ""] {
        federation.desk("users").fail(Fault::Says(nonsense));
        let answer = federation.json("{ me { id } }").await;
        assert_eq!(answer["data"], json!({"me": null}), "{nonsense}");
        assert_eq!(answer["errors"][0]["extensions"]["code"], "SUBGRAPH_UNAVAILABLE", "{nonsense}");
    }
}

#[tokio::test]
async fn values_that_the_schema_does_not_allow_become_null_with_an_error() {
    let federation = Federation::start(By::Call).await;
    let answer = federation.json("{ product(id: \"p3\") { name category } }").await;
    assert_eq!(answer["data"], json!({"product": {"name": "Vault", "category": null}}));
    assert_eq!(answer["errors"][0]["path"], json!(["product", "category"]));
    federation.desk("users").fail(Fault::Says("{\"data\":{\"me\":[1]}}"));
    let answer = federation.json("{ me { id } }").await;
    assert_eq!(answer["data"], json!({"me": null}));
    assert_eq!(answer["errors"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn custom_scalars_pass_unchanged() {
    let federation = Federation::start(By::Call).await;
    federation
        .desk("products")
        .fail(Fault::Says(r#"{"data":{"product":{"specs":{"a" :[1.00, 12345678901234567890123]}}}}"#));
    assert_eq!(
        federation.data("{ product(id: \"p1\") { specs } }").await,
        r#"{"product":{"specs":{"a" :[1.00, 12345678901234567890123]}}}"#
    );
}

#[tokio::test]
async fn mutations_run_in_order_over_subgraphs() {
    let federation = Federation::start(By::Call).await;
    let query = "mutation { a: priceSet(id: \"p1\", price: 1) { price reviews { id } } b: reviewAdd(body: \"x\") { body } c: priceSet(id: \"p1\", price: 2) { price } }";
    let data = federation.data(query).await;
    assert_eq!(
        data,
        r#"{"a":{"price":1,"reviews":[{"id":"r1"},{"id":"r2"},{"id":"r4"}]},"b":{"body":"x"},"c":{"price":2}}"#
    );
    assert_eq!(*federation.journal.lock().unwrap(), ["price 1", "review x", "price 2"]);
}

#[tokio::test]
async fn the_callers_headers_reach_every_subgraph() {
    let mut federation = Federation::start(By::Http).await;
    federation.context.forward.insert("authorization", "Bearer me".parse().unwrap());
    federation.data("{ product(id: \"p1\") { reviews { id } } }").await;
    for name in ["products", "reviews"] {
        assert_eq!(federation.desk(name).headers.lock().unwrap()[0]["authorization"], "Bearer me");
    }
}

async fn subscribe(federation: &Federation, operation: &Arc<Operation>) -> Result<BoxStream<'static, Step>, Broken> {
    let variables = Arc::new(operation::coerce(operation, None).unwrap());
    let caller = Caller::fixed(federation.context.clone());
    execute::subscribe(&federation.supergraph, operation, &variables, &caller, None, soon()).await
}

fn body(step: Step) -> Result<Bytes, Broken> {
    match step {
        Step::Event(answer, _) => Ok(answer.body),
        Step::Broken(broken) => Err(broken),
    }
}

#[tokio::test]
async fn events_of_a_subscription_are_completed_by_other_subgraphs() {
    for by in [By::Call, By::Http] {
        let federation = Federation::start(by).await;
        let operation = federation
            .prepare("subscription { changed(ids: [\"p1\", \"p2\"]) { shipping name reviews { id } } }")
            .await;
        let steps = subscribe(&federation, &operation).await.unwrap();
        let answers: Vec<_> = steps.map(|step| body(step).unwrap()).collect().await;
        assert_eq!(
            answers,
            [
                concat!(
                    r#"{"data":{"changed":{"shipping":"price 10 weight Some(100)","name":"Table","#,
                    r#""reviews":[{"id":"r1"},{"id":"r2"},{"id":"r4"}]}}}"#
                ),
                concat!(
                    r#"{"data":{"changed":{"shipping":"price 20 weight None","name":"Couch","#,
                    r#""reviews":[{"id":"r3"}]}}}"#
                ),
            ]
        );
    }
}

#[tokio::test]
async fn dropping_a_subscription_ends_it_upstream() {
    let federation = Federation::start(By::Http).await;
    let operation = federation.prepare("subscription { silent { name } }").await;
    let mut steps = subscribe(&federation, &operation).await.unwrap();
    assert_eq!(body(steps.next().await.unwrap()).unwrap(), r#"{"data":{"silent":{"name":"Silent"}}}"#);
    let mut listening = products::LISTENING.subscribe();
    listening.wait_for(|listening| *listening).await.unwrap();
    drop(steps);
    let ended = listening.wait_for(|listening| !listening);
    tokio::time::timeout_at(soon(), ended).await.expect("it should end").unwrap();
}

#[tokio::test]
async fn a_stream_that_breaks_off_ends_with_an_error() {
    let federation = Federation::start(By::Call).await;
    let operation = federation.prepare("subscription { changed(ids: []) { name } }").await;
    federation.desk("products").fail(Fault::Breaks);
    let steps: Vec<_> = subscribe(&federation, &operation).await.unwrap().map(body).collect().await;
    assert_eq!(steps.len(), 2);
    assert_eq!(steps[0].as_ref().unwrap(), r#"{"data":{"changed":{"name":"Half"}}}"#);
    assert_eq!(steps[1].as_ref().unwrap_err().report().code(), Some("SUBGRAPH_UNAVAILABLE"));
    federation.desk("products").fail(Fault::Status(503));
    let broken = subscribe(&federation, &operation).await.err().expect("it cannot start");
    assert_eq!(broken.report().code(), Some("SUBGRAPH_UNAVAILABLE"));
}
