//! A private certificate authority, one per instance, and PostgreSQL's certificate by it: the
//! functions check here what they check of a real database.
//!
//! The authority's own key is thrown away as soon as it has signed. Nobody can sign with it later,
//! and a renewal makes a new authority.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;

use super::instance::Instance;
use super::private;

const DAY: Duration = Duration::from_hours(24);
/// Clocks differ: a certificate made now must hold where it is still yesterday.
const BACKDATED: Duration = DAY;
const LIFE: Duration = Duration::from_hours(365 * 24);
/// Renewed while it still holds for as long as a stack may be left running.
const RENEWED_BEFORE: Duration = Duration::from_hours(30 * 24);
const NAME: &str = "localhost";
const ADDRESSES: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// The files of an instance's TLS.
pub(super) struct Files {
    /// The authority's certificate: what a client has to trust.
    pub authority: PathBuf,
    pub certificate: PathBuf,
    /// The certificate's key, 0600.
    pub key: PathBuf,
}

/// The same as text, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pems {
    pub authority: String,
    pub certificate: String,
    pub key: String,
}

impl Files {
    pub(super) fn of(instance: &Instance) -> Self {
        let dir = instance.dir.join("tls");
        Self {
            authority: dir.join("authority.pem"),
            certificate: dir.join("server.pem"),
            key: dir.join("server.key"),
        }
    }

    fn read(&self) -> Result<Pems> {
        let read = |path: &PathBuf| {
            std::fs::read_to_string(path)
                .with_context(|| format!("{} cannot be read", path.display()))
        };
        Ok(Pems {
            authority: read(&self.authority)?,
            certificate: read(&self.certificate)?,
            key: read(&self.key)?,
        })
    }
}

/// The instance's certificates, made anew when one is missing, broken, of another authority, or
/// ends soon.
pub(super) fn ensure(instance: &Instance, now: SystemTime) -> Result<Pems> {
    let files = Files::of(instance);
    if let Ok(pems) = files.read()
        && pems.check(now + RENEWED_BEFORE).is_ok()
    {
        return Ok(pems);
    }
    let pems = Pems::make(now).context("the database's certificate cannot be made")?;
    pems.check(now + RENEWED_BEFORE)?;
    private::make_dir(&instance.dir.join("tls"))?;
    private::write(&files.key, &pems.key)?;
    private::write(&files.certificate, &pems.certificate)?;
    private::write(&files.authority, &pems.authority)?;
    Ok(pems)
}

impl Pems {
    fn make(now: SystemTime) -> Result<Self> {
        let named = |common_name: &str| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, common_name);
            params.not_before = (now - BACKDATED).into();
            params.not_after = (now + LIFE).into();
            params
        };
        let mut root = named("aigen local stack");
        root.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        root.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let root_key = KeyPair::generate()?;
        let authority = root.self_signed(&root_key)?.pem();

        let mut server = named(NAME);
        server.subject_alt_names = vec![rcgen::SanType::DnsName(NAME.try_into()?)];
        server.subject_alt_names.extend(ADDRESSES.map(rcgen::SanType::IpAddress));
        server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        server.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = server.signed_by(&key, &Issuer::new(root, root_key))?.pem();
        Ok(Self { authority, certificate, key: key.serialize_pem() })
    }

    /// Whether a client that trusts the authority would take the certificate at that time under
    /// every name, and whether the key is the certificate's.
    fn check(&self, at: SystemTime) -> Result<()> {
        let provider: Arc<CryptoProvider> = Arc::new(ring::default_provider());
        let authority = CertificateDer::from_pem_slice(self.authority.as_bytes())?;
        let certificate = CertificateDer::from_pem_slice(self.certificate.as_bytes())?;
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes())?;
        CertifiedKey::from_der(vec![certificate.clone()], key, &provider)?;

        let mut roots = RootCertStore::empty();
        roots.add(authority)?;
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
        let since = at.duration_since(SystemTime::UNIX_EPOCH)?;
        let at = UnixTime::since_unix_epoch(since);
        let addresses = ADDRESSES.map(ServerName::from);
        for name in addresses.into_iter().chain([ServerName::try_from(NAME)?]) {
            verifier.verify_server_cert(&certificate, &[], &name, &[], at)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::super::instance::InstanceName;
    use super::super::ports::Ports;
    use super::*;

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_hours(24 * 365 * 57)
    }

    fn instance(name: &str) -> Instance {
        let root = std::env::temp_dir().join(format!("aigen-tls-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&root);
        let ports = Ports { gateway: 1, postgres: 2, model: 3 };
        Instance { name: InstanceName::Test, dir: root.clone(), root, ports }
    }

    #[test]
    fn a_certificate_is_kept_until_a_month_before_its_end() {
        let instance = instance("kept");
        let first = ensure(&instance, now()).unwrap();
        let last_day = now() + LIFE - RENEWED_BEFORE - DAY;
        assert_eq!(ensure(&instance, last_day).unwrap(), first);
        let renewed = ensure(&instance, now() + LIFE - RENEWED_BEFORE + DAY).unwrap();
        assert_ne!(renewed, first);
        assert_eq!(Files::of(&instance).read().unwrap(), renewed);
        std::fs::remove_dir_all(&instance.dir).unwrap();
    }

    #[test]
    fn a_broken_missing_or_mixed_up_file_makes_new_ones() {
        let instance = instance("broken");
        let files = Files::of(&instance);
        for file in [&files.authority, &files.certificate, &files.key] {
            let good = ensure(&instance, now()).unwrap();
            let cut = good.certificate[..good.certificate.len() / 2].to_owned();
            for broken in [String::new(), cut] {
                let good = ensure(&instance, now()).unwrap();
                private::write(file, &broken).unwrap();
                assert_ne!(ensure(&instance, now()).unwrap(), good);
            }
            std::fs::remove_file(file).unwrap();
            ensure(&instance, now()).unwrap().check(now()).unwrap();
        }
        let other = Pems::make(now()).unwrap();
        for (file, text) in [
            (&files.authority, &other.authority),
            (&files.certificate, &other.certificate),
            (&files.key, &other.key),
        ] {
            private::write(file, text).unwrap();
            let made = ensure(&instance, now()).unwrap();
            assert!(
                made.authority != other.authority
                    && made.certificate != other.certificate
                    && made.key != other.key
            );
        }
        std::fs::remove_dir_all(&instance.dir).unwrap();
    }

    #[test]
    fn the_key_is_readable_by_its_owner_only() {
        let instance = instance("mode");
        ensure(&instance, now()).unwrap();
        let mode = std::fs::metadata(Files::of(&instance).key).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::remove_dir_all(&instance.dir).unwrap();
    }

    #[test]
    fn a_certificate_does_not_hold_before_it_was_made_nor_after_its_end() {
        let pems = Pems::make(now()).unwrap();
        pems.check(now()).unwrap();
        assert!(pems.check(now() - BACKDATED - DAY).is_err());
        assert!(pems.check(now() + LIFE + DAY).is_err());
    }
}
