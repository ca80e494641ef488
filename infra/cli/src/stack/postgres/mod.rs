//! The stack's own PostgreSQL: a cluster below `.local/`, on the loopback interface only, over TLS
//! with a certificate of its own authority, with passwords of its own.

mod access;
mod roles;
mod run_as;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};

use super::authority::{self, Files, Pems};
use super::command;
use super::health;
use super::instance::{Instance, InstanceName};
use super::part::Part;
use super::ports;
use super::private;
use super::process;
use super::record::{self, Record};
use super::report::Reporter;
use super::stamp::Fingerprint;
use super::tools::Tools;
use access::SUPERUSER;
use run_as::RunAs;

/// The database, and the role that owns it. The functions log in as another.
pub(super) const NAME: &str = "aigen";
const START_PATIENCE: Duration = Duration::from_mins(1);

/// Makes the cluster, the server and the database, whatever of them is missing.
pub(super) async fn ensure(instance: &Instance, tools: &Tools, reporter: &Reporter) -> Result<()> {
    let bin = tools.postgres_bin()?;
    let pems = authority::ensure(instance, now())?;
    let config = fingerprint(instance, &bin, &pems);
    let record = Record::read(&instance.dir, Part::Postgres);
    if record.is_some_and(|record| record.is_alive() && record.config == config) {
        return Ok(());
    }
    process::end(instance, Part::Postgres).await?;
    ports::ensure_free(Part::Postgres, instance.ports.postgres)?;
    refuse_foreign_cluster(instance, &bin).await?;
    let run_as = RunAs::find(instance, &bin).await?;
    if !data(instance).join("PG_VERSION").is_file() {
        reporter.step("Making a PostgreSQL cluster", make_cluster(instance, &bin, run_as)).await?;
    }
    let what = format!("Starting PostgreSQL on 127.0.0.1:{}", instance.ports.postgres);
    reporter.step(&what, start(instance, &bin, run_as, &config)).await
}

/// How to reach the stack's database.
pub(super) fn database_url(instance: &Instance) -> Result<String> {
    Ok(access::url(instance, NAME, &password(instance)?, NAME))
}

/// The same as the superuser, for a test that has to make roles.
pub(super) fn superuser_url(instance: &Instance) -> Result<String> {
    Ok(access::url(instance, SUPERUSER, &read_password(&superuser_password_file(instance))?, NAME))
}

/// The password of the owner's role.
pub(super) fn password(instance: &Instance) -> Result<String> {
    read_password(&password_file(instance))
}

/// The certificate that a client of the database has to trust.
pub(super) fn authority_file(instance: &Instance) -> PathBuf {
    Files::of(instance).authority
}

/// Throws the data away. The server must have been ended.
pub(super) fn wipe(instance: &Instance) -> Result<()> {
    let dir = cluster(instance);
    if dir.exists() {
        fs::remove_dir_all(&dir).with_context(|| format!("{} cannot be removed", dir.display()))?;
    }
    Ok(())
}

/// Makes an empty database of that name, which must be a plain identifier, and gives its URL.
pub(super) async fn new_database(instance: &Instance, name: &'static str) -> Result<String> {
    drop_database(instance, name).await?;
    run(instance, format!("create database {name}")).await?;
    Ok(access::url(instance, NAME, &password(instance)?, name))
}

/// Drops what [`new_database`] made.
pub(super) async fn drop_database(instance: &Instance, name: &'static str) -> Result<()> {
    run(instance, format!("drop database if exists {name} with (force)")).await
}

async fn run(instance: &Instance, statement: String) -> Result<()> {
    let server = access::options(instance, NAME, &password(instance)?).database(NAME);
    let mut connection = server.connect().await.context("no connection to PostgreSQL")?;
    let what = format!("PostgreSQL refuses: {statement}");
    connection.execute(sqlx::query(AssertSqlSafe(statement))).await.context(what)?;
    connection.close().await.context("closing")
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

fn superuser_password_file(instance: &Instance) -> PathBuf {
    cluster(instance).join("superuser-password")
}

fn hba_file(instance: &Instance) -> PathBuf {
    cluster(instance).join("pg_hba.conf")
}

fn read_password(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| {
        format!("the database password {} cannot be read: run `cargo aigen up`", path.display())
    })
}

fn fingerprint(instance: &Instance, bin: &Path, pems: &Pems) -> String {
    Fingerprint::new()
        .text(&bin.to_string_lossy())
        .text(&instance.ports.postgres.to_string())
        .text(&pems.authority)
        .text(&pems.certificate)
        .text(&access::host_based(NAME))
        .text(&roles::shape())
        .finish()
}

/// A cluster of another version of PostgreSQL cannot be opened, and in one of an older version of
/// this project the owner's role is the superuser for ever: its first role cannot be demoted.
async fn refuse_foreign_cluster(instance: &Instance, bin: &Path) -> Result<()> {
    let Ok(theirs) = fs::read_to_string(data(instance).join("PG_VERSION")) else { return Ok(()) };
    let mut ask = command::clean(bin.join("postgres"));
    ask.arg("--version");
    let ours = command::output(ask, "asking PostgreSQL for its version").await?;
    if major(&ours) == Some(theirs.trim()) && superuser_password_file(instance).is_file() {
        return Ok(());
    }
    bail!(
        "the database in {} was made by an older version of this project (PostgreSQL {}) and \
         cannot be used on: if its data may go, run `cargo aigen down --wipe` and then \
         `cargo aigen up`",
        instance.shown(&data(instance)),
        theirs.trim()
    )
}

/// `17` of `postgres (PostgreSQL) 17.10`.
fn major(version: &str) -> Option<&str> {
    version.split_whitespace().last()?.split('.').next()
}

