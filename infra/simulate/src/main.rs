//! `cargo aigen simulate`.
#![expect(clippy::print_stdout, reason = "this is what it is for")]

use anyhow::{Context, Result};
use clap::Parser;
use simulate::{Scenario, draw, run};

fn main() -> Result<()> {
    let scenario = Scenario::parse().whole()?;
    let outcome = run(&scenario);
    if scenario.json {
        println!("{}", serde_json::to_string_pretty(&outcome)?);
    } else {
        println!("{outcome}");
    }
    if let Some(path) = &scenario.chart {
        let picture = draw(&scenario, &outcome)?;
        std::fs::write(path, picture)
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(())
}
