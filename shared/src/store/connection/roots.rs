//! Whose certificates a server may have, besides those of Mozilla's public authorities, which sqlx
//! always takes: RDS has authorities of its own, one set a region, and a private server has one
//! that `DATABASE_CA_FILE` names.

use std::path::Path;

use crate::process::Failure;

/// Three authorities for each region, each below a line that names it.
const RDS_ROOTS: &str = include_str!("rds-roots.pem");

/// The authorities for `host` as PEM, or `None` if the public ones are enough. Of RDS's only those
/// of the host's own region are given: each costs time when a connection is made.
///
/// # Errors
/// `INTERNAL_ERROR` when `ca_file` cannot be read or holds no certificate.
pub(super) fn authorities(host: &str, ca_file: Option<&Path>) -> Result<Option<Vec<u8>>, Failure> {
    let mut pem = region(host).map(rds_roots).unwrap_or_default();
    if let Some(path) = ca_file {
        let name = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::internal(format!("DATABASE_CA_FILE: {name} cannot be read: {error}"))
        })?;
        if !text.contains("-----BEGIN CERTIFICATE-----") {
            return Err(Failure::internal(format!("DATABASE_CA_FILE: {name} is no PEM file")));
        }
        pem.push_str(&text);
    }
    Ok((!pem.is_empty()).then(|| pem.into_bytes()))
}

/// The region in the name of an RDS server, as in `db.abc.eu-west-1.rds.amazonaws.com`; in China
/// it stands behind `rds`.
fn region(host: &str) -> Option<&str> {
    let name = host.trim_end_matches('.');
    if let Some((_, region)) =
        name.strip_suffix(".amazonaws.com.cn").and_then(|name| name.rsplit_once(".rds."))
    {
        return Some(region);
    }
    name.strip_suffix(".rds.amazonaws.com")?.rsplit('.').next()
}

fn rds_roots(region: &str) -> String {
    let heading = format!("# Amazon RDS {region} Root CA ");
    let mut of_region = false;
    let mut pem = String::new();
    for line in RDS_ROOTS.lines() {
        if line.starts_with('#') {
            of_region = line.starts_with(&heading);
        } else if of_region {
            pem.push_str(line);
            pem.push('\n');
        }
    }
    pem
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const RDS: &str = "db.cluster-abc.ap-northeast-1.rds.amazonaws.com";

    fn count(pem: Option<Vec<u8>>) -> usize {
        String::from_utf8(pem.unwrap_or_default()).unwrap().matches("BEGIN CERTIFICATE").count()
    }

    // aws.md 2
    #[test]
    fn a_server_of_rds_is_checked_by_the_authorities_of_its_region() {
        assert_eq!(count(authorities(RDS, None).unwrap()), 3);
        assert_eq!(region("x.rds.cn-north-1.amazonaws.com.cn"), Some("cn-north-1"));
        for other in ["localhost", "db.example.com", "x.rds.amazonaws.com.example.com"] {
            assert_eq!(authorities(other, None).unwrap(), None, "{other}");
        }
    }

    #[test]
    fn a_private_authority_comes_on_top() {
        let path = std::env::temp_dir().join(format!("aigen-roots-{}", std::process::id()));
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(rds_roots("eu-west-1").as_bytes()).unwrap();
        assert_eq!(count(authorities("localhost", Some(&path)).unwrap()), 3);
        assert_eq!(count(authorities(RDS, Some(&path)).unwrap()), 6);
        std::fs::write(&path, "not a certificate").unwrap();
        let failure = authorities(RDS, Some(&path)).unwrap_err();
        assert!(failure.cause.contains("DATABASE_CA_FILE"), "{failure}");
        std::fs::remove_file(&path).unwrap();
        let failure = authorities(RDS, Some(&path)).unwrap_err();
        assert!(failure.cause.contains("DATABASE_CA_FILE"), "{failure}");
    }
}
