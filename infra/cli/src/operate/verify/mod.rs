//! `verify`: whether what is deployed is what was built. It looks at what is called: the version
//! that the alias names, both while it shifts, and the newest code where nothing has a version.
//!
//! | file | holds |
//! |---|---|
//! | this one | the verb: reading manifests, asking, exit codes |
//! | `compare` | manifest and answers → what is the same and what is not, purely |
//! | `told` | that, for people |
//!
//! Exit code 0: all is as built. 1: something differs. 2: nothing differs, but something could not
//! be asked, or nothing could.

mod compare;
mod told;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::account::{Account, Running};
use super::diagnose::Telling;
use crate::manifest::{self, Manifest};
use crate::output;
use crate::page::Page;
use compare::{Asked, Deployed, Verdict, Version};

/// What `verify` can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    /// What was built: a manifest, or the folder that has it or one for each architecture.
    #[arg(long, value_name = "FILE|DIR")]
    #[arg(default_value = concat!("dist/", env!("CARGO_PKG_VERSION")))]
    manifest: PathBuf,
    #[command(flatten)]
    telling: Telling,
}

/// Asks, compares and tells.
pub(super) async fn run(args: &VerifyArgs, account: &Account) -> Result<ExitCode> {
    let manifests = read(&args.manifest)?;
    let names: BTreeMap<&str, Option<&str>> = manifests
        .iter()
        .flat_map(|manifest| &manifest.functions)
        .map(|(name, built)| (name.as_str(), built.alias.as_deref()))
        .collect();
    let mut running = BTreeMap::new();
    for (name, alias) in names {
        let alias = alias.filter(|_| account.calls_by_alias());
        running.insert(name.to_owned(), asked(account.running(name, alias).await));
    }
    let first = running.values().find_map(|it| it.as_ref().ok()?.first());
    let architecture = first.map(|running| running.architecture.clone());
    let manifest = compare::of_architecture(&manifests, architecture.as_deref());
    let manifest = manifest.context("there is no manifest")?;
    let deployed = Deployed {
        prefix: account.prefix().to_owned(),
        by_alias: account.calls_by_alias(),
        functions: with_programs(manifest, running, account).await,
        definition: asked(account.definition().await),
        newest_migration: asked(account.newest_migration().await),
    };
    let lines = compare::compare(manifest, &deployed);
    let verdict = compare::verdict(&lines);
    if args.telling.is_json() {
        let Manifest { version, commit, architecture, .. } = manifest;
        let (stack, region) = account.stack();
        output::line(json!({
            "stack": stack, "region": region, "verdict": verdict, "compared": lines,
            "built": {"version": version, "commit": commit, "architecture": architecture},
        }));
    } else {
        let page = Page::of_terminal();
        let place = account.place();
        output::line(told::told(manifest, &place, &lines, args.telling.lang(), page));
    }
    Ok(match verdict {
        Verdict::Same => ExitCode::SUCCESS,
        Verdict::Different => ExitCode::FAILURE,
        Verdict::Unknown => ExitCode::from(2),
    })
}

/// An answer, or in one line why there is none.
fn asked<T>(answer: Result<T>) -> Asked<T> {
    answer.map_err(|error| format!("{error:#}"))
}

/// The versions, each with its program where its zip is not the one that was built.
async fn with_programs(
    manifest: &Manifest,
    running: BTreeMap<String, Asked<Vec<Running>>>,
    account: &Account,
) -> BTreeMap<String, Asked<Vec<Version>>> {
    let mut all = BTreeMap::new();
    for (name, running) in running {
        let built = manifest.functions.get(&name).map(|built| built.code_sha256.as_str());
        let versions = match running {
            Err(why) => Err(why),
            Ok(running) => {
                let mut versions = Vec::new();
                for running in running {
                    let is_built = built == Some(running.code_sha256.as_str());
                    let program = if is_built {
                        None
                    } else {
                        Some(asked(account.program_sha256(&running).await))
                    };
                    versions.push(Version { running, program });
                }
                Ok(versions)
            }
        };
        all.insert(name, versions);
    }
    all
}

/// The manifest that is named, or those in the folder that is.
fn read(place: &Path) -> Result<Vec<Manifest>> {
    let files = if place.is_dir() {
        let below = ["", "arm64", "x86_64"].map(|name| place.join(name).join(manifest::FILE));
        below.into_iter().filter(|file| file.is_file()).collect()
    } else if place.is_file() {
        vec![place.to_path_buf()]
    } else {
        Vec::new()
    };
    ensure!(
        !files.is_empty(),
        "there is no manifest at {}: name that of the release with --manifest, or build one with \
         `cargo aigen artifacts`",
        place.display()
    );
    files.iter().map(|file| parse(file)).collect()
}

fn parse(file: &Path) -> Result<Manifest> {
    let wrong = || format!("{} is no manifest that this aigen reads", file.display());
    let text = fs::read_to_string(file).with_context(wrong)?;
    let manifest: Manifest = serde_json::from_str(&text).with_context(wrong)?;
    ensure!(
        manifest.format == manifest::FORMAT,
        "{} is of form {}, and this aigen reads {}: use the aigen of its version, {}",
        file.display(),
        manifest.format,
        manifest::FORMAT,
        manifest.version
    );
    Ok(manifest)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Dir;
    use super::compare::tests::a_manifest;
    use super::*;

    #[test]
    fn a_manifest_is_found_by_its_file_its_folder_or_the_folder_of_both() {
        let dir = Dir::of("verify-manifest");
        let folder = dir.path().join("x86_64");
        fs::create_dir(&folder).unwrap();
        let text = serde_json::to_string(&a_manifest()).unwrap();
        fs::write(folder.join(manifest::FILE), text).unwrap();
        for place in [folder.join(manifest::FILE), folder.clone(), dir.path().to_path_buf()] {
            assert_eq!(read(&place).unwrap(), [a_manifest()], "{}", place.display());
        }
        let error = read(&dir.path().join("none")).unwrap_err().to_string();
        assert!(error.contains("cargo aigen artifacts"), "{error}");
    }

    #[test]
    fn another_form_is_not_read() {
        let dir = Dir::of("verify-form");
        let file = dir.path().join("m.json");
        let mut other = a_manifest();
        other.format = 9;
        fs::write(&file, serde_json::to_string(&other).unwrap()).unwrap();
        let error = read(&file).unwrap_err().to_string();
        assert!(error.contains("of form 9"), "{error}");
        fs::write(&file, "{}").unwrap();
        assert!(read(&file).unwrap_err().to_string().contains("is no manifest"));
    }
}
