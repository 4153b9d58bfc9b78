//! `bench soak`: one gateway at full load for minutes. Every answer is checked, and its memory is watched.

use crate::gateways;
use crate::load;
use crate::work::Work;
use anyhow::Context;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const MEGABYTE: f64 = 1e6;
/// What a slope is made from; before, the gateway still grows to its working size.
const SETTLED: f64 = 0.25;

/// What is watched.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Which gateway, by its name in gateways.toml.
    #[arg(long, default_value = "hansa", value_name = "NAME")]
    gateway: String,
    /// How long.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// How often its memory is read, in seconds.
    #[arg(long, default_value_t = 5)]
    every: u64,
    /// The hansa binary.
    #[arg(long, default_value = "target/release/hansa", value_name = "FILE")]
    hansa: PathBuf,
}

/// Loads the gateway with all queries in turn and prints its memory, and how fast that grows once it has settled.
///
/// # Errors
/// When an answer is missing or wrong.
pub async fn soak(options: Options) -> anyhow::Result<()> {
    let work = Work::new(&options.hansa).await?;
    let gateway = gateways::chosen(std::slice::from_ref(&options.gateway))?.remove(0);
    let running = work.start(&gateway).await?;
    let (mut requests, mut answers) = (Vec::new(), Vec::new());
    for query in &work.queries {
        let answer = work.file(&format!("{}.answer", query.name));
        std::fs::write(&answer, work.check(&running.url, query).await?)?;
        requests.push(work.request(query));
        answers.push(answer);
    }
    let load = load::mixed(&running.url, &requests, &answers, Duration::from_secs(options.minutes * 60));
    let mut load = std::pin::pin!(load);
    let begun = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_secs(options.every.max(1)));
    let mut series = Vec::new();
    let load = loop {
        tokio::select! {
            load = &mut load => break load.context(gateway.name)?,
            _ = ticks.tick() => {
                let (minute, memory) = (begun.elapsed().as_secs_f64() / 60.0, running.process.memory()?);
                series.push((minute, memory.now as f64 / MEGABYTE));
                println!("{:7.1} s {:7.1} MB", minute * 60.0, memory.now as f64 / MEGABYTE);
            }
        }
    };
    let memory = running.process.memory()?;
    running.process.kill().await?;
    let settled = &series[(series.len() as f64 * SETTLED) as usize..];
    println!("{}: {} answers, all as expected; {:.0} a second", gateway.title, load.requests, load.rate());
    println!("peak {:.1} MB; {:+.3} MB a minute once settled", memory.peak as f64 / MEGABYTE, slope(settled));
    Ok(())
}

/// The slope of the line through these points by least squares; 0 for fewer than two.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |coordinate: fn(&(f64, f64)) -> f64| points.iter().map(coordinate).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let covariance: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let variance: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    if variance > 0.0 { covariance / variance } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes() {
        assert_eq!(slope(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]), 2.0);
        assert_eq!(slope(&[(1.0, 4.0)]), 0.0);
    }
}
