//! `sam build`: the functions as they go to AWS.

use std::path::PathBuf;

use anyhow::Result;

use super::super::command;
use super::super::instance::{Instance, architecture};
use super::super::report::Reporter;
use super::super::tools::Tools;
use super::release::{Arch, Flags};

/// Where samconfig.toml has `sam build` leave them.
pub(super) fn dir(instance: &Instance) -> PathBuf {
    instance.root.join(".aws-sam/build")
}

/// Builds them, as a release is built, so that the same programs come of it. `sam` passes on
/// nothing of what cargo says, so there is only the time to show.
pub(super) async fn build(instance: &Instance, tools: &Tools, reporter: &Reporter) -> Result<()> {
    reporter
        .step(
            "Building the functions as they are shipped (sam build; takes minutes at first)",
            async {
                let flags = Flags::look(instance, Arch::of_machine()).await?;
                let mut build = command::clean(tools.all_bin().join("sam"));
                build
                    .args(["build", "--config-env", "local", "--parameter-overrides"])
                    .arg(format!("Architecture={}", architecture()))
                    .current_dir(&instance.root)
                    .env("PATH", command::path_with(&tools.all_bin()));
                flags.put_on(&mut build);
                command::run(build, "sam build", &instance.shared_dir().join("logs/sam-build.log"))
                    .await
            },
        )
        .await
}
