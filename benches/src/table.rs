//! The figures as text.

use crate::gateways::Gateway;
use crate::queries::Query;
use crate::run::Sample;
use std::fmt::Write;

/// What the others are compared with, where they were measured too.
const REFERENCES: [(&str, &str); 2] = [("hive", "× Hive"), ("floor", "× floor")];
const MEGABYTE: f64 = 1e6;

/// One gateway in one round.
pub fn line(gateway: &Gateway, queries: &[Query], sample: &Sample) -> String {
    let mut line = format!("{:24}", gateway.name);
    for (query, measured) in queries.iter().zip(&sample.queries) {
        let (cpu, rate) = (measured.cpu * 1e3, measured.load.rate());
        _ = write!(line, " {}: {cpu:.4} ms CPU, {rate:.0}/s, {:.2} fetches;", query.name, measured.fetches);
    }
    let Sample { memory, .. } = sample;
    _ = write!(line, " {:.0} MB, peak {:.0}", memory.now as f64 / MEGABYTE, memory.peak as f64 / MEGABYTE);
    line
}

/// All of them, as Markdown: medians over the rounds. A ratio is the median of the rounds' ratios, since figures drift
/// more between rounds than within one.
pub fn table(gateways: &[Gateway], queries: &[Query], rounds: &[Vec<Sample>]) -> String {
    let references: Vec<(usize, &str)> = REFERENCES
        .iter()
        .filter_map(|(name, title)| Some((gateways.iter().position(|gateway| gateway.name == *name)?, *title)))
        .collect();
    let mut head = vec!["gateway".to_owned()];
    for query in queries {
        head.push(format!("{}: CPU ms", query.name));
        head.extend(references.iter().map(|(_, title)| (*title).to_owned()));
        head.extend(["requests/s", "p50 ms", "p99 ms", "fetches"].map(str::to_owned));
    }
    head.extend(["RSS MB", "peak MB"].map(str::to_owned));
    let mut text = row(&head);
    text.push_str(&row(&vec!["---".to_owned(); head.len()]));
    for (at, gateway) in gateways.iter().enumerate() {
        let over = |figure: &dyn Fn(&[Sample]) -> f64| median(rounds.iter().map(|round| figure(round)).collect());
        let mut cells = vec![gateway.title.clone()];
        for query in 0..queries.len() {
            let measured = |round: &[Sample], at: usize| round[at].queries[query].cpu;
            cells.push(format!("{:.3}", over(&|round| measured(round, at) * 1e3)));
            for (reference, _) in &references {
                cells.push(format!("{:.2}", over(&|round| measured(round, at) / measured(round, *reference))));
            }
            cells.push(format!("{:.0}", over(&|round| round[at].queries[query].load.rate())));
            cells.push(format!("{:.2}", over(&|round| round[at].queries[query].load.p50 as f64 / 1e3)));
            cells.push(format!("{:.2}", over(&|round| round[at].queries[query].load.p99 as f64 / 1e3)));
            cells.push(format!("{:.1}", over(&|round| round[at].queries[query].fetches)));
        }
        cells.push(format!("{:.0}", over(&|round| round[at].memory.now as f64 / MEGABYTE)));
        cells.push(format!("{:.0}", over(&|round| round[at].memory.peak as f64 / MEGABYTE)));
        text.push_str(&row(&cells));
    }
    text
}

fn row(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    match figures.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => figures[count / 2],
        count => f64::midpoint(figures[count / 2 - 1], figures[count / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
