//! `artifacts`: the functions as a release holds them, with all that one needs to deploy them, to
//! know what is in them, and to compare with what is deployed. The same sources give the same
//! bytes, in whatever folder and on whatever machine they are built.
//!
//! | file | holds |
//! |---|---|
//! | this one | the verb: building, judging, writing |
//! | `crates` | which crates are in the functions, by cargo's own word |
//! | `elf` | what a built program says of itself |
//! | `flags` | what the compiler is told, so that no folder of the machine is in a program |
//! | `notes` | whether tag, version and changelog are one |
//! | `notices` | crates and licence texts → the notices of third parties |
//! | `paper` | what lies beside the zips: manifest, template, sums |
//! | `sbom` | crates → `CycloneDX` |

mod crates;
mod elf;
mod flags;
mod notes;
mod notices;
mod paper;
mod sbom;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::super::command;
use super::super::instance::{Instance, InstanceName, architecture};
use super::super::lock::Lock;
use super::super::report::Reporter;
use super::super::tools::Tools;
use super::template::{self, Function};
use super::{BOOTSTRAP, packed};
use crate::manifest::{self, BuiltFunction};
use crate::output;
use crates::Crates;
pub(super) use flags::Flags;

/// The most bytes that a zip may have: what a cold start has to fetch, and design's section 12.
const MOST: usize = 4_000_000;
/// How hard the zips are compressed: as well as deflate can.
const LEVEL: i64 = 9;

/// A processor that Lambda offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arch {
    Arm64,
    X86_64,
}

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Archs {
    /// Graviton, the template's default.
    Arm64,
    /// Intel's and AMD's.
    #[value(name = "x86_64")]
    X86_64,
    /// Each in a folder of its own.
    Both,
}

impl Arch {
    /// That of this machine.
    pub(super) fn of_machine() -> Self {
        if architecture() == Self::Arm64.name() { Self::Arm64 } else { Self::X86_64 }
    }

    /// As Lambda names it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::X86_64 => "x86_64",
        }
    }

    /// As rustc names it.
    const fn triple(self) -> &'static str {
        match self {
            Self::Arm64 => "aarch64-unknown-linux-gnu",
            Self::X86_64 => "x86_64-unknown-linux-gnu",
        }
    }
}

/// What `artifacts` can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct ArtifactsArgs {
    /// For which processor.
    #[arg(long, value_enum, default_value = "both")]
    arch: Archs,
    /// Into which folder; they lie in VERSION/ARCHITECTURE below it.
    #[arg(long, value_name = "DIR", default_value = "dist")]
    out: PathBuf,
    /// Only these functions, by their crates (`worker`), to look at: such a folder is no release,
    /// and has zips and a manifest alone.
    #[arg(long = "only", value_name = "CRATE")]
    only: Vec<String>,
    /// Refuse unless this tag, the version and the changelog's newest heading are one, and the
    /// commit is clean.
    #[arg(long, value_name = "vVERSION")]
    tag: Option<String>,
}

/// Builds them, and says where they are.
pub(crate) async fn run(args: &ArtifactsArgs, reporter: &Reporter) -> Result<()> {
    let instance = Instance::find(InstanceName::Dev)?;
    let commit = commit(&instance).await;
    if let Some(tag) = &args.tag {
        let path = instance.root.join("CHANGELOG.md");
        let changelog = fs::read_to_string(&path).context("CHANGELOG.md cannot be read")?;
        notes::agree(tag, env!("CARGO_PKG_VERSION"), &changelog)?;
        if commit.as_ref().is_none_or(|commit| commit.ends_with("-dirty")) {
            bail!("a release is built from a commit with no change beside it: `git status` tells");
        }
    }
    let text = fs::read_to_string(instance.root.join("infra/template.yaml"))
        .context("infra/template.yaml cannot be read")?;
    let functions = chosen(template::functions(&text)?, &args.only)?;
    let _lock = Lock::take(&instance.shared_dir().join("lock"), reporter).await?;
    let tools = Tools::of(&instance);
    tools.ensure(&instance, reporter).await?;
    let archs = match args.arch {
        Archs::Arm64 => vec![Arch::Arm64],
        Archs::X86_64 => vec![Arch::X86_64],
        Archs::Both => vec![Arch::Arm64, Arch::X86_64],
    };
    for arch in archs {
        let work = Work { instance: &instance, tools: &tools, arch, reporter };
        let (crates, flags) = work.look(&functions).await?;
        let built = work.build(&functions, &flags).await?;
        let dir = args.out.join(env!("CARGO_PKG_VERSION")).join(arch.name());
        let papers = paper::Papers { arch, commit: commit.clone(), template: &text };
        let is_whole = args.only.is_empty();
        papers.write(&instance, &dir, &built, is_whole.then_some(&crates))?;
        for Built { package, function, .. } in &built {
            let glibc = function.glibc.as_deref().unwrap_or("none");
            output::line(format_args!(
                "{}  {package} ({} bytes, glibc {glibc})",
                function.sha256, function.size
            ));
        }
        output::line(dir.display());
    }
    Ok(())
}

