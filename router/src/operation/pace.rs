//! How fast one document is planned. Its conditions may have thousands of outcomes, each with a plan of its own, and who
//! asks for them decides which: so that one document, even a trusted one, cannot keep the planner busy, it rests.

use std::time::{Duration, Instant};

/// In the long run the planner works for one document for one part in so many of the time of a core.
const PARTS: u32 = 10;

/// How far a document may be ahead of that before it waits: a second of work.
const CREDIT: Duration = Duration::from_secs(9);

/// When one document may be planned (the generic cell rate algorithm, ITU-T I.371, where work is what arrives).
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When the work done would end if it had been done evenly.
    even: Option<Instant>,
}

impl Pace {
    /// When it may be planned again; nothing if it has not been planned yet.
    pub(super) fn next(&self) -> Option<Instant> {
        self.even?.checked_sub(CREDIT)
    }

    /// Notes work.
    pub(super) fn worked(&mut self, begun: Instant, took: Duration) {
        self.even = Some(self.even.map_or(begun, |even| even.max(begun)) + took * PARTS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long the planner works for a document in an hour if each plan takes so long and there is always another.
    fn work_in_an_hour(plan: Duration) -> Duration {
        let (mut pace, begun, mut work) = (Pace::default(), Instant::now(), Duration::ZERO);
        let mut now = begun;
        loop {
            now = pace.next().map_or(now, |next| now.max(next));
            if now >= begun + Duration::from_secs(3600) {
                return work;
            }
            pace.worked(now, plan);
            now += plan;
            work += plan;
        }
    }

    #[test]
    fn a_document_that_is_planned_all_the_time_has_a_second_and_a_tenth_of_a_core() {
        for plan in [100, 10_000, 5_000_000].map(Duration::from_micros) {
            let work = work_in_an_hour(plan);
            let (least, most) = (Duration::from_secs(355), Duration::from_secs(362) + plan);
            assert!(least < work && work < most, "{work:?} of plans of {plan:?}");
        }
    }

    #[test]
    fn a_document_that_is_planned_now_and_then_never_waits() {
        let (mut pace, begun) = (Pace::default(), Instant::now());
        for second in 0..100 {
            let now = begun + Duration::from_secs(second);
            assert!(pace.next().is_none_or(|next| next <= now));
            pace.worked(now, Duration::from_millis(90));
        }
    }
}
