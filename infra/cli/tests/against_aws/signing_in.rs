//! Credentials: where they come from, and what is told when there are none that are good.

use crate::double::{Answer, Double, json_error, xml_error};
use crate::person::Person;

/// A profile of IAM Identity Center, and one with keys.
const CONFIG: &str = "\
[profile dev]
region = eu-west-1
sso_session = company
sso_account_id = 123456789012
sso_role_name = Operator

[sso-session company]
sso_region = eu-west-1
sso_start_url = https://example.awsapps.com/start

[profile keys]
region = ap-northeast-1
aws_access_key_id = AKIAOFPROFILE
aws_secret_access_key = secret
";

/// The file that `aws sso login` leaves is named by the SHA-1 of `company`.
const TOKEN: &str = ".aws/sso/cache/71b21161ffa1e6516bcc072aaf5ef38cbe85b511.json";

fn token(expires: &str) -> String {
    format!(r#"{{"accessToken": "t", "expiresAt": "{expires}"}}"#)
}

fn well() -> Answer {
    crate::double::answers(&serde_json::json!({"verdict": "well", "findings": []}))
}

fn of_company(url: &str) -> Person {
    let person = Person::without_keys(url);
    person.write(".aws/config", CONFIG);
    person
}

#[tokio::test]
async fn without_credentials_it_says_how_to_name_some() {
    let double = Double::with_function(well()).await;
    let mut person = Person::without_keys(&double.url);
    person.set("AWS_REGION", "eu-west-1");
    person.types(&["health", "--stack", "s"]).await.fails_with(&[
        "there are no AWS credentials",
        "--profile",
        "`aws configure sso`",
    ]);
}

#[tokio::test]
async fn a_sign_in_that_has_ended_is_told_with_the_command_that_renews_it() {
    let double = Double::with_function(well()).await;
    let person = of_company(&double.url);
    person.write(TOKEN, &token("2020-01-01T00:00:00Z"));
    let run = person.types(&["health", "--stack", "s", "--profile", "dev"]).await;
    run.fails_with(&["profile dev has ended", "run `aws sso login --profile dev`", "has expired"]);
    assert!(double.names().is_empty());
}

#[tokio::test]
async fn who_never_signed_in_is_told_the_same() {
    let double = Double::with_function(well()).await;
    let run = of_company(&double.url).types(&["health", "--stack", "s", "--profile", "dev"]).await;
    run.fails_with(&["there was none: run `aws sso login --profile dev`"]);
}

#[tokio::test]
async fn a_sign_in_that_was_taken_back_is_told_the_same() {
    let refused = json_error(401, "UnauthorizedException", "Session token not found or invalid");
    let double = Double::with_portal(refused).await;
    let mut person = of_company(&double.url);
    person.write(TOKEN, &token("2100-01-01T00:00:00Z"));
    person.set("AWS_PROFILE", "dev");
    let run = person.types(&["health", "--stack", "s"]).await;
    run.fails_with(&["`aws sso login --profile dev`", "Session token not found or invalid"]);
    assert_eq!(double.names(), ["GetRoleCredentials"]);
}

#[tokio::test]
async fn a_sign_in_through_identity_center_reaches_the_function() {
    let double = Double::with_function(well()).await;
    let person = of_company(&double.url);
    person.write(TOKEN, &token("2100-01-01T00:00:00Z"));
    let run = person.types(&["health", "--stack", "s", "--profile", "dev"]).await;
    assert_eq!(run.code, 0, "{}", run.aside);
    assert_eq!(double.names(), ["GetRoleCredentials", "DescribeStacks", "aigen-diagnostics"]);
    assert!(double.asked()[2].authorization.contains("Credential=ASIAOFPORTAL/"));
}

#[tokio::test]
async fn a_profile_that_is_named_comes_before_keys_of_the_shell() {
    let double = Double::with_function(well()).await;
    let mut person = of_company(&double.url);
    person.set("AWS_ACCESS_KEY_ID", "AKIAOFSHELL");
    person.set("AWS_SECRET_ACCESS_KEY", "secret");
    let run = person.types(&["health", "--stack", "s", "--profile", "keys"]).await;
    assert_eq!(run.code, 0, "{}", run.aside);
    for asked in double.asked() {
        let signed = asked.authorization;
        assert!(signed.contains("Credential=AKIAOFPROFILE/"), "{signed}");
        assert!(signed.contains("/ap-northeast-1/"), "{signed}");
    }
}

#[tokio::test]
async fn a_profile_that_is_not_there_is_told() {
    let double = Double::with_function(well()).await;
    let words = ["health", "--stack", "s", "--profile", "prod", "--region", "eu-west-1"];
    let run = of_company(&double.url).types(&words).await;
    run.fails_with(&["the profile prod cannot be used", "`aws configure list-profiles`"]);
}

#[tokio::test]
async fn without_a_region_it_says_where_one_is_named() {
    let double = Double::with_function(well()).await;
    let mut person = Person::without_keys(&double.url);
    person.set("AWS_ACCESS_KEY_ID", "AKIAOFSHELL");
    person.set("AWS_SECRET_ACCESS_KEY", "secret");
    let run = person.types(&["health", "--stack", "s"]).await;
    run.fails_with(&["no region is named", "--region", "AWS_REGION"]);
}

#[tokio::test]
async fn credentials_that_have_expired_are_told_apart_from_unknown_ones() {
    for (code, told) in [
        ("ExpiredToken", "the credentials have expired"),
        ("InvalidClientTokenId", "AWS does not take these credentials"),
        ("SignatureDoesNotMatch", "a clock of this machine"),
    ] {
        let double = Double::with_stack(xml_error(403, code, "no")).await;
        let run = Person::with_keys(&double).types(&["health", "--stack", "s"]).await;
        run.fails_with(&[told, &format!("AWS says {code}: no")]);
    }
}
