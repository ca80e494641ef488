//! The version before: its sources out of git, its functions built, its template pointed at them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The commit that is upgraded from: the last release's, or before there is one, that of the last
/// stretch of work. `infra/migrations/README.md` says when it changes.
const FROM: &str = include_str!("from");

/// The functions, by the folders of their crates.
const CRATES: [&str; 7] =
    ["api", "worker", "retry-handler", "cancel", "reconciler", "diagnostics", "migrator"];

/// A version that can be deployed.
pub(crate) struct Version {
    /// What it is called when something is told of it.
    pub(crate) name: String,
    /// What `sam deploy` takes.
    pub(crate) template: PathBuf,
}

impl Version {
    /// This one, as the stack that the tests run on was built.
    pub(crate) fn newer() -> Self {
        let template = std::env::var("AIGEN_TEMPLATE").unwrap();
        Self { name: "this version".to_owned(), template: template.into() }
    }

    /// The one before, built below `dir`.
    pub(crate) fn older(dir: &Path) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let commit = known(root);
        let tree = dir.join("tree");
        let _ = fs::remove_dir_all(&tree);
        fs::create_dir_all(&tree).unwrap();
        let archive = dir.join("tree.tar");
        let output = format!("--output={}", archive.display());
        run(Command::new("git").current_dir(root).args(["archive", &output, &commit]));
        run(Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(&tree));
        let target = dir.join("target");
        let programs = build(&tree, &target);
        let template = tree.join("infra/upgrade.yaml");
        let text = fs::read_to_string(tree.join("infra/template.yaml")).unwrap();
        fs::write(&template, with_code(&text, &programs)).unwrap();
        Self { name: format!("version {}", &commit[..7]), template }
    }

    /// The names of its parameters.
    pub(crate) fn parameters(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.template).unwrap();
        let (_, rest) = text.split_once("\nParameters:\n").unwrap();
        let names = rest.lines().take_while(|line| line.is_empty() || line.starts_with(' '));
        let names = names.filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':'));
        names.filter(|name| !name.starts_with(' ')).map(str::to_owned).collect()
    }
}

/// The commit, where this clone has it. A clone without history is told so, and upgrades from its
/// own commit: the deployments under load are the same, only nothing differs.
fn known(root: &Path) -> String {
    let from = FROM.trim();
    let verify = Command::new("git")
        .current_dir(root)
        .args(["rev-parse", "--quiet", "--verify", &format!("{from}^{{commit}}")])
        .output()
        .unwrap();
    if verify.status.success() {
        return from.to_owned();
    }
    eprintln!(
        "NOT UPGRADED FROM {from}: this clone does not have it (git fetch --unshallow). \
         The commit itself is deployed over itself instead."
    );
    let head = Command::new("git").current_dir(root).args(["rev-parse", "HEAD"]).output().unwrap();
    String::from_utf8(head.stdout).unwrap().trim().to_owned()
}

/// Builds the functions of `tree`, in a target folder that begins with what was compiled for this
/// version, so that only what differs is compiled. Gives each program by the folder of its crate.
fn build(tree: &Path, target: &Path) -> BTreeMap<&'static str, PathBuf> {
    if !target.exists() {
        let from = std::env::current_exe().unwrap();
        let from = from.ancestors().nth(2).unwrap();
        let to = target.join("debug");
        fs::create_dir_all(&to).unwrap();
        for part in ["deps", "build", ".fingerprint"] {
            // Links: a compiler writes a new file, and never into one that is there.
            run(Command::new("cp").arg("-al").arg(from.join(part)).arg(&to));
        }
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(tree)
        .args(["build", "--locked", "--quiet", "--package=aigen"])
        .env("CARGO_TARGET_DIR", target)
        .env("SQLX_OFFLINE", "true")
        .env_remove("DATABASE_URL");
    for folder in CRATES {
        command.arg(format!("--package={folder}")).arg(format!("--bin={folder}"));
    }
    run(&mut command);
    let place = |folder: &'static str| {
        let dir = target.join("code").join(folder);
        fs::create_dir_all(&dir).unwrap();
        let bootstrap = dir.join("bootstrap");
        fs::copy(target.join("debug").join(folder), &bootstrap).unwrap();
        run(Command::new("strip").arg(&bootstrap));
        (folder, dir)
    };
    CRATES.into_iter().map(place).collect()
}

/// The template with each function's code where it was built.
fn with_code(template: &str, programs: &BTreeMap<&'static str, PathBuf>) -> String {
    let lines = template.lines().map(|line| {
        let Some((before, folder)) = line.split_once("CodeUri: ../functions/") else {
            return line.to_owned();
        };
        format!("{before}CodeUri: {}", programs[folder.trim()].display())
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
