//! Who may connect how: over TLS with a password, or not at all.

use std::fmt::Write;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::super::authority::Files;
use super::super::instance::Instance;

/// What the names of the databases of `#[sqlx::test]` begin with.
const TEST_DATABASES: &str = "_sqlx_test_";
/// The superuser, for set-up only.
pub(super) const SUPERUSER: &str = "postgres";

/// The text of `pg_hba.conf`: what is not named is refused.
///
/// Test databases may be reached in the clear, by the owner's role and with its password,
/// because a test that cuts the connection at a certain statement has to see the statement pass.
pub(super) fn host_based(role: &str) -> String {
    format!(
        "hostssl all all 127.0.0.1/32 scram-sha-256\n\
         hostnossl \"/^{TEST_DATABASES}\" {role} 127.0.0.1/32 scram-sha-256\n"
    )
}

/// How this program reaches a database of the server.
pub(super) fn options(instance: &Instance, role: &str, password: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(instance.ports.postgres)
        .username(role)
        .password(password)
        .ssl_mode(PgSslMode::VerifyFull)
        .ssl_root_cert(Files::of(instance).authority)
}

/// How everyone else does: a URL that both `psql` and sqlx understand.
pub(super) fn url(instance: &Instance, role: &str, password: &str, database: &str) -> String {
    let authority = Files::of(instance).authority;
    format!(
        "postgres://{role}:{password}@127.0.0.1:{}/{database}?sslmode=verify-full&sslrootcert={}",
        instance.ports.postgres,
        encoded(&authority.to_string_lossy())
    )
}

/// A text as a value of a URL's query, whatever is in it.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"/._~-".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::str::FromStr;

    use super::super::super::instance::InstanceName;
    use super::super::super::ports::Ports;
    use super::*;

    #[test]
    fn a_url_is_read_back_as_it_was_meant_from_a_folder_of_any_name() {
        let dir = PathBuf::from("/home/é &=+?#%/it's here");
        let ports = Ports { gateway: 1, postgres: 2345, model: 3 };
        let instance = Instance { name: InstanceName::Dev, root: dir.clone(), dir, ports };
        let url = url(&instance, "aigen", "pw", "db");
        let read = PgConnectOptions::from_str(&url).unwrap();
        assert_eq!(
            format!("{read:?}"),
            format!("{:?}", options(&instance, "aigen", "pw").database("db"))
        );
    }
}
