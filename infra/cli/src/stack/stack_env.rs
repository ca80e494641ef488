//! What the rest of the world needs to know about a running stack.

use anyhow::{Context, Result};

use super::command;
use super::deployment::{Deployment, api_url};
use super::gateway::{self, REGION};
use super::gateway_key::GatewayKey;
use super::instance::Instance;
use super::postgres;
use super::tools::Tools;

/// A stack that is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackEnv {
    /// The AWS endpoint.
    pub gateway_url: String,
    /// The id of the key that calls of AWS are signed with.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// The API, without the base path of the routes.
    pub api_url: String,
    /// The database of the deployed functions. A test makes its own database on the same server.
    pub database_url: String,
    /// The certificate of the authority that a client of the database has to trust.
    pub database_ca_file: String,
    /// The same database as the superuser, for a test that has to make roles.
    pub superuser_url: String,
    /// The state machine that drives every process.
    pub state_machine_arn: String,
    /// The model double, control routes included.
    pub model_url: String,
    /// The Cognito user pool whose tokens the API takes.
    pub user_pool_id: String,
    /// The pool's app client.
    pub user_pool_client_id: String,
    /// What the functions' roles have called at the gateway, a line of JSON each.
    pub calls_file: String,
    /// The region everything is deployed in.
    pub region: String,
    /// A `PATH` with the stack's `aws` and `psql` in front.
    pub path: String,
}

impl StackEnv {
    pub(super) fn new(instance: &Instance, deployment: &Deployment) -> Result<Self> {
        let outputs = &deployment.outputs;
        let key = GatewayKey::read(instance)?;
        Ok(Self {
            gateway_url: instance.gateway_url(),
            access_key_id: key.id,
            secret_access_key: key.secret,
            api_url: api_url(instance, &outputs.api_id),
            database_url: postgres::database_url(instance)?,
            database_ca_file: postgres::authority_file(instance).to_string_lossy().into_owned(),
            superuser_url: postgres::superuser_url(instance)?,
            state_machine_arn: outputs.state_machine_arn.clone(),
            model_url: instance.model_url(),
            user_pool_id: outputs.user_pool_id.clone(),
            user_pool_client_id: outputs.user_pool_client_id.clone(),
            calls_file: gateway::calls_file(instance).to_string_lossy().into_owned(),
            region: REGION.to_owned(),
            path: command::path_with(&Tools::of(instance).bin),
        })
    }

    /// The stack that `cargo aigen test` put into this process's environment.
    ///
    /// # Errors
    ///
    /// When there is none: a test that needs the stack fails then, and says what to run instead. It
    /// never skips, for a test that did not run must not look like one that passed.
    pub fn from_env() -> Result<Self> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let need = |name: &str| {
            variable(name).with_context(|| {
                format!(
                    "this test needs the local stack ({name} is not set): run it with \
                     `cargo aigen test`"
                )
            })
        };
        need("AIGEN_E2E")?;
        Ok(Self {
            gateway_url: need("AWS_ENDPOINT_URL")?,
            access_key_id: need("AWS_ACCESS_KEY_ID")?,
            secret_access_key: need("AWS_SECRET_ACCESS_KEY")?,
            api_url: need("API_URL")?,
            database_url: need("DATABASE_URL")?,
            database_ca_file: need("DATABASE_CA_FILE")?,
            superuser_url: need("DATABASE_SUPERUSER_URL")?,
            state_machine_arn: need("STATE_MACHINE_ARN")?,
            model_url: need("MODEL_URL")?,
            user_pool_id: need("USER_POOL_ID")?,
            user_pool_client_id: need("USER_POOL_CLIENT_ID")?,
            calls_file: need("AIGEN_CALLS_FILE")?,
            region: need("AWS_DEFAULT_REGION")?,
            path: need("PATH")?,
        })
    }

    /// The variables of `aigen env`, in the order of the contract.
    #[must_use]
    pub fn variables(&self) -> [(&'static str, &str); 10] {
        [
            ("AWS_ENDPOINT_URL", &self.gateway_url),
            ("AWS_ACCESS_KEY_ID", &self.access_key_id),
            ("AWS_SECRET_ACCESS_KEY", &self.secret_access_key),
            ("AWS_DEFAULT_REGION", &self.region),
            ("DATABASE_URL", &self.database_url),
            ("DATABASE_CA_FILE", &self.database_ca_file),
            ("API_URL", &self.api_url),
            ("STATE_MACHINE_ARN", &self.state_machine_arn),
            ("MODEL_URL", &self.model_url),
            ("PATH", &self.path),
        ]
    }

    /// What a test gets besides.
    pub(super) fn test_variables(&self) -> [(&'static str, &str); 5] {
        [
            ("AIGEN_CALLS_FILE", &self.calls_file),
            ("AIGEN_E2E", "1"),
            ("DATABASE_SUPERUSER_URL", &self.superuser_url),
            ("USER_POOL_ID", &self.user_pool_id),
            ("USER_POOL_CLIENT_ID", &self.user_pool_client_id),
        ]
    }

    pub(super) fn gateway_key(&self) -> GatewayKey {
        GatewayKey { id: self.access_key_id.clone(), secret: self.secret_access_key.clone() }
    }

    /// Lines that a shell can evaluate, and nothing else.
    #[must_use]
    pub fn exports(&self) -> String {
        self.variables().iter().fold(String::new(), |text, (name, value)| {
            text + &format!("export {name}={}\n", quoted(value))
        })
    }
}

/// A text as one word of a POSIX shell, whatever is in it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env() -> StackEnv {
        StackEnv {
            gateway_url: "http://127.0.0.1:4566".to_owned(),
            access_key_id: "AKIA".to_owned(),
            secret_access_key: "secret".to_owned(),
            api_url: "http://127.0.0.1:4566/_aws/execute-api/ab/$default".to_owned(),
            database_url: "postgres://aigen:x@127.0.0.1:54329/aigen".to_owned(),
            database_ca_file: "/it's here/authority.pem".to_owned(),
            superuser_url: "postgres://postgres:y@127.0.0.1:54329/aigen".to_owned(),
            state_machine_arn: "arn".to_owned(),
            model_url: "http://127.0.0.1:4590".to_owned(),
            user_pool_id: "pool".to_owned(),
            user_pool_client_id: "client".to_owned(),
            calls_file: "/it's here/calls.jsonl".to_owned(),
            region: "us-east-1".to_owned(),
            path: "/it's here/bin:/usr/bin".to_owned(),
        }
    }

    #[test]
    fn a_shell_reads_the_exports_back_as_they_were() {
        let script = format!("{}printf '%s|%s' \"$API_URL\" \"$PATH\"", env().exports());
        let output = std::process::Command::new("/bin/sh").args(["-c", &script]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text, format!("{}|{}", env().api_url, env().path));
    }

    #[test]
    fn there_are_only_exports() {
        assert!(env().exports().lines().all(|line| line.starts_with("export ")));
    }

    #[test]
    fn a_test_gets_back_the_stack_that_was_put_into_its_environment() {
        let env = env();
        let variables = [&env.variables()[..], &env.test_variables()[..]].concat();
        let look = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        assert_eq!(StackEnv::from_variables(look).unwrap(), env);
    }

    #[test]
    fn without_a_stack_a_test_is_told_what_to_run() {
        let error = StackEnv::from_variables(|_| None).unwrap_err().to_string();
        assert!(error.contains("cargo aigen test"), "{error}");
    }
}
