//! The system in one process.

use crate::{
    api::{mailbox, text},
    people,
    process::{Hansa, Settings},
    story,
};

#[tokio::test]
async fn whole_loop() {
    let data = tempfile::tempdir().unwrap();
    let hansa = Hansa::up(data.path()).await;
    let url = hansa.url.clone();
    story::tell(&url, &url, "anna", async |to| {
        mailbox(&url).await.iter().filter(|mail| mail["to"] == to).map(|mail| text(&mail["subject"])).collect()
    })
    .await;
    people::befriend(&url, &url, "ann", "bob").await;

    let mail = mailbox(&url).await.remove(0);
    for field in ["id", "messageId", "to", "subject", "text", "html", "sentAt"] {
        assert!(mail[field].as_str().is_some_and(|value| !value.is_empty()), "{field}: {mail}");
    }
    let sent_at = text(&mail["sentAt"]);
    assert!(chrono::DateTime::parse_from_rfc3339(&sent_at).is_ok() && sent_at.ends_with('Z'), "{sent_at}");
    let page = reqwest::get(format!("{url}/mail")).await.unwrap().text().await.unwrap();
    assert!(page.contains("Добро пожаловать"));
    assert_eq!(hansa.terminate().await, Some(0));
}

#[tokio::test]
async fn the_demonstration_data_is_over_all_domains_and_is_loaded_once() {
    let data = tempfile::tempdir().unwrap();
    let is_loaded = async |line: &str| {
        let hansa = Hansa::start(&["up", "--demo"], data.path(), &Settings::new()).await;
        crate::eventually(line, async || hansa.output().iter().any(|said| said.contains(line)).then_some(())).await;
        hansa
    };
    let hansa = is_loaded("the demonstration data is loaded").await;
    let sign_in = "mutation { sessionCreate(input: { login: \"anna\", password: \"north sea trade winds\" }) {
        tokens { accessToken } userErrors { code } } }";
    let answer = crate::api::data(&hansa.url, None, sign_in, serde_json::json!({})).await;
    let token = text(&answer["sessionCreate"]["tokens"]["accessToken"]);
    let query = "{ viewer { unreadMessageCount user { posts { totalCount } friends { totalCount } followers { totalCount } } } }";
    let answer = crate::api::data(&hansa.url, Some(&token), query, serde_json::json!({})).await;
    let user = serde_json::json!({
        "posts": { "totalCount": 2 }, "friends": { "totalCount": 2 }, "followers": { "totalCount": 1 },
    });
    assert_eq!(answer["viewer"], serde_json::json!({ "unreadMessageCount": 3, "user": user }));
    assert_eq!(hansa.terminate().await, Some(0));

    let again = is_loaded("the demonstration data is there already").await;
    assert_eq!(again.terminate().await, Some(0));
}

#[tokio::test]
async fn first_start_creates_one_administrator_and_says_the_login_once() {
    let data = tempfile::tempdir().unwrap();
    let hansa = Hansa::up(data.path()).await;
    let said = |word: &str| {
        let output = hansa.output();
        output.iter().find_map(|line| line.trim().strip_prefix(word)).map(|rest| rest.trim().to_owned())
    };
    let (username, password) =
        crate::eventually("the login", async || Some((said("username")?, said("password")?))).await;
    let query = "mutation($login: String!, $password: String!) {
        sessionCreate(input: { login: $login, password: $password }) { tokens { accessToken } userErrors { code } } }";
    let variables = serde_json::json!({ "login": username, "password": password });
    let answer = crate::api::data(&hansa.url, None, query, variables).await;
    let token = text(&answer["sessionCreate"]["tokens"]["accessToken"]);
    let answer = crate::api::data(
        &hansa.url,
        Some(&token),
        "{ users { nodes { username roles email } totalCount } }",
        serde_json::json!({}),
    )
    .await;
    assert_eq!(answer["users"]["totalCount"], 1, "{answer}");
    assert_eq!(hansa.terminate().await, Some(0));

    let again = Hansa::up(data.path()).await;
    // It serves once it has said all there is to say.
    assert!(reqwest::get(format!("{}/health", again.url)).await.unwrap().status().is_success());
    assert!(!again.output().join("\n").contains("password"));
}

#[tokio::test]
async fn a_first_start_that_fails_does_not_lose_the_login() {
    let data = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let started = tokio::process::Command::new(env!("CARGO_BIN_EXE_hansa"))
        .args(["up", "--listen", &taken.local_addr().unwrap().to_string(), "--data"])
        .arg(data.path())
        .output()
        .await
        .unwrap();
    assert_eq!(started.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&started.stderr).contains("cannot listen on"));

    let hansa = Hansa::up(data.path()).await;
    crate::eventually("the login", async || hansa.output().join("\n").contains("password").then_some(())).await;
}

#[tokio::test]
async fn pages_and_probes_answer() {
    let data = tempfile::tempdir().unwrap();
    let hansa = Hansa::up(data.path()).await;
    for (path, content) in
        [("/", "<html"), ("/health", ""), ("/ready", ""), ("/metrics", "# TYPE"), ("/mail", "Mailbox")]
    {
        crate::eventually(path, async || {
            let response = reqwest::get(format!("{}{path}", hansa.url)).await.unwrap();
            let is_success = response.status().is_success();
            (is_success && response.text().await.unwrap().contains(content)).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn what_looks_like_a_number_may_be_a_name() {
    let configuration = tokio::process::Command::new(env!("CARGO_BIN_EXE_hansa"))
        .arg("config")
        .envs([("HANSA_BUS__PREFIX", "123"), ("HANSA_BUS__PARTITIONS", "7")])
        .output()
        .await
        .unwrap();
    let bus = &serde_json::from_slice::<serde_json::Value>(&configuration.stdout).unwrap()["bus"];
    assert_eq!((&bus["prefix"], &bus["partitions"]), (&"123".into(), &7.into()));
}

#[tokio::test]
async fn a_service_starts_while_kafka_is_down() {
    let data = tempfile::tempdir().unwrap();
    // Nobody listens there.
    let settings = crate::process::Settings::from([("HANSA_BUS__BROKERS".into(), "127.0.0.1:1".into())]);
    let hansa = Hansa::run(&["users"], data.path(), &settings).await;
    let ready = reqwest::get(format!("{}/ready", hansa.url)).await.unwrap();
    assert_eq!(ready.status(), 200);
    let ready: serde_json::Value = ready.json().await.unwrap();
    assert_eq!(ready, serde_json::json!({ "status": "ready", "eventBus": "not reached yet" }));
    let complaints =
        || hansa.output().iter().filter(|line| line.contains("WARN") && line.contains("Kafka is in")).count();
    crate::eventually("a complaint", async || (complaints() > 0).then_some(())).await;
    assert!(complaints() <= 4, "each client complains once for now: {:?}", hansa.output());
    assert_eq!(hansa.terminate().await, Some(0));
}