/// Makes the cluster beside its place and moves it there when it is whole.
async fn make_cluster(instance: &Instance, bin: &Path, run_as: RunAs) -> Result<()> {
    wipe(instance)?;
    let next = cluster(instance).join("data.next");
    private::make_dir(&next)?;
    private::write(&password_file(instance), &new_password())?;
    let superuser_password = superuser_password_file(instance);
    private::write(&superuser_password, &new_password())?;
    run_as.give(&cluster(instance))?;
    run_as.give(&next)?;
    run_as.give(&superuser_password)?;
    let mut initdb = run_as.command(&bin.join("initdb"));
    initdb.arg("--pgdata").arg(&next).arg("--pwfile").arg(&superuser_password).args([
        "--username",
        SUPERUSER,
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
    private::write(&hba_file(instance), &access::host_based(NAME))?;
    let tls = Files::of(instance);
    run_as.give_all(&[
        &hba_file(instance),
        &instance.dir.join("tls"),
        &tls.certificate,
        &tls.key,
    ])?;
    let superuser = superuser(instance)?;
    let password = password(instance)?;
    let deadline = Instant::now() + START_PATIENCE;
    loop {
        let record =
            process::start(instance, Part::Postgres, &mut server(instance, bin, run_as), config)?;
        let outcome = health::wait(instance, Part::Postgres, &record, START_PATIENCE, || async {
            superuser.connect().await?.close().await.context("closing")
        })
        .await;
        match outcome {
            Ok(()) => return roles::ensure(&superuser, &password).await,
            // After a hard end the old server's last processes may still hold its memory for a
            // moment.
            Err(_) if still_held(instance) && Instant::now() < deadline => {
                tokio::time::sleep(record::LOOK_AGAIN).await;
            }
            Err(error) => return Err(error),
        }
    }
}

fn superuser(instance: &Instance) -> Result<PgConnectOptions> {
    let password = read_password(&superuser_password_file(instance))?;
    Ok(access::options(instance, SUPERUSER, &password).database("postgres"))
}

fn server(instance: &Instance, bin: &Path, run_as: RunAs) -> Command {
    let tls = Files::of(instance);
    let mut command = run_as.command(&bin.join("postgres"));
    command.arg("-D").arg(data(instance)).args(["-p", &instance.ports.postgres.to_string()]);
    let mut settings = vec![
        "listen_addresses=127.0.0.1".to_owned(),
        // A socket's path may not be longer than 107 bytes, and nobody here needs one.
        "unix_socket_directories=".to_owned(),
        "max_connections=200".to_owned(),
        // As RDS has it: whoever wants the statements counted makes the extension.
        "shared_preload_libraries=pg_stat_statements".to_owned(),
        "timezone=UTC".to_owned(),
        "ssl=on".to_owned(),
        format!("ssl_cert_file={}", tls.certificate.display()),
        format!("ssl_key_file={}", tls.key.display()),
        format!("hba_file={}", hba_file(instance).display()),
    ];
    if instance.name == InstanceName::Test {
        // What a test run writes need not survive a power cut; a crash of the server it has to.
        settings.extend(["fsync=off", "full_page_writes=off"].map(str::to_owned));
    }
    for setting in settings {
        command.args(["-c", &setting]);
    }
    command
}

fn still_held(instance: &Instance) -> bool {
    let log = fs::read_to_string(instance.log_of(Part::Postgres)).unwrap_or_default();
    log.contains("pre-existing shared memory block")
        || log.contains("lock file \"postmaster.pid\" already exists")
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is an edge: the password of a new cluster must be new"
)]
fn new_password() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// This is an edge: whether a certificate still holds is asked of the clock.
fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_the_server_says() {
        assert_eq!(major("postgres (PostgreSQL) 17.10\n"), Some("17"));
        assert_eq!(major("postgres (PostgreSQL) 18beta1"), Some("18beta1"));
        assert_eq!(major(""), None);
    }

    #[tokio::test]
    async fn a_cluster_of_another_version_or_with_an_all_powerful_role_is_refused_with_what_to_run()
    {
        use std::os::unix::fs::PermissionsExt;

        let root = std::env::temp_dir().join(format!("aigen-foreign-{}", std::process::id()));
        let ports = ports::Ports { gateway: 1, postgres: 2, model: 3 };
        let instance = Instance { name: InstanceName::Test, dir: root.clone(), root, ports };
        let bin = instance.dir.join("bin");
        fs::create_dir_all(&bin).unwrap();
        fs::write(bin.join("postgres"), "#!/bin/sh\necho 'postgres (PostgreSQL) 17.10'\n").unwrap();
        fs::set_permissions(bin.join("postgres"), fs::Permissions::from_mode(0o700)).unwrap();
        refuse_foreign_cluster(&instance, &bin).await.unwrap();

        fs::create_dir_all(data(&instance)).unwrap();
        let version = data(&instance).join("PG_VERSION");
        for (theirs, has_superuser, is_ours) in
            [("17\n", true, true), ("18\n", true, false), ("17\n", false, false)]
        {
            fs::write(&version, theirs).unwrap();
            let password = superuser_password_file(&instance);
            let _ = fs::remove_file(&password);
            if has_superuser {
                fs::write(&password, "").unwrap();
            }
            let outcome = refuse_foreign_cluster(&instance, &bin).await;
            assert_eq!(outcome.is_ok(), is_ours, "{theirs} {has_superuser}: {outcome:?}");
            if let Err(error) = outcome {
                assert!(error.to_string().contains("cargo aigen down --wipe"), "{error}");
            }
        }
        fs::remove_dir_all(&instance.dir).unwrap();
    }
}
