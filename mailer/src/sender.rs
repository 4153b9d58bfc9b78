//! The sender: one message after the other, an interval apart, on one replica at a time.
//!
//! The interval is kept from the end of one attempt to the start of the next, so that no two messages reach the server
//! closer than that. Only the holder of the lease sends. A new holder first waits a whole interval, for it cannot know
//! what the last one did just before it died; a mail that was under way then is sent again under its old Message-ID.

use crate::{
    Config, Error,
    delivery::{self, Delivery},
    retention,
    smtp::{Failure, Smtp},
    templates,
};
use backon::{BackoffBuilder, ExponentialBuilder};
use chrono::{DateTime, Utc};
use hansa_kit::{Clock, lease};
use hansa_schema::mail::MailRequested;
use lettre::{
    Message,
    message::{Mailbox, MultiPart, header},
};
use minijinja::Environment;
use sea_orm::DatabaseConnection;
use std::{sync::Arc, time::Duration};
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const LEASE: &str = "mail.sender";
/// How often a replica that does not send looks whether it may.
const STANDBY: Duration = Duration::from_millis(500);
/// The holder renews its lease while it waits and while it sends.
const RENEWAL: Duration = Duration::from_millis(1_500);
/// With the delays of [`retry_at`], a day without an answer.
const MAX_ATTEMPTS: i32 = 100;

/// Wakes the sender of this process when mail was queued here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queued(Arc<Notify>);

impl Queued {
    pub(crate) fn wake(&self) {
        self.0.notify_one();
    }
}

/// RFC 3834: mail that a program wrote, so that vacation notices stay away.
#[derive(Clone, Debug)]
struct AutoSubmitted;

impl header::Header for AutoSubmitted {
    fn name() -> header::HeaderName {
        header::HeaderName::new_from_ascii_str("Auto-Submitted")
    }
    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }
    fn display(&self) -> header::HeaderValue {
        header::HeaderValue::new(Self::name(), "auto-generated".into())
    }
}

pub(crate) struct Sender {
    database: DatabaseConnection,
    clock: Clock,
    queued: Queued,
    smtp: Smtp,
    templates: Environment<'static>,
    from: Mailbox,
    product_name: String,
    public_url: String,
    interval: Duration,
    holder: Uuid,
}

impl Sender {
    pub(crate) fn new(
        config: &Config,
        database: DatabaseConnection,
        clock: Clock,
        queued: Queued,
    ) -> Result<Self, Error> {
        Ok(Self {
            smtp: Smtp::new(&config.smtp, database.clone())?,
            database,
            clock,
            queued,
            templates: templates::environment()?,
            from: config.from.parse().map_err(|error| Error::Config(format!("from: {error}")))?,
            product_name: config.product_name.clone(),
            public_url: config.public_url.clone(),
            interval: Duration::from_millis(config.interval_ms),
            holder: Uuid::new_v4(),
        })
    }

    /// The domain that Message-IDs end in.
    pub(crate) fn domain(&self) -> &str {
        self.from.email.domain()
    }

