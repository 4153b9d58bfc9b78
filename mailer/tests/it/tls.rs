//! Sessions with a real server, when `HANSA_TEST_SMTP_URL` names one: Postfix, whose certificate no public authority signed.

use crate::{config, deliveries, eventually, publish, settled, spawn};
use hansa_kit::{Clock, ids, testing};
use hansa_mailer::{Config, SmtpConfig};
use hansa_migrations::mailer::Migrator;
use hansa_schema::mail::{MailRequested, Message};
use mail_parser::MessageParser;
use std::path::{Path, PathBuf};

/// A server that speaks TLS or nothing, its certificate, and where it puts mail.
struct Server {
    url: String,
    ca_file: PathBuf,
    maildir: PathBuf,
}

impl Server {
    fn of_environment() -> Option<Self> {
        let path = |name| std::env::var_os(name).map(PathBuf::from);
        Some(Self {
            url: format!("{}?tls=required", std::env::var("HANSA_TEST_SMTP_URL").ok()?),
            ca_file: path("HANSA_TEST_SMTP_CA")?,
            maildir: path("HANSA_TEST_SMTP_MAILDIR")?,
        })
    }

    fn config(&self, ca_file: Option<&Path>) -> Config {
        let url = Some(self.url.clone());
        let smtp = SmtpConfig { url, ca_file: ca_file.map(Path::to_owned), ..SmtpConfig::default() };
        Config { smtp, ..config(5, None) }
    }

    /// The mail to one address, if it arrived.
    fn mail_to(&self, address: &str) -> Option<Vec<u8>> {
        let folder = std::fs::read_dir(self.maildir.join("new")).ok()?;
        let mails = folder.map(|file| std::fs::read(file.unwrap().path()).unwrap());
        mails.into_iter().find(|mail| {
            let mail = MessageParser::default().parse(mail).unwrap();
            mail.to().and_then(|to| to.first()).and_then(|to| to.address()) == Some(address)
        })
    }
}

fn welcome(address: &str) -> MailRequested {
    MailRequested {
        recipient_id: ids::new(),
        to: address.into(),
        locale: "ru".into(),
        message: Message::Welcome { display_name: "Анна".into(), username: "ann".into() },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_to_a_server_that_the_configured_authority_vouches_for() {
    let Some(server) = Server::of_environment() else { return };
    let database = testing::sqlite::<Migrator>().await.unwrap();
    let (deps, _log) = testing::deps(Clock::System).await.unwrap();
    let config = server.config(Some(&server.ca_file));
    spawn(hansa_mailer::role(&config, database.connection.clone(), &deps).unwrap());
    let address = format!("{}@example.com", ids::new());
    publish(&deps, welcome(&address)).await;
    assert_eq!(settled(&database.connection, 1).await, [(address.clone(), "SENT".to_owned(), None)]);
    let raw = eventually("the mail", async || server.mail_to(&address)).await;
    let mail = MessageParser::default().parse(&raw).unwrap();
    assert_eq!(mail.subject(), Some("Добро пожаловать в Hansa, Анна!"));
    assert_eq!((mail.text_body_count(), mail.html_body_count()), (1, 1));
    assert!(mail.body_text(0).unwrap().contains("Анна"));
    assert!(mail.body_html(0).unwrap().contains("<html") && mail.body_html(0).unwrap().contains("Анна"));
    deps.shutdown.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_mail_goes_to_a_server_that_nobody_vouches_for() {
    let Some(server) = Server::of_environment() else { return };
    let other = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/other_ca.pem");
    for ca_file in [Some(other.as_path()), None] {
        let database = testing::sqlite::<Migrator>().await.unwrap();
        let (deps, _log) = testing::deps(Clock::System).await.unwrap();
        spawn(hansa_mailer::role(&server.config(ca_file), database.connection.clone(), &deps).unwrap());
        let address = format!("{}@example.com", ids::new());
        publish(&deps, welcome(&address)).await;
        let reason = eventually("a failure", async || match deliveries(&database.connection).await.as_slice() {
            [(_, status, Some(reason))] if status == "RETRYING" => Some(reason.clone()),
            _ => None,
        })
        .await;
        assert!(reason.contains("UnknownIssuer"), "{reason}");
        assert!(server.mail_to(&address).is_none());
        deps.shutdown.cancel();
    }
}

#[tokio::test]
async fn a_ca_file_that_cannot_protect_is_refused() {
    let database = testing::sqlite::<Migrator>().await.unwrap();
    let (deps, _log) = testing::deps(Clock::System).await.unwrap();
    let other = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/other_ca.pem");
    for (url, ca_file) in [
        ("smtp://localhost", other.as_path()),
        ("smtp://localhost?tls=opportunistic", &other),
        ("smtp://localhost?tls=required", Path::new("/nowhere.pem")),
    ] {
        let smtp = SmtpConfig { url: Some(url.into()), ca_file: Some(ca_file.into()), ..SmtpConfig::default() };
        let role = hansa_mailer::role(&Config { smtp, ..config(5, None) }, database.connection.clone(), &deps);
        assert!(role.unwrap_err().to_string().contains("smtp.ca_file"), "{url}");
    }
}
