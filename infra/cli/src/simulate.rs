//! `simulate`: a program of its own, because it is made of the functions' code, which this one is
//! kept free of: a change of that must not have this one compiled anew.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

/// What goes to the program.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct SimulateArgs {
    /// `--help` shows them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
    options: Vec<OsString>,
}

/// Runs it: through cargo where this program was run so, and else the one that lies beside it.
pub(crate) fn run(args: &SimulateArgs) -> Result<ExitCode> {
    let own = std::env::current_exe().context("this program does not know where it is")?;
    let mut command = command(std::env::var_os("CARGO"), &own);
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command
        .args(&args.options)
        .status()
        .with_context(|| format!("{name} cannot be started: it is built beside aigen"))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}

fn command(cargo: Option<OsString>, own: &Path) -> Command {
    let Some(cargo) = cargo else { return Command::new(own.with_file_name("simulate")) };
    let mut command = Command::new(cargo);
    command.args(["run", "--quiet", "--locked", "--package", "simulate", "--"]);
    // It is no part of the database: its queries are known.
    command.env("SQLX_OFFLINE", "true");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installed_program_runs_the_one_beside_it_and_cargo_builds_its_own() {
        let own = Path::new("/opt/aigen/aigen");
        assert_eq!(command(None, own).get_program(), "/opt/aigen/simulate");
        let by_cargo = command(Some("cargo".into()), own);
        assert_eq!(by_cargo.get_program(), "cargo");
        assert!(by_cargo.get_args().any(|argument| argument == "simulate"));
    }
}
