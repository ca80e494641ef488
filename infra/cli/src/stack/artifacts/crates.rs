//! Counts the crates of a build, by what cargo says of each as it is done.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Deserialize;

/// What a build has come to.
#[derive(Debug, Default)]
pub(super) struct Crates {
    done: BTreeSet<String>,
    /// The programs that were made, by the manifest of their crate.
    pub programs: BTreeMap<PathBuf, PathBuf>,
}

/// The part of cargo's messages that is used here.
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    package_id: String,
    #[serde(default)]
    manifest_path: PathBuf,
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
}

impl Crates {
    /// Takes one line of `cargo build --message-format=json` into account.
    pub(super) fn read(&mut self, line: &str) {
        let Ok(message) = serde_json::from_str::<Message>(line) else {
            return;
        };
        // A build script is a step of its crate, not a crate.
        let is_script =
            message.target.is_some_and(|target| target.kind.iter().any(|k| k == "custom-build"));
        if message.reason != "compiler-artifact" || is_script {
            return;
        }
        if let Some(program) = message.executable {
            self.programs.insert(message.manifest_path, program);
        }
        self.done.insert(message.package_id);
    }

    /// How many crates are done, compiled now or before.
    pub(super) fn done(&self) -> usize {
        self.done.len()
    }
}

/// How many crates there are in what `cargo tree --prefix none --format {p}` prints. A crate stands
/// there once for each that uses it.
pub(super) fn count(tree: &str) -> usize {
    tree.lines()
        .map(|line| line.trim_end_matches(" (*)").trim_end_matches(" (proc-macro)"))
        .filter(|line| !line.is_empty() && !line.starts_with('['))
        .collect::<BTreeSet<_>>()
        .len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(package: &str, kind: &str, executable: Option<&str>) -> String {
        serde_json::json!({
            "reason": "compiler-artifact",
            "package_id": package,
            "manifest_path": format!("/w/{package}/Cargo.toml"),
            "target": {"kind": [kind], "name": package},
            "executable": executable,
            "fresh": true,
        })
        .to_string()
    }

    #[test]
    fn a_crate_counts_once_and_its_build_script_not_at_all() {
        let mut crates = Crates::default();
        crates.read(&artifact("a", "custom-build", Some("/t/build-script-build")));
        assert_eq!((crates.done(), crates.programs.len()), (0, 0));
        crates.read(r#"{"reason":"build-script-executed","package_id":"a"}"#);
        crates.read(&artifact("a", "lib", None));
        crates.read(&artifact("a", "lib", None));
        crates.read(r#"{"reason":"build-finished","success":true}"#);
        crates.read("not JSON");
        assert_eq!(crates.done(), 1);
    }

    #[test]
    fn programs_are_known_by_their_crate() {
        let mut crates = Crates::default();
        crates.read(&artifact("api", "bin", Some("/t/debug/api")));
        let program = crates.programs.get(std::path::Path::new("/w/api/Cargo.toml"));
        assert_eq!(program, Some(&PathBuf::from("/t/debug/api")));
    }

    #[test]
    fn a_crate_that_many_use_is_counted_once() {
        let tree = "api v0.1.0 (/w/api)\nserde v1.0.0\nsyn v2.0.0\n\
                    [build-dependencies]\n\nserde v1.0.0 (*)\n\
                    macros v1.0.0 (proc-macro)\nmacros v1.0.0 (proc-macro) (*)\n";
        assert_eq!(count(tree), 4);
    }
}