    /// Sends until shutdown. Every replica runs this.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            match self.hold_lease().await {
                Ok(true) => {
                    if let Err(error) = self.send_while_holder(&shutdown).await {
                        tracing::warn!(%error, "sending mail was interrupted");
                    }
                }
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "the mail lease cannot be looked at"),
            }
            tokio::select! {
                () = tokio::time::sleep(STANDBY) => {}
                () = shutdown.cancelled() => {}
            }
        }
        if let Err(error) = lease::release(&self.database, LEASE, self.holder).await {
            tracing::debug!(%error, "the mail lease could not be released; it will expire");
        }
    }

    async fn hold_lease(&self) -> Result<bool, sea_orm::DbErr> {
        lease::acquire(&self.database, LEASE, self.holder, self.clock.now()).await
    }

    /// Sends what is due, one by one, until the lease is lost or the process ends.
    async fn send_while_holder(&self, shutdown: &CancellationToken) -> Result<(), Error> {
        let mut next_at = Instant::now() + self.interval;
        while !shutdown.is_cancelled() {
            if !self.wait_as_holder(next_at, shutdown).await? {
                return Ok(());
            }
            metrics::gauge!("hansa_mail_queue_depth").set(delivery::depth(&self.database).await? as f64);
            let Some(delivery) = delivery::next_due(&self.database, self.clock.now()).await? else {
                self.wait_for_mail(shutdown).await?;
                if !self.hold_lease().await? {
                    return Ok(());
                }
                continue;
            };
            let attempt = self.attempt(&delivery);
            tokio::select! {
                result = attempt => result?,
                // Another replica sends from here on.
                () = self.lease_lost() => return Ok(()),
            }
            next_at = Instant::now() + self.interval;
        }
        Ok(())
    }

    /// Waits for `until`, holding the lease all the time; false when it is lost or the process ends.
    async fn wait_as_holder(&self, until: Instant, shutdown: &CancellationToken) -> Result<bool, Error> {
        loop {
            if !self.hold_lease().await? {
                return Ok(false);
            }
            let renewal = Instant::now() + RENEWAL;
            tokio::select! {
                () = tokio::time::sleep_until(until.min(renewal)) => {}
                () = shutdown.cancelled() => return Ok(false),
            }
            if Instant::now() >= until {
                return Ok(true);
            }
        }
    }

    /// Waits until mail is queued or due, but not past the next renewal.
    async fn wait_for_mail(&self, shutdown: &CancellationToken) -> Result<(), Error> {
        let due = delivery::next_attempt_at(&self.database).await?;
        let remaining = due.map(|at| (at - self.clock.now()).to_std().unwrap_or_default());
        tokio::select! {
            () = self.queued.0.notified() => {}
            () = tokio::time::sleep(remaining.unwrap_or(STANDBY).min(STANDBY)) => {}
            () = shutdown.cancelled() => {}
        }
        Ok(())
    }

    /// Renews the lease; completes when it is somebody else's, or could not be renewed while it lasted.
    async fn lease_lost(&self) {
        let mut held_until = Instant::now() + lease::TTL.to_std().unwrap_or_default();
        loop {
            tokio::time::sleep(RENEWAL).await;
            match self.hold_lease().await {
                Ok(true) => held_until = Instant::now() + lease::TTL.to_std().unwrap_or_default(),
                Ok(false) => return,
                Err(_) if Instant::now() + RENEWAL >= held_until => return,
                Err(_) => {}
            }
        }
    }

    async fn attempt(&self, delivery: &Delivery) -> Result<(), Error> {
        if retention::erase_if_deleted(&self.database, delivery.recipient_id, self.clock.now()).await?
            || !delivery::begin_attempt(&self.database, delivery).await?
        {
            return Ok(());
        }
        let outcome = match self.compose(delivery) {
            Ok(message) => self.smtp.send(message).await,
            Err(error) => Err(Failure::unsendable(&error)),
        };
        if !self.note(delivery, outcome).await? {
            // The recipient was deleted while the mail was under way: the mailbox may have got it only now.
            retention::erase_if_deleted(&self.database, delivery.recipient_id, self.clock.now()).await?;
        }
        Ok(())
    }

    /// Notes what became of an attempt; false when the mail was settled meanwhile.
    async fn note(&self, delivery: &Delivery, outcome: Result<(), Failure>) -> Result<bool, Error> {
        let now = self.clock.now();
        let Err(failure) = outcome else {
            metrics::counter!("hansa_mail_sent_total").increment(1);
            return Ok(delivery::sent(&self.database, delivery, now).await?);
        };
        let class = failure.class.as_str();
        let retry_at = if failure.is_permanent || delivery.attempts + 1 >= MAX_ATTEMPTS {
            tracing::error!(delivery = %delivery.id, class, "a mail goes to the dead letters");
            metrics::counter!("hansa_mail_dead_total").increment(1);
            None
        } else {
            tracing::warn!(delivery = %delivery.id, class, "a mail will be tried again");
            Some(retry_at(delivery.attempts, now))
        };
        Ok(delivery::failed(&self.database, delivery, &failure.reason, retry_at, now).await?)
    }

    fn compose(&self, delivery: &Delivery) -> Result<Message, Error> {
        let command: MailRequested = serde_json::from_str(&delivery.command)?;
        let words = templates::render(
            &self.templates,
            &command.message,
            &command.locale,
            &self.product_name,
            &self.public_url,
        )?;
        Ok(Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, delivery.to_address.parse()?))
            .subject(words.subject)
            .message_id(Some(format!("<{}>", delivery.message_id)))
            .header(AutoSubmitted)
            .multipart(MultiPart::alternative_plain_html(words.text, words.html))?)
    }
}

/// When to try again after `attempts` earlier failures: 2 s, 4 s, … up to a quarter of an hour.
fn retry_at(attempts: i32, now: DateTime<Utc>) -> DateTime<Utc> {
    let delay = ExponentialBuilder::default()
        .with_min_delay(Duration::from_secs(2))
        .with_max_delay(Duration::from_secs(900))
        .without_max_times()
        .build()
        .nth(usize::try_from(attempts).unwrap_or(0))
        .unwrap_or(Duration::from_secs(900));
    now + delay
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_back_off_up_to_a_quarter_of_an_hour() {
        let now = Utc::now();
        let delays: Vec<_> = (0..MAX_ATTEMPTS).map(|n| (retry_at(n, now) - now).num_seconds()).collect();
        assert_eq!(delays[..4], [2, 4, 8, 16]);
        assert!(delays.is_sorted() && delays.iter().all(|delay| *delay <= 900));
        assert_eq!(delays[..delays.len() - 1].iter().sum::<i64>() / 3600, 22);
    }
}
