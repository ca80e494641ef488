//! Why the AWS CLI could not do it, by its words, and what helps.

use std::borrow::Cow;

/// What is in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// There are no credentials.
    NoCredentials,
    /// The login of SSO, or a session, is over.
    LoginExpired,
    /// AWS does not know the key, or its secret is another.
    CredentialsRefused,
    /// There is no such profile.
    NoProfile,
    /// Nobody said which region.
    NoRegion,
    /// There is no stack of that name there.
    NoStack,
    /// There is no such function.
    NoFunction,
    /// The caller lacks a right; AWS names it.
    Denied,
    /// The function has no free room just now.
    Busy,
    /// AWS cannot be reached.
    Unreachable,
    /// Something else: its words say what.
    Other,
}

/// Parts of what is said, the more particular first.
const SAID: [(&str, Trouble); 20] = [
    ("Unable to locate credentials", Trouble::NoCredentials),
    ("NoCredentials", Trouble::NoCredentials),
    ("Error loading SSO Token", Trouble::LoginExpired),
    ("SSO session associated with this profile", Trouble::LoginExpired),
    ("Token has expired", Trouble::LoginExpired),
    ("ExpiredToken", Trouble::LoginExpired),
    ("InvalidClientTokenId", Trouble::CredentialsRefused),
    ("UnrecognizedClient", Trouble::CredentialsRefused),
    ("SignatureDoesNotMatch", Trouble::CredentialsRefused),
    ("InvalidSignature", Trouble::CredentialsRefused),
    ("config profile", Trouble::NoProfile),
    ("must specify a region", Trouble::NoRegion),
    ("AccessDenied", Trouble::Denied),
    ("is not authorized to perform", Trouble::Denied),
    ("does not exist", Trouble::NoStack),
    ("ResourceNotFoundException", Trouble::NoFunction),
    ("TooManyRequestsException", Trouble::Busy),
    ("Could not connect to the endpoint URL", Trouble::Unreachable),
    ("Connect timeout", Trouble::Unreachable),
    ("Read timeout", Trouble::Unreachable),
];

impl Trouble {
    /// What `said` is about.
    pub(super) fn of(said: &str) -> Self {
        let known = SAID.iter().find(|(part, _)| said.contains(part));
        known.map_or(Self::Other, |(_, trouble)| *trouble)
    }

    /// What to do, with that profile.
    pub(super) fn helps(self, profile: Option<&str>) -> Cow<'static, str> {
        let with = profile.map_or_else(String::new, |profile| format!(" --profile {profile}"));
        match self {
            Self::NoCredentials => format!(
                "there are no AWS credentials: log in (aws sso login{with}), or name a --profile"
            )
            .into(),
            Self::LoginExpired => {
                format!("the login is over: aws sso login{with}, or get new credentials").into()
            }
            Self::CredentialsRefused => {
                "AWS does not take these credentials: are they of this account, and still active?"
                    .into()
            }
            Self::NoProfile => {
                "the AWS CLI has no such profile: aws configure list-profiles names them".into()
            }
            Self::NoRegion => "which region is it in? give --region".into(),
            Self::NoStack => {
                "there is no such stack in this account and region: look at --stack, --profile and \
                 --region"
                    .into()
            }
            Self::NoFunction => {
                "there is no such function, though the stack names it: deploy the stack again"
                    .into()
            }
            Self::Denied => {
                "a right is missing; an operator's role needs lambda:InvokeFunction on the \
                 functions and cloudformation:DescribeStacks on the stack"
                    .into()
            }
            Self::Busy => "the function has no free room just now: try again in a moment".into(),
            Self::Unreachable => {
                "AWS cannot be reached, or does not answer in time: look at the network, a proxy, \
                 and the region's name"
                    .into()
            }
            Self::Other => "the AWS CLI could not do it".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The words of the AWS CLI 2 and of the services that it speaks to.
    #[test]
    fn what_is_in_the_way_is_known_by_the_words_of_the_aws_cli() {
        for (said, trouble) in [
            (
                "Unable to locate credentials. You can configure credentials by running \
                 \"aws login\".",
                Trouble::NoCredentials,
            ),
            (
                "Error when retrieving token from sso: Token has expired and refresh failed",
                Trouble::LoginExpired,
            ),
            (
                "The SSO session associated with this profile has expired or is otherwise \
                 invalid. To refresh this SSO session run aws sso login with the corresponding \
                 profile.",
                Trouble::LoginExpired,
            ),
            (
                "An error occurred (ExpiredToken) when calling the GetCallerIdentity operation: \
                 The security token included in the request is expired",
                Trouble::LoginExpired,
            ),
            (
                "An error occurred (InvalidClientTokenId) when calling the DescribeStacks \
                 operation: The security token included in the request is invalid.",
                Trouble::CredentialsRefused,
            ),
            ("The config profile (prod) could not be found", Trouble::NoProfile),
            (
                "You must specify a region. You can also configure your region by running \"aws \
                 configure\".",
                Trouble::NoRegion,
            ),
            (
                "An error occurred (ValidationError) when calling the DescribeStacks operation: \
                 Stack with id aigen does not exist",
                Trouble::NoStack,
            ),
            (
                "An error occurred (AccessDeniedException) when calling the Invoke operation: \
                 User: arn:aws:iam::1:user/x is not authorized to perform: lambda:InvokeFunction \
                 on resource: arn:aws:lambda:us-east-1:1:function:diagnostics because no \
                 identity-based policy allows the lambda:InvokeFunction action",
                Trouble::Denied,
            ),
            (
                "An error occurred (ResourceNotFoundException) when calling the Invoke \
                 operation: Function not found: arn:aws:lambda:us-east-1:1:function:diagnostics",
                Trouble::NoFunction,
            ),
            (
                "An error occurred (TooManyRequestsException) when calling the Invoke operation: \
                 Rate Exceeded.",
                Trouble::Busy,
            ),
            (
                "Could not connect to the endpoint URL: \"https://lambda.eu-nowhere-1.amazonaws\
                 .com/2015-03-31/functions/diagnostics/invocations\"",
                Trouble::Unreachable,
            ),
            ("Unknown options: --nonsense", Trouble::Other),
        ] {
            assert_eq!(Trouble::of(said), trouble, "{said}");
        }
        assert!(Trouble::LoginExpired.helps(Some("prod")).contains("sso login --profile prod"));
    }
}
