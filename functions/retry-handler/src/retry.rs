//! A retry is a new process with the params of the old one, which stays as it ended: terminal is
//! final. After a partial success it generates only what failed.

use serde_json::json;
use shared::{
    accept::accept,
    clock::Clock,
    error_code::ErrorCode,
    failure::Failure,
    http::{Answer, Call, Caller, Problem, Refusal, Reply, limited},
    params::{Params, failed_targets},
    process::{Process, ProcessId, Status},
    store::{Retry, Submission},
    validation::{Reader, Rule, Violation},
};

use crate::RetryHandler;

/// Retries in one chain.
const MAX_RETRIES: i16 = 3;

impl RetryHandler {
    pub(crate) async fn handle(&self, call: &Call) -> Answer {
        limited(&self.store, self.per_minute, call, self.clock.now(), async || {
            self.retry(call).await
        })
        .await
    }

    async fn retry(&self, call: &Call) -> Result<Reply, Problem> {
        let id = call.process_id()?;
        let force = read_force(call)?;
        let original = self.store.find(id).await?.ok_or(ErrorCode::ProcessingNotFound)?.process;
        let count = judge(&original, &call.caller, force)?;
        let params = Params::from_stored(original.process_type, &original.params)
            .map_err(|error| Failure::internal(error.to_string()))?
            .for_retry_after(
                original.result.as_ref().filter(|_| original.status == Status::Completed),
            );
        let submission = Submission {
            id: ProcessId(self.clock.new_id()),
            user_id: original.user_id.clone(),
            params,
            retry: Some(Retry { of: id, count }),
            idempotency_key: None,
            per_minute: None,
            actor: call.caller.actor(),
            now: self.clock.now(),
        };
        let (accepted, _) = accept(&self.store, &self.workflow, &submission).await?;
        // Whoever retries a process again is given the retry that there is.
        let accepted = accepted?;
        tracing::info!(
            processId = %accepted.process_id, userId = %submission.user_id, r#type = %original.process_type, originalProcessId = %id,
            retryCount = count, repeated = accepted.repeated, forced = force, "retried"
        );
        Ok(Reply::new(
            202,
            json!({
                "processId": accepted.process_id, "status": accepted.status, "type": original.process_type, "retryCount": count,
                "originalProcessId": id, "createdAt": accepted.created_at, "estimatedCompletionTime": accepted.estimated,
            }),
        ))
    }
}

/// Whether an operator forces the retry of what would fail again. A user cannot: their body has no
/// fields.
fn read_force(call: &Call) -> Result<bool, Refusal> {
    let body = call.object()?;
    let mut reader = Reader::new("", &body);
    let mut force = false;
    if call.caller == Caller::Operator {
        reader.required("processId");
        force = reader.flag("force");
    }
    let details = reader.finish();
    if details.is_empty() { Ok(force) } else { Err(Refusal::invalid(details)) }
}

