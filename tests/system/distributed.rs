//! The system as separate processes, two replicas of each role, over Postgres, Kafka, Redis and SMTP.

use crate::{
    people,
    process::{Hansa, Settings},
    smtp::{self, Smtp},
    story,
};
use sea_orm::{ConnectionTrait, Database};
use std::path::Path;
use tempfile::TempDir;

/// The engines that the environment names; `None` where it does not name them all.
pub struct Engines {
    postgres: String,
    kafka: String,
    redis: String,
}

impl Engines {
    pub fn of_environment() -> Option<Self> {
        let engines = Self {
            postgres: std::env::var("HANSA_TEST_POSTGRES_URL").ok()?,
            kafka: std::env::var("HANSA_TEST_KAFKA_BROKERS").ok()?,
            redis: std::env::var("HANSA_TEST_REDIS_URL").ok()?,
        };
        Some(engines)
    }
}

/// Two of everything.
pub struct System {
    pub entrances: [String; 2],
    pub mailers: Vec<Hansa>,
    pub smtp: Smtp,
    /// URL of the mailer's database.
    pub mailer_database: String,
    /// The processes of the first and of the second replica, by their roles.
    others: Vec<(&'static str, Hansa)>,
    _data: TempDir,
}

impl System {
    /// Starts it with databases, topics and channels of its own.
    pub async fn start(engines: &Engines) -> Self {
        let data = tempfile::tempdir().unwrap();
        let name = format!("it{}", uuid::Uuid::new_v4().simple());
        let smtp = smtp::start(|_, _| smtp::Answer::Accept);
        let mut settings = Settings::from([
            ("HANSA_BUS__BROKERS".into(), engines.kafka.clone()),
            ("HANSA_BUS__PREFIX".into(), format!("{name}.")),
            ("HANSA_BUS__PARTITIONS".into(), "4".into()),
            ("HANSA_SIGNALS__URL".into(), engines.redis.clone()),
            ("HANSA_SIGNALS__PREFIX".into(), format!("{name}:")),
            ("HANSA_MAILER__SMTP__URL".into(), smtp.url.clone()),
        ]);
        for service in ["users", "posts", "social", "notifications", "mailer"] {
            let url = create_database(&engines.postgres, &format!("{name}_{service}")).await;
            let variable = match service {
                "mailer" => "HANSA_MAILER__DATABASE__URL".to_owned(),
                _ => format!("HANSA_SUBGRAPHS__{}__DATABASE__URL", service.to_uppercase()),
            };
            settings.insert(variable, url);
        }
        let (mut others, mut mailers, mut entrances) = (Vec::new(), Vec::new(), Vec::new());
        for replica in ["a", "b"] {
            let folder = data.path().join(replica);
            let (processes, mailer, entrance) = replica_of_each(&folder, settings.clone()).await;
            others.extend(processes);
            mailers.push(mailer);
            entrances.push(entrance);
        }
        let entrances = entrances.try_into().unwrap_or_else(|_| unreachable!());
        let mailer_database = settings["HANSA_MAILER__DATABASE__URL"].clone();
        Self { entrances, mailers, smtp, mailer_database, others, _data: data }
    }

    /// Kills the first replica of these roles.
    pub async fn kill_first(&mut self, roles: &[&str]) {
        for role in roles {
            let at = self.others.iter().position(|(name, _)| name == role).unwrap();
            self.others.remove(at).1.kill().await;
        }
    }
}

/// One process for each role, knowing each other.
async fn replica_of_each(folder: &Path, mut settings: Settings) -> (Vec<(&'static str, Hansa)>, Hansa, String) {
    let users = Hansa::run(&["users"], folder, &settings).await;
    settings.insert("HANSA_IDENTITY__URL".into(), format!("{}/users", users.url));
    let posts = Hansa::run(&["posts"], folder, &settings).await;
    let social = Hansa::run(&["social"], folder, &settings).await;
    let notifications = Hansa::run(&["notifications"], folder, &settings).await;
    let mailer = Hansa::run(&["mailer"], folder, &settings).await;
    let mut processes = vec![("users", users), ("posts", posts), ("social", social), ("notifications", notifications)];
    for (name, process) in &processes {
        let variable = format!("HANSA_SUBGRAPH_URLS__{}", name.to_uppercase());
        settings.insert(variable, format!("{}/{name}/graphql", process.url));
    }
    let router = Hansa::run(&["router"], folder, &settings).await;
    let entrance = router.url.clone();
    crate::eventually("a supergraph", async || {
        let ready = reqwest::get(format!("{entrance}/ready")).await;
        ready.is_ok_and(|response| response.status().is_success()).then_some(())
    })
    .await;
    processes.push(("router", router));
    (processes, mailer, entrance)
}

async fn create_database(server: &str, name: &str) -> String {
    let admin = Database::connect(server).await.unwrap();
    admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
    let mut url = url::Url::parse(server).unwrap();
    url.set_path(name);
    url.into()
}

#[tokio::test]
async fn whole_loop_over_two_replicas_of_each_role() {
    let Some(engines) = Engines::of_environment() else {
        eprintln!("no engines in the environment: run by tests/run");
        return;
    };
    let system = System::start(&engines).await;
    let [here, there] = &system.entrances;
    story::tell(here, there, "anna", async |to| {
        let accepted = system.smtp.accepted();
        assert!(accepted.iter().all(|mail| mail.has_text_and_html));
        accepted.iter().filter(|mail| mail.to == to).map(|mail| mail.subject.clone()).collect()
    })
    .await;
    people::befriend(here, there, "ann", "bob").await;
}
