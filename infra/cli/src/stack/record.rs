//! What is remembered of a child of `up`, so that exactly that process is recognised and ended.
//!
//! A pid alone names nobody for long: the system uses it again. A record therefore carries the time
//! at which the kernel says the process started, and a process is ours only when both agree. Each
//! child leads a process group of its own, so that what it starts (the gateway's Lambda
//! environments) can be ended with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::part::Part;

/// How often a wait looks again.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What `up` writes down about a child.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Record {
    pub pid: i32,
    /// Clock ticks between the machine's start and the process's.
    pub start_ticks: u64,
    /// Which start of the machine those ticks count from.
    pub boot: String,
    pub port: u16,
    pub since: DateTime<Utc>,
    /// Fingerprint of how it was started; another one means that it must be started anew.
    pub config: String,
}

impl Record {
    pub(super) fn path(dir: &Path, part: Part) -> PathBuf {
        dir.join("run").join(format!("{}.json", part.id()))
    }

    /// The record of a part; one that is missing or unreadable counts as none.
    pub(super) fn read(dir: &Path, part: Part) -> Option<Self> {
        Self::parse(&fs::read_to_string(Self::path(dir, part)).ok()?)
    }

    /// The record of the process that has this pid now; none when it has ended.
    pub(super) fn of_running(
        pid: i32,
        port: u16,
        since: DateTime<Utc>,
        config: &str,
    ) -> Option<Self> {
        let start_ticks = Stat::of(pid)?.start_ticks;
        Some(Self { pid, start_ticks, boot: boot_id(), port, since, config: config.to_owned() })
    }

    fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|record: &Self| record.pid > 1)
    }

    /// Whether the very process that was started still runs.
    pub(super) fn is_alive(&self) -> bool {
        self.boot == boot_id()
            && Stat::of(self.pid)
                .is_some_and(|stat| stat.start_ticks == self.start_ticks && !stat.is_dead)
    }

    /// The processes of the child's group that still run. When the child is gone and its pid
    /// belongs to somebody else, so does the group: then there are none.
    pub(super) fn group_members(&self) -> Vec<i32> {
        if self.boot != boot_id() {
            return Vec::new();
        }
        if Stat::of(self.pid).is_some_and(|leader| leader.start_ticks != self.start_ticks) {
            return Vec::new();
        }
        all_pids()
            .filter(|pid| {
                Stat::of(*pid).is_some_and(|stat| {
                    stat.group == self.pid && !stat.is_dead && stat.start_ticks >= self.start_ticks
                })
            })
            .collect()
    }

    /// The child's own children, also those that lead groups of their own; none when it is gone.
    pub(super) fn children(&self) -> Vec<i32> {
        if !self.is_alive() {
            return Vec::new();
        }
        let is_child =
            |pid: &i32| Stat::of(*pid).is_some_and(|stat| stat.parent == self.pid && !stat.is_dead);
        all_pids().filter(is_child).collect()
    }

    /// When the process that has this pid now started, in clock ticks; none when it has ended.
    pub(super) fn start_ticks_of(pid: i32) -> Option<u64> {
        Stat::of(pid).filter(|stat| !stat.is_dead).map(|stat| stat.start_ticks)
    }

    /// Ends the child and what it started: asks with `signal`, and after `patience` ends it without
    /// asking. True when there was something to end.
    pub(super) async fn end(&self, signal: Signal, patience: Duration) -> Result<bool> {
        if self.group_members().is_empty() {
            return Ok(false);
        }
        // The child first, alone: it may want to end its own children in order.
        if self.is_alive() {
            ignore_gone(kill(Pid::from_raw(self.pid), signal))
                .context("a child could not be asked to end")?;
            wait_while(patience, || self.is_alive()).await;
        }
        if !self.group_members().is_empty() {
            ignore_gone(killpg(Pid::from_raw(self.pid), Signal::SIGKILL))
                .context("a child could not be ended")?;
            wait_while(Duration::from_secs(5), || !self.group_members().is_empty()).await;
        }
        Ok(true)
    }
}

async fn wait_while(patience: Duration, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + patience;
    while condition() && Instant::now() < deadline {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn ignore_gone(outcome: nix::Result<()>) -> nix::Result<()> {
    match outcome {
        Err(nix::errno::Errno::ESRCH) => Ok(()),
        other => other,
    }
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

fn all_pids() -> impl Iterator<Item = i32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// The few fields of /proc/PID/stat that are needed here.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    is_dead: bool,
    parent: i32,
    group: i32,
    start_ticks: u64,
}

impl Stat {
    fn of(pid: i32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The name in the second field may hold blanks and brackets, so fields are counted from its
    /// last bracket.
    fn parse(text: &str) -> Option<Self> {
        let (_, after_name) = text.rsplit_once(')')?;
        let mut fields = after_name.split_ascii_whitespace();
        let state = fields.next()?;
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        let start_ticks = fields.nth(16)?.parse().ok()?;
        Some(Self { is_dead: matches!(state, "Z" | "X"), parent, group, start_ticks })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    use super::*;

    fn record(pid: i32, start_ticks: u64) -> Record {
        Record {
            pid,
            start_ticks,
            boot: boot_id(),
            port: 1,
            since: DateTime::UNIX_EPOCH,
            config: String::new(),
        }
    }

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let text = "42 (a) b (c) S 1 40 40 0 -1 4194304 100 0 0 0 1 2 0 0 20 0 1 0 987654 1 2 3";
        assert_eq!(
            Stat::parse(text),
            Some(Stat { is_dead: false, parent: 1, group: 40, start_ticks: 987_654 })
        );
    }

    #[test]
    fn a_zombie_is_dead() {
        let text = "42 (x) Z 1 40 40 0 -1 4194304 100 0 0 0 1 2 0 0 20 0 1 0 5 1 2 3";
        assert!(Stat::parse(text).unwrap().is_dead);
    }

    #[test]
    fn a_record_survives_writing_and_reading() {
        let record = record(42, 7);
        assert_eq!(Record::parse(&serde_json::to_string(&record).unwrap()), Some(record));
    }

    #[test]
    fn a_torn_record_or_one_that_names_init_counts_as_none() {
        assert_eq!(Record::parse("{\"pid\": 42"), None);
        assert_eq!(Record::parse(&serde_json::to_string(&record(1, 7)).unwrap()), None);
    }

    #[test]
    fn this_process_is_alive_by_its_start_time_and_a_recycled_pid_is_not() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let ticks = Stat::of(pid).unwrap().start_ticks;
        assert!(record(pid, ticks).is_alive());
        assert!(!record(pid, ticks + 1).is_alive());
        assert_eq!(record(pid, ticks + 1).group_members(), Vec::<i32>::new());
    }

    #[tokio::test]
    async fn ending_a_record_ends_the_child_and_what_it_started_even_when_the_child_is_gone() {
        let mut child = Command::new("sh")
            .args(["-c", "sleep 60 & wait"])
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let record = record(pid, Stat::of(pid).unwrap().start_ticks);
        let deadline = Instant::now() + Duration::from_secs(10);
        while record.group_members().len() < 2 && Instant::now() < deadline {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!record.is_alive());
        assert_eq!(record.group_members().len(), 1);
        assert!(record.end(Signal::SIGTERM, Duration::from_secs(5)).await.unwrap());
        assert_eq!(record.group_members(), Vec::<i32>::new());
        assert!(!record.end(Signal::SIGTERM, Duration::from_secs(5)).await.unwrap());
    }
}
