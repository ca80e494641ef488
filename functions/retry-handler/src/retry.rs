//! A retry is a new process with the params of the old one, which stays as it ended: terminal is
//! final. After a partial success it generates only what failed.

use shared::{
    aws::workflow::Workflow,
    chart::Chart,
    clock::{Clock, SystemClock},
    http::{
        Caller, Problem, REASON_LENGTH, RateLimit, Refusal, Reply, Request, Response, RetriedView,
        limited,
    },
    lambda::Setup,
    process::{
        Author, ErrorCode, Failure, Generation, MAX_RETRIES, Priority, Process, ProcessId, Status,
        Terms, generation::parse_failed_targets, read_priority,
    },
    store::{Retry, Store, Submission},
    use_case::submit,
    validation::{Reader, Rule, Text, Violation},
};

/// What is generated.
type Kind = Chart;

/// What retrying needs.
pub(crate) struct RetryHandler {
    store: Store,
    workflow: Workflow,
    pub(crate) clock: SystemClock,
    limit: RateLimit,
    terms: Terms,
}

impl RetryHandler {
    /// From the environment.
    ///
    /// # Errors
    /// When a variable is missing or wrong.
    pub(crate) async fn new(setup: &Setup) -> Result<Self, Failure> {
        Ok(Self {
            workflow: setup.workflow()?,
            limit: RateLimit::Starting(setup.rate_limit_per_minute()?),
            terms: setup.terms()?,
            clock: SystemClock,
            store: setup.store_for_requests().await?,
        })
    }

    pub(crate) async fn handle(&self, request: &Request) -> Response {
        let retry = async || self.retry(request).await;
        limited(&self.store, self.limit, request, self.clock.now(), retry).await
    }

    async fn retry(&self, request: &Request) -> Result<Reply, Problem> {
        let id = request.process_id()?;
        let Wish { force, priority, author, reason } = read_wish(request)?;
        let original = self.store.find(id).await?.ok_or(ErrorCode::ProcessingNotFound)?;
        let count = retry_number(&original, &request.caller, force)?;
        let Process { summary, params, result, .. } = original;
        let params = Kind::parse_stored(&summary.process_type, &params)
            .map_err(|error| Failure::internal(error.to_string()))?;
        let partial = result.as_ref().filter(|_| summary.status == Status::Completed);
        let submission = Submission::<Kind> {
            id: ProcessId(self.clock.new_id()),
            user_id: summary.user_id,
            params: Kind::params_for_retry(params, partial),
            retry: Some(Retry { of: id, count, note: author.note(reason.as_deref()) }),
            priority,
            terms: self.terms,
            idempotency_key: None,
            per_minute: None,
            late: Vec::new(),
            actor: author.actor,
            now: self.clock.now(),
        };
        let (accepted, _) = submit(&self.store, &self.workflow, &submission).await?;
        // Whoever retries a process again is given the retry that there is.
        let accepted = accepted?;
        tracing::info!(
            processId = %accepted.process_id,
            userId = %submission.user_id,
            r#type = %summary.process_type,
            originalProcessId = %id,
            retryCount = count,
            repeated = accepted.repeated,
            forced = force,
            actor = author.actor.as_str(),
            by = author.name,
            "retried"
        );
        let view = RetriedView {
            accepted: accepted.view(&summary.process_type),
            retry_count: count,
            original_process_id: id,
        };
        Ok(Reply::of(202, &view)?)
    }
}

/// What a caller says besides what is to be retried. A user says nothing: their body has no fields.
#[derive(Debug, PartialEq, Eq)]
struct Wish {
    /// Whether what would fail again is retried all the same.
    force: bool,
    priority: Priority,
    author: Author,
    /// Why, for the history.
    reason: Option<String>,
}

