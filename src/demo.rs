//! The demonstration data: small, believable, loaded through the public API.

use anyhow::{Context, bail};
use serde_json::{Value, json};
use std::{net::SocketAddr, time::Duration};

const PASSWORD: &str = "north sea trade winds";
const PEOPLE: [(&str, &str, &str); 4] = [
    ("anna", "anna@hansa.localhost", "ru"),
    ("bengt", "bengt@hansa.localhost", "en"),
    ("clara", "clara@hansa.localhost", "en"),
    ("dmitri", "dmitri@hansa.localhost", "ru"),
];
const POSTS: [(usize, &str); 7] = [
    (0, "Первый груз воска и мехов ушёл из Новгорода. Если лёд продержится до марта, успеем до ярмарки."),
    (1, "Salt from **Lüneburg** is up again. We should buy before the herring season starts."),
    (2, "Has anyone tried the new cog with the stern rudder? She takes the waves off Skagen much better."),
    (1, "Found a typo in the tariff list of Bergen: stockfish is *per hundred*, not per barrel."),
    (3, "В Риге открыли новый склад у реки. Места хватит всем, ключи у старосты."),
    (2, "Minutes of the meeting in Lübeck:\n\n1. Tolls at the Øresund\n2. Beacons for the winter\n3. A common seal"),
    (0, "Ищу попутный корабль до Брюгге в конце апреля, груз небольшой."),
];
const REGISTER: &str = "mutation($input: AccountRegisterInput!) { accountRegister(input: $input) {
    tokens { accessToken } userErrors { code message } } }";
const POST: &str = "mutation($input: PostCreateInput!) { postCreate(input: $input) { userErrors { code message } } }";

/// Loads the data, unless it is there already.
///
/// # Errors
/// When the API refuses something.
pub async fn load(address: SocketAddr) -> anyhow::Result<()> {
    let client = Client { http: reqwest::Client::new(), base: format!("http://{address}") };
    client.wait_until_ready().await?;
    let mut tokens = Vec::new();
    for (username, email, locale) in PEOPLE {
        let input = json!({ "username": username, "email": email, "password": PASSWORD, "locale": locale });
        let payload = client.mutate(None, "accountRegister", REGISTER, input).await?;
        if payload["userErrors"][0]["code"] == "TAKEN" {
            tracing::info!("the demonstration data is there already");
            return Ok(());
        }
        tokens.push(payload["tokens"]["accessToken"].as_str().context("no access token")?.to_owned());
    }
    for (author, body) in POSTS {
        client.mutate(tokens.get(author).map(String::as_str), "postCreate", POST, json!({ "body": body })).await?;
    }
    tracing::info!("the demonstration data is loaded: sign in as anna, bengt, clara or dmitri with \"{PASSWORD}\"");
    Ok(())
}

struct Client {
    http: reqwest::Client,
    base: String,
}

impl Client {
    async fn wait_until_ready(&self) -> anyhow::Result<()> {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        while tokio::time::Instant::now() < deadline {
            ticks.tick().await;
            let ready = self.http.get(format!("{}/ready", self.base)).send().await;
            if ready.is_ok_and(|response| response.status().is_success()) {
                return Ok(());
            }
        }
        bail!("the router did not become ready")
    }

    async fn mutate(&self, token: Option<&str>, field: &str, query: &str, input: Value) -> anyhow::Result<Value> {
        let mut request = self
            .http
            .post(format!("{}/graphql", self.base))
            .json(&json!({ "query": query, "variables": { "input": input } }));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let mut answer: Value = request.send().await?.json().await?;
        if let Some(errors) = answer.get("errors") {
            bail!("{field}: {errors}");
        }
        let payload = answer["data"][field].take();
        let errors = payload["userErrors"].as_array().map_or(0, Vec::len);
        if errors > 0 && payload["userErrors"][0]["code"] != "TAKEN" {
            bail!("{field}: {}", payload["userErrors"]);
        }
        Ok(payload)
    }
}
