//! `prepare`: what PostgreSQL says of each compile-time checked query, kept in `.sqlx` so that a
//! build needs no database.
//!
//! The same as `cargo sqlx prepare`, without having to build that tool first: sqlx's macros write
//! the descriptions themselves while they are expanded against a database, here a new one with all
//! migrations applied.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

use super::command;
use super::instance::Instance;
use super::lock::Lock;
use super::migrations;
use super::part::Part;
use super::postgres;
use super::process;
use super::record::Record;
use super::report::Reporter;
use super::tools::Tools;

/// The crate that holds all SQL.
const CRATE: &str = "shared";
/// Made for the purpose and dropped again: the developer's own database may be ahead or behind.
const DATABASE: &str = "aigen_prepare";

/// File name to content.
type Descriptions = BTreeMap<String, String>;

/// Writes `.sqlx` anew, or with `check` says whether it is as it should be.
pub(super) async fn prepare(instance: &Instance, check: bool, reporter: &Reporter) -> Result<()> {
    instance.make_dirs()?;
    let _lock = Lock::take(&instance.dir.join("lock"), reporter).await?;
    let tools = {
        let _shared = Lock::take(&instance.shared_dir().join("lock"), reporter).await?;
        let tools = Tools::of(instance);
        tools.ensure(instance, reporter).await?;
        tools
    };
    let was_up =
        Record::read(&instance.dir, Part::Postgres).is_some_and(|record| record.is_alive());
    postgres::ensure(instance, &tools, reporter).await?;
    let outcome = describe_and_compare(instance, check, reporter).await;
    if !was_up {
        process::end(instance, Part::Postgres).await?;
    }
    outcome
}

async fn describe_and_compare(instance: &Instance, check: bool, reporter: &Reporter) -> Result<()> {
    let url = postgres::new_database(instance, DATABASE).await?;
    let described = async {
        migrations::apply(&url, reporter).await?;
        reporter.step("Asking PostgreSQL about every query", describe(instance, &url)).await
    }
    .await;
    postgres::drop_database(instance, DATABASE).await?;
    let described = described?;
    let committed_dir = instance.root.join(".sqlx");
    let differences = differences(&read(&committed_dir)?, &described);
    if differences.is_empty() {
        reporter.note(&format!(".sqlx is right: {} queries", described.len()));
    } else if check {
        bail!(
            ".sqlx does not say what PostgreSQL says of the queries: run `cargo aigen prepare` \
             and commit it.\n{}",
            differences.join("\n")
        );
    } else {
        replace(&committed_dir, &described)?;
        reporter.note(&format!(
            ".sqlx is written: {} queries, {} files changed",
            described.len(),
            differences.len()
        ));
    }
    Ok(())
}

/// Has the compiler expand every query against the database. The whole workspace is checked, so
/// that what clippy has checked already is used again: a package alone would get other features of
/// its dependencies.
async fn describe(instance: &Instance, database_url: &str) -> Result<Descriptions> {
    let next = instance.dir.join("tmp/sqlx");
    let _ = fs::remove_dir_all(&next);
    fs::create_dir_all(&next).with_context(|| format!("{} cannot be made", next.display()))?;
    touch_targets(&instance.root.join(CRATE))?;
    let mut cargo = command::clean(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["check", "--workspace", "--all-targets"])
        .current_dir(&instance.root)
        .env("DATABASE_URL", database_url)
        .env("SQLX_OFFLINE", "false")
        .env("SQLX_OFFLINE_DIR", &next);
    command::run(cargo, "cargo check with a database", &instance.logs().join("prepare.log"))
        .await?;
    read(&next)
}

/// Makes cargo compile the crate's targets although nothing has changed.
fn touch_targets(package: &Path) -> Result<()> {
    let tests = fs::read_dir(package.join("tests"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    for root in tests.chain([package.join("src/lib.rs")]).filter(|path| path.is_file()) {
        File::options()
            .append(true)
            .open(&root)
            .and_then(|file| file.set_modified(SystemTime::now()))
            .with_context(|| format!("{} cannot be touched", root.display()))?;
    }
    Ok(())
}

fn read(dir: &Path) -> Result<Descriptions> {
    if !dir.is_dir() {
        return Ok(Descriptions::new());
    }
    files(dir)?
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path)
                .with_context(|| format!("{} cannot be read", path.display()))?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Ok((name, text.trim_end().to_owned()))
        })
        .collect()
}

fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).with_context(|| format!("{} cannot be read", dir.display()))?;
    Ok(entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect())
}

fn replace(dir: &Path, descriptions: &Descriptions) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("{} cannot be made", dir.display()))?;
    for path in files(dir)? {
        fs::remove_file(&path).with_context(|| format!("{} cannot be removed", path.display()))?;
    }
    for (name, text) in descriptions {
        let path = dir.join(name);
        fs::write(&path, format!("{text}\n"))
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(())
}

/// One line for each file that is missing, left over or different.
fn differences(committed: &Descriptions, described: &Descriptions) -> Vec<String> {
    let missing_or_changed =
        described.iter().filter_map(|(name, text)| match committed.get(name) {
            None => Some(format!("  missing: {name}")),
            Some(old) if old != text => Some(format!("  changed: {name}")),
            Some(_) => None,
        });
    let left_over = committed
        .keys()
        .filter(|name| !described.contains_key(*name))
        .map(|name| format!("  left over: {name}"));
    missing_or_changed.chain(left_over).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_changed_and_left_over_descriptions_are_told_apart() {
        let of = |pairs: &[(&str, &str)]| -> Descriptions {
            pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
        };
        let committed = of(&[("same", "1"), ("other", "1"), ("old", "1")]);
        let described = of(&[("same", "1"), ("other", "2"), ("new", "1")]);
        assert_eq!(
            differences(&committed, &described),
            ["  missing: new", "  changed: other", "  left over: old"]
        );
        assert!(differences(&described, &described).is_empty());
    }
}
