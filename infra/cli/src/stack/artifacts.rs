//! `sam build`: the functions as they are deployed. Skipped while nothing that goes into them has
//! changed.

use std::path::PathBuf;

use anyhow::Result;

use super::command;
use super::instance::Instance;
use super::report::Reporter;
use super::stamp::{self, Fingerprint};
use super::tools::Tools;

/// Everything that the artifacts are made from.
const SOURCES: [&str; 11] = [
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain.toml",
    ".cargo",
    ".sqlx",
    "functions",
    "shared",
    "infra/migrations",
    "infra/statemachine",
    "infra/template.yaml",
    "samconfig.toml",
];

/// Builds, if need be, and gives the fingerprint of what is built.
pub(super) async fn ensure(
    instance: &Instance,
    tools: &Tools,
    reporter: &Reporter,
) -> Result<String> {
    let fingerprint = fingerprint(instance)?;
    let stamp = stamp_file(instance);
    let template = instance.root.join(".aws-sam/build/template.yaml");
    if template.is_file() && stamp::matches(&stamp, &fingerprint) {
        return Ok(fingerprint);
    }
    stamp::remove(&stamp)?;
    reporter
        .step("Building the functions (sam build; the first time takes minutes)", async {
            let mut build = command::clean(tools.all_bin().join("sam"));
            build
                .args(["build", "--config-env", "local"])
                .current_dir(&instance.root)
                .env("PATH", command::path_with(&tools.all_bin()))
                .env("SQLX_OFFLINE", "true")
                .env_remove("DATABASE_URL");
            command::run(build, "sam build", &instance.shared_dir().join("logs/sam-build.log"))
                .await
        })
        .await?;
    stamp::write_whole(&stamp, &fingerprint)?;
    Ok(fingerprint)
}

fn fingerprint(instance: &Instance) -> Result<String> {
    let mut fingerprint = Fingerprint::new();
    for source in SOURCES {
        fingerprint = fingerprint.tree(&instance.root, source)?;
    }
    Ok(fingerprint.tree(&instance.root, "infra/requirements/tools.txt")?.finish())
}

fn stamp_file(instance: &Instance) -> PathBuf {
    instance.shared_dir().join("sam-build.stamp")
}