/// Those that were asked for; all, where none was.
fn chosen(all: Vec<Function>, only: &[String]) -> Result<Vec<Function>> {
    if let Some(unknown) = only.iter().find(|name| all.iter().all(|it| it.package() != **name)) {
        let names: Vec<_> = all.iter().map(Function::package).collect();
        bail!("there is no function {unknown}: they are {}", names.join(", "));
    }
    let is_chosen = |it: &Function| only.is_empty() || only.iter().any(|name| it.package() == name);
    Ok(all.into_iter().filter(is_chosen).collect())
}

/// The commit of the sources, and whether they differ from it.
async fn commit(instance: &Instance) -> Option<String> {
    let mut git = command::clean("git");
    git.current_dir(&instance.root);
    git.args(["describe", "--always", "--dirty", "--exclude=*", "--abbrev=40"]);
    let told = command::output(git, "asking git for the commit").await.ok()?;
    Some(told.trim().to_owned()).filter(|told| !told.is_empty())
}

/// A function that was built.
struct Built {
    /// The crate, by which its zip is named.
    package: String,
    /// Its deployed name, without a prefix.
    name: String,
    zip: Vec<u8>,
    function: BuiltFunction,
}

/// Building for one processor.
struct Work<'a> {
    instance: &'a Instance,
    tools: &'a Tools,
    arch: Arch,
    reporter: &'a Reporter,
}

impl Work<'_> {
    /// What goes into the functions, and what the compiler has to be told.
    async fn look(&self, functions: &[Function]) -> Result<(Crates, Flags)> {
        let crates = Crates::look(self.instance, self.tools, self.arch, functions).await?;
        let flags = Flags::look(self.instance, self.arch).await?;
        Ok((crates, flags))
    }

    /// Builds them one after the other, as `sam build` does: each in its own folder, with the
    /// features that it asks for and none that others do.
    async fn build(&self, functions: &[Function], flags: &Flags) -> Result<Vec<Built>> {
        let mut built = Vec::new();
        let mut faults = Vec::new();
        for function in functions {
            let (package, arch) = (function.package(), self.arch.name());
            let what = format!("Building {package} for {arch}");
            let program = self.reporter.step(&what, self.compile(function, flags)).await?;
            match judged(function, &program, self.arch, flags) {
                Ok(function) => built.push(function),
                Err(fault) => faults.push(format!("{package} for {arch}: {fault:#}")),
            }
        }
        if faults.is_empty() { Ok(built) } else { bail!(faults.join("\n")) }
    }

    /// The program of a function.
    async fn compile(&self, function: &Function, flags: &Flags) -> Result<Vec<u8>> {
        let package = function.package();
        let mut cargo = flags.cargo();
        cargo.args(["lambda", "build", "--release", "--locked"]);
        cargo.args((self.arch == Arch::Arm64).then_some("--arm64"));
        cargo.args((self.arch == Arch::X86_64).then_some("--x86-64"));
        cargo
            .current_dir(self.instance.root.join("infra").join(&function.folder))
            .env("PATH", command::path_with(&self.tools.all_bin()));
        flags.put_on(&mut cargo);
        let log = format!("logs/artifacts-{package}-{}.log", self.arch.name());
        let log = self.instance.shared_dir().join(log);
        command::run(cargo, "cargo lambda build", &log).await?;
        let program = flags.target.join("lambda").join(package).join(BOOTSTRAP);
        fs::read(&program).with_context(|| format!("{} cannot be read", program.display()))
    }
}

/// The function, once its program is what it should be.
fn judged(function: &Function, program: &[u8], arch: Arch, flags: &Flags) -> Result<Built> {
    let glibc = elf::check(program, arch)?;
    let found = elf::found_in(program, &flags.folders);
    if !found.is_empty() {
        bail!("it names folders of this machine: {}", found.join(", "));
    }
    let zip = packed(program, LEVEL)?;
    if zip.len() > MOST {
        bail!("its zip has {} bytes, and may have {MOST}", zip.len());
    }
    let (package, name) = (function.package().to_owned(), function.name.clone());
    let function = BuiltFunction {
        id: function.id.clone(),
        alias: function.alias.clone(),
        file: format!("{package}.zip"),
        size: zip.len() as u64,
        sha256: manifest::hex(&zip),
        code_sha256: manifest::base64(&zip),
        program_sha256: manifest::hex(program),
        program_size: program.len() as u64,
        glibc: glibc.map(|glibc| glibc.to_string()),
    };
    Ok(Built { package, name, zip, function })
}

/// Writes a folder whole: who looks sees the one before or the new one.
fn replace(dir: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let next = dir.with_extension("next");
    let clear = |dir: &Path| match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} cannot be removed", dir.display()))
        }
        _ => Ok(()),
    };
    clear(&next)?;
    fs::create_dir_all(&next).with_context(|| format!("{} cannot be made", next.display()))?;
    write(&next)?;
    clear(dir)?;
    fs::rename(&next, dir).with_context(|| format!("{} cannot be written", dir.display()))
}
