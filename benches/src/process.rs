//! A gateway as a process, and what the kernel counts of it.

use anyhow::{Context, bail};
use procfs::process::{self, all_processes};
use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::time::Duration;
use tokio::process::{Child, Command};

/// A process, which is killed when it is dropped.
pub struct Process {
    child: Child,
    pid: i32,
}

/// Memory of a process and of those it has started, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Resident now.
    pub now: u64,
    /// The most that was resident.
    pub peak: u64,
}

impl Process {
    /// Starts it; what it says goes into the file `log`.
    pub fn start(mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let output = File::create(log)?;
        command.stdin(std::process::Stdio::null()).stdout(output.try_clone()?).stderr(output).kill_on_drop(true);
        let child = command.spawn().with_context(|| format!("{:?}", command.as_std().get_program()))?;
        let pid = child.id().context("it ended at once")?;
        Ok(Self { child, pid: i32::try_from(pid)? })
    }

    /// Fails when it has ended.
    pub fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("it ended: {status}"),
            None => Ok(()),
        }
    }

    /// Kills it and waits for its end.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        for process in self.tree()?.iter().filter(|process| process.pid != self.pid) {
            // What is started by a gateway ends with it, or is gone already.
            let mut kill = Command::new("kill");
            kill.arg(process.pid.to_string()).status().await?;
        }
        Ok(self.child.kill().await?)
    }

    /// Time on a processor so far, in user and kernel mode, over all its threads and the processes it has started.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        let mut ticks = 0;
        for process in self.tree()? {
            let stat = process.stat()?;
            ticks += stat.utime + stat.stime + u64::try_from(stat.cutime + stat.cstime)?;
        }
        Ok(Duration::from_secs_f64(ticks as f64 / procfs::ticks_per_second() as f64))
    }

    /// Its memory.
    pub fn memory(&self) -> anyhow::Result<Memory> {
        let mut memory = Memory { now: 0, peak: 0 };
        for process in self.tree()? {
            let status = process.status()?;
            memory.now += status.vmrss.unwrap_or_default() * 1024;
            memory.peak += status.vmhwm.unwrap_or_default() * 1024;
        }
        Ok(memory)
    }

    fn tree(&self) -> anyhow::Result<Vec<process::Process>> {
        let mut all: Vec<_> = all_processes()?.filter_map(Result::ok).collect();
        let parents: Vec<_> = all.iter().filter_map(|process| Some((process.pid, process.stat().ok()?.ppid))).collect();
        let mut family = HashSet::from([self.pid]);
        loop {
            let before = family.len();
            let children = parents.iter().filter(|(_, parent)| family.contains(parent)).map(|(pid, _)| *pid);
            family.extend(children.collect::<Vec<_>>());
            if family.len() == before {
                break;
            }
        }
        all.retain(|process| family.contains(&process.pid));
        Ok(all)
    }
}
