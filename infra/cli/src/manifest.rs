//! What a release holds, as `artifacts` writes it beside the zips and `verify` reads it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The name of its file.
pub(crate) const FILE: &str = "manifest.json";
/// The form that this program writes and reads.
pub(crate) const FORMAT: u32 = 1;

/// What was built, for one architecture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    /// The form of this file, [`FORMAT`].
    pub format: u32,
    /// The workspace's version.
    pub version: String,
    /// The commit that it was built from, with `-dirty` where files differed from it; none without
    /// git.
    pub commit: Option<String>,
    /// As Lambda names it: `arm64` or `x86_64`.
    pub architecture: String,
    /// Lambda's name of what the programs run on.
    pub runtime: String,
    /// What Lambda starts.
    pub handler: String,
    /// The newest migration in it.
    pub newest_migration: i64,
    /// What it was built with: each tool's name and version.
    pub tools: BTreeMap<String, String>,
    /// The functions by their deployed names, without the prefix of a stack.
    pub functions: BTreeMap<String, BuiltFunction>,
    /// The state machine.
    pub state_machine: BuiltMachine,
}

/// One function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BuiltFunction {
    /// Its id in the template.
    pub id: String,
    /// The alias that it is called by, where the template gives it one.
    pub alias: Option<String>,
    /// Its zip, beside this file.
    pub file: String,
    /// Bytes of the zip.
    pub size: u64,
    /// SHA-256 of the zip, in hexadecimal.
    pub sha256: String,
    /// The same as Lambda tells it (`CodeSha256`): in Base64.
    pub code_sha256: String,
    /// SHA-256 of the program in the zip, in hexadecimal: what runs, however it was packed.
    pub program_sha256: String,
    /// Bytes of the program.
    pub program_size: u64,
    /// The newest version of glibc whose symbols it needs, such as `2.30`; none where it needs no
    /// symbol by version.
    pub glibc: Option<String>,
}

/// The state machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BuiltMachine {
    /// Its deployed name, without the prefix of a stack.
    pub name: String,
    /// Its definition, before the functions' ARNs are put into it.
    pub definition: Value,
}

/// SHA-256 in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;

    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// SHA-256 as Lambda tells it.
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_written_as_sha256sum_and_as_lambda_write_it() {
        let hex_of_nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hex(b""), hex_of_nothing);
        assert_eq!(base64(b""), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }
}
