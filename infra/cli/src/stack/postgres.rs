//! The stack's own PostgreSQL: a cluster below `.local/`, on the loopback interface only, with a
//! password of its own.
//!
//! PostgreSQL refuses to run as root. In a container, where one often is root, it runs in a user
//! namespace in which root goes by another number: same files, no new user on the machine. Where
//! namespaces are forbidden it runs as `nobody`.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::unistd::Uid;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};

use super::command;
use super::health;
use super::instance::{Instance, InstanceName};
use super::part::Part;
use super::ports;
use super::process;
use super::record::{self, Record};
use super::report::Reporter;
use super::stamp::{self, Fingerprint};
use super::tools::Tools;

/// The role and the database that everything uses.
pub(super) const NAME: &str = "aigen";
/// The user and group `nobody`, by which PostgreSQL runs when the person is root.
const NOBODY: u32 = 65534;
const START_PATIENCE: Duration = Duration::from_mins(1);

/// How PostgreSQL's programs are started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RunAs {
    Me,
    /// Root under another number, in a user namespace.
    Namespace,
    Nobody,
}

/// Makes the cluster, the server and the database, whatever of them is missing.
pub(super) async fn ensure(instance: &Instance, tools: &Tools, reporter: &Reporter) -> Result<()> {
    let bin = tools.postgres_bin()?;
    let config = Fingerprint::new()
        .text(&bin.to_string_lossy())
        .text(&instance.ports.postgres.to_string())
        .finish();
    let record = Record::read(&instance.dir, Part::Postgres);
    if record.is_some_and(|record| record.is_alive() && record.config == config) {
        return Ok(());
    }
    process::end(instance, Part::Postgres).await?;
    ports::ensure_free(Part::Postgres, instance.ports.postgres)?;
    let run_as = RunAs::find(&bin).await?;
    if !data(instance).join("PG_VERSION").is_file() {
        reporter.step("Making a PostgreSQL cluster", make_cluster(instance, &bin, run_as)).await?;
    }
    let what = format!("Starting PostgreSQL on 127.0.0.1:{}", instance.ports.postgres);
    reporter.step(&what, start(instance, &bin, run_as, &config)).await
}

/// How to reach the stack's database.
pub(super) fn database_url(instance: &Instance) -> Result<String> {
    Ok(url(instance, NAME, &password(instance)?))
}

/// The password of this instance's cluster.
pub(super) fn password(instance: &Instance) -> Result<String> {
    let path = password_file(instance);
    fs::read_to_string(&path).with_context(|| {
        format!("the database password {} cannot be read: run `cargo aigen up`", path.display())
    })
}

/// Throws the data away. The server must have been ended.
pub(super) fn wipe(instance: &Instance) -> Result<()> {
    let dir = cluster(instance);
    if dir.exists() {
        fs::remove_dir_all(&dir).with_context(|| format!("{} cannot be removed", dir.display()))?;
    }
    Ok(())
}

fn cluster(instance: &Instance) -> PathBuf {
    instance.dir.join("postgres")
}

fn data(instance: &Instance) -> PathBuf {
    cluster(instance).join("data")
}

fn password_file(instance: &Instance) -> PathBuf {
    cluster(instance).join("password")
}

/// Makes the cluster beside its place and moves it there when it is whole.
async fn make_cluster(instance: &Instance, bin: &Path, run_as: RunAs) -> Result<()> {
    wipe(instance)?;
    let next = cluster(instance).join("data.next");
    fs::create_dir_all(&next).with_context(|| format!("{} cannot be made", next.display()))?;
    let password_file = password_file(instance);
    write_secret(&password_file, &new_password())?;
    run_as.give(&next)?;
    run_as.give(&password_file)?;
    let mut initdb = run_as.command(&bin.join("initdb"));
    initdb.arg("--pgdata").arg(&next).arg("--pwfile").arg(&password_file).args([
        "--username",
        NAME,
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--no-sync",
    ]);
    command::run(initdb, "making the PostgreSQL cluster", &instance.logs().join("initdb.log"))
        .await?;
    fs::rename(&next, data(instance)).context("the new cluster cannot be moved to its place")
}

async fn start(instance: &Instance, bin: &Path, run_as: RunAs, config: &str) -> Result<()> {
    let deadline = Instant::now() + START_PATIENCE;
    loop {
        let record =
            process::start(instance, Part::Postgres, &mut server(instance, bin, run_as), config)?;
        let address = address(instance, "postgres")?;
        let outcome = health::wait(instance, Part::Postgres, &record, START_PATIENCE, || async {
            address.connect().await?.close().await.context("closing")
        })
        .await;
        match outcome {
            Ok(()) => return make_database(&address).await,
            // After a hard end the old server's last processes may still hold its memory for a
            // moment.
            Err(_) if still_held(instance) && Instant::now() < deadline => {
                tokio::time::sleep(record::LOOK_AGAIN).await;
            }
            Err(error) => return Err(error),
        }
    }
}

