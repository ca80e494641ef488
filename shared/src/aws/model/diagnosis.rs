//! What the exceptions of Converse mean: by name, by what some of them say, and by HTTP status
//! where there is no name that we know.
//!
//! Sources: the exceptions of
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>; the messages
//! as public reports on GitHub quote them, each beside its row.

use super::Fault;

/// A fault, and what an operator can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Diagnosis {
    pub(super) fault: Fault,
    pub(super) advice: &'static str,
}

const THROTTLED: &str = "the quota of requests or tokens is used up; the work waits. Ask for a \
                         higher quota of this model in Service Quotas, or lower the capacity";
const UNAVAILABLE: &str = "the model is not available at the moment; the work is tried again";
const TIMED_OUT: &str = "the model did not answer in its own time limit; the work is tried again";
const FAILED: &str = "the model failed on the request; the work is tried again";
const UNKNOWN: &str = "an error that this version does not know; look it up in the documentation \
                       of Bedrock's Converse";
const FILTERED: &str = "the content filter of the model refused the text; another text may pass";
const GUARDRAIL: &str = "a guardrail refused the text; look at the guardrail's policies in Bedrock";
const REJECTED: &str = "the model does not accept this request; if it refuses every request, \
                        MODEL_IDS names a model that does not support Converse with tools";
const TOO_LONG: &str = "the request is longer than the model can read";
const PENDING: &str = "the account's AWS Marketplace subscription to this model is not complete; \
                       an administrator submits the provider's use case form, invokes the model \
                       once and waits up to 15 minutes";
const DENIED: &str = "allow the worker bedrock:InvokeModel on this model or inference profile \
                      (parameter ModelAccess), and have an administrator invoke the model once";
const FORBIDDEN: &str = "a service control policy denies it; use an inference profile \
                                      of a geography that the organization allows";
const NOT_FOUND: &str = "MODEL_IDS names a model or inference profile that this region does not \
                         have";
const LEGACY: &str = "the provider has marked the model as Legacy and the account has not used it \
                      lately; name an active model in MODEL_IDS";
const END_OF_LIFE: &str =
    "the model has reached its end of life; name an active model in MODEL_IDS";
const ON_DEMAND: &str = "the model cannot be called by its own id; name its inference profile in \
                         MODEL_IDS, for example one that begins with \"global.\"";
const NO_TOOLS: &str = "the model does not support what we ask of it; name one in MODEL_IDS that \
                        supports Converse with tools";
const CREDENTIALS: &str = "the credentials of the function are not valid; look at its role and at \
                           the time of the machine";

/// An exception and a part of its message, in lower case, with what they mean. The first row that
/// fits decides; an empty part fits every message.
type Row = (&'static str, &'static str, Fault, &'static str);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("ThrottlingException", "", Fault::Throttled, THROTTLED),
    ("TooManyRequestsException", "", Fault::Throttled, THROTTLED),
    ("ServiceQuotaExceededException", "", Fault::Throttled, THROTTLED),
    ("ServiceUnavailableException", "", Fault::Unavailable, UNAVAILABLE),
    ("ModelNotReadyException", "", Fault::Unavailable, UNAVAILABLE),
    ("ModelTimeoutException", "", Fault::TimedOut, TIMED_OUT),
    // anthropics/claude-code/issues/37547
    ("ModelErrorException", "content filter", Fault::ContentRefused, FILTERED),
    ("ModelErrorException", "", Fault::Failed, FAILED),
    ("InternalServerException", "", Fault::Failed, FAILED),
    // aws-samples/amazon-bedrock-workshop/issues/386 (also as ResourceNotFoundException)
    ("AccessDeniedException", "legacy", Fault::Gone, LEGACY),
    // aws-samples/sample-badgers/issues/33
    ("AccessDeniedException", "service control policy", Fault::AccessDenied, FORBIDDEN),
    // aws-samples/sample-host-openclaw-on-amazon-bedrock-agentcore/issues/41
    ("AccessDeniedException", "marketplace", Fault::AccessPending, PENDING),
    ("AccessDeniedException", "try again", Fault::AccessPending, PENDING),
    ("AccessDeniedException", "", Fault::AccessDenied, DENIED),
    ("ResourceNotFoundException", "legacy", Fault::Gone, LEGACY),
    // aws-solutions-library-samples/accelerated-intelligent-document-processing-on-aws/issues/708
    ("ResourceNotFoundException", "end of its life", Fault::Gone, END_OF_LIFE),
    ("ResourceNotFoundException", "use case details", Fault::AccessPending, PENDING),
    ("ResourceNotFoundException", "", Fault::Gone, NOT_FOUND),
    // anthropics/claude-code/issues/37547
    ("ValidationException", "content filter", Fault::ContentRefused, FILTERED),
    ("ValidationException", "output blocked", Fault::ContentRefused, FILTERED),
    // apache/airflow/pull/72521
    ("ValidationException", "as legacy", Fault::Gone, LEGACY),
    ("ValidationException", "end of its life", Fault::Gone, END_OF_LIFE),
    // BerriAI/litellm/pull/28704
    ("ValidationException", "operation not allowed", Fault::AccessDenied, DENIED),
    ("ValidationException", "on-demand throughput", Fault::Configuration, ON_DEMAND),
    ("ValidationException", "model identifier is invalid", Fault::Gone, NOT_FOUND),
    ("ValidationException", "doesn't support", Fault::Configuration, NO_TOOLS),
    ("ValidationException", "too long", Fault::RequestRejected, TOO_LONG),
    ("ValidationException", "", Fault::RequestRejected, REJECTED),
    ("UnrecognizedClientException", "", Fault::Configuration, CREDENTIALS),
    ("ExpiredTokenException", "", Fault::Configuration, CREDENTIALS),
    ("InvalidSignatureException", "", Fault::Configuration, CREDENTIALS),
    ("MissingAuthenticationTokenException", "", Fault::Configuration, CREDENTIALS),
];

/// What the exception `name` with `message`, under an HTTP status, means.
pub(super) fn of_exception(name: Option<&str>, message: Option<&str>, status: u16) -> Diagnosis {
    let message = message.unwrap_or_default().to_lowercase();
    let row = ROWS
        .iter()
        .find(|(exception, part, ..)| Some(*exception) == name && message.contains(part));
    let (fault, advice) = match (row, status) {
        (Some((_, _, fault, advice)), _) => (*fault, *advice),
        (None, 429) => (Fault::Throttled, THROTTLED),
        (None, 502..=504) => (Fault::Unavailable, UNAVAILABLE),
        (None, _) => (Fault::Unknown, UNKNOWN),
    };
    Diagnosis { fault, advice }
}

/// The advice for an answer whose content was refused, by its stop reason.
pub(super) fn of_refusal(stop: &str) -> &'static str {
    if stop == "guardrail_intervened" { GUARDRAIL } else { FILTERED }
}
