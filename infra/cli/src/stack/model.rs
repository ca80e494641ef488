//! The model double: this very program, as a child of its own.

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use anyhow::{Context, Result};

use super::command;
use super::health;
use super::http;
use super::instance::Instance;
use super::part::Part;
use super::ports;
use super::process;
use super::record::Record;
use super::report::Reporter;
use super::stamp::Fingerprint;

/// Starts the model double, unless it runs from this very build of the program.
pub(super) async fn ensure(instance: &Instance, reporter: &Reporter) -> Result<()> {
    let program = std::env::current_exe().context("this program's own path is not known")?;
    let file =
        program.metadata().with_context(|| format!("{} cannot be read", program.display()))?;
    let config = Fingerprint::new()
        .text(&instance.ports.model.to_string())
        .text(&format!("{} {} {}", file.mtime(), file.mtime_nsec(), file.size()))
        .finish();
    let record = Record::read(&instance.dir, Part::Model);
    if record.is_some_and(|record| record.is_alive() && record.config == config) {
        return Ok(());
    }
    process::end(instance, Part::Model).await?;
    ports::ensure_free(Part::Model, instance.ports.model)?;
    let what = format!("Starting the model double on 127.0.0.1:{}", instance.ports.model);
    reporter
        .step(&what, async {
            let mut serve = command::clean(program);
            serve.args(["model-double", "--port", &instance.ports.model.to_string()]);
            let record = process::start(instance, Part::Model, &mut serve, &config)?;
            let client = http::client()?;
            let url = format!("{}/_calls", instance.model_url());
            health::wait(instance, Part::Model, &record, Duration::from_secs(20), || {
                http::ask(&client, &url)
            })
            .await
        })
        .await
}
