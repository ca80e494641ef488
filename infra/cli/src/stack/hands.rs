//! What can be done to a running stack's processes from outside, as a machine or an operator would:
//! ending and stopping exactly them, and having them go on. Each is found by the records of this
//! instance, and is known by when it started besides by its pid.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::instance::{Instance, InstanceName};
use super::part::Part;
use super::postgres;
use super::record::{LOOK_AGAIN, Record};
use super::report::Reporter;
use super::tools::Tools;

/// How long a server that was told to end at once may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A process of the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pid: i32,
    start_ticks: u64,
}

impl Process {
    fn of(pid: i32) -> Option<Self> {
        Some(Self { pid, start_ticks: Record::start_ticks_of(pid)? })
    }

    /// Sends it a signal. False when it has ended.
    pub(crate) fn signal(self, signal: Signal) -> bool {
        Self::of(self.pid) == Some(self) && kill(Pid::from_raw(self.pid), signal).is_ok()
    }

    /// Kilobytes of memory that it takes now.
    pub(crate) fn resident_kb(self) -> Option<i64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse().ok()
    }
}

/// Processes that stand still, and go on when this is dropped, whatever happens.
#[derive(Debug)]
pub(crate) struct Stopped(Vec<Process>);

impl Stopped {
    /// Stops them; those that have ended meanwhile are left out.
    pub(crate) fn all(processes: Vec<Process>) -> Self {
        // The guard is there before the first stands still.
        let mut stopped = Self(processes);
        stopped.0.retain(|process| process.signal(Signal::SIGSTOP));
        stopped
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        for process in &self.0 {
            process.signal(Signal::SIGCONT);
        }
    }
}

/// The processes of a stack of this clone.
pub(crate) struct Hands {
    instance: Instance,
}

impl Hands {
    /// Those of the stack that is named.
    pub(crate) fn of(name: InstanceName) -> Result<Self> {
        Ok(Self { instance: Instance::find(name)? })
    }

    /// The environments of the function `name`: children of this stack's gateway that were told so.
    pub(crate) fn functions(&self, name: &str) -> Vec<Process> {
        let variable = format!("AWS_LAMBDA_FUNCTION_NAME={name}");
        self.environments(|entry| entry == variable.as_bytes())
    }

    /// All environments of functions.
    pub(crate) fn all_functions(&self) -> Vec<Process> {
        self.environments(|entry| entry.starts_with(b"AWS_LAMBDA_FUNCTION_NAME="))
    }

    fn environments(&self, is_meant: impl Fn(&[u8]) -> bool) -> Vec<Process> {
        let Some(gateway) = self.record(Part::Gateway) else { return Vec::new() };
        let is_one = |pid: &i32| {
            // The gateway itself has no function's name.
            let variables = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            *pid != gateway.pid && variables.split(|byte| *byte == 0).any(&is_meant)
        };
        gateway.group_members().into_iter().filter(is_one).filter_map(Process::of).collect()
    }

    /// The gateway.
    pub(crate) fn gateway(&self) -> Option<Process> {
        Process::of(self.record(Part::Gateway)?.pid)
    }

    /// The database server: the process that listens, then those of its sessions and its own.
    pub(crate) fn database(&self) -> Vec<Process> {
        let Some(server) = self.record(Part::Postgres) else { return Vec::new() };
        let pids = [server.pid].into_iter().chain(server.children());
        pids.filter_map(Process::of).collect()
    }

    /// Has everything go on that stands still, as after a program that was killed while it held it.
    pub(crate) fn go_on(&self) {
        let all = self.database().into_iter().chain(self.gateway()).chain(self.all_functions());
        for process in all {
            process.signal(Signal::SIGCONT);
        }
    }

    fn record(&self, part: Part) -> Option<Record> {
        Record::read(&self.instance.dir, part).filter(Record::is_alive)
    }

    /// Has the server end at once, without telling anybody: it recovers when it starts.
    pub(crate) async fn crash_database(&self) -> Result<()> {
        let record = self.record(Part::Postgres).context("PostgreSQL is down already")?;
        let server = Process::of(record.pid).context("PostgreSQL is down already")?;
        server.signal(Signal::SIGQUIT);
        let deadline = Instant::now() + PATIENCE;
        while record.is_alive() {
            if Instant::now() > deadline {
                bail!("PostgreSQL does not end within {} s of SIGQUIT", PATIENCE.as_secs());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    /// Starts the server, unless it runs.
    pub(crate) async fn start_database(&self, reporter: &Reporter) -> Result<()> {
        postgres::ensure(&self.instance, &Tools::of(&self.instance), reporter).await
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    use super::*;

    fn state(process: Process) -> String {
        let stat = fs::read_to_string(format!("/proc/{}/stat", process.pid)).unwrap();
        stat.rsplit_once(')').unwrap().1.split_whitespace().next().unwrap().to_owned()
    }

    fn until(process: Process, wanted: &str) -> bool {
        let deadline = Instant::now() + Duration::from_secs(10);
        while state(process) != wanted && Instant::now() < deadline {
            std::thread::sleep(LOOK_AGAIN);
        }
        state(process) == wanted
    }

    #[test]
    fn what_was_stopped_goes_on_when_its_guard_is_gone_and_a_recycled_pid_is_left_alone() {
        let mut sleeping = Command::new("sleep");
        let mut child = sleeping.arg("60").stdin(Stdio::null()).process_group(0).spawn().unwrap();
        let process = Process::of(i32::try_from(child.id()).unwrap()).unwrap();
        assert!(until(process, "S"));
        let stopped = Stopped::all(vec![process]);
        assert_eq!(stopped.count(), 1);
        assert!(until(process, "T"));
        drop(stopped);
        assert!(until(process, "S"));
        let recycled = Process { start_ticks: process.start_ticks + 1, ..process };
        assert!(!recycled.signal(Signal::SIGKILL));
        assert_eq!(Stopped::all(vec![recycled]).count(), 0);
        assert!(process.signal(Signal::SIGKILL));
        child.wait().unwrap();
        assert!(!process.signal(Signal::SIGKILL));
    }
}
