//! `status`: each part, where it listens, and whether it answers.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use sqlx::{Connection, PgConnection};

use super::deployment::{Deployment, api_url};
use super::http;
use super::instance::Instance;
use super::part::Part;
use super::postgres;
use super::record::Record;
use crate::output;

/// Prints the table. Exit code 1 when a part is down.
pub(super) async fn print(instance: &Instance) -> Result<ExitCode> {
    output::line(format_args!(
        "{:<18} {:>6} {:>8}  {:<22} health",
        "part", "port", "pid", "since (UTC)"
    ));
    let mut all_well = true;
    for part in Part::ALL {
        let record = Record::read(&instance.dir, part).filter(Record::is_alive);
        let health = match &record {
            None => Err(anyhow::anyhow!("down")),
            Some(_) => answers(instance, part).await,
        };
        let (pid, since) = record.as_ref().map_or(("-".to_owned(), "-".to_owned()), |record| {
            (record.pid.to_string(), record.since.format("%Y-%m-%d %H:%M:%S").to_string())
        });
        all_well &= health.is_ok();
        output::line(format_args!(
            "{part:<18} {:>6} {pid:>8}  {since:<22} {}",
            instance.ports.of(part),
            health.map_or_else(|error| format!("{error:#}"), |()| "ok".to_owned())
        ));
    }
    let deployment = Record::read(&instance.dir, Part::Gateway)
        .filter(Record::is_alive)
        .and_then(|gateway| Deployment::read(instance, &gateway));
    if let Some(deployment) = deployment {
        output::line(format_args!("deployed: {}", api_url(instance, &deployment.outputs.api_id)));
    } else {
        all_well = false;
        output::line("not deployed: run `cargo aigen up`");
    }
    Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn answers(instance: &Instance, part: Part) -> Result<()> {
    match part {
        Part::Gateway => {
            http::ask(&http::client()?, &format!("{}/_ministack/ready", instance.gateway_url()))
                .await
        }
        Part::Model => {
            http::ask(&http::client()?, &format!("{}/_calls", instance.model_url())).await
        }
        Part::Postgres => {
            let url = postgres::database_url(instance)?;
            let connection =
                tokio::time::timeout(Duration::from_secs(5), PgConnection::connect(&url))
                    .await
                    .context("no answer in 5 s")?
                    .context("no connection")?;
            connection.close().await.context("closing")
        }
    }
}
