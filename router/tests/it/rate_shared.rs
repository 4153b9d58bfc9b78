//! Rates that routers count together, in Redis when `HANSA_TEST_REDIS_URL` names one.

use crate::rate::{hello, quota};
use crate::server::{PATIENCE, Server, code, token};
use fred::prelude::{Builder, Client, ClientLike, Config as RedisConfig, KeysInterface};
use fred::types::CustomCommand;
use futures::future::join_all;
use hansa_router::Config;
use hansa_router::config::Network;
use hansa_router::limits::{Count, Redis};
use serde_json::Value;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

fn redis() -> Option<String> {
    std::env::var("HANSA_TEST_REDIS_URL").ok()
}

/// Routers that count together; callers are told apart by `X-Forwarded-For`.
fn config(url: &str, prefix: &str, amount: u32) -> Config {
    let mut config = Config { network: Network { trusted_proxies: 1 }, ..Config::default() };
    config.limits.rate.per_user = quota(Count::Operations, amount);
    config.limits.rate.per_address = quota(Count::Operations, amount);
    // An answer from Redis is to be waited for, however busy the machine is.
    config.limits.rate.redis = Redis { url: Some(url.into()), prefix: prefix.into(), timeout_ms: 5_000 };
    config
}

fn prefix() -> String {
    format!("test{}:", uuid::Uuid::new_v4().simple())
}

/// The status that an address gets.
async fn status(server: &Server, address: &str) -> u16 {
    server.post(&hello()).header("x-forwarded-for", address).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn two_routers_allow_the_amount_together() {
    let Some(url) = redis() else { return };
    let prefix = prefix();
    let servers =
        [Server::start_with(config(&url, &prefix, 20)).await, Server::start_with(config(&url, &prefix, 20)).await];
    let token = token("a", 300);
    let asking = (0..60).map(|number| servers[number % 2].post(&hello()).bearer_auth(&token).send());
    let (mut allowed, mut left) = (0, Vec::new());
    for response in join_all(asking).await {
        let response = response.unwrap();
        let told = response.headers()["ratelimit"].to_str().unwrap().to_owned();
        let remaining: u32 = told.split(&['=', ';']).nth(2).unwrap().parse().unwrap();
        match response.status().as_u16() {
            200 => {
                allowed += 1;
                left.push(remaining);
            }
            status => {
                let answer: Value = response.json().await.unwrap();
                let wait = answer["errors"][0]["extensions"]["retryAfterSeconds"].as_u64().unwrap();
                assert_eq!((status, remaining), (429, 0));
                assert!((1..=180).contains(&wait), "{answer}");
            }
        }
    }
    left.sort_unstable();
    assert_eq!((allowed, left), (20, (0..20).collect()), "each is told what it has left");

    let client = client(&url).await;
    let pattern = format!("{prefix}*");
    let keys: Vec<String> =
        client.custom(CustomCommand::new_static("KEYS", None::<u16>, false), vec![pattern]).await.unwrap();
    let [key] = keys.as_slice() else { panic!("{keys:?}") };
    assert!(!key.contains("user_1"), "ids are not in clear: {key}");
    let lives: i64 = client.pttl(key.as_str()).await.unwrap();
    assert!((1..=3_600_000).contains(&lives), "{lives}");
    drop(client.quit().await);
}

async fn client(url: &str) -> Client {
    let client = Builder::from_config(RedisConfig::from_url(url).unwrap()).build().unwrap();
    client.init().await.unwrap();
    client
}

#[tokio::test]
async fn an_operation_is_one_statement() {
    let Some(url) = redis() else { return };
    let wire = Wire::to(&url).await;
    let server = Server::start_with(config(&wire.url, &prefix(), 20)).await;
    assert_eq!(status(&server, "192.0.2.1").await, 200);
    wire.sent.lock().unwrap().clear();
    for _ in 0..5 {
        assert_eq!(status(&server, "192.0.2.1").await, 200);
    }
    let sent = String::from_utf8_lossy(&wire.sent.lock().unwrap()).into_owned();
    assert_eq!((sent.matches("EVALSHA").count(), sent.matches('*').count()), (5, 5), "{sent}");
}

/// A way to Redis that can break.
struct Wire {
    url: String,
    state: watch::Sender<State>,
    /// What Redis was sent.
    sent: Arc<Mutex<Vec<u8>>>,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Open,
    /// Connections are there, and nothing comes through.
    Frozen,
    /// There are no connections.
    Cut,
}

impl Wire {
    async fn to(url: &str) -> Self {
        let redis = url::Url::parse(url).unwrap();
        let redis = format!("{}:{}", redis.host_str().unwrap(), redis.port().unwrap_or(6379));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let (state, sent) = (watch::Sender::new(State::Open), Arc::<Mutex<Vec<u8>>>::default());
        let (states, log) = (state.subscribe(), sent.clone());
        tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                tokio::spawn(carry(near, redis.clone(), states.clone(), log.clone()));
            }
        });
        Self { url, state, sent }
    }
}

