//! Why there is no good answer: a refusal that helps the caller, or a failure of ours. The one
//! mapping from both to an answer.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Request, Route};
use crate::{
    clock::Clock,
    language::Language,
    process::{ErrorCode, Failure, InvalidRequest, LogLevel, ProcessId, RequestBatchId, Status},
    validation::{Rule, Violation},
};

/// Violations that an answer names; of further ones it tells the number.
const MAX_DETAILS: usize = 20;

/// Seconds after which a service that cannot be reached may be asked again.
const UNAVAILABLE_RETRY_AFTER: u64 = 5;

/// A refusal: the code, and what helps the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub code: ErrorCode,
    /// Which fields break which rules.
    pub details: Vec<Violation>,
    /// Seconds after which it may go better.
    pub retry_after: Option<u64>,
    /// Where the process stands that could not be moved.
    pub current_status: Option<Status>,
    /// How many retries its chain has.
    pub retry_count: Option<i16>,
    /// Finds the log line.
    pub error_id: Option<Uuid>,
    /// The process that stands in the way.
    pub process_id: Option<ProcessId>,
    /// The HTTP status, where it says more than the code's own: the closed set of codes has none
    /// for a wrong path, method, content type or size, so these are `VALIDATION_ERROR`s whose
    /// status and details tell them apart.
    pub http_status: Option<u16>,
    /// The methods that the path takes, for a wrong one.
    pub allow: Option<String>,
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self {
            code,
            details: Vec::new(),
            retry_after: None,
            current_status: None,
            retry_count: None,
            error_id: None,
            process_id: None,
            http_status: None,
            allow: None,
        }
    }
}

impl From<InvalidRequest> for Refusal {
    fn from(invalid: InvalidRequest) -> Self {
        match invalid {
            InvalidRequest::ProcessType(violation) => {
                Self { details: vec![violation], ..ErrorCode::InvalidProcessType.into() }
            }
            InvalidRequest::Fields(details) => {
                Self { details, ..ErrorCode::ValidationError.into() }
            }
        }
    }
}

impl From<Violation> for Refusal {
    fn from(violation: Violation) -> Self {
        Self { details: vec![violation], ..ErrorCode::ValidationError.into() }
    }
}

impl Refusal {
    /// `details` break rules: at least one does.
    #[must_use]
    pub fn invalid(details: Vec<Violation>) -> Self {
        Self { details, ..ErrorCode::ValidationError.into() }
    }

    /// With an HTTP status that says more than the code's own.
    #[must_use]
    pub fn with_status(self, http_status: u16) -> Self {
        Self { http_status: Some(http_status), ..self }
    }

    /// The HTTP status of the answer.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.http_status.unwrap_or_else(|| self.code.http_status())
    }

    /// The headers of the answer beside the usual ones.
    pub(super) fn headers(&self) -> BTreeMap<&'static str, String> {
        let retry_after = self.retry_after.map(|seconds| ("retry-after", seconds.to_string()));
        retry_after
            .into_iter()
            .chain(self.allow.clone().map(|methods| ("allow", methods)))
            .collect()
    }

    /// The body cannot be read as what it should be.
    #[must_use]
    pub fn invalid_body(error: &serde_json::Error) -> Self {
        Violation::new("body", Rule::Json { line: error.line(), column: error.column() }).into()
    }

    /// What the body of the answer is, in `language`.
    #[must_use]
    pub fn envelope(&self, language: Language) -> Value {
        let mut error = json!({
            "code": self.code,
            "message": self.code.message(language),
            "retryable": self.code.retryable(),
        });
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                error[name] = value;
            }
        };
        let details: Vec<_> = first_of(&self.details)
            .map(|violation| {
                json!({"field": violation.field, "message": violation.message(language)})
            })
            .collect();
        set("details", (!details.is_empty()).then_some(Value::Array(details)));
        set("retryAfter", self.retry_after.map(Value::from));
        set("currentStatus", self.current_status.map(|status| status.as_str().into()));
        set("retryCount", self.retry_count.map(Value::from));
        set("errorId", self.error_id.map(|id| id.to_string().into()));
        set("processId", self.process_id.map(|id| id.to_string().into()));
        json!({"success": false, "error": error})
    }
}

/// The first [`MAX_DETAILS`] of `details`, and how many more there are.
pub(super) fn first_of(details: &[Violation]) -> impl Iterator<Item = Cow<'_, Violation>> {
    let (named, counted): (Vec<_>, Vec<_>) =
        details.iter().partition(|violation| !matches!(violation.rule, Rule::More { .. }));
    let more = named.len().saturating_sub(MAX_DETAILS)
        + counted.iter().map(|violation| violation.rule.more()).sum::<usize>();
    let rest = (more > 0).then(|| Cow::Owned(Violation::more(more)));
    named.into_iter().take(MAX_DETAILS).map(Cow::Borrowed).chain(rest)
}

