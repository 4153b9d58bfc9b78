//! The time, in UTC with microseconds: the precision that both databases keep.

use chrono::{DateTime, Datelike, Duration, SubsecRound, Utc};
use std::sync::{Arc, Mutex, PoisonError};

/// Whether this is a time that every database keeps: years have four digits, as in RFC 3339.
pub fn is_storable(time: &DateTime<Utc>) -> bool {
    (0..=9999).contains(&time.year())
}

/// Where the time comes from.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The system's clock.
    #[default]
    System,
    /// A clock that tests hold in hand.
    Manual(Arc<Mutex<DateTime<Utc>>>),
}

impl Clock {
    /// A clock that stands still at `now` until it is advanced.
    pub fn manual(now: DateTime<Utc>) -> Self {
        Self::Manual(Arc::new(Mutex::new(now.trunc_subsecs(6))))
    }

    /// The time now.
    pub fn now(&self) -> DateTime<Utc> {
        match self {
            Self::System => Utc::now().trunc_subsecs(6),
            Self::Manual(now) => *now.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Moves a manual clock forward; the system's clock goes by itself.
    pub fn advance(&self, by: Duration) {
        if let Self::Manual(now) = self {
            *now.lock().unwrap_or_else(PoisonError::into_inner) += by;
        }
    }
}
