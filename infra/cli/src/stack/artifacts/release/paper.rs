//! What lies beside the zips.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::super::super::instance::Instance;
use super::super::super::migrations;
use super::super::{TEMPLATE, template};
use super::crates::Crates;
use super::{Arch, Built, flags, notices, replace, sbom};
use crate::manifest::{self, BuiltMachine, FORMAT, Manifest};

/// Where the state machine's definition lies, seen from the template.
const DEFINITION: &str = "statemachine/ai-generation.asl.json";
/// What the functions run on, and how they are started, in the template.
const RUNTIME: &str = "provided.al2023";
const HANDLER: &str = "bootstrap";
const MACHINE: &str = "AIGenerationStateMachine";

/// What is told of a build.
pub(super) struct Papers<'a> {
    pub arch: Arch,
    pub commit: Option<String>,
    pub template: &'a str,
}

impl Papers<'_> {
    /// Writes the folder of one architecture: all of a release where its crates are known, else
    /// zips and manifest.
    pub(super) fn write(
        &self,
        instance: &Instance,
        dir: &Path,
        built: &[Built],
        crates: Option<&Crates>,
    ) -> Result<()> {
        let definition = fs::read_to_string(instance.root.join("infra").join(DEFINITION))
            .with_context(|| format!("infra/{DEFINITION} cannot be read"))?;
        let manifest = self.manifest(instance, built, &definition)?;
        let mut files: BTreeMap<String, Vec<u8>> =
            built.iter().map(|it| (it.function.file.clone(), it.zip.clone())).collect();
        files.insert(manifest::FILE.to_owned(), pretty(&serde_json::to_value(&manifest)?)?);
        if let Some(crates) = crates {
            let zip_of: BTreeMap<_, _> = built
                .iter()
                .map(|it| (it.function.id.as_str(), it.function.file.as_str()))
                .collect();
            let zip_of = |id: &str| zip_of.get(id).copied().unwrap_or_default().to_owned();
            let relocated = template::relocated(self.template, Path::new(""), zip_of)?;
            let template = template::with_default(&relocated, "Architecture", self.arch.name())?;
            files.insert(TEMPLATE.to_owned(), template.into_bytes());
            files.insert(DEFINITION.to_owned(), definition.into_bytes());
            files.insert("sbom.cdx.json".to_owned(), pretty(&sbom::sbom(&manifest, crates))?);
            let notices = notices::notices(&manifest.version, crates);
            files.insert("THIRD-PARTY-NOTICES.txt".to_owned(), notices.into_bytes());
            let license = fs::read(instance.root.join("LICENSE")).context("LICENSE")?;
            files.insert("LICENSE".to_owned(), license);
        }
        files.insert("SHA256SUMS".to_owned(), sums(&files).into_bytes());
        replace(dir, |next| {
            for (name, content) in &files {
                let path = next.join(name);
                let folder = path.parent().unwrap_or(next);
                fs::create_dir_all(folder)
                    .and_then(|()| fs::write(&path, content))
                    .with_context(|| format!("{} cannot be written", path.display()))?;
            }
            Ok(())
        })
    }

    fn manifest(&self, instance: &Instance, built: &[Built], definition: &str) -> Result<Manifest> {
        let mut tools = BTreeMap::from([("rustc".to_owned(), flags::toolchain(&instance.root)?)]);
        for name in ["cargo-lambda", "ziglang"] {
            tools.insert(name.to_owned(), notices::pinned(instance, name)?);
        }
        Ok(Manifest {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: self.commit.clone(),
            architecture: self.arch.name().to_owned(),
            runtime: RUNTIME.to_owned(),
            handler: HANDLER.to_owned(),
            newest_migration: migrations::newest(),
            tools,
            functions: built.iter().map(|it| (it.name.clone(), it.function.clone())).collect(),
            state_machine: BuiltMachine {
                name: MACHINE.to_owned(),
                definition: serde_json::from_str(definition)
                    .with_context(|| format!("infra/{DEFINITION} is not JSON"))?,
            },
        })
    }
}

fn pretty(value: &Value) -> Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(value).context("it cannot be written as JSON")?;
    text.push(b'\n');
    Ok(text)
}

/// As `sha256sum --check` reads it.
fn sums(files: &BTreeMap<String, Vec<u8>>) -> String {
    let line =
        |(name, content): (&String, &Vec<u8>)| format!("{}  {name}\n", manifest::hex(content));
    files.iter().map(line).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;
    use crate::manifest::BuiltFunction;

    pub(in super::super) fn a_manifest() -> Manifest {
        let worker = BuiltFunction {
            id: "AiGenerationWorker".to_owned(),
            alias: Some("live".to_owned()),
            file: "worker.zip".to_owned(),
            size: 1,
            sha256: manifest::hex(b"zip"),
            code_sha256: manifest::base64(b"zip"),
            program_sha256: manifest::hex(b"program"),
            program_size: 7,
            glibc: Some("2.30".to_owned()),
        };
        Manifest {
            format: FORMAT,
            version: "0.1.0".to_owned(),
            commit: None,
            architecture: "arm64".to_owned(),
            runtime: RUNTIME.to_owned(),
            handler: HANDLER.to_owned(),
            newest_migration: 14,
            tools: BTreeMap::from([("rustc".to_owned(), "1.95.0".to_owned())]),
            functions: BTreeMap::from([("ai-generation-worker".to_owned(), worker)]),
            state_machine: BuiltMachine { name: MACHINE.to_owned(), definition: json!({}) },
        }
    }

    #[test]
    fn sums_are_as_sha256sum_reads_them() {
        let files = BTreeMap::from([("a.zip".to_owned(), Vec::new())]);
        assert_eq!(sums(&files), format!("{}  a.zip\n", manifest::hex(b"")));
    }

    #[test]
    fn runtime_handler_and_machine_are_those_of_the_template() {
        let template = include_str!("../../../../../template.yaml");
        assert!(template.contains(&format!("    Runtime: {RUNTIME}\n    Handler: {HANDLER}\n")));
        assert!(template.contains(&format!("      Name: !Sub \"${{NamePrefix}}{MACHINE}\"\n")));
        assert!(template.contains(&format!("      DefinitionUri: {DEFINITION}\n")));
    }
}
