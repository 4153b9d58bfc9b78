//! How many streams are open, and by whom.

use crate::error::{Code, GraphQLError};
use crate::limits::Streams;
use crate::telemetry::metrics;
use dashmap::DashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// The open streams, counted.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    open: DashMap<Holder, usize>,
    streams: TaskTracker,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Holder {
    All,
    Address(IpAddr),
    User(Box<str>),
}

/// The right to hold a stream open; gives it back when dropped.
#[derive(Debug)]
pub(crate) struct Admitted {
    admission: Arc<Admission>,
    holders: Vec<Holder>,
    _stream: TaskTrackerToken,
}

impl Admission {
    /// Admits a stream of an address and a user, as far as they are known.
    ///
    /// # Errors
    /// RATE_LIMITED when either of them, or the router, has too many already.
    pub(crate) fn admit(
        self: &Arc<Self>,
        limits: &Streams,
        address: Option<IpAddr>,
        user: Option<&str>,
    ) -> Result<Admitted, GraphQLError> {
        let mut admitted =
            Admitted { admission: self.clone(), holders: Vec::with_capacity(3), _stream: self.streams.token() };
        admitted.count(Holder::All, limits.max_total)?;
        if let Some(address) = address {
            admitted.count(Holder::Address(network(address)), limits.max_per_address)?;
        }
        if let Some(user) = user {
            admitted.count(Holder::User(user.into()), limits.max_per_user)?;
        }
        Ok(admitted)
    }

    /// Completes when no stream is open.
    pub(crate) async fn drained(&self) {
        self.streams.close();
        self.streams.wait().await;
    }
}

impl Admitted {
    /// Counts the stream for a user who has become known.
    ///
    /// # Errors
    /// RATE_LIMITED.
    pub(crate) fn count_user(&mut self, limits: &Streams, user: &str) -> Result<(), GraphQLError> {
        self.count(Holder::User(user.into()), limits.max_per_user)
    }

    fn count(&mut self, holder: Holder, max: usize) -> Result<(), GraphQLError> {
        let mut open = self.admission.open.entry(holder.clone()).or_default();
        if *open >= max {
            return Err(GraphQLError::new(Code::RateLimited, "too many streams are open"));
        }
        *open += 1;
        if holder == Holder::All {
            metrics::stream_opened(true);
        }
        self.holders.push(holder);
        Ok(())
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        for holder in &self.holders {
            if *holder == Holder::All {
                metrics::stream_opened(false);
            }
            if let Some(mut open) = self.admission.open.get_mut(holder) {
                *open -= 1;
            }
            self.admission.open.remove_if(holder, |_, open| *open == 0);
        }
    }
}

/// One customer has a whole /64 of IPv6 addresses.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (!0 << 64)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_counted_until_they_end() {
        let admission = Arc::new(Admission::default());
        let limits = Streams { max_total: 4, max_per_address: 2, max_per_user: 1, ..Streams::default() };
        let admit = |address: &str, user| admission.admit(&limits, address.parse().ok(), user);
        let first = admit("192.0.2.1", Some("a")).unwrap();
        assert_eq!(admit("192.0.2.2", Some("a")).unwrap_err().code(), Some("RATE_LIMITED"));
        let second = admit("192.0.2.1", None).unwrap();
        assert!(admit("192.0.2.1", Some("b")).is_err());
        let mut third = admit("2001:db8::1", None).unwrap();
        assert!(third.count_user(&limits, "a").is_err());
        let fourth = admit("2001:db8::2", None).unwrap();
        assert!(admit("192.0.2.9", None).is_err());
        drop(first);
        assert!(admit("2001:db8::3", None).is_err());
        third.count_user(&limits, "a").unwrap();
        drop((second, third, fourth));
        assert!(admission.open.is_empty());
    }
}