/// Carries one connection until it is cut.
async fn carry(mut near: TcpStream, redis: String, states: watch::Receiver<State>, sent: Arc<Mutex<Vec<u8>>>) {
    if *states.borrow() == State::Cut {
        return;
    }
    let Ok(mut far) = TcpStream::connect(redis).await else { return };
    let ((mut near_reads, mut near_writes), (mut far_reads, mut far_writes)) = (near.split(), far.split());
    let (mut there, mut back, mut cut) = (states.clone(), states.clone(), states);
    let forth = async {
        let mut bytes = [0; 4096];
        while let Ok(read @ 1..) = near_reads.read(&mut bytes).await {
            there.wait_for(|state| *state != State::Frozen).await.unwrap();
            sent.lock().unwrap().extend_from_slice(&bytes[..read]);
            far_writes.write_all(&bytes[..read]).await.unwrap();
        }
    };
    let back = async {
        let mut bytes = [0; 4096];
        while let Ok(read @ 1..) = far_reads.read(&mut bytes).await {
            back.wait_for(|state| *state != State::Frozen).await.unwrap();
            if near_writes.write_all(&bytes[..read]).await.is_err() {
                break;
            }
        }
    };
    let cut = async { drop(cut.wait_for(|state| *state == State::Cut).await) };
    tokio::select! {
        () = forth => {}
        () = back => {}
        () = cut => {}
    }
}

/// Asks until both routers count in Redis: what one has allowed to an address of this network, the other refuses.
async fn count_together(one: &Server, other: &Server, network: u8) {
    let together = async {
        for number in 0.. {
            let address = Ipv4Addr::from_bits(u32::from_be_bytes([10, network, 0, 0]) + number).to_string();
            assert_eq!(status(one, &address).await, 200, "nobody is refused without a reason");
            if status(other, &address).await == 429 {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, together).await.expect("they count together");
}

#[tokio::test]
async fn a_redis_that_is_away_or_silent_refuses_nobody() {
    let Some(url) = redis() else { return };
    let (wire, prefix) = (Wire::to(&url).await, prefix());
    let mut through = config(&wire.url, &prefix, 1);
    through.limits.rate.redis.timeout_ms = 200;
    let (server, other) = (Server::start_with(through).await, Server::start_with(config(&url, &prefix, 1)).await);
    count_together(&server, &other, 0).await;
    for (network, state, address) in [(1, State::Cut, "192.0.2.1"), (2, State::Frozen, "192.0.2.2")] {
        assert_eq!(status(&other, address).await, 200);
        wire.state.send_replace(state);
        assert_eq!(status(&server, address).await, 200, "it counts for itself");
        assert_eq!(status(&server, address).await, 429);
        wire.state.send_replace(State::Open);
        count_together(&server, &other, network).await;
    }
}

#[tokio::test]
async fn without_redis_a_router_counts_for_itself() {
    // Nobody listens where a listener has been.
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut config = config(&format!("redis://{address}"), "", 2);
    config.limits.rate.redis.timeout_ms = 50;
    let server = Server::start_with(config).await;
    assert_eq!(status(&server, "192.0.2.1").await, 200);
    assert_eq!(status(&server, "192.0.2.1").await, 200);
    let refused = server.post(&hello()).header("x-forwarded-for", "192.0.2.1").send().await.unwrap();
    assert_eq!(code(&refused.json().await.unwrap()), "RATE_LIMITED");
}

#[tokio::test]
async fn an_unusable_url_is_refused() {
    let refusal = Server::refusal(config("nonsense", "", 1));
    assert!(refusal.contains("limits.rate.redis.url"), "{refusal}");
}
