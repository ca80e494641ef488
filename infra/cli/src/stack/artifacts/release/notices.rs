//! Crates and their licences' texts → the notices that go with the programs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::super::super::command;
use super::super::super::instance::Instance;
use super::super::super::tools::Tools;
use super::crates::{Crates, Key};
use super::flags;

/// How the files begin that a package bears its licences and notices in.
const BEGINNINGS: [&str; 6] = ["licen", "copying", "copyright", "notice", "unlicense", "ofl"];
/// What stands between two texts.
const RULE: &str =
    "================================================================================";

/// What is in a program besides crates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Linked {
    pub name: &'static str,
    pub version: String,
    pub license: &'static str,
    pub texts: Vec<String>,
}

impl Linked {
    /// What compiler and linker put into each program, with the texts that they come with.
    pub(super) async fn look(instance: &Instance, tools: &Tools) -> Result<Vec<Self>> {
        let toolchain = flags::toolchain(&instance.root)?;
        let mut rustc = command::clean("rustc");
        rustc.args(["--print", "sysroot"]).env("RUSTUP_TOOLCHAIN", &toolchain);
        let sysroot = command::output(rustc, "asking the compiler").await?;
        let licenses = Path::new(sysroot.trim()).join("share/doc/rust/licenses");
        let zig = tools.zig_home()?;
        // What a toolchain's own package leaves out is named all the same.
        let there = |files: &[std::path::PathBuf]| -> Vec<String> {
            files
                .iter()
                .filter_map(|file| fs::read_to_string(file).ok())
                .map(|it| tidy(&it))
                .collect()
        };
        Ok(vec![
            Self {
                name: "rust-std",
                version: toolchain,
                license: "MIT OR Apache-2.0",
                texts: there(&[licenses.join("MIT.txt"), licenses.join("Apache-2.0.txt")]),
            },
            Self {
                name: "zig-compiler-rt",
                version: pinned(instance, "ziglang")?,
                license: "MIT",
                texts: there(&[zig.join("LICENSE")]),
            },
            Self {
                name: "llvm-libunwind",
                version: pinned(instance, "ziglang")?,
                license: "Apache-2.0 WITH LLVM-exception",
                texts: there(&[zig.join("lib/libunwind/LICENSE.TXT")]),
            },
        ])
    }
}

/// The version that a Python package is pinned to.
pub(super) fn pinned(instance: &Instance, package: &str) -> Result<String> {
    let text = fs::read_to_string(instance.root.join("infra/requirements/tools.in"))
        .context("infra/requirements/tools.in cannot be read")?;
    let start = format!("{package}==");
    let line = text.lines().find_map(|line| line.strip_prefix(&start));
    let version = line.and_then(|rest| rest.split_whitespace().next());
    Ok(version.with_context(|| format!("tools.in does not pin {package}"))?.to_owned())
}

/// The licences and notices that the package in `folder` bears, in the order of their files' names.
pub(super) fn texts(folder: &Path, license_file: Option<&Path>) -> Result<Vec<String>> {
    let mut files = BTreeSet::new();
    for place in [folder.to_path_buf(), folder.join("LICENSES")] {
        let Ok(entries) = fs::read_dir(&place) else { continue };
        for entry in entries {
            let path = entry.with_context(|| format!("{} cannot be read", place.display()))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
            let is_named = BEGINNINGS.iter().any(|beginning| name.starts_with(beginning));
            // `license.rs` is a module.
            let is_code = path.extension().is_some_and(|ending| ending == "rs");
            if path.is_file() && !is_code && (is_named || place.ends_with("LICENSES")) {
                files.insert(path);
            }
        }
    }
    files.extend(license_file.map(|file| folder.join(file)).filter(|file| file.is_file()));
    let read =
        |file: &Path| fs::read(file).with_context(|| format!("{} cannot be read", file.display()));
    files
        .into_iter()
        .map(|file| Ok(tidy(&String::from_utf8_lossy(&read(&file)?))))
        .filter(|text| text.as_ref().map_or(true, |text| !text.is_empty()))
        .collect()
}

