//! How a result becomes an answer: the envelope, and the one mapping from errors to HTTP.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Call, Caller};
use crate::{
    clock::Clock,
    error_code::{ErrorCode, Level},
    failure::Failure,
    language::Language,
    params::InvalidRequest,
    process::{ProcessId, Status},
    validation::{Rule, Violation},
};

/// Seconds after which a service that cannot be reached may be asked again.
const UNAVAILABLE_RETRY_AFTER: u64 = 5;

/// A good answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The envelope's `data`.
    pub data: Value,
    /// Headers beside the usual ones.
    pub headers: BTreeMap<&'static str, String>,
}

impl Reply {
    /// An answer without headers of its own.
    #[must_use]
    pub const fn new(status: u16, data: Value) -> Self {
        Self { status, data, headers: BTreeMap::new() }
    }

    /// An answer whose data is `data`.
    ///
    /// # Errors
    /// When `data` cannot be JSON, which is a defect of ours.
    pub fn of(status: u16, data: &impl serde::Serialize) -> Result<Self, Failure> {
        Ok(Self::new(status, serde_json::to_value(data).map_err(|error| Failure::internal(error.to_string()))?))
    }

    /// With one more header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: &impl ToString) -> Self {
        self.headers.insert(name, value.to_string());
        self
    }
}

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
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self { code, details: Vec::new(), retry_after: None, current_status: None, retry_count: None, error_id: None, process_id: None }
    }
}

impl From<InvalidRequest> for Refusal {
    fn from(invalid: InvalidRequest) -> Self {
        match invalid {
            InvalidRequest::ProcessType(violation) => Self { details: vec![violation], ..ErrorCode::InvalidProcessType.into() },
            InvalidRequest::Fields(details) => Self { details, ..ErrorCode::ValidationError.into() },
        }
    }
}

impl Refusal {
    /// The body cannot be read as what it should be.
    #[must_use]
    pub fn invalid_body(error: &serde_json::Error) -> Self {
        let rule = Rule::Json { line: error.line(), column: error.column() };
        Self { details: vec![Violation::new("body", rule)], ..ErrorCode::ValidationError.into() }
    }

    fn envelope(&self, language: Language) -> Value {
        let mut error = json!({"code": self.code, "message": self.code.message(language), "retryable": self.code.retryable()});
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                error[name] = value;
            }
        };
        let details: Vec<_> =
            self.details.iter().map(|violation| json!({"field": violation.field, "message": violation.message(language)})).collect();
        set("details", (!details.is_empty()).then_some(Value::Array(details)));
        set("retryAfter", self.retry_after.map(Value::from));
        set("currentStatus", self.current_status.map(|status| status.as_str().into()));
        set("retryCount", self.retry_count.map(Value::from));
        set("errorId", self.error_id.map(|id| id.to_string().into()));
        set("processId", self.process_id.map(|id| id.to_string().into()));
        json!({"success": false, "error": error})
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
    /// Logs it as loudly as its code says, and leaves the caller what they may know: a failure's cause stays in the log.
    fn into_refusal(self, clock: &dyn Clock) -> Refusal {
        let (mut refusal, cause) = match self {
            Self::Refused(refusal) => (*refusal, String::new()),
            Self::Failed(failure) => (Refusal::from(failure.code), failure.cause),
        };
        let code = refusal.code;
        if code == ErrorCode::InternalError {
            refusal.error_id = Some(clock.new_id());
        }
        if code.http_status() == 503 && refusal.retry_after.is_none() {
            refusal.retry_after = Some(UNAVAILABLE_RETRY_AFTER);
        }
        let error_id = refusal.error_id.map(|id| id.to_string());
        match code.level() {
            Level::Info => tracing::info!(errorCode = %code, cause, "refused"),
            Level::Warn => tracing::warn!(errorCode = %code, cause, "refused"),
            Level::Error => tracing::error!(errorCode = %code, cause, errorId = error_id, "failed"),
        }
        refusal
    }
}

