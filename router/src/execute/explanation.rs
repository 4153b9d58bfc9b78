//! A plan as developers see it: as the planner made it, with what each fetch of a run took.

use super::{Fetched, Plan};
use serde_json::{Value, json};

impl Plan {
    /// The plan as JSON, where each fetch has a member `run`: `milliseconds`, the number of `entities` if it asked for
    /// entities, and whether its answer is that of an identical fetch that was under way (`isShared`); null for a fetch
    /// that was not made.
    pub(crate) fn explain(&self, fetches: &[Fetched]) -> Option<Value> {
        let mut plan = serde_json::to_value(&self.source).ok()?;
        if let Some(node) = plan.get_mut("node") {
            add_runs(node, fetches, &mut 0);
        }
        Some(plan)
    }
}

/// Walks the nodes in the order in which [`Plan::compile`] has numbered their fetches.
fn add_runs(node: &mut Value, fetches: &[Fetched], next: &mut usize) {
    let below: &[&str] = match node["kind"].as_str() {
        Some("Fetch" | "BatchFetch") => {
            node["run"] = fetches.iter().find(|fetched| fetched.index == *next).map_or(Value::Null, run);
            *next += 1;
            &[]
        }
        Some("Subscription") => {
            *next += 1;
            &[]
        }
        Some("Sequence" | "Parallel") => {
            let nodes = node["nodes"].as_array_mut().into_iter().flatten();
            nodes.for_each(|node| add_runs(node, fetches, next));
            &[]
        }
        Some("Flatten") => &["node"],
        Some("Condition") => &["ifClause", "elseClause"],
        _ => &[],
    };
    for member in below {
        if let Some(node) = node.get_mut(*member) {
            add_runs(node, fetches, next);
        }
    }
}

fn run(fetched: &Fetched) -> Value {
    let mut run = json!({ "milliseconds": fetched.took.as_secs_f64() * 1e3, "isShared": fetched.is_shared });
    if let Some(entities) = fetched.entities {
        run["entities"] = entities.into();
    }
    run
}
