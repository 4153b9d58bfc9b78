//! Thirty registrations at once: thirty mails in order, a second apart, though a mailer dies half-way.

use crate::{
    api::register,
    distributed::{Engines, System},
    eventually,
};
use std::{collections::HashSet, time::Duration};

const COUNT: usize = 30;

#[tokio::test]
async fn one_mail_a_second_over_replicas_and_a_death() {
    let Some(engines) = Engines::of_environment() else {
        eprintln!("no engines in the environment: run by tests/run");
        return;
    };
    let mut system = System::start(&engines).await;
    let registrations = (0..COUNT).map(|number| {
        let entrance = system.entrances[number % 2].clone();
        async move { register(&entrance, &format!("reader{number:02}"), "en").await }
    });
    futures::future::join_all(registrations).await;

    let received = async |count: usize| {
        eventually(&format!("{count} mails"), async || {
            let accepted = system.smtp.accepted();
            (accepted.len() >= count).then_some(accepted)
        })
        .await
    };
    received(COUNT / 2).await;
    // Whichever of the two is sending.
    system.mailers.remove(0).kill().await;
    let mails = received(COUNT).await;

    let ids: HashSet<_> = mails.iter().map(|mail| &mail.message_id).collect();
    assert_eq!(ids.len(), COUNT, "a mail was sent twice or lost");
    let recipients: HashSet<_> = mails.iter().map(|mail| &mail.to).collect();
    assert_eq!(recipients.len(), COUNT);
    for pair in mails.windows(2) {
        let apart = pair[1].at - pair[0].at;
        assert!(apart >= Duration::from_secs(1), "{} and {} are {apart:?} apart", pair[0].to, pair[1].to);
        // A delivery's id is that of its event, which is a UUIDv7: in order of the registrations within one replica.
    }
}