/// What a refused request was about, for its line in the log: whoever tries what they may not do
/// must be found by it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RefusedRequest {
    user_id: Option<String>,
    actor: Option<&'static str>,
    route: Option<Route>,
    process_id: Option<ProcessId>,
    batch_id: Option<RequestBatchId>,
}

impl RefusedRequest {
    /// One that has no user, so that nothing more of it is read.
    pub(super) fn unread(route: Option<Route>) -> Self {
        Self { route, ..Self::default() }
    }

    pub(super) fn of(request: &Request) -> Self {
        Self {
            user_id: request.caller.owner().map(|user| user.0.clone()),
            actor: Some(request.caller.actor().as_str()),
            route: request.route,
            process_id: request.process_id().ok(),
            batch_id: request.batch_id().ok(),
        }
    }
}

/// Why a handler has no good answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The caller can know and do something.
    Refused(Box<Refusal>),
    /// Something of ours failed.
    Failed(Failure),
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl From<ErrorCode> for Problem {
    fn from(code: ErrorCode) -> Self {
        Refusal::from(code).into()
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Problem {
    /// Logs it as loudly as its code says, and leaves the caller what they may know: a failure's
    /// cause stays in the log.
    pub(super) fn into_refusal(self, about: &RefusedRequest, clock: &dyn Clock) -> Refusal {
        let (mut refusal, cause) = match self {
            Self::Refused(refusal) => (*refusal, String::new()),
            Self::Failed(failure) => (Refusal::from(failure.code), failure.cause),
        };
        let code = refusal.code;
        if code == ErrorCode::InternalError {
            refusal.error_id = Some(clock.new_id());
        }
        if refusal.status() == 503 && refusal.retry_after.is_none() {
            refusal.retry_after = Some(UNAVAILABLE_RETRY_AFTER);
        }
        let error_id = refusal.error_id.map(|id| id.to_string());
        let process_id = about.process_id.or(refusal.process_id).map(|id| id.to_string());
        let batch_id = about.batch_id.map(|id| id.to_string());
        let route = about.route.map(|route| format!("{} {}", route.method(), route.path()));
        macro_rules! log {
            ($level:ident, $words:literal) => {
                tracing::$level!(
                    errorCode = %code,
                    cause,
                    errorId = error_id,
                    userId = about.user_id,
                    actor = about.actor,
                    route,
                    processId = process_id,
                    batchId = batch_id,
                    $words
                )
            };
        }
        match code.level() {
            LogLevel::Info => log!(info, "refused"),
            LogLevel::Warn => log!(warn, "refused"),
            LogLevel::Error => log!(error, "failed"),
        }
        refusal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Security S9.
    #[test]
    fn twenty_details_are_named_and_all_others_counted() {
        let mut details: Vec<_> = (0..25)
            .map(|number| Violation::new(format!("field{number}"), Rule::Required))
            .collect();
        details.insert(3, Violation::more(975));
        let envelope = Refusal::invalid(details).envelope(Language::English);
        let details = envelope["error"]["details"].as_array().unwrap();
        assert_eq!(details.len(), 21);
        assert_eq!(details[19]["field"], "field19");
        assert_eq!(details[20], json!({"field": "details", "message": "and 980 more"}));
    }

    // Security S10.
    #[test]
    fn a_refused_request_is_known_by_its_user_route_and_process() {
        let id = "0193e4a0-0000-7000-8000-000000000001";
        let event = json!({
            "routeKey": "POST /api/ai/async/cancel/{processId}",
            "pathParameters": {"processId": id},
            "requestContext": {"authorizer": {"jwt": {"claims": {"sub": "mallory"}}}},
        });
        let about = RefusedRequest::of(&Request::read(event).unwrap());
        assert_eq!(
            about,
            RefusedRequest {
                user_id: Some("mallory".into()),
                actor: Some("user"),
                route: Some(Route::Cancel),
                process_id: Some(ProcessId(id.parse().unwrap())),
                batch_id: None,
            }
        );
        assert_eq!(ErrorCode::Forbidden.level(), LogLevel::Warn);
    }

    #[test]
    fn details_name_field_and_limit_in_the_callers_language() {
        let refusal = Refusal {
            details: vec![Violation::new(
                "params.title",
                Rule::Length { min: 1, max: 200, actual: 201 },
            )],
            ..ErrorCode::ValidationError.into()
        };
        let english = refusal.envelope(Language::English);
        assert_eq!(
            english["error"]["details"],
            json!([{"field": "params.title", "message": "must have 1 to 200 characters, has 201"}])
        );
        let japanese = refusal.envelope(Language::Japanese);
        assert_eq!(
            japanese["error"]["details"][0]["message"],
            "1〜200文字で入力してください(現在201文字)。"
        );
    }
}
