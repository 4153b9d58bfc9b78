//! The demonstration data: small, believable, loaded through the public API.

use anyhow::{Context, bail, ensure};
use backon::{ConstantBuilder, Retryable};
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
const FRIENDS: [(usize, usize); 3] = [(0, 1), (1, 2), (0, 3)];
const FOLLOWS: [(usize, usize); 2] = [(2, 0), (3, 1)];
/// Who writes what to whom, in this order.
const MESSAGES: [(usize, usize, &str); 4] = [
    (1, 0, "Anna, is your wax still unsold?"),
    (0, 1, "Half of it. Will you take it for *salt*?"),
    (1, 0, "Gladly. I am in Riga by Easter."),
    (3, 0, "Ключи от склада я оставил у старосты."),
];

const REGISTER: &str = "mutation($input: AccountRegisterInput!) { accountRegister(input: $input) {
    viewer { id } tokens { accessToken } userErrors { code message } } }";
const POST: &str = "mutation($input: PostCreateInput!) { postCreate(input: $input) { userErrors { code message } } }";
const BEFRIEND: &str = "mutation($id: ID!) { friendshipRequest(userId: $id) { userErrors { code message } } }";
const FOLLOW: &str = "mutation($id: ID!) { followCreate(userId: $id) { userErrors { code message } } }";
const SEND: &str = "mutation($input: MessageSendInput!) { messageSend(input: $input) { userErrors { code message } } }";

/// Patience with a system that is starting, and with events that are on their way.
const PATIENCE: ConstantBuilder = ConstantBuilder::new().with_delay(Duration::from_millis(100)).with_max_times(600);

/// A mutation was refused.
#[derive(Debug, thiserror::Error)]
#[error("{field}: {errors}")]
struct Refused {
    field: &'static str,
    errors: Value,
}

impl Refused {
    fn is(&self, code: &str) -> bool {
        self.errors[0]["code"] == code
    }
}

/// Somebody who has signed in.
struct Person {
    id: String,
    token: String,
}

/// Loads the data, unless it is there already.
///
/// # Errors
/// When the API refuses something.
pub async fn load(address: SocketAddr) -> anyhow::Result<()> {
    let client = Client { http: reqwest::Client::new(), base: format!("http://{address}") };
    client.wait_until_ready().await?;
    let mut people = Vec::new();
    for (username, email, locale) in PEOPLE {
        let input = json!({ "username": username, "email": email, "password": PASSWORD, "locale": locale });
        match client.register(input).await {
            Ok(person) => people.push(person),
            Err(error) if error.downcast_ref::<Refused>().is_some_and(|refused| refused.is("TAKEN")) => {
                tracing::info!("the demonstration data is there already");
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
    for (author, body) in POSTS {
        client.mutate(Some(&people[author]), "postCreate", POST, json!({ "input": { "body": body } })).await?;
    }
    for (one, other) in FRIENDS {
        // Who asks somebody who has asked them accepts.
        for (one, other) in [(one, other), (other, one)] {
            let id = json!({ "id": people[other].id });
            client.mutate_known(&people[one], "friendshipRequest", BEFRIEND, id).await?;
        }
    }
    for (follower, followee) in FOLLOWS {
        let id = json!({ "id": people[followee].id });
        client.mutate_known(&people[follower], "followCreate", FOLLOW, id).await?;
    }
    for (sender, recipient, body) in MESSAGES {
        let input = json!({ "recipientId": people[recipient].id, "body": body });
        client.mutate_known(&people[sender], "messageSend", SEND, json!({ "input": input })).await?;
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
        let ready = || async {
            let response = self.http.get(format!("{}/ready", self.base)).send().await?;
            ensure!(response.status().is_success(), "it answers {}", response.status());
            Ok(())
        };
        ready.retry(PATIENCE).await.context("the router did not become ready")
    }

    async fn register(&self, input: Value) -> anyhow::Result<Person> {
        let payload = self.mutate(None, "accountRegister", REGISTER, json!({ "input": input })).await?;
        let text = |value: &Value| value.as_str().map(str::to_owned).context("a registration without its result");
        Ok(Person { id: text(&payload["viewer"]["id"])?, token: text(&payload["tokens"]["accessToken"])? })
    }

    /// A mutation about somebody of whom the events may not have told everybody yet.
    async fn mutate_known(
        &self,
        person: &Person,
        field: &'static str,
        query: &str,
        variables: Value,
    ) -> anyhow::Result<Value> {
        let mutate = || self.mutate(Some(person), field, query, variables.clone());
        let is_unknown =
            |error: &anyhow::Error| error.downcast_ref::<Refused>().is_some_and(|refused| refused.is("NOT_FOUND"));
        mutate.retry(PATIENCE).when(is_unknown).await
    }

    async fn mutate(
        &self,
        person: Option<&Person>,
        field: &'static str,
        query: &str,
        variables: Value,
    ) -> anyhow::Result<Value> {
        let body = json!({ "query": query, "variables": variables });
        let mut request = self.http.post(format!("{}/graphql", self.base)).json(&body);
        if let Some(person) = person {
            request = request.bearer_auth(&person.token);
        }
        let mut answer: Value = request.send().await?.json().await?;
        if let Some(errors) = answer.get("errors") {
            bail!("{field}: {errors}");
        }
        let payload = answer["data"][field].take();
        let errors = &payload["userErrors"];
        if errors.as_array().is_none_or(|errors| !errors.is_empty()) {
            return Err(Refused { field, errors: errors.clone() }.into());
        }
        Ok(payload)
    }
}
