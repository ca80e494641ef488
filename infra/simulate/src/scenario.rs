//! What is simulated.

use anyhow::{Result, ensure};
use clap::{Parser, value_parser};

/// Simulate a crowd before a quota: the product's own decisions about who begins, how many calls
/// are in flight, who comes again when, and what a sweep mends, under a simulated clock. Nothing is
/// called, stored or paid for.
#[derive(Debug, Clone, Parser)]
#[command(name = "aigen simulate", version)]
pub struct Scenario {
    /// Jobs that are submitted.
    #[arg(long, default_value_t = 90, value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub jobs: u32,
    /// Users who submit them, each as many.
    #[arg(long, default_value_t = 15, value_parser = value_parser!(u32).range(1..=100_000))]
    pub users: u32,
    /// Seconds in which they come, evenly. 0: all at once.
    #[arg(long, default_value_t = 0, value_name = "SECONDS")]
    pub within: u32,
    /// Model calls of a job, one after the other.
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(1..=100))]
    pub calls: u32,
    /// Models of the same quota, in order of preference.
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u8).range(1..=8))]
    pub models: u8,
    /// Requests a minute that a model takes.
    #[arg(long, default_value_t = 60, value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub quota: u32,
    /// Requests that it takes at once after a rest.
    #[arg(long, default_value_t = 10, value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub burst: u32,
    /// Seconds that a model call takes; a fifth less to a fifth more.
    #[arg(long, default_value_t = 3.0, value_name = "SECONDS")]
    pub model_seconds: f64,
    /// Model calls that may be in flight (`ModelCallsLimit`); a user may have half of them.
    #[arg(long, default_value_t = 16, value_parser = value_parser!(u32).range(1..=30_000))]
    pub limit: u32,
    /// Seconds that a job may last once it has begun (`TypeTimeLimits`).
    #[arg(long, default_value_t = 1_800, value_name = "SECONDS",
          value_parser = value_parser!(u32).range(1..=3_600))]
    pub time_limit: u32,
    /// Per cent of the starts that are lost, as when a function dies between admitting and
    /// starting; a sweep finds them.
    #[arg(long, default_value_t = 0, value_name = "PERCENT",
          value_parser = value_parser!(u8).range(0..=100))]
    pub lost_starts: u8,
    /// Multiplies jobs, users, quota, burst and limit.
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(1..=1_000))]
    pub times: u32,
    /// The same number gives the same run.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Draw what waited, what was in flight and what was refused, into this SVG file.
    #[arg(long, value_name = "FILE")]
    pub chart: Option<std::path::PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

impl Scenario {
    /// The scenario as large as it is meant.
    ///
    /// # Errors
    /// When a number is out of all measure.
    pub fn whole(mut self) -> Result<Self> {
        ensure!(
            self.model_seconds > 0.0 && self.model_seconds <= 270.0,
            "--model-seconds is above 0 and at most 270, as ModelTimeoutSeconds is: {}",
            self.model_seconds
        );
        for number in
            [&mut self.jobs, &mut self.users, &mut self.quota, &mut self.burst, &mut self.limit]
        {
            *number = number.saturating_mul(self.times);
        }
        self.times = 1;
        ensure!(
            self.jobs <= 2_000_000 && self.users <= 200_000,
            "at most 2,000,000 jobs of 200,000 users can be simulated: {} of {}",
            self.jobs,
            self.users
        );
        ensure!(self.limit <= 30_000, "ModelCallsLimit is at most 30,000: {}", self.limit);
        Ok(self)
    }
}
