//! The functions by plain `cargo build`, in the profile that this program itself is built in, and
//! together with it: the crates that both need are compiled once.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::super::command;
use super::super::instance::Instance;
use super::super::report::{Progress, Reporter};
use super::super::stamp::{self, Fingerprint};
use super::crates::{self, Crates};
use super::template::{self, Function};
use super::zip_of;

/// This program's own package.
const ME: &str = env!("CARGO_PKG_NAME");

/// Where they are left, out of the sight of a plain `sam deploy`.
pub(super) fn dir(instance: &Instance) -> PathBuf {
    instance.shared_dir().join("quick")
}

/// Builds them, zips them, and writes the template that names the zips. Gives the fingerprint of
/// each function's program by the function's logical id.
pub(super) async fn build(
    instance: &Instance,
    template: &str,
    functions: &[Function],
    reporter: &Reporter,
) -> Result<BTreeMap<String, String>> {
    let log = instance.shared_dir().join("logs/cargo-build.log");
    reporter
        .step_with_progress("Building the functions", "crates", async |progress| {
            let packages = packages(instance, functions).await?;
            progress.total(total(instance, &packages).await);
            let crates = cargo_build(instance, &packages, &log, progress).await?;
            lay_out(instance, template, &packages, &crates)
        })
        .await
}

/// A function and its package.
struct Package<'a> {
    function: &'a Function,
    name: String,
    manifest: PathBuf,
    programs: Vec<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Member>,
}

#[derive(Deserialize)]
struct Member {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

async fn packages<'a>(instance: &Instance, functions: &'a [Function]) -> Result<Vec<Package<'a>>> {
    let mut cargo = cargo(instance);
    cargo.args(["metadata", "--no-deps", "--format-version", "1"]);
    let text = command::output(cargo, "listing the packages").await?;
    let metadata: Metadata = serde_json::from_str(&text).context("cargo's list of packages")?;
    functions
        .iter()
        .map(|function| {
            let folder = instance.root.join("infra").join(&function.folder);
            let folder = folder
                .canonicalize()
                .with_context(|| format!("{} has no folder {}", function.id, folder.display()))?;
            let member = metadata
                .packages
                .iter()
                .find(|member| {
                    member.manifest_path.parent().and_then(|p| p.canonicalize().ok()).as_ref()
                        == Some(&folder)
                })
                .with_context(|| format!("{} is no package", folder.display()))?;
            Ok(Package {
                function,
                name: member.name.clone(),
                manifest: member.manifest_path.clone(),
                programs: member
                    .targets
                    .iter()
                    .filter(|target| target.kind.iter().any(|kind| kind == "bin"))
                    .map(|target| target.name.clone())
                    .collect(),
            })
        })
        .collect()
}

