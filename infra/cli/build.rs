//! The migrations are built into the program: a new file there must build it anew. And it says
//! which commit it was built from, where that costs nothing.

use std::process::Command;

#[allow(clippy::print_stdout, reason = "this is how a build script speaks to cargo")]
fn main() {
    println!("cargo::rerun-if-changed=../migrations");
    let version = env!("CARGO_PKG_VERSION");
    // Installed programs alone name their commit. Those of the inner loop would be built anew for
    // every commit, and for nothing but that.
    let is_installed = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let commit = if is_installed { commit() } else { None };
    let told = commit.map_or_else(|| version.to_owned(), |commit| format!("{version} ({commit})"));
    println!("cargo::rustc-env=AIGEN_VERSION={told}");
    if is_installed {
        // What git says depends on every file: this one never is there, so that it is always asked.
        println!("cargo::rerun-if-changed=.git-is-asked-each-time");
    }
}

/// The commit that the sources are of, and whether they differ from it; `None` without git.
fn commit() -> Option<String> {
    let asked =
        Command::new("git").args(["describe", "--always", "--dirty", "--exclude=*"]).output();
    let told = asked.ok().filter(|output| output.status.success())?.stdout;
    let told = String::from_utf8(told).ok()?.trim().to_owned();
    Some(told).filter(|told| !told.is_empty())
}
