//! The router alone, over subgraphs that are not ours and that the configuration names.

use crate::{
    api::{data, post},
    eventually,
    process::{Hansa, Settings},
};
use axum::{Json, Router, routing};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use std::{net::SocketAddr, path::Path, process::Output, time::SystemTime};
use tokio::{net::TcpListener, process::Command};

const LINK: &str =
    "extend schema @link(url: \"https://specs.apollo.dev/federation/v2.9\", import: [\"@key\", \"@shareable\"])\n";
const PRODUCTS: &str = "type Query { product: Product } type Product @key(fields: \"id\") { id: ID! name: String }";
const PRICES: &str = "type Product @key(fields: \"id\") { id: ID! price: Int }";

/// A subgraph that tells this SDL and answers the rest with this.
async fn serve(address: SocketAddr, sdl: &str, answer: Value) -> SocketAddr {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let sdl = format!("{LINK}{sdl}");
    let handle = move |Json(request): Json<Value>| async move {
        let asks_for_sdl = request["query"].as_str().is_some_and(|query| query.contains("_service"));
        Json(json!({ "data": if asks_for_sdl { json!({ "_service": { "sdl": sdl } }) } else { answer } }))
    };
    let routes = Router::new().route("/graphql", routing::post(handle));
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    address
}

fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// An address that nobody listens on, for now.
async fn unused() -> SocketAddr {
    TcpListener::bind(anywhere()).await.unwrap().local_addr().unwrap()
}

/// Writes the configuration of a federation of two, the second of which has its SDL in `prices.graphql`.
fn configure(folder: &Path, products: SocketAddr, prices: SocketAddr) {
    let config = format!(
        "[router.supergraph]\npoll_seconds = 1\n\n[router.federation.subgraphs.products]\nurl = \"http://{products}\"\n\n\
         [router.federation.subgraphs.prices]\nurl = \"http://{prices}/graphql\"\nsdl = \"prices.graphql\"\n"
    );
    std::fs::write(folder.join("federation.toml"), config).unwrap();
}

/// Runs a command to its end.
async fn hansa(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hansa")).args(arguments).current_dir(folder).output().await.unwrap()
}

fn config(folder: &Path) -> String {
    folder.join("federation.toml").display().to_string()
}

async fn is_ready(url: &str) -> bool {
    reqwest::get(format!("{url}/ready")).await.unwrap().status().is_success()
}

#[tokio::test]
async fn a_federation_is_composed_served_and_swapped() {
    let folder = tempfile::tempdir().unwrap();
    let sdl = folder.path().join("prices.graphql");
    std::fs::write(&sdl, format!("{LINK}{PRICES}")).unwrap();
    let products = unused().await;
    let price = json!({ "_entities": [{ "__typename": "Product", "price": 3, "stock": 5 }] });
    let prices = serve(anywhere(), PRICES, price).await;
    configure(folder.path(), products, prices);

    // One subgraph is down at the start.
    let arguments = ["router", "--config", &config(folder.path())];
    let settings = Settings::from([("HANSA_PLAYGROUND__ENABLED".to_owned(), "false".to_owned())]);
    let router = Hansa::start(&arguments, &folder.path().join("data"), &settings).await;
    let url = router.url.as_str();
    let says_ready = || router.output().iter().any(|line| line.contains("ready: http://"));
    assert!(!is_ready(url).await && !says_ready());
    assert_eq!(reqwest::get(url).await.unwrap().status(), 404);
    let (status, answer) = post(url, None, json!({ "query": "{ __typename }" })).await;
    assert_eq!((status, &answer["errors"][0]["extensions"]["code"]), (503, &json!("SUPERGRAPH_UNAVAILABLE")));

    let product = json!({ "product": { "__typename": "Product", "id": "1", "name": "N" } });
    serve(products, PRODUCTS, product).await;
    eventually("a supergraph", async || is_ready(url).await.then_some(())).await;
    eventually("the line that says so", async || says_ready().then_some(())).await;
    let both = "{ product { name price } }";
    let expected = json!({ "product": { "name": "N", "price": 3 } });
    assert_eq!(data(url, None, both, json!({})).await, expected);

    // A field more.
    std::fs::write(&sdl, format!("{LINK}{PRICES}").replace("price: Int", "price: Int stock: Int")).unwrap();
    let stock = json!({ "query": "{ product { stock } }" });
    eventually("the new field", async || {
        let (_, answer) = post(url, None, stock.clone()).await;
        (answer["data"]["product"]["stock"] == 5).then_some(())
    })
    .await;

    // What does not compose changes nothing but what is said.
    std::fs::write(&sdl, format!("{LINK}{PRICES}").replace("price: Int", "price: Money")).unwrap();
    eventually("the error", async || {
        router.output().iter().any(|line| line.contains("Money") && line.contains("prices")).then_some(())
    })
    .await;
    assert_eq!(data(url, None, both, json!({})).await, expected);
    assert_eq!(data(url, None, "{ product { stock } }", json!({})).await["product"]["stock"], 5);
    assert_eq!(router.terminate().await, Some(0));
}

