//! The built functions, and the template that names them, as `sam deploy` takes them.
//!
//! There are two builds. What is **shipped** is what `sam build` makes: optimised, small, with
//! everything compiled anew for it. It is what the tests run on. The **quick** build is for the
//! inner loop: plain `cargo build`, which takes over what was compiled for this program. The same
//! code, but unoptimised, and a panic unwinds instead of ending the process. A **release** is what
//! is shipped, for one processor or both, in a form that is the same wherever it is built, with its
//! papers.

mod crates;
mod quick;
mod release;
mod shipped;
mod template;

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::instance::{Instance, InstanceName};
use super::report::Reporter;
use super::stamp::{self, Fingerprint};
use super::tools::Tools;
pub(crate) use release::ArtifactsArgs;
pub(super) use release::run as release;
use template::Function;

/// What is deployed besides the functions' code.
const FRAME: [&str; 4] =
    ["infra/template.yaml", "infra/statemachine", "infra/requirements/tools.txt", "samconfig.toml"];
/// What the functions are compiled from.
const SOURCES: [&str; 8] = [
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain.toml",
    ".cargo",
    ".sqlx",
    "functions",
    "shared",
    "infra/migrations",
];

/// The template, as a build leaves it beside the code.
const TEMPLATE: &str = "template.yaml";

/// The file that makes a custom runtime a function, by Lambda's rule.
const BOOTSTRAP: &str = "bootstrap";

/// Which build of the functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Build {
    Quick,
    Shipped,
}

/// Which build a verb runs on.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct BuildArgs {
    /// Run the functions as they are shipped: optimised, from `sam build`, which takes minutes.
    #[arg(long)]
    release: bool,
}

impl BuildArgs {
    /// The test instance runs on what is shipped, whoever brings it up.
    pub(super) fn kind(self, instance: InstanceName) -> Build {
        if self.release || instance == InstanceName::Test { Build::Shipped } else { Build::Quick }
    }
}

/// What was built. Functions go by their logical ids in the template.
#[derive(Debug)]
pub(super) struct Artifacts {
    /// The template that `sam deploy` takes.
    pub template: PathBuf,
    /// Fingerprint of everything that is deployed besides the functions' code.
    pub frame: String,
    /// Fingerprint of each function's code.
    pub code: BTreeMap<String, String>,
    build: Build,
}

/// What a build left, and what it was made from.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stamp {
    sources: String,
    code: BTreeMap<String, String>,
}

impl Artifacts {
    /// The zip of a function, as Lambda takes it.
    pub(super) fn zip(&self, id: &str) -> Result<Vec<u8>> {
        let path = code_file(self.build, &self.dir(), id);
        let bytes =
            fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        match self.build {
            Build::Quick => Ok(bytes),
            Build::Shipped => zip_of(&bytes),
        }
    }

    fn dir(&self) -> PathBuf {
        self.template.parent().map(Path::to_path_buf).unwrap_or_default()
    }
}

/// The template of what is shipped, where it was built.
pub(super) fn shipped_template(instance: &Instance) -> PathBuf {
    shipped::dir(instance).join(TEMPLATE)
}

/// Builds, unless nothing that goes into the functions has changed.
pub(super) async fn ensure(
    instance: &Instance,
    build: Build,
    tools: &Tools,
    reporter: &Reporter,
) -> Result<Artifacts> {
    let frame = trees(instance, Fingerprint::new(), &FRAME)?.finish();
    let sources = trees(instance, Fingerprint::new().text(&frame), &SOURCES)?.finish();
    let (dir, stamp) = match build {
        Build::Quick => (quick::dir(instance), "quick-build.json"),
        Build::Shipped => (shipped::dir(instance), "sam-build.json"),
    };
    let stamp = instance.shared_dir().join(stamp);
    let template = dir.join(TEMPLATE);
    if let Some(code) = still_good(build, &dir, read_stamp(&stamp), &sources) {
        return Ok(Artifacts { template, frame, code, build });
    }
    stamp::remove(&stamp)?;
    let source = instance.root.join("infra/template.yaml");
    let text = fs::read_to_string(&source)
        .with_context(|| format!("{} cannot be read", source.display()))?;
    let functions = template::functions(&text)?;
    let code = match build {
        Build::Quick => quick::build(instance, &text, &functions, reporter).await?,
        Build::Shipped => {
            shipped::build(instance, tools, reporter).await?;
            fingerprints(&dir, &functions)?
        }
    };
    let made = Stamp { sources, code };
    stamp::write_whole(&stamp, &serde_json::to_string_pretty(&made)?)?;
    Ok(Artifacts { template, frame, code: made.code, build })
}

