//! What went wrong between here and the function, told apart by what there is to do about it.

use std::error::Error;

use anyhow::anyhow;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_lambda::config::http::HttpResponse;
use aws_sdk_lambda::error::{ConnectorError, ProvideErrorMetadata, SdkError};
use aws_sdk_lambda::operation::RequestId;

use super::super::lasting::Lasting;
use super::super::words::quoted;
use super::access::Access;

/// A call that may fail.
pub(super) struct Attempt<'a> {
    pub access: &'a Access,
    /// What it does, as IAM names it.
    pub action: &'static str,
    /// To what.
    pub of: String,
    /// Whether something may have been changed when no answer came.
    pub changes: bool,
}

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// Nowhere are credentials.
    NoCredentials,
    /// The profile leads through IAM Identity Center, whose sign-in has ended, or never was.
    SignIn,
    /// The profile is not there, or does not say how to sign in.
    Profile,
    /// The credentials were good once.
    Expired,
    /// AWS does not know the credentials, or what was signed with them.
    Unknown,
    /// IAM does not allow it.
    Denied,
    /// There is no such stack or function.
    Missing,
    /// Too many calls, or invocations.
    Throttled,
    /// No answer in time.
    TimedOut,
    /// No connection.
    Unreachable,
    /// Anything else; what AWS says of it has to do.
    Other,
}

impl Trouble {
    /// Whether it is the same until somebody has done something about it.
    const fn lasts(self) -> bool {
        match self {
            Self::NoCredentials
            | Self::SignIn
            | Self::Profile
            | Self::Expired
            | Self::Unknown
            | Self::Denied
            | Self::Missing => true,
            Self::Throttled | Self::TimedOut | Self::Unreachable | Self::Other => false,
        }
    }
}

impl Attempt<'_> {
    /// The error for people: what it is and what to do, and beneath it what AWS says.
    pub(super) fn failed<E>(&self, error: &SdkError<E, HttpResponse>) -> anyhow::Error
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let trouble = told_apart(error, self.access.profile.is_some());
        let said = anyhow!(said(error));
        let said = if self.changes && may_have_arrived(error) {
            said.context(format!(
                "whether it was done is not known; `{} limit` shows how things are now",
                self.access.command
            ))
        } else {
            said
        };
        let sentence = self.sentence(trouble);
        if trouble.lasts() { said.context(Lasting(sentence)) } else { said.context(sentence) }
    }

    fn sentence(&self, trouble: Trouble) -> String {
        let Self { access, action, of, .. } = self;
        let Access { region, profile, .. } = access;
        let options = access.options();
        let named = profile.as_deref().unwrap_or("default");
        let sign_in = profile.as_ref().map_or_else(
            || "aws sso login".to_owned(),
            |profile| format!("aws sso login --profile {}", quoted(profile)),
        );
        match trouble {
            Trouble::NoCredentials => {
                "there are no AWS credentials: name a profile with --profile \
                 (`aws configure list-profiles` shows them; `aws configure sso` makes one)"
                    .to_owned()
            }
            Trouble::SignIn => format!(
                "the sign-in of profile {named} has ended, or there was none: run `{sign_in}`"
            ),
            Trouble::Profile => format!(
                "the profile {named} cannot be used: `aws configure list-profiles` shows which \
                 there are, `aws configure list --profile {}` what it holds",
                quoted(named)
            ),
            Trouble::Expired => format!(
                "the credentials have expired: run `{sign_in}` where the profile is of IAM \
                 Identity Center, and else take new ones"
            ),
            Trouble::Unknown => format!(
                "AWS does not take these credentials: `aws sts get-caller-identity{options}` shows \
                 whose they are; a clock of this machine that is off by 5 minutes looks alike"
            ),
            Trouble::Denied => format!(
                "you may not {action} on {of} in {region}: `aws sts get-caller-identity{options}` \
                 shows who you are, docs/operators.md what an operator has to be allowed"
            ),
            Trouble::Missing if action.starts_with("cloudformation") => format!(
                "there is no stack {of} in {region}, in the account that you are signed in to: \
                 `aws cloudformation describe-stacks --query 'Stacks[].StackName'{options}` shows \
                 which there are; --region and --profile ask elsewhere"
            ),
            Trouble::Missing => format!(
                "there is no function {of} in {region}, though the stack names it: deploy the \
                 stack again (`sam deploy`)"
            ),
            Trouble::Throttled => format!(
                "AWS throttles {action} on {of}: try again in a minute; where it lasts, \
                 `aws lambda get-account-settings{options}` shows the account's concurrency"
            ),
            Trouble::TimedOut => format!("{of} did not answer in time ({action} in {region})"),
            Trouble::Unreachable => format!(
                "AWS cannot be reached for {action} in {region}: look at the network, at the proxy \
                 (HTTPS_PROXY, NO_PROXY), and whether there is such a region"
            ),
            Trouble::Other => format!("{action} on {of} in {region} has failed"),
        }
    }
}