/// A key field that requires what only the keys lead to: the composer's recursion has no end over these.
const ENDLESS: [&str; 4] = [
    "type Query { t: T } type T @key(fields: \"id\") { id: ID! @shareable x: Int @requires(fields: \"y\") y: Int @external }",
    "type T @key(fields: \"id\") { id: ID! @shareable y: Int @shareable }",
    "type T @key(fields: \"id\") { id: ID! @shareable k: ID! @shareable @requires(fields: \"x\") x: Int @external }",
    "type T @key(fields: \"k\") { k: ID! @shareable y: Int @shareable }",
];

#[tokio::test]
async fn nothing_that_is_composed_ends_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let write = |subgraphs: &[&str]| {
        let mut settings = String::new();
        for (number, sdl) in subgraphs.iter().enumerate() {
            let file = format!("s{number}.graphql");
            let link = LINK.replace("\"@key\"", "\"@key\", \"@external\", \"@requires\"");
            std::fs::write(folder.path().join(&file), link + sdl).unwrap();
            settings +=
                &format!("[router.federation.subgraphs.s{number}]\nurl = \"http://127.0.0.1:9\"\nsdl = \"{file}\"\n");
        }
        std::fs::write(folder.path().join("federation.toml"), settings + "[router.supergraph]\npoll_seconds = 1\n")
            .unwrap();
    };
    // A key that requires something and yet composes.
    let good =
        [ENDLESS[0], "type T @key(fields: \"id\") @key(fields: \"x\") { id: ID! @shareable x: Int @external y: Int }"];
    write(&good);
    let composed = hansa(Path::new("/"), &["compose", "--config", &config(folder.path())]).await;
    let supergraph = String::from_utf8(composed.stdout).unwrap();
    assert!(composed.status.success() && supergraph.contains("join__Graph"), "{supergraph}");

    write(&ENDLESS);
    let failed = hansa(Path::new("/"), &["compose", "--config", &config(folder.path())]).await;
    let said = String::from_utf8(failed.stderr).unwrap();
    assert_eq!(failed.status.code(), Some(1), "{said}");
    assert!(said.contains("KEY_REQUIRES_CIRCULAR") && said.contains("T.k"), "{said}");

    // Nor does it end one that runs.
    write(&["type Query { t: Int }", "type Query { u: Int }", "type Query { v: Int }", "type Query { w: Int }"]);
    let arguments = ["router", "--config", &config(folder.path())];
    let settings = Settings::from([("HANSA_PLAYGROUND__ENABLED".to_owned(), "false".to_owned())]);
    let router = Hansa::start(&arguments, &folder.path().join("data"), &settings).await;
    eventually("a supergraph", async || is_ready(&router.url).await.then_some(())).await;
    write(&ENDLESS);
    let says = || router.output().iter().any(|line| line.contains("KEY_REQUIRES_CIRCULAR"));
    eventually("the error", async || says().then_some(())).await;
    assert_eq!(data(&router.url, None, "{ __typename }", json!({})).await["__typename"], "Query");
    assert_eq!(router.terminate().await, Some(0));
}