/// What `cargo build` is told. This program's package is among those that are selected, though
/// nothing of it is built: cargo compiles the crates with the features that all selected packages
/// need, so they are the same here as when this program was built.
fn build_arguments(packages: &[Package<'_>]) -> Vec<String> {
    let mut args = vec![
        "build".to_owned(),
        "--locked".to_owned(),
        "--message-format=json-render-diagnostics".to_owned(),
        format!("--package={ME}"),
    ];
    for Package { name, programs, .. } in packages {
        args.push(format!("--package={name}"));
        args.extend(programs.iter().map(|program| format!("--bin={program}")));
        // The linker leaves out what only a debugger reads: a fourth of the size is left.
        args.push(format!("--config=profile.dev.package.{name}.strip=true"));
    }
    args
}

/// How many crates there are, when cargo can tell. It is one or two short: features that only this
/// program asks for bring a crate with them.
async fn total(instance: &Instance, packages: &[Package<'_>]) -> Option<usize> {
    let mut cargo = cargo(instance);
    cargo.args(["tree", "--locked", "--edges=normal,build", "--prefix=none", "--format={p}"]);
    cargo.args(packages.iter().map(|package| format!("--package={}", package.name)));
    let tree = command::output(cargo, "listing the crates").await.ok()?;
    Some(crates::count(&tree))
}

async fn cargo_build(
    instance: &Instance,
    packages: &[Package<'_>],
    log: &Path,
    progress: &Progress,
) -> Result<Crates> {
    let mut cargo = cargo(instance);
    cargo.args(build_arguments(packages));
    let mut crates = Crates::default();
    command::run_and_read(cargo, "cargo build", log, |line| {
        crates.read(line);
        progress.done(crates.done());
    })
    .await?;
    Ok(crates)
}

fn lay_out(
    instance: &Instance,
    template: &str,
    packages: &[Package<'_>],
    crates: &Crates,
) -> Result<BTreeMap<String, String>> {
    let dir = dir(instance);
    let mut code = BTreeMap::new();
    for Package { function, name, manifest, .. } in packages {
        let program =
            crates.programs.get(manifest).with_context(|| format!("{name} has no program"))?;
        code.insert(function.id.clone(), zipped(&dir, &function.id, program)?);
    }
    let text = template::relocated(template, &instance.root.join("infra"), zip_name)?;
    stamp::write_whole(&dir.join("template.yaml"), text)?;
    Ok(code)
}

/// Zips a program, unless its zip is there, and gives its fingerprint.
fn zipped(dir: &Path, id: &str, program: &Path) -> Result<String> {
    let fingerprint = Fingerprint::new().file(program)?.finish();
    let zip = dir.join(zip_name(id));
    let stamp = dir.join(format!("{id}.stamp"));
    if !(zip.is_file() && stamp::matches(&stamp, &fingerprint)) {
        stamp::remove(&stamp)?;
        let bytes =
            fs::read(program).with_context(|| format!("{} cannot be read", program.display()))?;
        stamp::write_whole(&zip, zip_of(&bytes)?)?;
        stamp::write_whole(&stamp, &fingerprint)?;
    }
    Ok(fingerprint)
}

fn zip_name(id: &str) -> String {
    format!("{id}.zip")
}

/// Queries are checked against the committed descriptions, as in every build that is deployed.
fn cargo(instance: &Instance) -> Command {
    let mut cargo = command::clean(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(&instance.root).env("SQLX_OFFLINE", "true").env_remove("DATABASE_URL");
    cargo
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What `cargo tree` says of the crates and their features.
    fn tree(edges: &str, packages: &[&str]) -> BTreeSet<String> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        let selection = packages.iter().flat_map(|name| ["--package", name]);
        cargo
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["tree", "--locked", "--offline", "--prefix=none", "--format={p} {f}", edges])
            .args(selection);
        let output = cargo.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
    }

    #[test]
    fn each_program_is_named_and_this_one_is_not() {
        let function = Function {
            id: "A".to_owned(),
            folder: "../functions/a".to_owned(),
            name: "a".to_owned(),
            alias: None,
        };
        let package = Package {
            function: &function,
            name: "a".to_owned(),
            manifest: PathBuf::new(),
            programs: vec!["a-program".to_owned()],
        };
        let args = build_arguments(&[package]);
        let has = |arg: &str| args.iter().any(|other| other == arg);
        assert!(has("--package=aigen") && has("--package=a") && has("--bin=a-program"));
        assert!(!has("--bin=aigen") && has("--locked"));
    }

    #[test]
    fn a_program_is_zipped_when_it_is_another() {
        let dir = std::env::temp_dir().join(format!("aigen-quick-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let (program, zip) = (dir.join("program"), dir.join("A.zip"));
        fs::write(&program, "one").unwrap();
        let first = zipped(&dir, "A", &program).unwrap();
        fs::write(&zip, "kept").unwrap();
        assert_eq!(zipped(&dir, "A", &program).unwrap(), first);
        assert_eq!(fs::read(&zip).unwrap(), b"kept");
        fs::write(&program, "two").unwrap();
        assert_ne!(zipped(&dir, "A", &program).unwrap(), first);
        assert_eq!(fs::read(&zip).unwrap(), zip_of(b"two").unwrap());
        fs::remove_dir_all(dir).unwrap();
    }

    /// If this fails, `cargo aigen demo` compiles some crates twice: switch the features that it
    /// names on in infra/cli/Cargo.toml, where those of the other crates stand.
    #[test]
    fn no_crate_of_this_program_is_compiled_again_for_the_functions() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let template = fs::read_to_string(root.join("infra/template.yaml")).unwrap();
        let functions = template::functions(&template).unwrap();
        // The packages bear the names of their folders.
        let names = functions.iter().map(|f| f.folder.rsplit('/').next().unwrap());
        let together: Vec<&str> = names.chain([ME]).collect();
        for edges in ["--edges=normal,no-proc-macro", "--edges=normal,build"] {
            let alone = tree(edges, &[ME]);
            let together = tree(edges, &together);
            let twice: Vec<_> = alone.difference(&together).collect();
            assert!(twice.is_empty(), "with other features for the functions: {twice:?}");
        }
    }
}
