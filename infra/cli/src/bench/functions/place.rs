//! The machine, since no figure means anything without it.

use std::fmt::Write;
use std::fs::{self, File};
use std::io::Write as _;

use anyhow::{Context, Result};

/// Processes that want to run above which figures are those of a busy machine.
const BUSY: f64 = 0.7;

/// Has the kernel keep idle processors awake for as long as the file is open
/// (<https://docs.kernel.org/power/pm_qos_interface.html>).
pub(super) fn keep_awake() -> Result<File> {
    const PLACE: &str = "/dev/cpu_dma_latency";
    let open = || -> std::io::Result<File> {
        let mut file = File::options().write(true).open(PLACE)?;
        file.write_all(&0_i32.to_ne_bytes())?;
        Ok(file)
    };
    open()
        .with_context(|| format!("{PLACE} cannot be written: it takes root, and a kernel with it"))
}

/// What it is, and whether it is quiet.
pub(super) fn told(awake: bool) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let [cpu, kernel, load] =
        ["/proc/cpuinfo", "/proc/sys/kernel/osrelease", "/proc/loadavg"].map(read);
    let told = sentence(&cpu, &kernel, &load, cores);
    if awake { format!("{told}, kept awake") } else { told }
}

fn sentence(cpu: &str, kernel: &str, load: &str, cores: usize) -> String {
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("an unknown processor", |(_, name)| name.trim());
    let load: f64 =
        load.split_whitespace().next().and_then(|load| load.parse().ok()).unwrap_or_default();
    let mut told = format!("{cores} × {model}, Linux {}, load {load:.2}", kernel.trim());
    if load > BUSY {
        let _ = write!(told, " (busy: figures are worse than they need be)");
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_told_with_its_load_and_whether_that_is_too_much() {
        let cpu = "processor\t: 0\nmodel name\t: AMD EPYC\n";
        assert_eq!(
            sentence(cpu, "6.18\n", "0.10 0.2 0.3 1/2 3", 2),
            "2 × AMD EPYC, Linux 6.18, load 0.10"
        );
        assert!(sentence("", "", "3.5 1 1", 2).contains("busy"));
    }
}
