//! Killing functions, as Lambda or a machine may at any moment.

use std::{fs, process::Command};

use crate::Stack;

impl Stack {
    /// Kills the execution environments of the function `name`. How many there were.
    #[expect(clippy::must_use_candidate, reason = "killing is what it is for")]
    pub fn kill(&self, name: &str) -> usize {
        let found = self.environments(name);
        if !found.is_empty() {
            // One may have ended by itself meanwhile: then `kill` complains of that one.
            Command::new("kill").arg("-KILL").args(&found).output().unwrap();
        }
        found.len()
    }

    /// The process ids of the execution environments of the function `name`.
    #[must_use]
    pub fn environments(&self, name: &str) -> Vec<String> {
        environments(&self.env.gateway_url, name)
    }
}

/// The process ids of this stack's environments of a function, by what their environment says.
fn environments(gateway: &str, name: &str) -> Vec<String> {
    let is_one = |pid: &String| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let has = |variable: &str| {
            environment.split(|byte| *byte == 0).any(|entry| entry == variable.as_bytes())
        };
        let is_function = fs::read_link(format!("/proc/{pid}/exe"))
            .is_ok_and(|program| program.ends_with("bootstrap"));
        is_function
            && has(&format!("AWS_LAMBDA_FUNCTION_NAME={name}"))
            && has(&format!("AWS_ENDPOINT_URL={gateway}"))
    };
    let entries = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    entries.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())).filter(is_one).collect()
}