/// The key pair of RFC 8037, appendix A.
const PRIVATE: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
const PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
/// What PKCS #8 puts before an Ed25519 key (RFC 8410).
const PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// A token as identity providers issue them: no session, several audiences.
fn foreign_token(audience: &str) -> String {
    let key = EncodingKey::from_ed_der(&[&PKCS8[..], &BASE64.decode(PRIVATE).unwrap()].concat());
    let header = Header { kid: Some("1".into()), ..Header::new(Algorithm::EdDSA) };
    let expires = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() + 300;
    let claims = json!({
        "iss": "https://id.example.com/", "aud": [audience, "https://id.example.com/userinfo"], "sub": "auth0|1",
        "exp": expires, "scope": "openid read:me",
    });
    jsonwebtoken::encode(&header, &claims, &key).unwrap()
}

#[tokio::test]
async fn tokens_of_another_issuer_are_believed() {
    let keys = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": "1", "x": PUBLIC }] });
    let listener = TcpListener::bind(anywhere()).await.unwrap();
    let issuer = listener.local_addr().unwrap();
    let routes = Router::new().route("/certs", routing::get(async || Json(keys)));
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });

    let folder = tempfile::tempdir().unwrap();
    let me = "extend schema @link(url: \"https://specs.apollo.dev/federation/v2.9\", import: [\"@requiresScopes\"])
              type Query { me: String @requiresScopes(scopes: [[\"read:me\"]]) }";
    std::fs::write(folder.path().join("prices.graphql"), me).unwrap();
    let users = serve(anywhere(), PRODUCTS, json!({ "me": "Ann" })).await;
    configure(folder.path(), users, users);
    let settings = [
        ("HANSA_IDENTITY__KEYS_URL", format!("http://{issuer}/certs")),
        ("HANSA_IDENTITY__TOKEN__ISSUER", "https://id.example.com/".into()),
        ("HANSA_IDENTITY__TOKEN__AUDIENCE", "https://api.example.com".into()),
    ];
    let settings: Settings = settings.map(|(name, value)| (name.to_owned(), value)).into();
    let arguments = ["router", "--config", &config(folder.path())];
    let router = Hansa::start(&arguments, &folder.path().join("data"), &settings).await;
    let url = router.url.as_str();
    eventually("a supergraph", async || is_ready(url).await.then_some(())).await;

    let ask = async |token: Option<&str>| post(url, token, json!({ "query": "{ me }" })).await;
    let code = |answer: &Value| answer["errors"][0]["extensions"]["code"].clone();
    assert_eq!(ask(Some(&foreign_token("https://api.example.com"))).await.1, json!({ "data": { "me": "Ann" } }));
    assert_eq!(code(&ask(None).await.1), "UNAUTHENTICATED");
    let (status, refused) = ask(Some(&foreign_token("https://another.example.com"))).await;
    assert_eq!((status, code(&refused)), (401, json!("TOKEN_INVALID")));
    assert_eq!(router.terminate().await, Some(0));
}

#[tokio::test]
async fn a_supergraph_or_what_is_wrong_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let sdl = folder.path().join("prices.graphql");
    std::fs::write(&sdl, format!("{LINK}{PRICES}")).unwrap();
    let products = serve(anywhere(), PRODUCTS, Value::Null).await;
    configure(folder.path(), products, products);

    let composed = hansa(Path::new("/"), &["compose", "--config", &config(folder.path())]).await;
    let supergraph = String::from_utf8(composed.stdout).unwrap();
    assert!(composed.status.success() && supergraph.contains("join__Graph"), "{supergraph}");
    assert!(
        supergraph.contains(&format!("@join__graph(name: \"products\", url: \"http://{products}\")")),
        "{supergraph}"
    );

    std::fs::write(&sdl, "type Product @key(fields: \"id\") {\n  id ID!\n}").unwrap();
    let failed = hansa(Path::new("/"), &["compose", "--config", &config(folder.path())]).await;
    let said = String::from_utf8(failed.stderr).unwrap();
    assert!(!failed.status.success() && failed.stdout.is_empty());
    assert!(said.contains("subgraph \"prices\", line 2, column 6") && said.contains("     ^"), "{said}");
}

#[tokio::test]
async fn a_router_over_nothing_says_what_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["router", "compose"] {
        let output = hansa(folder.path(), &[command]).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success());
        assert!(said.contains("--supergraph FILE") && said.contains("[router.federation.subgraphs."), "{said}");
    }
}
