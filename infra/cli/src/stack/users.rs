//! Local users: made on first use, with a password that is the same for all, since the pool is on
//! this machine only.

use anyhow::{Context, Result};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::aws_api::{AwsApi, Refusal};
use super::stack_env::StackEnv;

/// Satisfies the pool's policy.
const PASSWORD: &str = "Local-password-1";

/// Logs `name` in, making the user if there is none, and gives the id token.
pub(super) async fn token(env: &StackEnv, name: &str) -> Result<String> {
    let cognito = Cognito { api: AwsApi::new(&env.gateway_url, &env.gateway_key())?, env };
    match cognito.log_in(name).await {
        Ok(token) => Ok(token),
        Err(error) if is_unknown_user(&error) => {
            cognito.make(name).await.with_context(|| format!("the user {name} cannot be made"))?;
            cognito.log_in(name).await.with_context(|| format!("the user {name} cannot log in"))
        }
        Err(error) => Err(error.context(format!("the user {name} cannot log in"))),
    }
}

/// The `sub` of a token. Whoever made the token is believed: it is the stack's own pool.
pub(super) fn subject(token: &str) -> Result<String> {
    let payload = token.split('.').nth(1).context("this is no token")?;
    let payload: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload)?)?;
    payload["sub"].as_str().map(str::to_owned).context("the token names no user")
}

/// A pool that keeps secret who exists answers as to a wrong password.
fn is_unknown_user(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Refusal>().is_some_and(|refusal| {
        matches!(refusal.code.as_str(), "UserNotFoundException" | "NotAuthorizedException")
    })
}

struct Cognito<'a> {
    api: AwsApi,
    env: &'a StackEnv,
}

impl Cognito<'_> {
    async fn log_in(&self, name: &str) -> Result<String> {
        let request = json!({
            "UserPoolId": self.env.user_pool_id,
            "ClientId": self.env.user_pool_client_id,
            "AuthFlow": "ADMIN_USER_PASSWORD_AUTH",
            "AuthParameters": {"USERNAME": name, "PASSWORD": PASSWORD},
        });
        let answer = self.call("AdminInitiateAuth", &request).await?;
        let token = answer["AuthenticationResult"]["IdToken"].as_str();
        token.map(str::to_owned).context("the user pool gave no id token")
    }

    async fn make(&self, name: &str) -> Result<()> {
        let pool = &self.env.user_pool_id;
        let user = json!({"UserPoolId": pool, "Username": name, "MessageAction": "SUPPRESS"});
        match self.call("AdminCreateUser", &user).await {
            // Another run made the user at this moment.
            Err(error)
                if error
                    .downcast_ref::<Refusal>()
                    .is_some_and(|r| r.code == "UsernameExistsException") => {}
            other => drop(other?),
        }
        let password =
            json!({"UserPoolId": pool, "Username": name, "Password": PASSWORD, "Permanent": true});
        self.call("AdminSetUserPassword", &password).await?;
        Ok(())
    }

    async fn call(&self, action: &str, request: &Value) -> Result<Value> {
        let target = format!("AWSCognitoIdentityProviderService.{action}");
        self.api.call("cognito-idp", &target, request).await
    }
}
