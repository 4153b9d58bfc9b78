//! That the bench measures the right thing: everything answers as expected. Recording checks our router.

use crate::{floor, queries, record, subgraphs};
use tokio::net::TcpListener;

#[tokio::test]
async fn our_router_and_the_floor_answer_as_expected() {
    let subgraphs = subgraphs::start(0).await.unwrap();
    let scripts = record::record(&subgraphs).await.unwrap();
    let shape = |name: &str| -> Vec<usize> {
        let script = scripts.iter().find(|script| script.name == name).unwrap();
        script.stages.iter().map(Vec::len).collect()
    };
    assert_eq!(shape("trivial"), [1]);
    assert_eq!(shape("deep").iter().sum::<usize>(), 7, "{:?}", shape("deep"));
    assert_eq!(shape("wide").iter().sum::<usize>(), 5, "{:?}", shape("wide"));

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/graphql", listener.local_addr().unwrap());
    let before = subgraphs.fetches();
    let floor = tokio::spawn(floor::serve(listener, scripts));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for query in queries::all() {
        let answer = client.post(&url).body(query.body()).send().await.unwrap();
        assert_eq!(answer.json::<serde_json::Value>().await.unwrap(), query.expected);
    }
    assert_eq!(subgraphs.fetches() - before, 13, "the floor makes the fetches of the router");
    floor.abort();
}
