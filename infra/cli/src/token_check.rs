//! Why the API refuses a token with 401: which of form, issuer, signature, audience and time it is.
//! API Gateway says no more than "Unauthorized".

use std::io::Read as _;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    jwk::{Jwk, JwkSet},
};
use serde_json::Value;

use crate::output;
use crate::stack::{self, InstanceName, StackEnv};

/// Whose tokens the API takes.
#[derive(clap::Args)]
pub struct CheckTokenArgs {
    /// The issuer, as the API's authorizer has it; by default the local stack's user pool.
    #[arg(long, value_name = "URL", requires = "audience")]
    issuer: Option<String>,
    /// The audience: the app client's id.
    #[arg(long, requires = "issuer")]
    audience: Option<String>,
}

/// What the API's authorizer goes by.
#[derive(Debug, Clone)]
pub struct Authorizer {
    /// Who must have made the token.
    pub issuer: String,
    /// For whom.
    pub audience: String,
    /// The issuer's public keys.
    pub keys: JwkSet,
}

/// What is wrong with a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is no JWT at all.
    NoToken,
    /// Another has made it.
    Issuer(String),
    /// None of the issuer's keys has signed it: it was changed, or the keys were.
    Signature,
    /// It is for another client.
    Audience(String),
    /// It was valid until then.
    Expired(DateTime<Utc>),
    /// It is valid from then on: a clock is wrong.
    NotYet(DateTime<Utc>),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoToken => out.write_str(
                "this is no JWT: send what the user pool gave, whole, behind \"Bearer \"",
            ),
            Self::Issuer(who) => {
                write!(out, "another has issued it ({who}): is it of another environment?")
            }
            Self::Signature => out.write_str(
                "its signature is not one of the issuer's keys: it was changed or cut off",
            ),
            Self::Audience(whom) => write!(
                out,
                "it is for another client ({whom}): log in with this environment's app client"
            ),
            Self::Expired(at) => write!(out, "it has expired at {at}: log in again, or refresh it"),
            Self::NotYet(at) => {
                write!(out, "it is valid from {at} on: the clock of who made it is ahead")
            }
        }
    }
}

impl Authorizer {
    /// That of the local stack.
    ///
    /// # Errors
    /// When the stack does not tell its pool's keys.
    pub async fn of(env: &StackEnv) -> Result<Self> {
        let (pool, region) = (&env.user_pool_id, &env.region);
        let issuer = format!("https://cognito-idp.{region}.amazonaws.com/{pool}");
        let keys = keys(&format!("{}/{pool}", env.gateway_url)).await?;
        Ok(Self { issuer, audience: env.user_pool_client_id.clone(), keys })
    }

    /// The first that is wrong with `token` at `now`, in the order in which it matters to whoever
    /// has to mend it.
    #[must_use]
    pub fn fault(&self, token: &str, now: DateTime<Utc>) -> Option<Fault> {
        let (Ok(header), Some(claims)) = (decode_header(token), claims(token)) else {
            return Some(Fault::NoToken);
        };
        let text = |name: &str| claims[name].as_str().unwrap_or_default().to_owned();
        if text("iss") != self.issuer {
            return Some(Fault::Issuer(text("iss")));
        }
        let key = header.kid.as_deref().and_then(|kid| self.keys.find(kid));
        let is_signed = key.is_some_and(|key| is_signed(token, key));
        if !is_signed {
            return Some(Fault::Signature);
        }
        // An access token names its client otherwise than an id token.
        let audience = match &claims["aud"] {
            Value::Null => text("client_id"),
            Value::Array(all) if all.iter().any(|one| *one == self.audience) => {
                self.audience.clone()
            }
            Value::Array(all) => Value::from(all.clone()).to_string(),
            _ => text("aud"),
        };
        if audience != self.audience {
            return Some(Fault::Audience(audience));
        }
        let time = |name: &str| {
            claims[name].as_i64().and_then(|seconds| DateTime::from_timestamp(seconds, 0))
        };
        // One that never ends is refused like one that has.
        let ends = time("exp").unwrap_or(DateTime::UNIX_EPOCH);
        if ends <= now {
            return Some(Fault::Expired(ends));
        }
        let begins = time("nbf").max(time("iat"));
        begins.filter(|at| *at > now).map(Fault::NotYet)
    }
}

/// What the token says, whoever made it.
fn claims(token: &str) -> Option<Value> {
    let mut validation = timeless();
    validation.insecure_disable_signature_validation();
    let nobody = DecodingKey::from_secret(&[]);
    decode::<Value>(token, &nobody, &validation).ok().map(|token| token.claims)
}

fn is_signed(token: &str, key: &Jwk) -> bool {
    let key = DecodingKey::from_jwk(key);
    key.is_ok_and(|key| decode::<Value>(token, &key, &timeless()).is_ok())
}

/// Looks at the signature alone: what is claimed is told apart by [`Authorizer::fault`].
fn timeless() -> Validation {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    validation
}

/// How long an issuer may take to say its keys.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// The public keys of an issuer.
async fn keys(issuer: &str) -> Result<JwkSet> {
    let url = format!("{issuer}/.well-known/jwks.json");
    let client = reqwest::Client::builder().timeout(PATIENCE).build().context("no HTTP client")?;
    let answer = client.get(&url).send().await;
    let answer = answer.with_context(|| format!("{url} does not answer"))?;
    let status = answer.status();
    ensure!(status.is_success(), "{url} answers {status}: is this the issuer?");
    answer.json().await.with_context(|| format!("{url} holds no keys"))
}

/// Says what is wrong with the token on standard input. Exit code 1: something is.
pub(crate) async fn run(args: &CheckTokenArgs, instance: InstanceName) -> Result<ExitCode> {
    let authorizer = match (&args.issuer, &args.audience) {
        (Some(issuer), Some(audience)) => Authorizer {
            keys: keys(issuer).await?,
            issuer: issuer.clone(),
            audience: audience.clone(),
        },
        _ => Authorizer::of(&stack::current(instance)?).await?,
    };
    let mut token = String::new();
    std::io::stdin().read_to_string(&mut token).context("the token cannot be read")?;
    let token = token.trim().trim_start_matches("Bearer ").trim();
    Ok(if let Some(fault) = authorizer.fault(token, now()) {
        output::line(fault);
        ExitCode::FAILURE
    } else {
        output::line("the API takes this token");
        ExitCode::SUCCESS
    })
}

#[expect(clippy::disallowed_methods, reason = "the one place where this verb asks for the time")]
fn now() -> DateTime<Utc> {
    Utc::now()
}