/// One text is the same whatever ends its lines.
fn tidy(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

/// The file: who is in it, who brought no text, and each text once.
pub(super) fn notices(version: &str, crates: &Crates) -> String {
    let mut told = format!(
        "Third-party notices of aigen {version}\n\nThe programs in the zips beside this file are \
         made of aigen itself (Apache-2.0) and of what\nis listed here: name, version, licence by \
         SPDX, and the functions that it is in.\n\n"
    );
    let mut texts = BTreeMap::<&str, Vec<String>>::new();
    let mut without = Vec::new();
    let others = crates.crates.iter().filter(|(_, found)| !found.is_ours);
    for (Key { name, version }, found) in others {
        let license = found.license.as_deref().unwrap_or("as its text says");
        let functions = found.functions.iter().cloned().collect::<Vec<_>>().join(" ");
        let _ = writeln!(told, "{name} {version}: {license} ({functions})");
        if found.texts.is_empty() {
            without.push(format!("{name} {version}: {license}"));
        }
        for text in &found.texts {
            texts.entry(text).or_default().push(format!("{name} {version}"));
        }
    }
    for Linked { name, version, license, texts: of_linked } in &crates.linked {
        let _ = writeln!(told, "{name} {version}: {license} (all)");
        if of_linked.is_empty() {
            without.push(format!("{name} {version}: {license}"));
        }
        for text in of_linked {
            texts.entry(text).or_default().push(format!("{name} {version}"));
        }
    }
    if !without.is_empty() {
        let _ = write!(
            told,
            "\nThe packages of these bear no text of their licence. SPDX has it under the names \
             given here\n(https://spdx.org/licenses/), and most are below, from others.\n\n{}\n",
            without.join("\n")
        );
    }
    // In the order of who brought them, which a reader looks for.
    let mut texts: Vec<_> = texts.into_iter().map(|(text, of)| (of, text)).collect();
    texts.sort();
    for (of, text) in texts {
        let _ = write!(told, "\n{RULE}\n{}\n{RULE}\n\n{text}\n", of.join("\n"));
    }
    told
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::crates::Crate;
    use super::*;

    pub(in super::super) fn some_crates() -> Crates {
        let key = |name: &str, version: &str| Key { name: name.into(), version: version.into() };
        let found = |license: &str, is_ours: bool, texts: &[&str], uses: &[Key]| Crate {
            license: Some(license.to_owned()),
            repository: (!is_ours).then(|| "https://example.com/it".to_owned()),
            checksum: (!is_ours).then(|| "ab".to_owned()),
            is_ours,
            functions: BTreeSet::from(["worker".to_owned()]),
            uses: uses.iter().cloned().collect(),
            texts: texts.iter().map(|&text| text.to_owned()).collect(),
        };
        let (with, same, bare) =
            (key("with-text", "1.0.0+x"), key("same-text", "2.0.0"), key("bare", "3.0.0"));
        let uses = [with.clone(), same.clone(), bare.clone()];
        let crates = BTreeMap::from([
            (key("worker", "0.1.0"), found("Apache-2.0", true, &[], &uses)),
            (with, found("MIT", false, &["Permission is granted"], std::slice::from_ref(&bare))),
            (same, found("MIT", false, &["Permission is granted", "A notice"], &[])),
            (bare, found("Zlib", false, &[], &[])),
        ]);
        let linked = Linked {
            name: "rust-std",
            version: "1.95.0".to_owned(),
            license: "MIT OR Apache-2.0",
            texts: Vec::new(),
        };
        Crates { crates, linked: vec![linked] }
    }

    #[test]
    fn each_text_stands_once_below_all_whose_it_is() {
        let told = notices("0.1.0", &some_crates());
        assert_eq!(told.matches("Permission is granted").count(), 1);
        let both = format!("{RULE}\nsame-text 2.0.0\nwith-text 1.0.0+x\n{RULE}\n\nPermission");
        assert!(told.contains(&both), "{told}");
        assert!(!told.contains("worker 0.1.0"), "{told}");
    }

    #[test]
    fn who_brings_no_text_is_named_with_the_licence() {
        let told = notices("0.1.0", &some_crates());
        let (_, without) = told.split_once("bear no text").unwrap();
        assert!(without.contains("\nbare 3.0.0: Zlib\nrust-std 1.95.0: MIT OR Apache-2.0\n"));
    }

    #[test]
    fn licences_are_found_by_their_names_and_code_is_none() {
        let dir = std::env::temp_dir().join(format!("aigen-notices-{}", std::process::id()));
        fs::create_dir_all(dir.join("LICENSES")).unwrap();
        for (name, text) in [
            ("LICENSE-MIT", "mit \r\n"),
            ("license.rs", "code"),
            ("README.md", "read"),
            ("LICENSES/Zlib.txt", "zlib"),
            ("NOTICE", "\n\n"),
            ("terms.txt", "terms"),
        ] {
            fs::write(dir.join(name), text).unwrap();
        }
        let found = texts(&dir, Some(Path::new("terms.txt"))).unwrap();
        assert_eq!(found, ["mit", "zlib", "terms"]);
        fs::remove_dir_all(dir).unwrap();
    }
}