/// Answers an invocation: reads the event, calls `handle`, and puts what it says into the envelope; for HTTP, into a response.
pub async fn answer(event: Value, clock: &dyn Clock, handle: impl AsyncFnOnce(&Call) -> Result<Reply, Problem>) -> Value {
    let http = event.pointer("/requestContext/http").is_some();
    let (result, language) = match Call::read(event) {
        Ok(call) => {
            let result = handle(&call).await;
            log_caller(&call.caller);
            (result, call.language)
        }
        Err(refusal) => (Err(refusal.into()), Language::default()),
    };
    let (status, headers, envelope) = match result {
        Ok(reply) => (reply.status, reply.headers, json!({"success": true, "data": reply.data})),
        Err(problem) => {
            let refusal = problem.into_refusal(clock);
            let headers = refusal.retry_after.map(|seconds| ("retry-after", seconds.to_string())).into_iter().collect();
            (refusal.code.http_status(), headers, refusal.envelope(language))
        }
    };
    if http { response(status, headers, &envelope) } else { envelope }
}

fn log_caller(caller: &Caller) {
    match caller {
        Caller::User(user) => tracing::debug!(userId = %user, "answered a user"),
        Caller::Operator => tracing::info!("answered an operator's direct invocation"),
    }
}

/// A response for API Gateway's payload format 2.0.
fn response(status: u16, mut headers: BTreeMap<&'static str, String>, envelope: &Value) -> Value {
    headers.insert("content-type", "application/json; charset=utf-8".to_owned());
    headers.insert("cache-control", "no-store".to_owned());
    headers.insert("x-content-type-options", "nosniff".to_owned());
    json!({"statusCode": status, "headers": headers, "body": envelope.to_string(), "isBase64Encoded": false})
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;

    struct Fixed;

    impl Clock for Fixed {
        fn now(&self) -> DateTime<Utc> {
            DateTime::UNIX_EPOCH
        }

        fn new_id(&self) -> Uuid {
            Uuid::nil()
        }
    }

    #[tokio::test]
    async fn a_direct_invocation_gets_the_bare_envelope() {
        let answered = answer(json!({}), &Fixed, async |_: &Call| Ok(Reply::new(200, json!({"a": 1})))).await;
        assert_eq!(answered, json!({"success": true, "data": {"a": 1}}));
    }

    #[tokio::test]
    async fn an_internal_error_tells_an_id_and_nothing_else() {
        let answered = answer(json!({}), &Fixed, async |_: &Call| Err(Failure::internal("password of db-1 is hunter2").into())).await;
        assert_eq!(answered["error"]["errorId"], Uuid::nil().to_string());
        assert!(!answered.to_string().contains("hunter2"));
    }

    #[tokio::test]
    async fn an_unreachable_database_says_when_to_come_back() {
        let answered =
            answer(json!({}), &Fixed, async |_: &Call| Err(Failure::new(ErrorCode::DatabaseConnectionError, "refused").into())).await;
        assert_eq!(answered["error"]["retryAfter"], 5);
        assert_eq!(answered["error"]["retryable"], true);
    }

    #[tokio::test]
    async fn an_http_event_gets_a_response_whose_body_is_the_envelope() {
        let event = json!({"requestContext": {"http": {"method": "GET", "path": "/"}}});
        let answered = answer(event, &Fixed, async |_: &Call| unreachable!("there is no user")).await;
        assert_eq!(answered["statusCode"], 401);
        assert_eq!(answered["headers"]["content-type"], "application/json; charset=utf-8");
        let body: Value = serde_json::from_str(answered["body"].as_str().unwrap()).unwrap();
        assert_eq!(body["error"]["code"], "UNAUTHORIZED");
    }

    #[test]
    fn details_name_field_and_limit_in_the_callers_language() {
        let refusal = Refusal {
            details: vec![Violation::new("params.title", Rule::Length { min: 1, max: 200, actual: 201 })],
            ..ErrorCode::ValidationError.into()
        };
        let english = refusal.envelope(Language::English);
        assert_eq!(english["error"]["details"], json!([{"field": "params.title", "message": "must have 1 to 200 characters, has 201"}]));
        let japanese = refusal.envelope(Language::Japanese);
        assert_eq!(japanese["error"]["details"][0]["message"], "1〜200文字で入力してください(現在201文字)。");
    }
}
