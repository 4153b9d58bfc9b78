//! A circuit breaker: a server that keeps failing is left alone for a while, so that callers fail at once and the
//! server can recover (M. Nygard, "Release It!", "Circuit Breaker").

use metrics::Gauge;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Closed: everything passes. Open: nothing does. Half-open: one probe passes, and its outcome decides.
#[derive(Debug)]
pub(crate) struct Breaker {
    /// Failures in a row that open it; 0 never opens it.
    failures: u32,
    /// How long it stays open.
    open_for: Duration,
    state: Mutex<State>,
    /// Tells the state: 0 closed, 1 half open, 2 open.
    gauge: Gauge,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Closed { failures: u32 },
    Open { since: Instant },
    HalfOpen { since: Instant },
}

/// The right to try. Report the outcome with [`Permit::settle`]; a permit that is dropped (its fetch was cancelled)
/// says nothing, and frees the probe's place.
#[derive(Debug)]
pub(crate) struct Permit<'a> {
    breaker: &'a Breaker,
    probe: bool,
    settled: bool,
}

impl Breaker {
    pub(crate) fn new(failures: u32, open_for: Duration, gauge: Gauge) -> Self {
        gauge.set(0.0);
        Self { failures, open_for, state: Mutex::new(State::Closed { failures: 0 }), gauge }
    }

    /// Asks to try; `None` while open, or while another probe is under way.
    pub(crate) fn admit(&self) -> Option<Permit<'_>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let probe = match *state {
            State::Closed { .. } => false,
            State::Open { since } if since.elapsed() >= self.open_for => {
                *state = State::HalfOpen { since };
                self.gauge.set(1.0);
                true
            }
            State::Open { .. } | State::HalfOpen { .. } => return None,
        };
        Some(Permit { breaker: self, probe, settled: false })
    }

    fn settle(&self, probe: bool, success: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = match *state {
            // As almost always; the gauge says so already.
            State::Closed { failures: 0 } if success => return,
            State::Closed { .. } if success => State::Closed { failures: 0 },
            State::Closed { failures } if failures + 1 == self.failures => State::Open { since: Instant::now() },
            State::Closed { failures } => State::Closed { failures: failures.saturating_add(1) },
            State::HalfOpen { .. } if probe && success => State::Closed { failures: 0 },
            State::HalfOpen { .. } if probe => State::Open { since: Instant::now() },
            // Fetches that began before it opened have no say any more.
            State::Open { .. } | State::HalfOpen { .. } => return,
        };
        self.gauge.set(if matches!(*state, State::Closed { .. }) { 0.0 } else { 2.0 });
    }
}

impl Permit<'_> {
    /// Tells how it went.
    pub(crate) fn settle(mut self, success: bool) {
        self.settled = true;
        self.breaker.settle(self.probe, success);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.settled || !self.probe {
            return;
        }
        let mut state = self.breaker.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::HalfOpen { since } = *state {
            *state = State::Open { since };
            self.breaker.gauge.set(2.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker() -> Breaker {
        Breaker::new(2, Duration::from_secs(5), Gauge::noop())
    }

    fn fail(breaker: &Breaker) {
        breaker.admit().unwrap().settle(false);
    }

    #[tokio::test(start_paused = true)]
    async fn opens_after_failures_in_a_row_only() {
        let breaker = breaker();
        fail(&breaker);
        breaker.admit().unwrap().settle(true);
        fail(&breaker);
        assert!(breaker.admit().is_some());
        fail(&breaker);
        assert!(breaker.admit().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn one_probe_decides() {
        let breaker = breaker();
        fail(&breaker);
        fail(&breaker);
        tokio::time::advance(Duration::from_secs(5)).await;
        let probe = breaker.admit().unwrap();
        assert!(breaker.admit().is_none(), "only one probe at a time");
        probe.settle(false);
        assert!(breaker.admit().is_none(), "a failed probe opens it again");
        tokio::time::advance(Duration::from_secs(5)).await;
        breaker.admit().unwrap().settle(true);
        assert!(breaker.admit().is_some() && breaker.admit().is_some(), "a good probe closes it");
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_probe_makes_room_for_the_next() {
        let breaker = breaker();
        fail(&breaker);
        fail(&breaker);
        tokio::time::advance(Duration::from_secs(5)).await;
        drop(breaker.admit().unwrap());
        assert!(breaker.admit().is_some());
    }
}