/// Whether `caller` may retry `original`, and which retry of its chain this is, from 1.
fn judge(original: &Process, caller: &Caller, force: bool) -> Result<i16, Problem> {
    if caller.owner().is_some_and(|user| *user != original.user_id) {
        return Err(ErrorCode::Forbidden.into());
    }
    let refuse = |code: ErrorCode| Refusal {
        current_status: Some(original.status),
        retry_count: Some(original.retry_count),
        ..code.into()
    };
    let ended_badly = match original.status {
        Status::Failed | Status::Timeout => true,
        // Some of its targets failed: they are what is retried.
        Status::Completed => {
            original.result.as_ref().is_some_and(|result| !failed_targets(result).is_empty())
        }
        Status::Pending | Status::Processing | Status::Cancelled => false,
    };
    let lasting = original.error.as_ref().map(|error| error.code).filter(|code| !code.retryable());
    match lasting {
        _ if !ended_badly => Err(refuse(ErrorCode::RetryNotAllowed).into()),
        _ if original.retry_count >= MAX_RETRIES => Err(refuse(ErrorCode::MaxRetryExceeded).into()),
        Some(code) if !force && original.status != Status::Completed => {
            let details =
                vec![Violation::new("error.code", Rule::NotRetryable { code: code.as_str() })];
            Err(Refusal { details, ..refuse(ErrorCode::RetryNotAllowed) }.into())
        }
        _ => Ok(original.retry_count + 1),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use shared::process::{ProcessError, ProcessType, UserId};

    use super::*;

    fn process(
        status: Status,
        error: Option<ErrorCode>,
        retry_count: i16,
        result: Option<Value>,
    ) -> Process {
        let now = "2026-11-22T00:00:00Z".parse().unwrap();
        Process {
            id: ProcessId("0193e4a0-0000-7000-8000-000000000001".parse().unwrap()),
            user_id: UserId("hanako".into()),
            process_type: ProcessType::SubgoalGeneration,
            status,
            target_id: "0193e4a0-0000-7000-8000-000000000002".parse().unwrap(),
            params: Value::Null,
            progress: 50,
            result,
            error: error.map(|code| ProcessError::new(code, "test")),
            retry_count,
            original_process_id: None,
            attempt: 1,
            execution_arn: None,
            cancel_reason: None,
            created_at: now,
            started_at: None,
            updated_at: now,
            completed_at: None,
        }
    }

    fn user() -> Caller {
        Caller::User(UserId("hanako".into()))
    }

    fn refused(judged: Result<i16, Problem>) -> Refusal {
        match judged {
            Err(Problem::Refused(refusal)) => *refusal,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_what_ended_badly_is_retried() {
        for status in Status::ALL {
            let judged = judge(&process(*status, None, 0, None), &user(), false);
            if matches!(status, Status::Failed | Status::Timeout) {
                assert_eq!(judged, Ok(1), "{status}");
            } else {
                let refusal = refused(judged);
                assert_eq!(
                    (refusal.code, refusal.current_status),
                    (ErrorCode::RetryNotAllowed, Some(*status))
                );
            }
        }
    }

    #[test]
    fn the_failed_part_of_what_completed_in_part_is_retried() {
        let partial = process(
            Status::Completed,
            None,
            1,
            Some(
                json!({"partial": true, "failedTargets": [{"targetId": "0193e4a0-0000-7000-8000-000000000003"}]}),
            ),
        );
        assert_eq!(judge(&partial, &user(), false), Ok(2));
        let whole = process(Status::Completed, None, 1, Some(json!({"subGoals": []})));
        assert_eq!(refused(judge(&whole, &user(), true)).code, ErrorCode::RetryNotAllowed);
    }

    #[test]
    fn a_chain_has_three_retries_also_for_an_operator() {
        for (count, allowed) in [(0, true), (2, true), (3, false), (4, false)] {
            for (caller, force) in [(user(), false), (Caller::Operator, true)] {
                let judged = judge(
                    &process(Status::Failed, Some(ErrorCode::AiError), count, None),
                    &caller,
                    force,
                );
                if allowed {
                    assert_eq!(judged, Ok(count + 1));
                } else {
                    let refusal = refused(judged);
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
            assert_eq!(judge(&failed, &Caller::Operator, true), Ok(1), "{code}");
            let judged = judge(&failed, &user(), false);
            if code.retryable() {
                assert_eq!(judged, Ok(1), "{code}");
            } else {
                let refusal = refused(judged);
                assert_eq!(
                    (refusal.code, refusal.details[0].rule.clone()),
                    (ErrorCode::RetryNotAllowed, Rule::NotRetryable { code: code.as_str() })
                );
            }
        }
    }

    #[test]
    fn another_users_process_is_forbidden_before_anything_is_told() {
        let refusal = refused(judge(
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
    fn only_an_operator_can_force() {
        let operator = |payload| read_force(&Call::read(payload).unwrap());
        assert_eq!(operator(json!({"processId": "x", "force": true})), Ok(true));
        assert_eq!(operator(json!({"processId": "x"})), Ok(false));
        assert_eq!(
            operator(json!({"processId": "x", "force": "yes"})).unwrap_err().details[0].field,
            "force"
        );
        let http = json!({
            "version": "2.0", "routeKey": "POST /api/ai/async/retry/{processId}", "rawPath": "/api/ai/async/retry/x", "rawQueryString": "",
            "headers": {}, "isBase64Encoded": false, "body": "{\"force\":true}",
            "requestContext": {"http": {"method": "POST", "path": "/", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "test"},
                "authorizer": {"jwt": {"claims": {"sub": "hanako"}, "scopes": null}}, "timeEpoch": 0},
        });
        assert_eq!(operator(http).unwrap_err().details[0].field, "force");
    }
}