fn read_wish(request: &Request) -> Result<Wish, Refusal> {
    let body = request.object()?;
    let mut reader = Reader::new("", &body);
    let author = request.caller.author(&mut reader);
    let mut wish = Wish { force: false, priority: Priority::Normal, author, reason: None };
    if request.caller == Caller::Operator {
        reader.required("processId");
        wish.force = reader.flag("force");
        wish.priority = read_priority(&mut reader).unwrap_or_default();
        wish.reason = reader.optional_text("reason", Text::Lines, REASON_LENGTH);
    }
    let details = reader.finish();
    if details.is_empty() { Ok(wish) } else { Err(Refusal::invalid(details)) }
}

/// Whether `caller` may retry `original`, and which retry of its chain this is, from 1.
fn retry_number(original: &Process, caller: &Caller, force: bool) -> Result<i16, Problem> {
    if caller.owner().is_some_and(|user| *user != original.summary.user_id) {
        return Err(ErrorCode::Forbidden.into());
    }
    let refuse = |code: ErrorCode| Refusal {
        current_status: Some(original.summary.status),
        retry_count: Some(original.summary.retry_count),
        ..code.into()
    };
    let ended_badly = match original.summary.status {
        Status::Failed | Status::Timeout => true,
        // Some of its targets failed: they are what is retried.
        Status::Completed => {
            original.result.as_ref().is_some_and(|result| !parse_failed_targets(result).is_empty())
        }
        Status::Pending | Status::Processing | Status::Cancelled => false,
    };
    let lasting =
        original.summary.error.as_ref().map(|error| error.code).filter(|code| !code.retryable());
    match lasting {
        _ if !ended_badly => Err(refuse(ErrorCode::RetryNotAllowed).into()),
        _ if original.summary.retry_count >= MAX_RETRIES => {
            Err(refuse(ErrorCode::MaxRetryExceeded).into())
        }
        Some(code) if !force && original.summary.status != Status::Completed => {
            let details =
                vec![Violation::new("error.code", Rule::NotRetryable { code: code.as_str() })];
            Err(Refusal { details, ..refuse(ErrorCode::RetryNotAllowed) }.into())
        }
        _ => Ok(original.summary.retry_count + 1),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use shared::process::{ProcessError, ProcessSummary, ProcessType, UserId};

    use super::*;

    fn process(
        status: Status,
        error: Option<ErrorCode>,
        retry_count: i16,
        result: Option<Value>,
    ) -> Process {
        let now = "2026-11-22T00:00:00Z".parse().unwrap();
        let summary = ProcessSummary {
            id: ProcessId("0193e4a0-0000-7000-8000-000000000001".parse().unwrap()),
            user_id: UserId("hanako".into()),
            process_type: ProcessType::new("SUBGOAL_GENERATION"),
            status,
            progress: 50,
            error: error.map(|code| ProcessError::new(code, "test")),
            retry_count,
            original_process_id: None,
            attempt: 1,
            cancel_reason: None,
            created_at: now,
            started_at: None,
            updated_at: now,
            completed_at: None,
        };
        let target_id = "0193e4a0-0000-7000-8000-000000000002".parse().unwrap();
        Process { summary, target_id, params: Value::Null, result, execution_arn: None }
    }

    fn user() -> Caller {
        Caller::User(UserId("hanako".into()))
    }

    fn refused(number: Result<i16, Problem>) -> Refusal {
        match number {
            Err(Problem::Refused(refusal)) => *refusal,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_what_ended_badly_is_retried() {
        for status in Status::ALL {
            let number = retry_number(&process(*status, None, 0, None), &user(), false);
            if matches!(status, Status::Failed | Status::Timeout) {
                assert_eq!(number, Ok(1), "{status}");
            } else {
                let refusal = refused(number);
                assert_eq!(
                    (refusal.code, refusal.current_status),
                    (ErrorCode::RetryNotAllowed, Some(*status))
                );
            }
        }
    }

    #[test]
    fn the_failed_part_of_what_completed_in_part_is_retried() {
        let result = json!({
            "partial": true,
            "failedTargets": [{"targetId": "0193e4a0-0000-7000-8000-000000000003"}],
        });
        let partial = process(Status::Completed, None, 1, Some(result));
        assert_eq!(retry_number(&partial, &user(), false), Ok(2));
        let whole = process(Status::Completed, None, 1, Some(json!({"subGoals": []})));
        assert_eq!(refused(retry_number(&whole, &user(), true)).code, ErrorCode::RetryNotAllowed);
    }

    #[test]
    fn a_chain_has_three_retries_also_for_an_operator() {
        for (count, allowed) in [(0, true), (2, true), (3, false), (4, false)] {
            for (caller, force) in [(user(), false), (Caller::Operator, true)] {
                let number = retry_number(
                    &process(Status::Failed, Some(ErrorCode::AiError), count, None),
                    &caller,
                    force,
                );
                if allowed {
                    assert_eq!(number, Ok(count + 1));
                } else {
                    let refusal = refused(number);
                    assert_eq!(
                        (refusal.code, refusal.retry_count),
                        (ErrorCode::MaxRetryExceeded, Some(count))
                    );
                }
            }
        }
    }

    #[test]
    fn an_error_that_would_come_again_is_refused_by_name_unless_forced() {
        for code in ErrorCode::ALL {
            let failed = process(Status::Failed, Some(*code), 0, None);
            assert_eq!(retry_number(&failed, &Caller::Operator, true), Ok(1), "{code}");
            let number = retry_number(&failed, &user(), false);
            if code.retryable() {
                assert_eq!(number, Ok(1), "{code}");
            } else {
                let refusal = refused(number);
                assert_eq!(
                    (refusal.code, refusal.details[0].rule.clone()),
                    (ErrorCode::RetryNotAllowed, Rule::NotRetryable { code: code.as_str() })
                );
            }
        }
    }

    #[test]
    fn another_users_process_is_forbidden_before_anything_is_told() {
        let refusal = refused(retry_number(
            &process(Status::Completed, None, 3, None),
            &Caller::User(UserId("taro".into())),
            false,
        ));
        assert_eq!(
            (refusal.code, refusal.current_status, refusal.retry_count),
            (ErrorCode::Forbidden, None, None)
        );
    }

    #[test]
    fn an_operator_may_say_who_and_why_and_that_it_can_wait() {
        let payload = json!({
            "processId": "x", "by": "hanako", "reason": "after incident 7", "priority": "low",
        });
        let wish = read_wish(&Request::read(payload).unwrap()).unwrap();
        assert_eq!((wish.force, wish.priority), (false, Priority::Low));
        let note = wish.author.note(wish.reason.as_deref());
        assert_eq!(note, Some(json!({"by": "hanako", "reason": "after incident 7"})));
        let wrong = json!({"processId": "x", "by": 7, "priority": "urgent", "why": "x"});
        let refusal = read_wish(&Request::read(wrong).unwrap()).unwrap_err();
        let fields: Vec<_> = refusal.details.iter().map(|detail| detail.field.as_str()).collect();
        assert_eq!(fields, ["by", "priority", "why"]);
    }

    #[test]
    fn only_an_operator_can_force() {
        let operator = |payload| read_wish(&Request::read(payload).unwrap()).map(|wish| wish.force);
        assert_eq!(operator(json!({"processId": "x", "force": true})), Ok(true));
        assert_eq!(operator(json!({"processId": "x"})), Ok(false));
        assert_eq!(
            operator(json!({"processId": "x", "force": "yes"})).unwrap_err().details[0].field,
            "force"
        );
        let http = json!({
            "version": "2.0",
            "routeKey": "POST /api/ai/async/retry/{processId}",
            "rawPath": "/api/ai/async/retry/x",
            "rawQueryString": "",
            "headers": {},
            "isBase64Encoded": false,
            "body": "{\"force\":true}",
            "requestContext": {
                "http": {
                    "method": "POST",
                    "path": "/",
                    "protocol": "HTTP/1.1",
                    "sourceIp": "127.0.0.1",
                    "userAgent": "test",
                },
                "authorizer": {"jwt": {"claims": {"sub": "hanako"}, "scopes": null}},
                "timeEpoch": 0,
            },
        });
        assert_eq!(operator(http).unwrap_err().details[0].field, "force");
    }
}