/// What went wrong, given whether a profile was named.
fn told_apart<E>(error: &SdkError<E, HttpResponse>, is_of_profile: bool) -> Trouble
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(service) => {
            let (code, message) = (service.err().code(), service.err().message());
            by_code(code.unwrap_or_default(), message.unwrap_or_default())
        }
        SdkError::TimeoutError(_) => Trouble::TimedOut,
        SdkError::DispatchFailure(failure) if failure.is_timeout() => Trouble::TimedOut,
        SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => {
            match chain(error).find_map(|it| it.downcast_ref::<CredentialsError>()) {
                Some(credentials) => of_credentials(credentials, is_of_profile),
                None if chain(error).any(is_of_connection) => Trouble::Unreachable,
                None => Trouble::Other,
            }
        }
        _ => Trouble::Other,
    }
}

/// By the code of a service's error; of `CloudFormation` one code is for every bad request.
fn by_code(code: &str, message: &str) -> Trouble {
    match code {
        "ExpiredToken" | "ExpiredTokenException" => Trouble::Expired,
        "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "RequestExpired"
        | "IncompleteSignature"
        | "InvalidAccessKeyId" => Trouble::Unknown,
        "AccessDenied" | "AccessDeniedException" => Trouble::Denied,
        "ResourceNotFoundException" => Trouble::Missing,
        "ValidationError" if message.contains("does not exist") => Trouble::Missing,
        "TooManyRequestsException"
        | "Throttling"
        | "ThrottlingException"
        | "RequestLimitExceeded" => Trouble::Throttled,
        _ => Trouble::Other,
    }
}

/// The SDK keeps its providers' errors to itself: their words are all that tells them apart. Tests
/// hold these against the SDK.
fn of_credentials(error: &CredentialsError, is_of_profile: bool) -> Trouble {
    let told = chain(error).map(ToString::to_string).collect::<Vec<_>>().join(": ");
    let told_of = |words: &[&str]| words.iter().any(|it| told.contains(it));
    if told_of(&["SSO token", "Session token not found or invalid"]) {
        Trouble::SignIn
    } else if chain(error).any(is_of_connection) {
        Trouble::Unreachable
    } else {
        match error {
            CredentialsError::CredentialsNotLoaded(_) if is_of_profile => Trouble::Profile,
            CredentialsError::CredentialsNotLoaded(_) => Trouble::NoCredentials,
            CredentialsError::InvalidConfiguration(_) => Trouble::Profile,
            CredentialsError::ProviderTimedOut(_) => Trouble::Unreachable,
            _ if told_of(&["ExpiredToken"]) => Trouble::Expired,
            // Nobody has named the role of a machine: it is what is asked last.
            _ if told_of(&["IMDS"]) => Trouble::NoCredentials,
            _ => Trouble::Unknown,
        }
    }
}

fn is_of_connection(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<ConnectorError>().is_some_and(|it| !it.is_user())
}

/// Whether it may have been carried out all the same: it was sent, or begun to be, and no answer
/// came, or none that can be read.
fn may_have_arrived<E>(error: &SdkError<E, HttpResponse>) -> bool
where
    E: Error + 'static,
{
    match error {
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => true,
        SdkError::DispatchFailure(_) => {
            // Without a connection, or without credentials, nothing was sent.
            let is_of_sending = |it: &(dyn Error + 'static)| !it.to_string().contains("(Connect)");
            chain(error).any(is_of_connection) && chain(error).all(is_of_sending)
        }
        _ => false,
    }
}

/// An error and what it came from.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// What AWS, or the way to it, says.
fn said<E>(error: &SdkError<E, HttpResponse>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(service) => {
            let error = service.err();
            let status = format!("HTTP {}", service.raw().status().as_u16());
            let code = error.code().unwrap_or(&status);
            let message = error.message().unwrap_or("no message");
            match error.meta().request_id() {
                Some(id) => format!("AWS says {code}: {message} (request {id})"),
                None => format!("AWS says {code}: {message}"),
            }
        }
        // It prints the raw answer, which may hold a user's text.
        SdkError::ResponseError(response) => {
            format!("the answer cannot be read (HTTP {})", response.raw().status().as_u16())
        }
        other => chain(other).map(ToString::to_string).collect::<Vec<_>>().join(": "),
    }
}