fn server(instance: &Instance, bin: &Path, run_as: RunAs) -> Command {
    let mut command = run_as.command(&bin.join("postgres"));
    command.arg("-D").arg(data(instance)).args(["-p", &instance.ports.postgres.to_string()]);
    let mut settings = vec![
        "listen_addresses=127.0.0.1",
        // A socket's path may not be longer than 107 bytes, and nobody here needs one.
        "unix_socket_directories=",
        "max_connections=200",
        "timezone=UTC",
    ];
    if instance.name == InstanceName::Test {
        // What a test run writes need not survive a power cut.
        settings.extend(["fsync=off", "synchronous_commit=off", "full_page_writes=off"]);
    }
    for setting in settings {
        command.args(["-c", setting]);
    }
    command
}

fn still_held(instance: &Instance) -> bool {
    let log = fs::read_to_string(instance.log_of(Part::Postgres)).unwrap_or_default();
    log.contains("pre-existing shared memory block")
        || log.contains("lock file \"postmaster.pid\" already exists")
}

fn address(instance: &Instance, database: &str) -> Result<PgConnectOptions> {
    Ok(PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(instance.ports.postgres)
        .username(NAME)
        .password(&password(instance)?)
        .database(database))
}

async fn make_database(server: &PgConnectOptions) -> Result<()> {
    let mut connection: PgConnection =
        server.connect().await.context("the new server does not let aigen in")?;
    let there: bool =
        sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
            .bind(NAME)
            .fetch_one(&mut connection)
            .await
            .context("the databases cannot be listed")?;
    if !there {
        connection
            .execute(sqlx::query("create database aigen"))
            .await
            .context("the database cannot be made")?;
    }
    connection.close().await.context("closing")
}

/// Makes an empty database of that name, which must be a plain identifier, and gives its URL.
pub(super) async fn new_database(instance: &Instance, name: &'static str) -> Result<String> {
    drop_database(instance, name).await?;
    let mut connection =
        address(instance, "postgres")?.connect().await.context("no connection to PostgreSQL")?;
    let create = AssertSqlSafe(format!("create database {name}"));
    connection
        .execute(sqlx::query(create))
        .await
        .with_context(|| format!("{name} cannot be made"))?;
    connection.close().await.context("closing")?;
    Ok(url(instance, name, &password(instance)?))
}

/// Drops what [`new_database`] made.
pub(super) async fn drop_database(instance: &Instance, name: &'static str) -> Result<()> {
    let mut connection =
        address(instance, "postgres")?.connect().await.context("no connection to PostgreSQL")?;
    let drop = AssertSqlSafe(format!("drop database if exists {name} with (force)"));
    connection
        .execute(sqlx::query(drop))
        .await
        .with_context(|| format!("{name} cannot be dropped"))?;
    connection.close().await.context("closing")
}

fn url(instance: &Instance, database: &str, password: &str) -> String {
    format!("postgres://{NAME}:{password}@127.0.0.1:{}/{database}", instance.ports.postgres)
}

fn write_secret(path: &Path, text: &str) -> Result<()> {
    use std::io::Write;

    stamp::remove(path)?;
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("{} cannot be written", path.display()))
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is an edge: the password of a new cluster must be new"
)]
fn new_password() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

impl RunAs {
    /// The first way that works here, tried with a harmless command.
    async fn find(bin: &Path) -> Result<Self> {
        if !Uid::effective().is_root() {
            return Ok(Self::Me);
        }
        for way in [Self::Namespace, Self::Nobody] {
            let mut command = way.command(&bin.join("initdb"));
            command.arg("--version");
            if command::output(command, "trying").await.is_ok() {
                return Ok(way);
            }
        }
        bail!(
            "PostgreSQL refuses to run as root, user namespaces are forbidden here, and the user nobody cannot reach \
             {}: run as an ordinary user, or clone the project to a folder that every user can enter",
            bin.display()
        )
    }

    fn command(self, program: &Path) -> Command {
        match self {
            Self::Me => command::clean(program),
            Self::Namespace => {
                let mut command = command::clean("unshare");
                command
                    .args([
                        "--user",
                        &format!("--map-user={NOBODY}"),
                        &format!("--map-group={NOBODY}"),
                        "--",
                    ])
                    .arg(program);
                command
            }
            Self::Nobody => {
                let mut command = command::clean("setpriv");
                command
                    .args([
                        &format!("--reuid={NOBODY}"),
                        &format!("--regid={NOBODY}"),
                        "--clear-groups",
                        "--",
                    ])
                    .arg(program);
                command
            }
        }
    }

    /// Makes `path` belong to whom the server runs as.
    fn give(self, path: &Path) -> Result<()> {
        if self == Self::Nobody {
            std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY))
                .with_context(|| format!("{} cannot be given to nobody", path.display()))?;
        }
        Ok(())
    }
}
