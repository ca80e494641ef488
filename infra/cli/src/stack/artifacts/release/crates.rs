//! Which crates are in the functions. Cargo says it twice: `cargo metadata` knows each crate's
//! licence and folder, but resolves the whole workspace, with features that only this program asks
//! for; `cargo tree` resolves one function as its build does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::super::super::command;
use super::super::super::instance::Instance;
use super::super::super::tools::Tools;
use super::super::template::Function;
use super::{Arch, flags, notices};

/// A crate, by name and version: there may be two versions of one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub name: String,
    pub version: String,
}

/// A crate that is in a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Crate {
    /// The licence, as an expression of SPDX.
    pub license: Option<String>,
    pub repository: Option<String>,
    /// SHA-256 of the package, as Cargo.lock has it; none for crates of this workspace.
    pub checksum: Option<String>,
    /// Whether it is of this workspace.
    pub is_ours: bool,
    /// The functions that it is in.
    pub functions: BTreeSet<String>,
    /// What it uses, as far as that is in a function too.
    pub uses: BTreeSet<Key>,
    /// Licences and notices that its package bears.
    pub texts: Vec<String>,
}

/// All of them, and what else is linked into the programs.
pub(super) struct Crates {
    pub crates: BTreeMap<Key, Crate>,
    pub linked: Vec<notices::Linked>,
}

/// The part of `cargo metadata` that is used here.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    packages: Vec<Package>,
    resolve: Option<Resolve>,
    pub target_directory: PathBuf,
    pub workspace_root: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    license_file: Option<PathBuf>,
    repository: Option<String>,
    source: Option<String>,
    manifest_path: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dep>,
}

#[derive(Debug, Deserialize)]
struct Dep {
    pkg: String,
    dep_kinds: Vec<DepKind>,
}

#[derive(Debug, Deserialize)]
struct DepKind {
    kind: Option<String>,
}

impl Package {
    fn key(&self) -> Key {
        Key { name: self.name.clone(), version: self.version.clone() }
    }

    fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }
}

impl Metadata {
    /// The folders that hold the sources of crates of registries.
    pub(super) fn source_folders(&self) -> BTreeSet<PathBuf> {
        let of_registries = self.packages.iter().filter(|package| package.source.is_some());
        of_registries.filter_map(|it| Some(it.folder().parent()?.to_path_buf())).collect()
    }

    #[cfg(test)]
    pub(super) fn of_test(root: &str, target: &str, sources: &[&str]) -> Self {
        let package = |folder: &&str| Package {
            id: String::new(),
            name: "serde".to_owned(),
            version: "1.0.0".to_owned(),
            license: None,
            license_file: None,
            repository: None,
            source: Some("registry".to_owned()),
            manifest_path: Path::new(folder).join("serde-1.0.0/Cargo.toml"),
        };
        Self {
            packages: sources.iter().map(package).collect(),
            resolve: None,
            target_directory: target.into(),
            workspace_root: root.into(),
        }
    }
}

/// What cargo says of the workspace, for one processor.
pub(super) async fn metadata(instance: &Instance, arch: Arch) -> Result<Metadata> {
    let mut cargo = cargo(instance)?;
    cargo.args(["metadata", "--locked", "--format-version", "1", "--filter-platform"]);
    cargo.arg(arch.triple());
    let text = command::output(cargo, "listing the packages").await?;
    serde_json::from_str(&text).context("cargo's list of packages")
}

fn cargo(instance: &Instance) -> Result<std::process::Command> {
    let mut cargo = command::clean("cargo");
    cargo.env("RUSTUP_TOOLCHAIN", flags::toolchain(&instance.root)?).current_dir(&instance.root);
    Ok(cargo)
}

impl Crates {
    /// Those of these functions.
    pub(super) async fn look(
        instance: &Instance,
        tools: &Tools,
        arch: Arch,
        functions: &[Function],
    ) -> Result<Self> {
        let metadata = metadata(instance, arch).await?;
        let mut within = BTreeMap::<Key, BTreeSet<String>>::new();
        for function in functions {
            let mut cargo = cargo(instance)?;
            cargo.args(["tree", "--locked", "--prefix=none", "--format={p}"]);
            cargo.args(["--edges=normal,no-proc-macro", "--target", arch.triple()]);
            cargo.args(["--package", function.package()]);
            let tree = command::output(cargo, "listing the crates").await?;
            for key in read_tree(&tree) {
                within.entry(key).or_default().insert(function.package().to_owned());
            }
        }
        let lock = fs::read_to_string(instance.root.join("Cargo.lock"))
            .context("Cargo.lock cannot be read")?;
        let crates = joined(&metadata, &within, &read_checksums(&lock))?;
        Ok(Self { crates, linked: notices::Linked::look(instance, tools).await? })
    }
}

/// The crates in what `cargo tree --prefix none --format {p}` prints.
fn read_tree(tree: &str) -> BTreeSet<Key> {
    tree.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next()?.to_owned();
            let version = words.next()?.strip_prefix('v')?.to_owned();
            Some(Key { name, version })
        })
        .collect()
}