/// Fingerprints of the programs that `sam build` has left.
fn fingerprints(dir: &Path, functions: &[Function]) -> Result<BTreeMap<String, String>> {
    functions
        .iter()
        .map(|Function { id, .. }| {
            let file = code_file(Build::Shipped, dir, id);
            Ok((id.clone(), Fingerprint::new().file(&file)?.finish()))
        })
        .collect()
}

/// Where a build leaves a function's code: `sam build` the bare program, the quick one a zip.
fn code_file(build: Build, dir: &Path, id: &str) -> PathBuf {
    match build {
        Build::Quick => dir.join(format!("{id}.zip")),
        Build::Shipped => dir.join(id).join(BOOTSTRAP),
    }
}

/// The code that an earlier build left, if it was made from these sources and is all there.
fn still_good(
    build: Build,
    dir: &Path,
    stamp: Option<Stamp>,
    sources: &str,
) -> Option<BTreeMap<String, String>> {
    let stamp = stamp.filter(|stamp| stamp.sources == sources)?;
    let whole = dir.join(TEMPLATE).is_file()
        && stamp.code.keys().all(|id| code_file(build, dir, id).is_file());
    whole.then_some(stamp.code)
}

fn read_stamp(path: &Path) -> Option<Stamp> {
    serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
}

fn trees(instance: &Instance, start: Fingerprint, paths: &[&str]) -> Result<Fingerprint> {
    paths.iter().try_fold(start, |fingerprint, path| fingerprint.tree(&instance.root, path))
}

/// A zip with `program` as its one file. The same program always gives the same zip. It is
/// compressed a little: the gateway takes seconds for what is large.
fn zip_of(program: &[u8]) -> Result<Vec<u8>> {
    packed(program, 1)
}

/// The same, compressed as much as `level` says, of 1 to 9.
pub(super) fn packed(program: &[u8], level: i64) -> Result<Vec<u8>> {
    use std::io::Write;

    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(level))
        .last_modified_time(DateTime::default())
        .unix_permissions(0o755);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file(BOOTSTRAP, options).context("a zip cannot be begun")?;
    zip.write_all(program).context("a zip cannot be written")?;
    Ok(zip.finish().context("a zip cannot be finished")?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_program_gives_the_same_zip_and_it_can_be_executed() {
        let zip = zip_of(b"program").unwrap();
        assert_eq!(zip, zip_of(b"program").unwrap());
        let mut archive = zip::ZipArchive::new(Cursor::new(zip)).unwrap();
        let file = archive.by_name("bootstrap").unwrap();
        assert_eq!((file.size(), file.unix_mode()), (7, Some(0o100_755)));
    }

    #[test]
    fn a_build_is_made_again_when_its_sources_changed_or_a_part_of_it_is_gone() {
        let dir = std::env::temp_dir().join(format!("aigen-artifacts-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        for name in ["template.yaml", "A.zip"] {
            fs::write(dir.join(name), "").unwrap();
        }
        let code = BTreeMap::from([("A".to_owned(), "1".to_owned())]);
        let stamp = || Some(Stamp { sources: "s".to_owned(), code: code.clone() });
        let look = |stamp, sources| still_good(Build::Quick, &dir, stamp, sources);
        assert_eq!(look(stamp(), "s"), Some(code.clone()));
        assert_eq!(look(stamp(), "t"), None);
        assert_eq!(look(None, "s"), None);
        fs::remove_file(dir.join("A.zip")).unwrap();
        assert_eq!(look(stamp(), "s"), None);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn tests_run_on_what_is_shipped() {
        for release in [false, true] {
            assert_eq!(BuildArgs { release }.kind(InstanceName::Test), Build::Shipped);
        }
        assert_eq!(BuildArgs { release: false }.kind(InstanceName::Dev), Build::Quick);
        assert_eq!(BuildArgs { release: true }.kind(InstanceName::Dev), Build::Shipped);
    }
}
