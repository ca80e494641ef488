//! The key that a caller of the gateway signs with: random, one per instance, and worth what a root
//! user's is worth on AWS, so it is kept like one.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::instance::Instance;
use super::private;

/// Both halves of the instance's credentials.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct GatewayKey {
    pub id: String,
    pub secret: String,
}

impl std::fmt::Debug for GatewayKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("GatewayKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl GatewayKey {
    /// The instance's key; a missing or unreadable one is made anew.
    pub(super) fn ensure(instance: &Instance) -> Result<Self> {
        if let Ok(key) = Self::read(instance) {
            return Ok(key);
        }
        let key = Self::new();
        private::write(&file(instance), &serde_json::to_string_pretty(&key)?)?;
        Ok(key)
    }

    /// The instance's key.
    pub(super) fn read(instance: &Instance) -> Result<Self> {
        let file = file(instance);
        let text = fs::read_to_string(&file).with_context(|| {
            format!("the gateway's key {} cannot be read: run `cargo aigen up`", file.display())
        })?;
        serde_json::from_str(&text).context("the gateway's key is broken: run `cargo aigen up`")
    }

    /// Of the form of a key of AWS, since tools may look at that.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is an edge: a key must be one that nobody can guess"
    )]
    fn new() -> Self {
        let random = || uuid::Uuid::new_v4().simple().to_string();
        let id = format!("AKIA{}", &random().to_ascii_uppercase()[..16]);
        Self { id, secret: format!("{}{}", random(), random()) }
    }
}

fn file(instance: &Instance) -> PathBuf {
    instance.dir.join("gateway-key.json")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::super::instance::InstanceName;
    use super::super::ports::Ports;
    use super::*;

    #[test]
    fn a_key_is_kept_a_broken_one_replaced_and_none_is_readable_by_others() {
        let root = std::env::temp_dir().join(format!("aigen-key-{}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        let ports = Ports { gateway: 1, postgres: 2, model: 3 };
        let instance = Instance { name: InstanceName::Test, dir: root.clone(), root, ports };
        let key = GatewayKey::ensure(&instance).unwrap();
        assert_eq!(GatewayKey::ensure(&instance).unwrap(), key);
        assert_eq!((key.id.len(), key.secret.len()), (20, 64));
        assert_eq!(fs::metadata(file(&instance)).unwrap().mode() & 0o777, 0o600);
        fs::write(file(&instance), "{").unwrap();
        assert_ne!(GatewayKey::ensure(&instance).unwrap(), key);
        assert!(!format!("{key:?}").contains(&key.secret));
        fs::remove_dir_all(&instance.dir).unwrap();
    }
}
