//! Fields that move from one subgraph to another little by little (`@override(label:)`, Apollo federation v2.7).
//!
//! `percent(N)` is drawn anew for each operation. Any other label is in force if the configuration says so.

use hive_router_query_planner::graph::{PERCENTAGE_SCALE_FACTOR, PlannerOverrideContext};
use hive_router_query_planner::state::supergraph_state::SupergraphState;
use std::collections::HashSet;

/// The labels of a supergraph.
#[derive(Debug, Default)]
pub struct Overrides {
    /// The labels in force.
    active: HashSet<String>,
    /// The percentages, ascending, each a hundred-millionth of a percent. A draw below one puts it in force.
    percentages: Vec<u64>,
}

/// The outcome of a draw: how many of the percentages are not in force. All draws with the same outcome have the same plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Draw(usize);

impl Overrides {
    /// The labels of a supergraph, those of which that are named being in force.
    pub fn new(schema: &SupergraphState, active: &[String]) -> Self {
        let known = &schema.progressive_overrides;
        for label in active.iter().filter(|label| !known.flags.contains(*label)) {
            tracing::warn!(label, "no field is overridden under this label");
        }
        let mut percentages: Vec<u64> = known.percentages.iter().copied().collect();
        percentages.sort_unstable();
        Self { active: active.iter().cloned().collect(), percentages }
    }

    /// Draws for one operation; nothing when nothing is left to chance.
    pub(super) fn draw(&self) -> Option<Draw> {
        if self.percentages.is_empty() {
            return None;
        }
        let drawn = rand::random_range(0..100 * PERCENTAGE_SCALE_FACTOR);
        Some(Draw(self.percentages.partition_point(|percentage| *percentage <= drawn)))
    }

    /// What the planner is told.
    pub(super) fn context(&self, draw: Draw) -> PlannerOverrideContext {
        let drawn = draw.0.checked_sub(1).and_then(|last| self.percentages.get(last)).copied().unwrap_or(0);
        PlannerOverrideContext::new(self.active.clone(), drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_in_force_for_that_part_of_the_operations() {
        let percent = |percent: u64| percent * PERCENTAGE_SCALE_FACTOR;
        let overrides =
            Overrides { active: HashSet::new(), percentages: vec![0, percent(10), percent(50), percent(100)] };
        let mut outcomes = HashSet::new();
        // That one of the three does not turn up is less likely than one in 10^400.
        for _ in 0..10_000 {
            outcomes.insert(overrides.draw().unwrap());
        }
        let in_force = |draw: &Draw| {
            let context = overrides.context(*draw);
            overrides.percentages.iter().filter(|percentage| context.is_in_range(percentage)).count()
        };
        assert_eq!(outcomes.iter().map(in_force).collect::<HashSet<_>>(), HashSet::from([1, 2, 3]));
        assert_eq!(Overrides::default().draw(), None);
    }
}
