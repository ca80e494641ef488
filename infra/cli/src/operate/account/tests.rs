//! The AWS CLI is one that a test writes: what is asked of it, and what it says.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;

use super::*;

/// A folder with an AWS CLI of the test's own.
struct Cli {
    folder: PathBuf,
}

impl Cli {
    /// One that is this shell script.
    fn saying(script: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("aigen-cli-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        let program = folder.join("aws");
        fs::write(
            &program,
            format!("#!/bin/sh\necho \"$@\" >> {}/asked\n{script}", folder.display()),
        )
        .unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        Self { folder }
    }

    fn account(&self, profile: Option<&str>) -> Account {
        Account {
            program: self.folder.join("aws"),
            stack: "prod".to_owned(),
            profile: profile.map(str::to_owned),
            region: Some("eu-west-1".to_owned()),
        }
    }

    fn asked(&self) -> String {
        fs::read_to_string(self.folder.join("asked")).unwrap()
    }
}

impl Drop for Cli {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).unwrap();
    }
}

/// Describes a stack whose names begin with `prod-`; answers an invocation by `answer`.
fn stack(answer: &str) -> String {
    let outputs = json!({"Stacks": [{"Outputs": [
        {"OutputKey": "ApiUrl", "OutputValue": "https://x"},
        {"OutputKey": "DiagnosticsFunction", "OutputValue": "prod-diagnostics"},
    ]}]});
    format!(
        "case \"$1\" in cloudformation) echo '{outputs}' ;;\n\
         lambda) for word; do\n\
         case \"$word\" in fileb://*) cat \"${{word#fileb://}}\" >> \"$0.payload\" ;;\n\
         /*.json) file=\"$word\" ;; esac; done\n{answer} ;;\n\
         esac"
    )
}

#[tokio::test]
async fn a_function_is_found_by_the_stack_s_outputs_and_invoked_with_profile_and_region() {
    let cli =
        Cli::saying(&stack("echo '{\"success\":true}' > \"$file\"; echo '{\"StatusCode\":200}'"));
    let functions = cli.account(Some("ops")).functions().await.unwrap();
    let answer = functions.invoke("reconciler", &json!({"dryRun": true})).await.unwrap();
    assert_eq!(answer, json!({"success": true}));
    let asked = cli.asked();
    let invoked = asked.lines().last().unwrap();
    for part in ["--function-name prod-reconciler", "--profile ops", "--region eu-west-1"] {
        assert!(invoked.contains(part), "{part}: {invoked}");
    }
    let payload = fs::read_to_string(cli.folder.join("aws.payload")).unwrap();
    assert_eq!(payload, r#"{"dryRun":true}"#);
    let files: Vec<_> = invoked
        .split(' ')
        .map(|word| word.trim_start_matches("fileb://"))
        .filter(|word| word.contains("/aigen-") && fs::exists(word).unwrap())
        .collect();
    assert_eq!(files, [] as [&str; 0], "none is left behind");
}

#[tokio::test]
async fn a_function_that_broke_is_told_with_its_own_words() {
    let cli = Cli::saying(&stack(
        "echo '{\"errorType\":\"FUNCTION_NOT_SET_UP\",\"errorMessage\":\"A is not set\"}' > \
         \"$file\"; echo '{\"StatusCode\":200,\"FunctionError\":\"Unhandled\"}'",
    ));
    let functions = cli.account(None).functions().await.unwrap();
    let error = functions.invoke("diagnostics", &json!({})).await.unwrap_err();
    assert_eq!(error.to_string(), "prod-diagnostics broke with FUNCTION_NOT_SET_UP: A is not set");
}

#[tokio::test]
async fn what_helps_stands_before_what_the_aws_cli_says() {
    let cli = Cli::saying("echo 'Unable to locate credentials.' >&2; exit 253");
    let error = cli.account(Some("ops")).functions().await.map(drop).unwrap_err();
    let said: Vec<_> = error.chain().map(ToString::to_string).collect();
    assert_eq!(said[0], "the stack prod cannot be looked at");
    assert!(said[1].contains("aws sso login --profile ops"), "{said:?}");
    assert_eq!(said[2], "Unable to locate credentials.");
}

#[tokio::test]
async fn another_s_stack_and_a_missing_aws_cli_are_told_apart() {
    let cli = Cli::saying("echo '{\"Stacks\":[{\"Outputs\":[]}]}'");
    let error = cli.account(None).functions().await.map(drop).unwrap_err();
    assert!(error.to_string().contains("no output DiagnosticsFunction"), "{error}");
    let nowhere = Account { program: cli.folder.join("none"), ..cli.account(None) };
    let error = format!("{:#}", nowhere.functions().await.map(drop).unwrap_err());
    assert!(error.contains("is not installed"), "{error}");
}

#[tokio::test]
async fn the_caller_is_named_as_aws_knows_them() {
    let cli = Cli::saying("echo '{\"Arn\":\"arn:aws:sts::1:assumed-role/ops/hanako\"}'");
    let caller = cli.account(None).caller().await.unwrap();
    assert_eq!(caller, "arn:aws:sts::1:assumed-role/ops/hanako");
}

#[test]
fn a_profile_without_a_stack_is_refused() {
    let args = AccountArgs { stack: None, profile: Some("ops".to_owned()), region: None };
    assert!(args.account().unwrap_err().to_string().contains("--stack NAME"));
    let args = AccountArgs { stack: None, profile: None, region: None };
    assert!(args.account().unwrap().is_none());
}