/// The checksums in Cargo.lock.
fn read_checksums(lock: &str) -> BTreeMap<Key, String> {
    let value = |package: &str, name: &str| {
        let start = format!("{name} = \"");
        let line = package.lines().find_map(|line| line.strip_prefix(&start))?;
        Some(line.strip_suffix('"')?.to_owned())
    };
    let read = |package: &str| {
        let key = Key { name: value(package, "name")?, version: value(package, "version")? };
        Some((key, value(package, "checksum")?))
    };
    lock.split("[[package]]").skip(1).filter_map(read).collect()
}

fn joined(
    metadata: &Metadata,
    within: &BTreeMap<Key, BTreeSet<String>>,
    checksums: &BTreeMap<Key, String>,
) -> Result<BTreeMap<Key, Crate>> {
    let by_id: BTreeMap<&str, &Package> =
        metadata.packages.iter().map(|package| (package.id.as_str(), package)).collect();
    let nodes = metadata.resolve.as_ref().map(|it| it.nodes.as_slice()).unwrap_or_default();
    let nodes: BTreeMap<&str, &Node> = nodes.iter().map(|node| (node.id.as_str(), node)).collect();
    let mut crates = BTreeMap::new();
    for (key, functions) in within {
        let package = metadata.packages.iter().find(|package| package.key() == *key);
        let package =
            package.with_context(|| format!("cargo knows {} in one list only", key.name))?;
        let uses = nodes.get(package.id.as_str()).into_iter().flat_map(|node| &node.deps);
        let uses = uses
            .filter(|dep| dep.dep_kinds.iter().any(|it| it.kind.is_none()))
            .filter_map(|dep| Some(by_id.get(dep.pkg.as_str())?.key()))
            .filter(|used| within.contains_key(used))
            .collect();
        let is_ours = package.source.is_none();
        let found = Crate {
            license: package.license.as_deref().map(spdx),
            repository: package.repository.clone(),
            checksum: checksums.get(key).cloned(),
            is_ours,
            functions: functions.clone(),
            uses,
            texts: if is_ours {
                Vec::new()
            } else {
                notices::texts(package.folder(), package.license_file.as_deref())?
            },
        };
        crates.insert(key.clone(), found);
    }
    Ok(crates)
}

/// Older crates write `MIT/Apache-2.0`.
fn spdx(license: &str) -> String {
    license.split('/').map(str::trim).collect::<Vec<_>>().join(" OR ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, version: &str) -> Key {
        Key { name: name.to_owned(), version: version.to_owned() }
    }

    #[test]
    fn a_crate_that_is_used_twice_is_one_and_two_versions_are_two() {
        let tree = "api v0.1.0 (/w/api)\nserde v1.0.0\na v1.0.0\na v2.0.0+x\nserde v1.0.0 (*)\n";
        let keys = read_tree(tree);
        let expected =
            [key("a", "1.0.0"), key("a", "2.0.0+x"), key("api", "0.1.0"), key("serde", "1.0.0")];
        assert_eq!(keys.into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn each_crate_of_a_registry_has_its_checksum_in_the_real_lock() {
        let lock = include_str!("../../../../../../Cargo.lock");
        let checksums = read_checksums(lock);
        assert_eq!(checksums.len(), lock.matches("\nchecksum = ").count());
        assert!(checksums.values().all(|it| it.len() == 64));
    }

    #[test]
    fn what_is_in_no_function_is_used_by_none_of_its_crates() {
        let metadata: Metadata = serde_json::from_value(serde_json::json!({
            "packages": [
                {"id": "w", "name": "worker", "version": "0.1.0", "license": "Apache-2.0",
                 "manifest_path": "/w/Cargo.toml"},
                {"id": "s", "name": "serde", "version": "1.0.0", "license": "MIT/Apache-2.0",
                 "source": "registry", "manifest_path": "/none/serde/Cargo.toml"},
                {"id": "t", "name": "test-kit", "version": "0.1.0", "manifest_path": "/t/C.toml"},
            ],
            "resolve": {"nodes": [{"id": "w", "deps": [
                {"pkg": "s", "dep_kinds": [{"kind": null}]},
                {"pkg": "t", "dep_kinds": [{"kind": "dev"}]},
            ]}]},
            "target_directory": "/t", "workspace_root": "/",
        }))
        .unwrap();
        let of_worker = BTreeSet::from(["worker".to_owned()]);
        let within = BTreeMap::from([
            (key("worker", "0.1.0"), of_worker.clone()),
            (key("serde", "1.0.0"), of_worker),
        ]);
        let sums = BTreeMap::from([(key("serde", "1.0.0"), "ab".to_owned())]);
        let crates = joined(&metadata, &within, &sums).unwrap();
        assert_eq!(crates.len(), 2);
        let worker = &crates[&key("worker", "0.1.0")];
        assert!(worker.is_ours && worker.checksum.is_none());
        assert_eq!(worker.uses, BTreeSet::from([key("serde", "1.0.0")]));
        let serde = &crates[&key("serde", "1.0.0")];
        assert_eq!(serde.license.as_deref(), Some("MIT OR Apache-2.0"));
        assert_eq!(serde.checksum.as_deref(), Some("ab"));
    }
}
