//! A second stack on the same gateway, with a database and users of its own, that versions are
//! deployed to as on AWS: by `sam deploy`.

use std::{collections::BTreeMap, process::Output};

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use system_tests::{Stack, fresh_id};
use tokio::process::Command;

use crate::older::Version;

const NAME: &str = "upgrade";
const PREFIX: &str = "upgrade-";

/// The second stack.
pub(crate) struct Second {
    first: Stack,
    database: String,
    /// Where the owner's name and password are.
    owner: String,
    /// A secret that lets nobody in.
    nobody: String,
}

impl Second {
    /// The place for it; nothing is deployed yet.
    pub(crate) async fn new(first: Stack) -> Self {
        let database = format!("upgrade_{}", fresh_id().simple());
        superuser(&first, format!("CREATE DATABASE {database} OWNER aigen")).await;
        let url = reqwest::Url::parse(&first.env.database_url).unwrap();
        let secret = async |name: &str, password: &str| {
            let value = json!({
                "engine": "postgres", "host": "127.0.0.1", "port": url.port(), "dbname": database,
                "username": url.username(), "password": password,
            });
            let name = format!("{name}-{database}");
            let args = ["secretsmanager", "create-secret", "--name", &name, "--secret-string"];
            let made = first.aws(&[&args[..], &[&value.to_string()]].concat()).await.unwrap();
            made["ARN"].as_str().unwrap().to_owned()
        };
        let owner = secret("owner", url.password().unwrap()).await;
        let nobody = secret("nobody", "wrong").await;
        Self { first, database, owner, nobody }
    }

    /// Deploys `version`.
    pub(crate) async fn deploy(&self, version: &Version) {
        let output = self.attempt(version, &self.owner).await;
        assert!(output.status.success(), "{} is not deployed: {}", version.name, told(&output));
    }

    /// Deploys `version` as an owner whom the database does not let in; what was told.
    pub(crate) async fn fail_to_deploy(&self, version: &Version) -> String {
        let output = self.attempt(version, &self.nobody).await;
        assert!(!output.status.success(), "{}", told(&output));
        let args = ["cloudformation", "describe-stack-events", "--stack-name", NAME];
        let events = self.first.aws(&args).await.unwrap();
        let failed = |event: &&Value| {
            event["LogicalResourceId"] == "Migrations"
                && event["ResourceStatus"].as_str().is_some_and(|it| it.ends_with("_FAILED"))
        };
        let event = events["StackEvents"].as_array().unwrap().iter().find(failed).unwrap();
        event["ResourceStatusReason"].as_str().unwrap().to_owned()
    }

    async fn attempt(&self, version: &Version, owner: &str) -> Output {
        let url = reqwest::Url::parse(&self.first.env.database_url).unwrap();
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
        let values = [
            ("AdminPasswordAuth", "true".to_owned()),
            ("Architecture", architecture.to_owned()),
            ("DatabaseHost", "127.0.0.1".to_owned()),
            ("DatabaseName", self.database.clone()),
            ("DatabaseOwnerSecretArn", owner.to_owned()),
            ("DatabasePort", url.port().unwrap().to_string()),
            ("DatabaseUser", self.role()),
            // As the local stack: its gateway shifts no alias in steps.
            ("Deployment", "Unversioned".to_owned()),
            ("LogRetentionDays", "1".to_owned()),
            ("NamePrefix", PREFIX.to_owned()),
            ("SavedQueries", "false".to_owned()),
        ];
        let known = version.parameters();
        let values = values.iter().filter(|(name, _)| known.iter().any(|it| it == name));
        Command::new("sam")
            .args(["deploy", "--stack-name", NAME, "--resolve-s3", "--region", "us-east-1"])
            .args(["--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset"])
            .args(["--no-fail-on-empty-changeset", "--no-progressbar", "--template-file"])
            .arg(&version.template)
            .arg("--parameter-overrides")
            .args(values.map(|(name, value)| format!("{name}={value}")))
            .current_dir(version.template.parent().unwrap())
            .envs(self.first.env.variables())
            .env("SAM_CLI_TELEMETRY", "0")
            .kill_on_drop(true)
            .output()
            .await
            .unwrap()
    }

    /// How its users reach it.
    pub(crate) async fn stack(&self) -> Stack {
        let of = ["cloudformation", "describe-stacks", "--stack-name", NAME];
        let described = self.first.aws(&of).await.unwrap();
        let outputs = described["Stacks"][0]["Outputs"].as_array().unwrap();
        let output = |key: &str| {
            let output = outputs.iter().find(|output| output["OutputKey"] == key).unwrap();
            output["OutputValue"].as_str().unwrap().to_owned()
        };
        let mut env = self.first.env.clone();
        let host = output("ApiUrl").split_once("://").unwrap().1.to_owned();
        let api = host.split('.').next().unwrap().to_owned();
        env.api_url = format!("{}/_aws/execute-api/{api}/$default", env.gateway_url);
        env.state_machine_arn = output("StateMachineArn");
        env.user_pool_id = output("UserPoolId");
        env.user_pool_client_id = output("UserPoolClientId");
        env.database_url = env.database_url.replacen("/aigen?", &format!("/{}?", self.database), 1);
        Stack::of(env).await
    }

    /// The hash of each function's code.
    pub(crate) async fn code(&self) -> BTreeMap<String, String> {
        let listed = self.first.aws(&["lambda", "list-functions"]).await.unwrap();
        let functions = listed["Functions"].as_array().unwrap().iter();
        let ours = functions.filter_map(|function| {
            let name = function["FunctionName"].as_str().unwrap().strip_prefix(PREFIX)?;
            Some((name.to_owned(), function["CodeSha256"].as_str().unwrap().to_owned()))
        });
        ours.collect()
    }

    /// Leaves nothing of it.
    pub(crate) async fn remove(self) {
        let delete = ["cloudformation", "delete-stack", "--stack-name", NAME];
        self.first.aws(&delete).await.unwrap();
        for secret in [&self.owner, &self.nobody] {
            let delete = ["secretsmanager", "delete-secret", "--secret-id", secret];
            let delete = [&delete[..], &["--force-delete-without-recovery"]].concat();
            self.first.aws(&delete).await.unwrap();
        }
        let database = &self.database;
        superuser(&self.first, format!("DROP DATABASE {database} WITH (FORCE)")).await;
        // Those that a version's migrator has made: an older one makes the first alone.
        for whose in ["", "_reconciler", "_diagnostics"] {
            let role = format!("{}{whose}", self.role());
            superuser(&self.first, format!("DROP ROLE IF EXISTS {role}")).await;
        }
    }

    /// The role of the functions. A name has 63 characters at the most, and others end with more.
    fn role(&self) -> String {
        format!("of_{}", self.database)
    }
}

fn told(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

async fn superuser(stack: &Stack, statement: String) {
    let mut superuser = PgConnection::connect(&stack.env.superuser_url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut superuser).await.unwrap();
    superuser.close().await.unwrap();
}
